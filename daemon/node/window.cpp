#include "daemon/node/window.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

namespace hedgerow::node {

namespace {

// Two arrivals that far apart have the same identifier.
constexpr sync::Arrival kIdentifiers = 65'535;

}  // namespace

void Window::set_persistent(bool persistent) {
  persistent_ = persistent;
  advance();
}

void Window::restore(const std::vector<StoredRelease>& releases) {
  Expects(empty());
  for (const StoredRelease& release : releases) {
    asides_.push_back(
        {.arrival = release.arrival, .state = State::kReleased, .qos = mqtt::QoS::kExactlyOnce, .restored = true});
    received_before_.push_back(release.arrival);
  }
  std::sort(received_before_.begin(), received_before_.end());
}

void Window::count(Entry& entry) {
  if (std::exchange(entry.counted, true)) return;
  ++on_the_way_;
}

void Window::uncount(Entry& entry) {
  if (!std::exchange(entry.counted, false)) return;
  --on_the_way_;
}

// --- sending ---

bool Window::has_room(sync::Arrival arrival) const { return is_open() && is_identifier_free(arrival); }

bool Window::is_identifier_free(sync::Arrival arrival) const {
  const std::uint16_t packet_id = packet_id_of(arrival);
  const auto clashes = [&](const Entry& entry) { return entry.has(packet_id); };
  for (const Finished& finished : finished_) {
    if (finished.packet_id == packet_id) return false;
  }
  for (const Interrupted& before : interrupted_) {
    const bool is_held = before.qos == mqtt::QoS::kExactlyOnce && packet_id_of(before.arrival) == packet_id;
    if (is_held && before.arrival != arrival) return false;
  }
  if (!asides_.empty() && std::any_of(asides_.begin(), asides_.end(), clashes)) return false;
  if (entries_.empty()) return true;
  const bool near = arrival > entries_.back().arrival && arrival - entries_.front().arrival < kIdentifiers;
  return near || std::none_of(entries_.begin(), entries_.end(), clashes);
}

std::uint16_t Window::add(sync::Arrival arrival, mqtt::QoS qos) {
  Expects(arrival > newest_);
  entries_.push_back({.arrival = arrival, .qos = qos});
  count(entries_.back());
  newest_ = arrival;
  return packet_id_of(arrival);
}

std::uint16_t Window::add_aside(sync::Arrival arrival, mqtt::QoS qos, Sender sender) {
  asides_.push_back({.arrival = arrival, .sender = sender, .qos = qos});
  if (sender == 0) std::erase_if(interrupted_, [&](const Interrupted& before) { return before.arrival == arrival; });
  count(asides_.back());
  return packet_id_of(arrival);
}

// --- what the client answers ---

Window::Entry* Window::find(std::uint16_t packet_id, bool& aside) {
  const auto is_it = [&](const Entry& entry) { return entry.has(packet_id) && !entry.due_again; };
  aside = false;
  const auto waiting = entries_.begin() + static_cast<std::ptrdiff_t>(first_waiting_);
  if (const auto found = std::find_if(waiting, entries_.end(), is_it); found != entries_.end()) return &*found;
  aside = true;
  const auto found = std::find_if(asides_.begin(), asides_.end(), is_it);
  return found == asides_.end() ? nullptr : &*found;
}

std::optional<mqtt::QoS> Window::qos_of(std::uint16_t packet_id) {
  bool aside = false;
  const Entry* entry = find(packet_id, aside);
  return entry == nullptr ? std::nullopt : std::optional(entry->qos);
}

std::optional<Window::Message> Window::finish(std::uint16_t packet_id, bool after_release) {
  bool aside = false;
  Entry* entry = find(packet_id, aside);
  if (entry == nullptr || (entry->state == State::kReleased) != after_release) return std::nullopt;
  if (entry->state == State::kReleasing) return std::nullopt;
  if (after_release && persistent_) {
    finished_.push_back({.packet_id = packet_id,
                         .arrival = entry->arrival,
                         .aside = aside,
                         .restored = entry->restored,
                         .sender = entry->sender,
                         .passed = entry->passed});
  }
  const Message message{.arrival = entry->arrival, .aside = aside, .sender = entry->sender, .qos = entry->qos};
  uncount(*entry);
  entry->state = State::kDone;
  if (aside) std::erase_if(asides_, [](const Entry& each) { return each.state == State::kDone; });
  advance();
  return message;
}

std::optional<Window::Message> Window::acknowledge(std::uint16_t packet_id) {
  return finish(packet_id, /*after_release=*/false);
}

std::optional<Window::Message> Window::complete(std::uint16_t packet_id) {
  return finish(packet_id, /*after_release=*/true);
}

Window::Received Window::receive(std::uint16_t packet_id) {
  for (Entry& entry : entries_) {
    if (due_ == 0) break;
    if (!entry.due_again || !entry.has(packet_id) || entry.qos != mqtt::QoS::kExactlyOnce) continue;
    entry.due_again = false;
    --due_;
  }
  bool aside = false;
  Entry* entry = find(packet_id, aside);
  if (entry == nullptr || entry->qos != mqtt::QoS::kExactlyOnce) return {};
  switch (entry->state) {
    case State::kSent: entry->state = State::kReleasing; return {Receipt::kFirst, entry->arrival};
    case State::kReleasing: return {Receipt::kReleasing, entry->arrival};
    case State::kReleased: return {Receipt::kReleased, entry->arrival};
    case State::kDone: return {};
  }
  return {};
}

void Window::released(std::uint16_t packet_id) {
  bool aside = false;
  Entry* entry = find(packet_id, aside);
  if (entry != nullptr && entry->state == State::kReleasing) entry->state = State::kReleased;
}

std::vector<std::uint16_t> Window::releases() const {
  std::vector<std::uint16_t> out;
  for (const Entry& entry : asides_) {
    if (entry.state == State::kReleased) out.push_back(packet_id_of(entry.arrival));
  }
  for (const Entry& entry : entries_) {
    if (entry.state == State::kReleased) out.push_back(packet_id_of(entry.arrival));
  }
  return out;
}

bool Window::has_finished(const MayForget& may_forget) const {
  return std::any_of(finished_.begin(), finished_.end(), may_forget);
}

std::vector<std::uint16_t> Window::take_finished(const MayForget& may_forget) {
  std::vector<std::uint16_t> out;
  std::erase_if(finished_, [&](const Finished& finished) {
    const bool forgotten = may_forget(finished);
    if (forgotten) out.push_back(finished.packet_id);
    return forgotten;
  });
  return out;
}

// --- the position ---

sync::Arrival Window::acknowledged_up_to(sync::Arrival cursor) const {
  sync::Arrival position = cursor;
  if (first_waiting_ < entries_.size()) position = std::min(position, entries_[first_waiting_].arrival - 1);
  for (const Entry& entry : asides_) {
    if (entry.restored && entry.arrival > saved_) position = std::min(position, entry.arrival - 1);
  }
  return position;
}

void Window::settle(sync::Arrival saved) {
  saved_ = std::max(saved_, saved);
  advance();
}

void Window::advance() {
  while (first_waiting_ < entries_.size() && entries_[first_waiting_].state == State::kDone) ++first_waiting_;
  while (first_waiting_ > 0 && (!persistent_ || entries_.front().arrival <= saved_)) {
    entries_.pop_front();
    --first_waiting_;
  }
}

// --- over connections ---

std::vector<Window::Message> Window::detach() {
  for (Entry& entry : entries_) {
    uncount(entry);
    if (entry.state != State::kSent || entry.due_again) continue;
    entry.due_again = true;
    ++due_;
  }
  std::vector<Message> returned;
  for (Entry& entry : asides_) {
    uncount(entry);
    if (entry.state != State::kSent) continue;
    entry.state = State::kDone;
    if (entry.sender != 0) {
      returned.push_back({.arrival = entry.arrival, .aside = true, .sender = entry.sender, .qos = entry.qos});
    } else if (persistent_) {
      interrupted_.push_back({.arrival = entry.arrival, .qos = entry.qos});
    }
  }
  // However often it breaks before all are sent again.
  while (interrupted_.size() > limit_most_) interrupted_.pop_front();
  std::erase_if(asides_, [](const Entry& entry) { return entry.state == State::kDone; });
  advance();
  return returned;
}

const Window::Entry* Window::find_due(sync::Arrival arrival) const {
  if (due_ == 0) return nullptr;
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), arrival,
                                      [](const Entry& entry, sync::Arrival wanted) { return entry.arrival < wanted; });
  return found != entries_.end() && found->arrival == arrival && found->due_again ? &*found : nullptr;
}

