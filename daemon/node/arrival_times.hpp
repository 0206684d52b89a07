// ArrivalTimes: roughly when recent messages were committed here, so that `late` can tell those that took long to come
// from those that wait here for a slow client. DESIGN 1.
//
// It remembers periods: the first arrival number of each, and the wall clock then. A period takes in what is committed
// within kPeriod of its begin, so the time that it tells is at most so much too early, never too late: what is called
// late is late.
// Pure. Thread-compatible: owned by the loop thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "sync/base/time.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

// Arrival numbers that follow each other; 0: none.
struct Arrivals {
  sync::Arrival first = 0;
  sync::Arrival last = 0;
};

class ArrivalTimes {
 public:
  static constexpr std::chrono::milliseconds kPeriod{5'000};
  static constexpr std::size_t kPeriodsMax = 1'024;  // G6; 85 minutes at the least
  static constexpr std::size_t kFilledMax = 1'024;   // G6; those that follow each other count as one

  // `latest`: the last arrival before the first note(). When it and those before it came is not known.
  explicit ArrivalTimes(sync::Arrival latest) : latest_(latest) {}

  // Everything after the last call, up to `latest`, was committed now.
  void note(sync::Arrival latest, const WallTime& now);

  // When it was committed. None: before the start, or too long ago.
  [[nodiscard]] std::optional<WallTime> arrived(sync::Arrival arrival) const;
  // Of what was noted: these fill gaps (TurnResult::filled), so they came after what was written later.
  void note_filled(const Arrivals& arrivals);

  // Was the op older than `late` when it was committed here? False where that is not known, and where one of the two
  // clocks was not synchronised (G10). What fills a gap is late whatever its age, since it comes out of its order.
  // seconds::max(): never.
  [[nodiscard]] bool is_late(const sync::Stamp& stamp, sync::Arrival arrival, std::chrono::seconds late) const;

 private:
  struct Period {
    sync::Arrival first = 0;
    WallTime begin;
  };
  std::deque<Period> periods_;
  std::vector<Arrivals> filled_;  // ascending, the newest
  sync::Arrival latest_;
};

}  // namespace hedgerow::node
