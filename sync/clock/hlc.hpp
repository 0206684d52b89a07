// Hlc, the hybrid logical clock: gives every op of this node a stamp that lies after everything it has seen (G10).
// Close to the wall clock while that is right; when the wall clock is behind (a board without battery after a power
// cut), the stamps go on counting from the last one.
// (Kulkarni, Demirbas et al.: Logical Physical Clocks, OPODIS 2014)
//
// Pure. Thread rule: owned by the store thread.
#pragma once

#include "sync/base/time.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

class Hlc {
 public:
  // Goes on after `last`: the greatest stamp that this database has committed.
  explicit Hlc(Stamp last) : last_(last) {}

  // Greater than every stamp given or observed before; its quality is that of `now`, and it says how far `now` is
  // behind. A full counter carries into the milliseconds.
  [[nodiscard]] Stamp next(const WallTime& now);

  // A stamp of another replica: the next one lies after it.
  void observe(const Stamp& seen);

  [[nodiscard]] Stamp last() const { return last_; }

 private:
  Stamp last_;
};

}  // namespace hedgerow::sync
