// The command line of hedgerowd (DESIGN 4): arguments_of() main's parameters, then parse_daemon_arguments().
// Pure. Thread rule: free functions without state.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "daemon/cli/argument_reader.hpp"
#include "daemon/cli/exit_status.hpp"
#include "daemon/config/config.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

enum class DaemonAction { kRun, kCheck, kLicenses, kVersion, kHelp };

struct DaemonArguments {
  DaemonAction action = DaemonAction::kRun;
  // Where the configuration comes from, for kRun and kCheck: `listen` with `data` if set, else the file.
  std::filesystem::path config_file{config::kDefaultConfigFile};
  std::optional<config::HostPort> listen;      // a loopback address
  std::filesystem::path data;                  // set iff listen is
  std::optional<config::HostPort> things_udp;  // likewise a loopback address, with listen only
};

// From arguments_of(). An error is a mistake of usage: exit status 2.
[[nodiscard]] Expected<DaemonArguments> parse_daemon_arguments(std::span<const std::string_view> arguments);

// What --help prints.
[[nodiscard]] std::string_view daemon_help();

}  // namespace hedgerow::cli
