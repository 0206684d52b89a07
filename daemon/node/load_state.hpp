// What a node starts from: what the engine and the session store have on disk.
// Thread rule: before the store thread starts.
#pragma once

#include "daemon/node/node.hpp"

namespace hedgerow::node {

// Wills whose connections died with the node are stamped, durably: another restart does not begin their delay anew.
// `engine` is open.
[[nodiscard]] Expected<NodeState> load_state(sync::Engine& engine, SessionStore& sessions, const WallTime& now);

}  // namespace hedgerow::node
