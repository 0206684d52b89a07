// The command line of hedgerowd (DESIGN 4).
// Pure. Thread rule: free functions without state.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// Exit status of both programs.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;  // usage or configuration

enum class DaemonAction { kRun, kCheck, kLicenses, kVersion, kHelp };

struct DaemonArguments {
  DaemonAction action = DaemonAction::kRun;
  // Where the configuration comes from, for kRun and kCheck: `listen` with `data` if set, else the file.
  std::filesystem::path config_file{config::kDefaultConfigFile};
  std::optional<config::HostPort> listen;  // a loopback address
  std::filesystem::path data;              // set iff listen is
};

// Without the program's name. An error is a mistake of usage: exit status 2.
[[nodiscard]] Expected<DaemonArguments> parse_daemon_arguments(std::span<const std::string_view> arguments);

// From main's parameters to the above; drops the program's name.
[[nodiscard]] std::vector<std::string_view> arguments_of(int argc, const char* const* argv);

// What --help prints.
[[nodiscard]] std::string_view daemon_help();

}  // namespace hedgerow::cli
