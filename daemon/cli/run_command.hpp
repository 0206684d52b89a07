// Does what a command line of `hedgerow` asks.
// Thread rule: one call at a time; it blocks on files and on the daemon.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "daemon/cli/console.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// The text for standard output, but for what the command has written to the console itself. An error is one sentence,
// or several, for standard error: exit status 1.
[[nodiscard]] Expected<std::string> run_command(const Command& command, const Console& console = {});

}  // namespace hedgerow::cli
