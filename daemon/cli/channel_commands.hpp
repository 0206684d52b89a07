// hedgerow channel apply and list: the definitions of channels that the whole mesh shares.
// Thread rule: free functions without state; they block on the disk and on the daemon.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// What changed, a line each; nothing where nothing did. An error of the file names file, line and key.
[[nodiscard]] Expected<std::string> channel_apply(const Command& command);
[[nodiscard]] Expected<std::string> channel_list(const Command& command);

}  // namespace hedgerow::cli
