#include "daemon/node/window.hpp"

#include <algorithm>
#include <gsl/assert>

namespace hedgerow::node {

void Window::set_persistent(bool persistent) {
  persistent_ = persistent;
  drop_front();
}

std::uint16_t Window::add(sync::Arrival arrival) {
  Expects(arrival == 0 || arrival > newest_);
  const std::uint16_t packet_id = next_packet_id_;
  next_packet_id_ = packet_id == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(packet_id + 1);
  entries_.push_back({.arrival = arrival, .packet_id = packet_id});
  if (arrival != 0) newest_ = arrival;
  return packet_id;
}

bool Window::acknowledge(std::uint16_t packet_id) {
  const auto waiting = entries_.begin() + static_cast<std::ptrdiff_t>(first_waiting_);
  const auto found = std::find_if(
      waiting, entries_.end(), [&](const Entry& entry) { return entry.packet_id == packet_id && !entry.acknowledged; });
  if (found == entries_.end()) return false;
  found->acknowledged = true;
  while (first_waiting_ < entries_.size() && entries_[first_waiting_].acknowledged) ++first_waiting_;
  drop_front();
  return true;
}

sync::Arrival Window::acknowledged_up_to(sync::Arrival cursor) const {
  for (std::size_t i = first_waiting_; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (!entry.acknowledged && entry.arrival != 0) return entry.arrival - 1;
  }
  return cursor;
}

void Window::settle(sync::Arrival saved) {
  saved_ = std::max(saved_, saved);
  drop_front();
}

void Window::detach() {
  for (Entry& entry : entries_) entry.acknowledged = entry.acknowledged || entry.arrival == 0;
  while (first_waiting_ < entries_.size() && entries_[first_waiting_].acknowledged) ++first_waiting_;
  drop_front();
}

std::optional<Window::Entry> Window::find(sync::Arrival arrival) const {
  // Retained entries (0) may stand between: the order by arrival holds only without them, so look one by one.
  for (std::size_t i = first_waiting_; i < entries_.size(); ++i) {
    if (entries_[i].arrival == arrival && !entries_[i].acknowledged) return entries_[i];
  }
  return std::nullopt;
}

bool Window::retained_on_the_way() const {
  return std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(first_waiting_), entries_.end(),
                     [](const Entry& entry) { return entry.arrival == 0 && !entry.acknowledged; });
}

void Window::drop_front() {
  while (first_waiting_ > 0 && (!persistent_ || entries_.front().arrival <= saved_)) {
    entries_.pop_front();
    --first_waiting_;
  }
}

}  // namespace hedgerow::node
