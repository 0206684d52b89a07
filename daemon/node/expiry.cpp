#include "daemon/node/expiry.hpp"

#include <algorithm>
#include <iterator>

namespace hedgerow::node {

namespace {

std::uint64_t in_ms(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

std::uint64_t since(std::uint64_t wall_ms, const WallTime& now) {
  return now.unix_ms > wall_ms ? now.unix_ms - wall_ms : 0;
}

bool is_synchronised(ClockQuality quality) { return quality == ClockQuality::kSynchronised; }

Expiry after(std::uint32_t expiry_s, std::uint64_t age_ms) {
  const std::uint64_t age_s = age_ms / 1000;
  if (age_s >= expiry_s) return {.state = Expiry::State::kExpired, .left_s = 0};  // [MQTT-3.3.2-5]
  return {.left_s = static_cast<std::uint32_t>(expiry_s - age_s)};
}

}  // namespace

void MessageAges::note(sync::Arrival latest, Instant now) {
  if (latest <= latest_) return;
  if (periods_.empty() || now - periods_.back().begin >= kPeriod) {
    // Of the older half every other one is given up: what is old is known less exactly.
    if (periods_.size() == kPeriodsMax) {
      for (std::size_t kept = 1; kept < kPeriodsMax / 4; ++kept) periods_[kept] = periods_[2 * kept];
      periods_.erase(periods_.begin() + kPeriodsMax / 4, periods_.begin() + kPeriodsMax / 2);
    }
    periods_.push_back({.first = latest_ + 1, .begin = now});
  }
  latest_ = latest;
}

std::optional<MessageAges::Bounds> MessageAges::since_arrival(sync::Arrival arrival, Instant now) const {
  if (arrival <= began_) return std::nullopt;
  if (arrival > latest_) return Bounds{};  // committed, and not told yet
  const auto next = std::upper_bound(periods_.begin(), periods_.end(), arrival,
                                     [](sync::Arrival value, const Period& period) { return value < period.first; });
  const auto passed = [&](const Period& period) { return std::max(now - period.begin, Duration{0}); };
  return Bounds{.min = next == periods_.end() ? Duration{0} : passed(*next), .max = passed(*std::prev(next))};
}

Expiry MessageAges::expiry_of(const sync::Message& message, const sync::Stamp& stamp, sync::ReplicaId replica,
                              sync::Arrival arrival, const Moment& moment) const {
  if (!message.expiry_s) return {};
  const bool knows_now = is_synchronised(moment.wall.quality);
  const bool knows_then = is_synchronised(stamp.quality);
  const std::uint64_t by_stamp = since(stamp.wall_ms, moment.wall);
  const bool is_ahead = stamp.wall_ms > moment.wall.unix_ms + static_cast<std::uint64_t>(kClocksDifferMax.count());
  if (knows_now && knows_then && !is_ahead) return after(*message.expiry_s, by_stamp);

  const std::optional<Bounds> here = since_arrival(arrival, moment.now);
  if (here && replica == self_) {
    // Where no clock was set meanwhile, the stamp tells of a will for how long it waited to be published.
    const bool counts_on = !knows_now && !knows_then;
    return after(*message.expiry_s, std::max(in_ms(here->max), counts_on ? by_stamp : 0));
  }
  if (here && in_ms(here->min) / 1000 >= *message.expiry_s) return after(*message.expiry_s, in_ms(here->min));
  const bool is_for_our_clock = knows_then && !knows_now;
  return {.state = Expiry::State::kWithheld,
          .left_s = 0,
          .is_for_our_clock = is_for_our_clock,
          .awaits_clock = is_for_our_clock && moment.awaits_clock};
}

}  // namespace hedgerow::node
