// The two clocks, as values: cores are given times and never read a clock.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace hedgerow {

struct MonotonicTag {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonotonicTag>;
  static constexpr bool is_steady = true;
};

// A moment on this process's monotonic clock. Only differences mean something.
using Instant = MonotonicTag::time_point;
using Duration = std::chrono::nanoseconds;

// How far the wall clock can be believed. Ordered: higher is better. Recorded with every op; the values are on disk and
// on the wire.
enum class ClockQuality : std::uint8_t {
  kUnsynchronised = 0,  // the kernel says the clock was never set, or it lies before the build date
  kSynchronised = 1,    // a time service disciplines it, or did lately (sync/clock/trusted_time.hpp)
};

// What the wall clock said: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored.
struct WallTime {
  std::uint64_t unix_ms = 0;
  ClockQuality quality = ClockQuality::kUnsynchronised;
  auto operator<=>(const WallTime&) const = default;
};

}  // namespace hedgerow
