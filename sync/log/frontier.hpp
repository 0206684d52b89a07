// The frontier as peers exchange it: per replica, the highest sequence number up to which a node holds everything that
// still matters. DESIGN 2.
// Pure. Thread rule: plain values.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "sync/log/op.hpp"

namespace hedgerow::sync {

struct FrontierEntry {
  ReplicaId replica{};
  Seq seq = 0;
  bool operator==(const FrontierEntry&) const = default;
};

// Ordered by replica, each at most once. Replicas that are not listed stand at 0; a branch of which nothing is held yet
// is listed, where its base is 0 with 0: so it is known who has heard of it.
using Frontier = std::vector<FrontierEntry>;

// Works for anything ordered by `replica` that has a `seq`: Frontier and std::vector<ReplicaState>.
template <class Entries>
[[nodiscard]] Seq seq_in(const Entries& entries, ReplicaId replica) {
  const auto found = std::lower_bound(entries.begin(), entries.end(), replica,
                                      [](const auto& entry, ReplicaId wanted) { return entry.replica < wanted; });
  return found != entries.end() && found->replica == replica ? found->seq : 0;
}

[[nodiscard]] inline bool lists(const Frontier& frontier, ReplicaId replica) {
  const auto found =
      std::lower_bound(frontier.begin(), frontier.end(), replica,
                       [](const FrontierEntry& entry, ReplicaId wanted) { return entry.replica < wanted; });
  return found != frontier.end() && found->replica == replica;
}

template <class States>
[[nodiscard]] Frontier frontier_of(const States& states) {
  Frontier out;
  out.reserve(states.size());
  for (const auto& state : states) {
    if (state.seq > 0 || (state.lineage != nullptr && state.lineage->root != state.replica))
      out.push_back({.replica = state.replica, .seq = state.seq});
  }
  return out;
}

// True iff the entries are ordered by replica, each at most once: what a decoder must check.
template <class Entries>
[[nodiscard]] bool is_ordered_by_replica(const Entries& entries) {
  return std::adjacent_find(entries.begin(), entries.end(),
                            [](const auto& a, const auto& b) { return !(a.replica < b.replica); }) == entries.end();
}

// seq_in() of many replicas, asked in rising order: two frontiers of the same replicas are compared in one walk.
// The entries must outlive it and stay as they are.
template <class Entries>
class SeqWalk {
 public:
  explicit SeqWalk(const Entries& entries) : at_(entries.begin()), end_(entries.end()) {}
  // REQUIRES: no lower than the last.
  [[nodiscard]] Seq seq_in(ReplicaId replica) {
    if (at_ != end_ && at_->replica < replica && ++at_ != end_ && at_->replica < replica) {
      at_ = std::lower_bound(at_, end_, replica,
                             [](const auto& entry, ReplicaId wanted) { return entry.replica < wanted; });
    }
    return at_ != end_ && at_->replica == replica ? at_->seq : 0;
  }
  // REQUIRES: seq_in(replica) was asked last.
  [[nodiscard]] bool lists(ReplicaId replica) const { return at_ != end_ && at_->replica == replica; }

 private:
  typename Entries::const_iterator at_;
  typename Entries::const_iterator end_;
};

// Ops that `ahead` counts and `behind` does not.
template <class Ahead, class Behind>
[[nodiscard]] std::uint64_t ops_missing(const Ahead& ahead, const Behind& behind) {
  std::uint64_t missing = 0;
  SeqWalk walk(behind);
  for (const auto& entry : ahead) {
    const Seq theirs = walk.seq_in(entry.replica);
    if (entry.seq > theirs) missing += entry.seq - theirs;
  }
  return missing;
}

}  // namespace hedgerow::sync
