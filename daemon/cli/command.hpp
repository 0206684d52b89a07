// The command line of `hedgerow` (DESIGN 4).
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/argument_reader.hpp"
#include "daemon/cli/exit_status.hpp"
#include "security/identity/host_address.hpp"
#include "security/identity/identity.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

enum class Verb {
  kChannelApply,
  kChannelList,
  kGaps,
  kGet,
  kHelp,
  kHistory,
  kMeshInit,
  kNodeAdd,
  kNodeList,
  kNodeRemove,
  kReload,
  kSet,
  kStatus,
  kThingAdd,
  kThingList,
  kThingRevoke,
  kUserAdd,
  kUserList,
  kUserRemove,
  kVersion,
  kWatch,
};

struct Command {
  Verb verb = Verb::kHelp;
  std::filesystem::path data{};
  std::string name{};                              // of the mesh, the node, the user or the thing
  security::Role role = security::Role::kNode;     // kNodeAdd: what its certificate says
  std::vector<security::HostAddress> addresses{};  // kNodeAdd: beside its name; at most kHostAddressesMax
  std::filesystem::path out{};                     // kNodeAdd: where the node's identity goes; never empty
  std::filesystem::path password_file{};           // kUserAdd; empty: standard input
  std::filesystem::path file{};                    // kChannelApply
  std::string topic{};                             // a topic or a filter; kGaps: empty for everything
  std::optional<std::string> value{};              // kSet; nothing: standard input
  bool hex = false;                                // kThingAdd: as one line of digits
  bool deletes = false;                            // kSet: the retained message
  bool retain = true;                              // kSet
  std::string since{};                             // kHistory: a duration or a time; empty: all that is kept
  std::optional<std::uint64_t> most{};             // kHistory: the newest so many; kWatch: ends after so many
  bool json = false;                               // of every verb that shows something
};

// From arguments_of(). `data_from_environment` is HEDGEROW_DATA, if set. An error is a mistake of usage: exit status 2;
// of category kNotInVersion for a verb that a later version brings.
[[nodiscard]] Expected<Command> parse_command(std::span<const std::string_view> arguments,
                                              std::optional<std::string_view> data_from_environment);

// What --help prints.
[[nodiscard]] std::string_view command_help();

}  // namespace hedgerow::cli
