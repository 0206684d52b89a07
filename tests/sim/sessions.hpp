// A mesh of boards with clients: what DESIGN 1 promises each session, whatever breaks. No gap at QoS 1, exactly once at
// QoS 2 while client and session stay on one node, first copies in each publisher's order, few copies; and the same
// retained messages everywhere.
// Thread rule: one simulation, one thread.
#pragma once

#include "tests/sim/simulation.hpp"

namespace hedgerow::sim {

// Of Outcome: `ops` are publishes, `deliveries` what clients were given.
[[nodiscard]] Outcome simulate_sessions(const Options& options);

}  // namespace hedgerow::sim
