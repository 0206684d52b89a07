// A board's clock: wrong by an offset, drifting, or without any idea of the time since its start.
// Thread rule: one simulation, one thread. Ownership: the scheduler must outlive it.
#pragma once

#include <cstdint>
#include <optional>

#include "sync/base/time.hpp"
#include "tests/sim/scheduler.hpp"

namespace hedgerow::sim {

class BoardClock {
 public:
  explicit BoardClock(Scheduler& scheduler) : scheduler_(scheduler), set_at_(scheduler.now()) {}

  void set(Duration offset, ClockQuality quality);
  // It gains so much in each second from set() on, or loses it.
  void set_drift(int per_mille) { drift_per_mille_ = per_mille; }
  // It boots in 1970, and hears the time so long after, or never.
  void forget(std::optional<Duration> learns_after);

  // What the node makes of what the clock says, as the daemon does.
  [[nodiscard]] WallTime now() const;
  // What every clock should say, in milliseconds since 1970.
  [[nodiscard]] std::uint64_t true_ms() const;

 private:
  [[nodiscard]] WallTime said() const;

  Scheduler& scheduler_;
  Duration offset_{};
  Instant set_at_;
  int drift_per_mille_ = 0;
  Instant in_1970_since_ = Instant::max();
  ClockQuality quality_ = ClockQuality::kSynchronised;
};

// Not before 1970.
[[nodiscard]] std::uint64_t in_ms(Duration duration);

}  // namespace hedgerow::sim
