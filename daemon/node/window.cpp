#include "daemon/node/window.hpp"

#include <algorithm>
#include <gsl/assert>

namespace hedgerow::node {

void Window::set_persistent(bool persistent) {
  persistent_ = persistent;
  advance();
}

std::uint16_t Window::add(sync::Arrival arrival) {
  Expects(arrival == 0 || arrival > newest_);
  const std::uint16_t packet_id = next_packet_id_;
  next_packet_id_ = packet_id == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(packet_id + 1);
  entries_.push_back({.arrival = arrival, .packet_id = packet_id});
  ++on_the_way_;
  if (arrival != 0) newest_ = arrival;
  return packet_id;
}

bool Window::acknowledge(std::uint16_t packet_id) {
  const auto waiting = entries_.begin() + static_cast<std::ptrdiff_t>(first_waiting_);
  const auto found = std::find_if(waiting, entries_.end(), [&](const Entry& entry) {
    return entry.packet_id == packet_id && !entry.acknowledged && !entry.due_again;
  });
  if (found == entries_.end()) return false;
  found->acknowledged = true;
  --on_the_way_;
  advance();
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
  advance();
}

void Window::detach() {
  for (Entry& entry : entries_) {
    if (entry.acknowledged) continue;
    entry.acknowledged = entry.arrival == 0;
    if (!entry.acknowledged && !entry.due_again) {
      entry.due_again = true;
      ++due_;
    }
  }
  on_the_way_ = 0;
  advance();
}

const Window::Entry* Window::find_due(sync::Arrival arrival) const {
  if (due_ == 0) return nullptr;
  // Retained entries (0) are gone when something is due again, so arrivals rise.
  const auto waiting = entries_.begin() + static_cast<std::ptrdiff_t>(first_waiting_);
  const auto found =
      std::find_if(waiting, entries_.end(), [&](const Entry& entry) { return entry.arrival >= arrival; });
  return found != entries_.end() && found->arrival == arrival && found->due_again ? &*found : nullptr;
}

bool Window::is_due_again(sync::Arrival arrival) const { return find_due(arrival) != nullptr; }

std::uint16_t Window::resend(sync::Arrival arrival) {
  Expects(is_due_again(arrival));
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.arrival == arrival && entry.due_again; });
  found->due_again = false;
  --due_;
  ++on_the_way_;
  return found->packet_id;
}

void Window::pass(sync::Arrival cursor) {
  if (due_ == 0) return;
  for (std::size_t i = first_waiting_; i < entries_.size() && entries_[i].arrival <= cursor; ++i) {
    if (!entries_[i].due_again) continue;
    entries_[i].due_again = false;
    entries_[i].acknowledged = true;
    --due_;
  }
  advance();
}

bool Window::retained_on_the_way() const {
  return std::any_of(entries_.begin() + static_cast<std::ptrdiff_t>(first_waiting_), entries_.end(),
                     [](const Entry& entry) { return entry.arrival == 0 && !entry.acknowledged; });
}

void Window::advance() {
  while (first_waiting_ < entries_.size() && entries_[first_waiting_].acknowledged) ++first_waiting_;
  while (first_waiting_ > 0 && (!persistent_ || entries_.front().arrival <= saved_)) {
    entries_.pop_front();
    --first_waiting_;
  }
}

}  // namespace hedgerow::node
