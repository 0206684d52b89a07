// Does what a command line of `hedgerow` asks.
// Thread rule: one call at a time; it blocks on files and on the daemon.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// The text for standard output. An error is one sentence, or several, for standard error: exit status 1.
[[nodiscard]] Expected<std::string> run_command(const Command& command);

}  // namespace hedgerow::cli
