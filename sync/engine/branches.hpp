// What ReplicaState::lineage means: roots, runs, and where branches part (G5). sync/log/lineage.hpp has the words.
//
// Replicas of one root are paths of one tree of ops. A path ends where a branch begins that it leads to: beyond that
// number nobody has anything under its name.
//
// Pure. Thread rule: free functions.
#pragma once

#include <cstddef>
#include <vector>

#include "sync/engine/storage.hpp"

namespace hedgerow::sync {

[[nodiscard]] inline ReplicaId root_of(const ReplicaState& state) {
  return state.lineage == nullptr ? state.replica : state.lineage->root;
}
[[nodiscard]] inline Seq base_of(const ReplicaState& state) {
  return state.lineage == nullptr ? 0 : state.lineage->base;
}
[[nodiscard]] const std::vector<Run>& runs_of(const ReplicaState& state);
[[nodiscard]] inline bool is_branch(const ReplicaState& state) { return root_of(state) != state.replica; }

// The branch is known, none of its ops is held: its base has a hash that this node may not know.
[[nodiscard]] inline bool is_untold_base(const ReplicaState& state) {
  return is_branch(state) && state.seq == base_of(state) && state.seq > 0 && state.head == Hash256{};
}
// Two chains of one replica end with another op each. Where a name ends, who trimmed what comes next may not know the
// hash: zeros contradict nothing.
[[nodiscard]] inline bool have_other_heads(const ReplicaState& a, const ReplicaState& b) {
  return a.seq == b.seq && a.head != b.head && a.head != Hash256{} && b.head != Hash256{};
}
// The hash of the last op that is held is not known everywhere: some trimmed it.
[[nodiscard]] inline bool is_head_untold(const ReplicaState& state) {
  return state.seq == state.end || (is_branch(state) && state.seq == base_of(state));
}

// Does nothing where the list is full.
void add_run(ReplicaState& state, const Run& run);

// Sets `end` of each. REQUIRES: ordered by replica
void set_ends(std::vector<ReplicaState>& states);

// How far the path is known: what is held, and the first op of a branch.
[[nodiscard]] KnownPath path_of(const ReplicaState& state);

// Where `path` ends, since the branch `other` begins there or it has parted from it: kSeqMax if neither is so.
[[nodiscard]] Seq end_at(const ReplicaState& path, const ReplicaState& other);

// True iff what leads to the branch is held: its ops come after that, in the order in which they were written.
[[nodiscard]] bool is_stem_held(const std::vector<ReplicaState>& ours, const ReplicaState& branch);

// True iff the path, one that we hold or would hold, goes beyond where it ends.
[[nodiscard]] bool goes_astray(const std::vector<ReplicaState>& ours, const ReplicaState& path);

// True iff what a peer calls one name is not, or not only, what we call so.
[[nodiscard]] bool have_parted(const std::vector<ReplicaState>& ours, const std::vector<ReplicaState>& theirs);

// Replicas whose chains end with another op here than there, though their runs are the same: a process that was copied
// while it ran, or ops from before there were runs. Nobody can tell where those parted; at most `count_max` of them.
[[nodiscard]] std::vector<ReplicaId> unexplained_forks(const std::vector<ReplicaState>& ours,
                                                       const std::vector<ReplicaState>& theirs, std::size_t count_max);

}  // namespace hedgerow::sync
