// What of a peer's frontier may be asked for.
// Pure. Thread rule: a free function.
#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "sync/engine/storage.hpp"
#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

// visit(replica, last) for each mark of `confirmed`, which is what a peer said it holds, in its order: but for the
// replicas that are `refused` from it (null: none), and no further than the end of a name in `states`, which are ours:
// what lies beyond has other names, which the peer will hear of.
template <class Visit>
void each_wanted(const Frontier& confirmed, const std::vector<ReplicaState>& states, const std::set<ReplicaId>* refused,
                 Visit visit) {
  auto state = states.begin();
  for (const FrontierEntry& entry : confirmed) {
    if (refused != nullptr && refused->contains(entry.replica)) continue;
    while (state != states.end() && state->replica < entry.replica) ++state;
    const bool known = state != states.end() && state->replica == entry.replica;
    visit(entry.replica, known ? std::min(entry.seq, state->end) : entry.seq);
  }
}

}  // namespace hedgerow::sync
