#include "daemon/node/expiry.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

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

void MessageAges::note(sync::Arrival latest, Instant now, const WallTime& wall) {
  if (latest <= latest_) return;
  if (periods_.empty() || now - periods_.back().begin >= kPeriod) {
    if (periods_.size() == kPeriodsMax) thin_out(now);
    periods_.push_back({.first = latest_ + 1, .begin = now, .wall_ms = wall.unix_ms});
  }
  latest_ = latest;
}

// Of the older half that one is given up by which the least is lost, measured by how old it is: what is old is known
// less exactly, by a few per cent after a year.
void MessageAges::thin_out(Instant now) {
  std::size_t least = 1;
  double least_lost = std::numeric_limits<double>::infinity();
  for (std::size_t i = 1; i < kPeriodsMax / 2; ++i) {
    const Duration lost = periods_[i + 1].begin - periods_[i - 1].begin;
    const Duration age = std::max<Duration>(now - periods_[i + 1].begin, kPeriod);
    const double share = static_cast<double>(lost.count()) / static_cast<double>(age.count());
    if (share >= least_lost) continue;
    least_lost = share;
    least = i;
  }
  periods_.erase(periods_.begin() + static_cast<std::ptrdiff_t>(least));
}

std::optional<MessageAges::Bounds> MessageAges::since_arrival(sync::Arrival arrival, Instant now) const {
  if (arrival <= began_) return std::nullopt;
  if (arrival > latest_) return Bounds{.wall_ms = std::nullopt};  // committed, and not told yet
  const auto next = std::upper_bound(periods_.begin(), periods_.end(), arrival,
                                     [](sync::Arrival value, const Period& period) { return value < period.first; });
  const auto passed = [&](const Period& period) { return std::max(now - period.begin, Duration{0}); };
  const Period& came = *std::prev(next);
  return Bounds{
      .min = next == periods_.end() ? Duration{0} : passed(*next), .max = passed(came), .wall_ms = came.wall_ms};
}

Expiry MessageAges::expiry_of(const sync::Message& message, const sync::Stamp& stamp, sync::ReplicaId replica,
                              sync::Arrival arrival, const Moment& moment) const {
  if (!message.expiry_s) return {};
  const bool knows_now = is_synchronised(moment.wall.quality);
  const bool knows_then = is_synchronised(stamp.quality);
  const std::uint64_t written_ms = stamp.written().unix_ms;
  const std::uint64_t by_stamp = since(written_ms, moment.wall);
  const bool is_ahead = written_ms > moment.wall.unix_ms + static_cast<std::uint64_t>(kClocksDifferMax.count());
  if (knows_now && knows_then && !is_ahead) return after(*message.expiry_s, by_stamp);

  const std::optional<Bounds> here = since_arrival(arrival, moment.now);
  if (here && replica == self_) {
    const std::uint64_t came_ms = here->wall_ms.value_or(moment.wall.unix_ms);
    const std::uint64_t waited_ms = came_ms > written_ms ? came_ms - written_ms : 0;
    return after(*message.expiry_s, in_ms(here->max) + waited_ms);
  }
  if (here && in_ms(here->min) / 1000 >= *message.expiry_s) return after(*message.expiry_s, in_ms(here->min));
  const bool is_for_our_clock = knows_then && !knows_now;
  return {.state = Expiry::State::kWithheld,
          .left_s = 0,
          .is_for_our_clock = is_for_our_clock,
          .awaits_clock = is_for_our_clock && moment.awaits_clock};
}

}  // namespace hedgerow::node
