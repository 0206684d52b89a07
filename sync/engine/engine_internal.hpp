// Shared by the engine's own sources; nobody else includes it.
// Thread rule: free functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sync/engine/storage.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

// The replica's state in a list ordered by replica; added at 0 if it is new.
[[nodiscard]] inline ReplicaState& state_in(std::vector<ReplicaState>& states, ReplicaId replica) {
  auto found = std::lower_bound(states.begin(), states.end(), replica,
                                [](const ReplicaState& state, ReplicaId wanted) { return state.replica < wanted; });
  if (found == states.end() || found->replica != replica) {
    found = states.insert(found, ReplicaState{.replica = replica});
  }
  return *found;
}

// Null for a replica that is not in the list.
[[nodiscard]] inline const ReplicaState* find_in(const std::vector<ReplicaState>& states, ReplicaId replica) {
  const auto found =
      std::lower_bound(states.begin(), states.end(), replica,
                       [](const ReplicaState& state, ReplicaId wanted) { return state.replica < wanted; });
  return found != states.end() && found->replica == replica ? &*found : nullptr;
}

// SegmentRow::newest_wall_ms (G10), by the writer's own clock. No op is newer than its arrival; one that an untrusted
// clock stamped ages from its arrival; where there is no trusted clock on either side, its age is unknown.
[[nodiscard]] inline std::uint64_t age_base_ms(const WallTime& now, const WallTime& written) {
  const bool here = now.quality == ClockQuality::kSynchronised;
  const bool there = written.quality == ClockQuality::kSynchronised;
  if (here && there) return std::min(written.unix_ms, now.unix_ms);
  if (here) return now.unix_ms;
  return there ? written.unix_ms : kAgeUnknown;
}

// Of ops that become one row: of the last, or of one before it that its writer's clock says is newer.
[[nodiscard]] inline std::uint64_t age_base_ms(const WallTime& now, const std::vector<Op>& ops) {
  WallTime newest = ops.back().stamp.written();
  for (const Op& op : ops) {
    const WallTime written = op.stamp.written();
    if (written.quality == newest.quality) newest.unix_ms = std::max(newest.unix_ms, written.unix_ms);
  }
  return age_base_ms(now, newest);
}

}  // namespace hedgerow::sync
