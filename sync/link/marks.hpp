// Arithmetic on frontiers that are learned piece by piece.
// Pure. Thread rule: plain values.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

// Raises one replica's mark; never lowers it. Returns true iff it rose.
inline bool raise(Frontier& marks, ReplicaId replica, Seq seq) {
  const auto at = std::lower_bound(marks.begin(), marks.end(), replica,
                                   [](const FrontierEntry& entry, ReplicaId wanted) { return entry.replica < wanted; });
  if (at == marks.end() || at->replica != replica) {
    marks.insert(at, {.replica = replica, .seq = seq});
    return true;
  }
  if (at->seq >= seq) return false;
  at->seq = seq;
  return true;
}

// The greater mark of each replica.
inline void join(Frontier& marks, const Frontier& more) {
  std::size_t at = 0;
  for (const auto& entry : more) {
    while (at < marks.size() && marks[at].replica < entry.replica) ++at;
    if (at < marks.size() && marks[at].replica == entry.replica) {
      marks[at].seq = std::max(marks[at].seq, entry.seq);
    } else {
      raise(marks, entry.replica, entry.seq);
    }
  }
}

template <class Whole, class Part>
[[nodiscard]] bool covers(const Whole& whole, const Part& part) {
  SeqWalk walk(whole);
  return std::all_of(part.begin(), part.end(), [&walk](const auto& entry) {
    return entry.seq <= walk.seq_in(entry.replica) && walk.lists(entry.replica);
  });
}

// The marks of `all` that lie above `known`, or are not listed there.
[[nodiscard]] inline Frontier above(const Frontier& all, const Frontier& known) {
  Frontier out;
  SeqWalk walk(known);
  for (const FrontierEntry& entry : all) {
    if (entry.seq > walk.seq_in(entry.replica) || !walk.lists(entry.replica)) out.push_back(entry);
  }
  return out;
}

}  // namespace hedgerow::sync
