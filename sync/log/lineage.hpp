// The lineage: how a replica's ops go back to the chain that they were written in. DESIGN 3, G5.
//
// A run is what one opening of a database wrote under one name. Its first op bears its mark (Op::run), a number drawn
// at random: copies of one image without a clock may well write the same at first. Two databases that write under one
// name are two runs, so their lists of runs tell where they parted, long after the ops themselves were trimmed:
//
//   runs of one     [1 a] [9 b]           wrote 1 to 30
//   of the other    [1 a] [9 b] [21 c]    wrote 1 to 40: they share 1 to 20, and part there
//
// From there on each branch has a name of its own: branch_name() of its first op. It depends on nothing but that op, so
// all nodes agree on it, in whatever order they hear of forks. Numbers and hashes stay: a branch goes on counting where
// it parted, and is hashed under the name it was written with, its root.
//
// Pure. Thread rule: plain values and free functions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sync/base/hasher.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

struct Run {
  Seq first = 0;
  std::uint64_t mark = 0;
  bool operator==(const Run&) const = default;
};

struct Lineage {
  ReplicaId root{};
  Seq base = 0;           // its first op is base + 1; 0 but for a branch
  std::vector<Run> runs;  // of all its ops from the root's first on; ascending, at most kRunsPerReplicaMax
  bool operator==(const Lineage&) const = default;
};
using LineagePtr = std::shared_ptr<const Lineage>;

// How far a path of ops is known.
struct KnownPath {
  const std::vector<Run>& runs;
  Seq seq = 0;
};
// Up to which number two paths of one root are the same, as far as both are known.
[[nodiscard]] Seq common_part(const KnownPath& a, const KnownPath& b);

// An order of the paths of one root in which they part wherever any two of them do: of those that part from one another
// behind op n, some stand next to each other, and so does each branch that begins there. That of texts whose n-th
// letter is the run that wrote op n.
[[nodiscard]] bool precedes(const KnownPath& a, const KnownPath& b);

// Of the run that wrote op `seq`; 0 where the list does not say.
[[nodiscard]] std::uint64_t mark_at(const std::vector<Run>& runs, Seq seq);

// The name of the branch whose first op is `first`, of the run with `mark`. It begins like its root's, so that of two
// writes with one stamp the same one wins before and after the fork was seen.
//
//   name = the upper 32 bits of root, the first 32 of SHA-256("hedgerow branch 1" root:u64 first:u64 mark:u64)
[[nodiscard]] ReplicaId branch_name(Hasher& hasher, ReplicaId root, Run first);

}  // namespace hedgerow::sync