std::optional<mqtt::QoS> Window::due_qos(sync::Arrival arrival) const {
  const Entry* entry = find_due(arrival);
  return entry == nullptr ? std::nullopt : std::optional(entry->qos);
}

std::uint16_t Window::resend(sync::Arrival arrival) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.arrival == arrival && entry.due_again; });
  Expects(found != entries_.end());
  found->due_again = false;
  --due_;
  count(*found);
  return packet_id_of(arrival);
}

bool Window::was_received(sync::Arrival arrival) const {
  return std::binary_search(received_before_.begin(), received_before_.end(), arrival);
}

void Window::pass(sync::Arrival cursor) {
  if (due_ == 0) return;
  for (std::size_t i = first_waiting_; i < entries_.size() && entries_[i].arrival <= cursor; ++i) {
    Entry& entry = entries_[i];
    if (!entry.due_again) continue;
    entry.due_again = false;
    --due_;
    if (entry.qos == mqtt::QoS::kExactlyOnce) {
      release_lost(entry);
    } else {
      entry.state = State::kDone;
    }
  }
  advance();
}

void Window::release_lost(Entry& entry) {
  entry.state = State::kReleasing;
  lost_.push_back({.packet_id = packet_id_of(entry.arrival), .arrival = entry.arrival});
}

