#include "sync/clock/trusted_time.hpp"

namespace hedgerow::sync {

namespace {

std::int64_t in_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

WallTime TrustedTime::believe(const WallTime& said, Instant now) {
  if (!started_) started_ = now;
  // What has passed since the start has passed for certain: so time goes on, also where the clock is not believed.
  WallTime time = believed(said, built_ms_ + static_cast<std::uint64_t>(in_ms(now - *started_)));
  if (time.quality == ClockQuality::kSynchronised) {
    held_ = {.unix_ms = time.unix_ms, .at = now};
  } else if (time.unix_ms == said.unix_ms && only_drifted(time.unix_ms, now)) {
    time.quality = ClockQuality::kSynchronised;
  }
  return time;
}

bool TrustedTime::only_drifted(std::uint64_t unix_ms, Instant now) const {
  if (!held_ || now - held_->at > kHoldoverMax) return false;
  const std::int64_t passed = in_ms(now - held_->at);
  const std::int64_t drift_max = kDriftSlack.count() + passed * kDriftPpmMax / 1'000'000;
  const std::int64_t off = static_cast<std::int64_t>(unix_ms - held_->unix_ms) - passed;
  return off >= -drift_max && off <= drift_max;
}

}  // namespace hedgerow::sync
