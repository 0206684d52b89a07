#include "sync/engine/branches.hpp"

#include <algorithm>

#include "sync/engine/engine_internal.hpp"

namespace hedgerow::sync {

const std::vector<Run>& runs_of(const ReplicaState& state) {
  static const std::vector<Run> kNone;
  return state.lineage == nullptr ? kNone : state.lineage->runs;
}

void add_run(ReplicaState& state, const Run& run) {
  const bool known = !runs_of(state).empty() && runs_of(state).back().first >= run.first;
  if (known || runs_of(state).size() >= kRunsPerReplicaMax) return;
  auto next = std::make_shared<Lineage>(state.lineage == nullptr ? Lineage{.root = state.replica, .base = 0, .runs = {}}
                                                                 : *state.lineage);
  next->runs.push_back(run);
  state.lineage = std::move(next);
}

KnownPath path_of(const ReplicaState& state) {
  Seq known = state.seq;
  if (is_branch(state)) known = std::max(known, base_of(state) + 1);
  return {.runs = runs_of(state), .seq = known};
}

Seq end_at(const ReplicaState& path, const ReplicaState& other) {
  if (root_of(path) != root_of(other)) return kSeqMax;
  const KnownPath mine = path_of(path);
  const KnownPath theirs = path_of(other);
  const Seq base = base_of(path);
  const Seq common = common_part(mine, theirs);
  const bool is_root = !is_branch(path);
  // `other` begins as a branch of this path, which leads to its base.
  if (other.replica != path.replica && is_branch(other) &&
      (base_of(other) > base || (is_root && base_of(other) == 0)) && common >= std::min(mine.seq, base_of(other))) {
    return base_of(other);
  }
  // Both go on where they part, in what bears this path's name.
  if (common < mine.seq && common < theirs.seq && (common > base || (is_root && common == 0))) return common;
  return kSeqMax;
}

bool is_stem_held(const std::vector<ReplicaState>& ours, const ReplicaState& branch) {
  return std::none_of(ours.begin(), ours.end(), [&branch](const ReplicaState& stem) {
    return stem.replica != branch.replica && stem.seq < base_of(branch) && stem.end == base_of(branch) &&
           end_at(stem, branch) == base_of(branch);
  });
}

bool goes_astray(const std::vector<ReplicaState>& ours, const ReplicaState& path) {
  return std::any_of(ours.begin(), ours.end(), [&path](const ReplicaState& branch) {
    return is_branch(branch) && branch.replica != path.replica && end_at(path, branch) < path.seq;
  });
}

void set_ends(std::vector<ReplicaState>& states) {
  for (ReplicaState& state : states) state.end = kSeqMax;
  for (const ReplicaState& branch : states) {
    if (!is_branch(branch)) continue;
    for (ReplicaState& state : states) {
      if (&state != &branch) state.end = std::min(state.end, end_at(state, branch));
    }
  }
}

bool have_parted(const std::vector<ReplicaState>& ours, const std::vector<ReplicaState>& theirs) {
  return std::any_of(theirs.begin(), theirs.end(), [&](const ReplicaState& their) {
    const ReplicaState* own = find_in(ours, their.replica);
    if (own == nullptr && is_branch(their)) return true;
    if (own != nullptr && (their.seq > own->end || end_at(*own, their) < own->seq)) return true;
    return goes_astray(ours, their);
  });
}

std::vector<ReplicaId> unexplained_forks(const std::vector<ReplicaState>& ours, const std::vector<ReplicaState>& theirs,
                                         std::size_t count_max) {
  std::vector<ReplicaId> out;
  for (const ReplicaState& their : theirs) {
    const ReplicaState* own = find_in(ours, their.replica);
    if (own == nullptr || !have_other_heads(*own, their) || have_parted(ours, {their})) continue;
    if (out.size() == count_max) break;
    out.push_back(their.replica);
  }
  return out;
}

}  // namespace hedgerow::sync
