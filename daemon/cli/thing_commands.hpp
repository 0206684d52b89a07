// hedgerow thing add|revoke|list: which microcontrollers have a key to speak to this board with.
// Thread rule: one call at a time; they block on files and on the daemon.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "daemon/cli/console.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// Each answers with the text for standard output; for thing_add() that is the key alone, as command.hex and
// command.json want it, so that it can go into a file, and all else goes to console.note. After a change the daemon, if
// one runs, has been told; that it could not be told is an error, which says that the change is on the disk
// nevertheless.
[[nodiscard]] Expected<std::string> thing_add(const Command& command, const Console& console);
[[nodiscard]] Expected<std::string> thing_revoke(const Command& command);
[[nodiscard]] Expected<std::string> thing_list(const Command& command);

}  // namespace hedgerow::cli
