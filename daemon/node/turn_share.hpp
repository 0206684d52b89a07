// What one turn of the store takes of the intents that wait, so that catching up never stands before what is asked
// here: a local publish waits for the turn that is under way, and that one applies no more than kTurnPeerBytes of
// peers. DESIGN 5. Pure. Thread rule: a free function.
#pragma once

#include <vector>

#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

// Takes out of `waiting` everything that is asked here, and the first of what came from peers until kTurnPeerBytes are
// passed, all in their order. What peers sent keeps its order among itself, and so does what is asked here; a
// BarrierIntent goes with the last of what was submitted before it.
[[nodiscard]] std::vector<Intent> take_turn(std::vector<Intent>& waiting);

}  // namespace hedgerow::node
