// How far a wall clock can be believed (G10).
//
// A floor is a moment that has certainly passed: when this program was built, and what the process has counted since it
// began; never what this board's clock or a peer says. The machine that builds must know the month. A clock that stands
// before it, or so far beyond it that it cannot be right, tells nothing: then the node stamps as one without a clock,
// after what it has seen.
//
// A clock that a time service set goes on being right for a while when the service is gone. The kernel assumes that it
// drifts by 500 ppm at most, and calls it unsynchronised once that may be 16 s: after nine hours. A board whose uplink
// is down for a day would then stamp as one that has no clock, so the node holds over: for a week it goes on trusting a
// clock that has done nothing but drift since.
// Pure. Thread rule: thread-compatible.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "sync/base/time.hpp"

namespace hedgerow::sync {

// So long a program may run without newer evidence. Beyond that a right clock counts as one that was never set: the
// mesh goes on as one without clocks does, and says so.
inline constexpr std::chrono::milliseconds kBeyondFloorMax = std::chrono::hours(24) * 5 * 365;

[[nodiscard]] constexpr bool is_beyond_trust(std::uint64_t unix_ms, std::uint64_t floor_ms) {
  return unix_ms > floor_ms && unix_ms - floor_ms > static_cast<std::uint64_t>(kBeyondFloorMax.count());
}

// What is made of what the clock said. Where it cannot be right, it is at least the floor, and nobody knows how much
// later.
[[nodiscard]] constexpr WallTime believed(const WallTime& said, std::uint64_t floor_ms) {
  if (said.unix_ms >= floor_ms && !is_beyond_trust(said.unix_ms, floor_ms)) return said;
  return {.unix_ms = floor_ms, .quality = ClockQuality::kUnsynchronised};
}

// How long a clock is trusted that no time service disciplines any more: it may be wrong by five minutes then.
inline constexpr std::chrono::milliseconds kHoldoverMax = std::chrono::hours(24) * 7;
inline constexpr std::int64_t kDriftPpmMax = 500;               // MAXFREQ of the kernel
inline constexpr std::chrono::milliseconds kDriftSlack{1'000};  // the two clocks are not read in one moment

// One process's wall clock, as far as it can be believed.
class TrustedTime {
 public:
  // `built_ms`: the floor at the start, as unix_ms.
  explicit TrustedTime(std::uint64_t built_ms) : built_ms_(built_ms) {}

  // What is made of what the clock said at `now`. The first call is the start. REQUIRES: `now` does not go back.
  [[nodiscard]] WallTime believe(const WallTime& said, Instant now);

  // The clock did more than drift since a time service disciplined it last: somebody may have set it, and what was
  // known of its quality before says nothing.
  [[nodiscard]] bool has_jumped(std::uint64_t unix_ms, Instant now) const {
    return held_.has_value() && !only_drifted(unix_ms, now);
  }

 private:
  struct Held {
    std::uint64_t unix_ms = 0;
    Instant at;
  };
  [[nodiscard]] bool only_drifted(std::uint64_t unix_ms, Instant now) const;

  std::uint64_t built_ms_;
  std::optional<Instant> started_;
  std::optional<Held> held_;  // when a time service disciplined it last
};

}  // namespace hedgerow::sync
