#include "sync/clock/hlc.hpp"

#include <limits>

namespace hedgerow::sync {

Stamp Hlc::next(const WallTime& now) {
  Stamp stamp = last_;
  if (now.unix_ms > last_.wall_ms) {
    stamp.wall_ms = now.unix_ms;
    stamp.counter = 0;
  } else if (last_.counter == std::numeric_limits<decltype(last_.counter)>::max()) {
    ++stamp.wall_ms;
    stamp.counter = 0;
  } else {
    ++stamp.counter;
  }
  stamp.quality = now.quality;
  last_ = stamp;
  return stamp;
}

void Hlc::observe(const Stamp& seen) {
  if (seen > last_) last_ = seen;
}

}  // namespace hedgerow::sync
