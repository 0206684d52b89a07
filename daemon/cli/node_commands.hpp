// hedgerow node list and node remove: the boards of the mesh, as the daemon on this one knows them.
// Thread rule: free functions without state; they block on the daemon.
#pragma once

#include <string>

#include "daemon/cli/command.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::cli {

[[nodiscard]] Expected<std::string> node_list(const Command& command);
[[nodiscard]] Expected<std::string> node_remove(const Command& command);

}  // namespace hedgerow::cli
