// How far a wall clock can be believed (G10).
//
// A floor is a moment that has certainly passed: when this program was built, and what the process has counted since it
// began; never what this board's clock or a peer says. The machine that builds must know the month. A clock that stands
// before it, or so far beyond it that it cannot be right, tells nothing: then the node stamps as one without a clock,
// after what it has seen. Pure. Thread rule: plain values.
#pragma once

#include <chrono>
#include <cstdint>

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

}  // namespace hedgerow::sync
