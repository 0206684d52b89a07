// hedgerow user add|remove|list: who may log in with a password on this board.
// Thread rule: one call at a time; they block on files, on the daemon, and user_add() on whoever types the password.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// Each answers with the text for standard output. After a change the daemon, if one runs, has been told; that it could
// not be told is an error, which says that the change is on the disk nevertheless.
[[nodiscard]] Expected<std::string> user_add(const Command& command);
[[nodiscard]] Expected<std::string> user_remove(const Command& command);
[[nodiscard]] Expected<std::string> user_list(const Command& command);

}  // namespace hedgerow::cli
