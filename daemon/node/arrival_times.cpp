#include "daemon/node/arrival_times.hpp"

#include <algorithm>

namespace hedgerow::node {

void ArrivalTimes::note(sync::Arrival latest, const WallTime& now) {
  if (latest <= latest_) return;
  const bool goes_on = !periods_.empty() && periods_.back().begin.quality == now.quality &&
                       now.unix_ms >= periods_.back().begin.unix_ms &&
                       now.unix_ms - periods_.back().begin.unix_ms < static_cast<std::uint64_t>(kPeriod.count());
  if (!goes_on) {
    if (periods_.size() == kPeriodsMax) periods_.pop_front();
    periods_.push_back({.first = latest_ + 1, .begin = now});
  }
  latest_ = latest;
}

std::optional<WallTime> ArrivalTimes::arrived(sync::Arrival arrival) const {
  if (arrival > latest_) return std::nullopt;
  const auto after = std::upper_bound(periods_.begin(), periods_.end(), arrival,
                                      [](sync::Arrival value, const Period& period) { return value < period.first; });
  if (after == periods_.begin()) return std::nullopt;
  return std::prev(after)->begin;
}

void ArrivalTimes::note_filled(const Arrivals& arrivals) {
  if (!filled_.empty() && filled_.back().last + 1 == arrivals.first) {
    filled_.back().last = arrivals.last;
    return;
  }
  if (filled_.size() == kFilledMax) filled_.erase(filled_.begin());
  filled_.push_back(arrivals);
}

bool ArrivalTimes::is_late(const sync::Stamp& stamp, sync::Arrival arrival, std::chrono::seconds late) const {
  const bool fills = std::any_of(filled_.begin(), filled_.end(), [arrival](const Arrivals& each) {
    return each.first <= arrival && arrival <= each.last;
  });
  if (fills) return late != std::chrono::seconds::max();
  if (stamp.quality != ClockQuality::kSynchronised) return false;
  const std::optional<WallTime> here = arrived(arrival);
  const std::uint64_t written_ms = stamp.written().unix_ms;
  if (!here || here->quality != ClockQuality::kSynchronised || here->unix_ms <= written_ms) return false;
  // Seconds begun: late × 1000 might not fit.
  const std::uint64_t old_s = (here->unix_ms - written_ms + 999) / 1'000;
  return late.count() >= 0 && old_s > static_cast<std::uint64_t>(late.count());
}

}  // namespace hedgerow::node
