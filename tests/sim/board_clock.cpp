#include "tests/sim/board_clock.hpp"

#include <algorithm>
#include <chrono>

#include "sync/clock/trusted_time.hpp"

namespace hedgerow::sim {
namespace {

// 2026-01-01, plus what the simulation has lived.
constexpr std::uint64_t kWallStartMs = 1'767'225'600'000;
// The program was built 200 days before.
constexpr std::uint64_t kFloorMs = kWallStartMs - std::uint64_t{200} * 24 * 3600 * 1000;

}  // namespace

std::uint64_t in_ms(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0));
}

std::uint64_t BoardClock::true_ms() const { return kWallStartMs + in_ms(scheduler_.now().time_since_epoch()); }

WallTime BoardClock::now() const { return sync::believed(said(), kFloorMs); }

WallTime BoardClock::said() const {
  if (in_1970_since_ != Instant::max()) {
    return {.unix_ms = in_ms(scheduler_.now() - in_1970_since_), .quality = ClockQuality::kUnsynchronised};
  }
  const Duration offset = offset_ + (scheduler_.now() - set_at_) / 1000 * drift_per_mille_;
  // Less than it began with, where the clock is behind.
  const auto lived =
      std::chrono::duration_cast<std::chrono::milliseconds>(scheduler_.now().time_since_epoch() + offset);
  return {.unix_ms = kWallStartMs + static_cast<std::uint64_t>(lived.count()), .quality = quality_};
}

void BoardClock::forget(std::optional<Duration> learns_after) {
  in_1970_since_ = scheduler_.now();
  if (!learns_after) return;
  scheduler_.after(*learns_after, [this, since = in_1970_since_] {
    if (in_1970_since_ == since) in_1970_since_ = Instant::max();
  });
}

void BoardClock::set(Duration offset, ClockQuality quality) {
  offset_ = offset;
  set_at_ = scheduler_.now();
  quality_ = quality;
}

}  // namespace hedgerow::sim
