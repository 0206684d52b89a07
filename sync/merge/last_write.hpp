// merge: last-write. Of two writes to one cell the greater wins, wherever and in whatever order they meet: a maximum
// over a total order is associative, commutative and idempotent, so cells converge (G3) and an overwritten value cannot
// return (G4). DESIGN 1 and 2. Pure. Thread rule: free function.
#pragma once

#include <optional>

#include "sync/log/op.hpp"

namespace hedgerow::sync {

// True iff `write` takes the cell that `held` holds. The write that is held already does not take it again.
[[nodiscard]] inline bool wins(const WriteOrder& write, const std::optional<WriteOrder>& held) {
  return !held || write > *held;
}

}  // namespace hedgerow::sync
