#include "daemon/node/wills.hpp"

#include <algorithm>
#include <chrono>
#include <gsl/assert>
#include <limits>

namespace hedgerow::node {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::size_t bytes_of(const StoredWill& will) {
  const sync::Message& message = will.message;
  const std::size_t bytes = sizeof(StoredWill) + message.topic.size() + message.properties.size() + message.payload.size();
  const security::Principal& principal = will.principal;
  return bytes + principal.name.size() + principal.listener.size() + principal.client_id.size();
}

// The earlier of the Will Delay Interval and the end of the session [MQTT-3.1.3-9]. 0xFFFFFFFF, "never", is the
// greatest expiry.
seconds wait_of(const StoredWill& will) { return seconds{std::min(will.delay_s, will.expiry_s)}; }

// How long the connection has been dead, as far as that can be known.
Duration dead_before_start(const StoredWill& will, const WallTime& wall) {
  if (!will.died || will.died->quality != ClockQuality::kSynchronised || wall.quality != ClockQuality::kSynchronised ||
      wall.unix_ms <= will.died->written().unix_ms) {
    return Duration{0};
  }
  constexpr std::uint64_t kLongestMs = std::uint64_t{std::numeric_limits<std::int32_t>::max()} * 1'000;  // 68 years
  return milliseconds{static_cast<std::int64_t>(std::min(wall.unix_ms - will.died->written().unix_ms, kLongestMs))};
}

void lengthen_expiry(StoredWill& will, Duration waited) {
  const bool is_stored = will.qos > 0 || will.retain;
  if (!is_stored || !will.died || !will.message.expiry_s) return;
  const std::uint64_t waited_s = static_cast<std::uint64_t>(std::chrono::ceil<seconds>(waited).count());
  const std::uint64_t longest = std::numeric_limits<std::uint32_t>::max();
  will.message.expiry_s = static_cast<std::uint32_t>(std::min(*will.message.expiry_s + waited_s, longest));
}

}  // namespace

void Wills::restore(Instant now, const WallTime& wall, std::vector<StoredWill> stored) {
  for (StoredWill& will : stored) {
    const std::uint64_t session = will.session;
    bytes_ += bytes_of(will);
    const Instant died_at = now - dead_before_start(will, wall);
    const Instant due = died_at + wait_of(will);
    cancellable_[session] = add_waiting(due, {.will = std::move(will), .died_at = died_at});
  }
}

bool Wills::has_room(const StoredWill& will) const {
  std::size_t others = bytes_;
  if (const auto armed = armed_.find(will.session); armed != armed_.end()) others -= bytes_of(armed->second);
  if (const StoredWill* waiting = find_waiting(will.session)) others -= bytes_of(*waiting);
  return others + bytes_of(will) <= bytes_max_;
}

bool Wills::set(StoredWill will) {
  Expects(!will.died);
  if (!has_room(will)) return false;
  disarm(will.session);
  bytes_ += bytes_of(will);
  armed_.insert_or_assign(will.session, std::move(will));
  return true;
}

bool Wills::disarm(std::uint64_t session) {
  const auto armed = armed_.find(session);
  if (armed == armed_.end()) return false;
  bytes_ -= bytes_of(armed->second);
  armed_.erase(armed);
  return true;
}

bool Wills::cancel(Instant now, std::uint64_t session) {
  const auto waits = cancellable_.find(session);
  if (waits == cancellable_.end()) return false;
  const Key key = waits->second;
  cancellable_.erase(waits);
  if (key.first <= now) return false;  // its time has come: it only was not fetched yet
  const auto entry = by_due_.find(key);
  bytes_ -= bytes_of(entry->second.will);
  by_due_.erase(entry);
  return true;
}

const StoredWill* Wills::on_died(Instant now, std::uint64_t session, std::uint32_t session_expiry_s) {
  const auto armed = armed_.find(session);
  if (armed == armed_.end()) return nullptr;
  Waiting waiting{.will = std::move(armed->second), .died_at = now};
  armed_.erase(armed);
  waiting.will.expiry_s = session_expiry_s;
  const seconds wait = wait_of(waiting.will);
  const Key key = add_waiting(now + wait, std::move(waiting));
  if (wait == seconds{0}) return nullptr;
  cancellable_[session] = key;
  return &by_due_.at(key).will;
}

void Wills::set_stamp(std::uint64_t session, const sync::Stamp& died) {
  if (const auto waits = cancellable_.find(session); waits != cancellable_.end()) {
    by_due_.at(waits->second).will.died = died;
  }
}

void Wills::on_session_ended(Instant now, std::uint64_t session) {
  const auto waits = cancellable_.find(session);
  if (waits == cancellable_.end()) return;
  const Key key = waits->second;
  cancellable_.erase(waits);
  if (key.first <= now) return;
  const auto entry = by_due_.find(key);
  Waiting waiting = std::move(entry->second);
  by_due_.erase(entry);
  add_waiting(now, std::move(waiting));
}

std::vector<Wills::Due> Wills::take_due(Instant now, std::size_t count_max) {
  std::vector<Due> out;
  while (!by_due_.empty() && by_due_.begin()->first.first <= now && out.size() < count_max) {
    const auto first = by_due_.begin();
    const Waiting& waiting = first->second;
    if (const auto waits = cancellable_.find(waiting.will.session);
        waits != cancellable_.end() && waits->second == first->first) {
      cancellable_.erase(waits);
    }
    Due& due = out.emplace_back(Due{.number = first->first.second, .will = waiting.will, .again = waiting.again});
    lengthen_expiry(due.will, now - waiting.died_at);
    handed_out_.emplace(due.number, std::move(first->second));
    by_due_.erase(first);
  }
  return out;
}

Wills::Waiting Wills::take_back(std::uint64_t number) {
  const auto found = handed_out_.find(number);
  Expects(found != handed_out_.end());
  Waiting waiting = std::move(found->second);
  handed_out_.erase(found);
  return waiting;
}

void Wills::done(std::uint64_t number) { bytes_ -= bytes_of(take_back(number).will); }

void Wills::retry(std::uint64_t number, Instant due) {
  Waiting waiting = take_back(number);
  waiting.again = true;
  add_waiting(due, std::move(waiting));
}

const StoredWill* Wills::retry_as(std::uint64_t number, Instant due, std::uint64_t row) {
  Expects(!has(row));
  Waiting waiting = take_back(number);
  waiting.again = true;
  const bool is_there = std::exchange(waiting.has_own_row, true);
  if (!is_there) waiting.will.session = row;
  const Key key = add_waiting(due, std::move(waiting));
  if (is_there) return nullptr;
  cancellable_[row] = key;  // by nobody: no session has this number
  return &by_due_.at(key).will;
}

std::optional<Instant> Wills::next_deadline() const {
  if (by_due_.empty()) return std::nullopt;
  return by_due_.begin()->first.first;
}

const StoredWill* Wills::find_waiting(std::uint64_t session) const {
  const auto waits = cancellable_.find(session);
  return waits == cancellable_.end() ? nullptr : &by_due_.at(waits->second).will;
}

const StoredWill* Wills::find_armed(std::uint64_t session) const {
  const auto armed = armed_.find(session);
  return armed == armed_.end() ? nullptr : &armed->second;
}

bool Wills::has(std::uint64_t session) const { return armed_.count(session) > 0 || cancellable_.count(session) > 0; }

Wills::Key Wills::add_waiting(Instant due, Waiting waiting) {
  const Key key{due, ++last_order_};
  by_due_.emplace(key, std::move(waiting));
  return key;
}

}  // namespace hedgerow::node
