#include "sync/clock/hlc.hpp"

#include <algorithm>
#include <limits>

#include "sync/limits.hpp"

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
  const std::uint64_t behind_ms = stamp.wall_ms - std::min(now.unix_ms, stamp.wall_ms);
  const bool tells = now.quality == ClockQuality::kSynchronised && behind_ms >= kStampBehindMinMs;
  stamp.behind_ms = tells ? behind_ms : 0;
  last_ = stamp;
  return stamp;
}

void Hlc::observe(const Stamp& seen) {
  if (seen > last_) last_ = seen;
}

}  // namespace hedgerow::sync