void Window::lose(sync::Arrival arrival) {
  add(arrival, mqtt::QoS::kExactlyOnce);
  release_lost(entries_.back());
}

void Window::lose_again(std::uint16_t packet_id) {
  bool aside = false;
  Entry* entry = find(packet_id, aside);
  Expects(entry != nullptr && entry->state == State::kSent);
  release_lost(*entry);
}

void Window::lose_aside(sync::Arrival arrival, Sender sender) {
  if (!is_identifier_free(arrival)) return;  // another message went out under it meanwhile
  asides_.push_back({.arrival = arrival, .sender = sender, .qos = mqtt::QoS::kExactlyOnce});
  release_lost(asides_.back());
}

bool Window::was_interrupted(sync::Arrival arrival) const {
  return std::any_of(interrupted_.begin(), interrupted_.end(),
                     [arrival](const Interrupted& before) { return before.arrival == arrival; });
}

void Window::pass_interrupted() {
  for (const Interrupted& before : std::exchange(interrupted_, {})) {
    if (before.qos == mqtt::QoS::kExactlyOnce) lose_aside(before.arrival, /*sender=*/0);
  }
}

bool Window::has_begun(sync::Arrival arrival) const {
  const auto is_received = [arrival](const Entry& entry) {
    return entry.sender == 0 && entry.arrival == arrival && entry.state != State::kSent;
  };
  const auto is_completed = [arrival](const Finished& finished) {
    return finished.aside && finished.sender == 0 && finished.arrival == arrival;
  };
  return std::any_of(asides_.begin(), asides_.end(), is_received) ||
         std::any_of(finished_.begin(), finished_.end(), is_completed);
}

void Window::pass_begun(const std::unordered_set<sync::Arrival>& arrivals) {
  if (arrivals.empty()) return;
  for (Entry& entry : asides_) entry.passed = entry.passed || (entry.sender == 0 && arrivals.contains(entry.arrival));
  for (Finished& finished : finished_) {
    const bool is_of_run = finished.aside && finished.sender == 0;
    finished.passed = finished.passed || (is_of_run && arrivals.contains(finished.arrival));
  }
}

}  // namespace hedgerow::node
