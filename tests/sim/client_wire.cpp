#include "tests/sim/client_wire.hpp"

#include <algorithm>
#include <chrono>

namespace hedgerow::sim {

using namespace std::chrono_literals;

namespace {
constexpr Duration kDelayMax = 30ms;
constexpr Duration kUnnoticedMax = 200ms;
}  // namespace

Instant ClientWire::arrival(Instant& last) {
  return last = std::max(last, scheduler_.now() + draw_between(random_, 0ms, kDelayMax));
}

void ClientWire::say(Bytes bytes) {
  if (broken_) return;
  scheduler_.at(arrival(last_to_board_), [wire = shared_from_this(), bytes = std::move(bytes)] {
    if (!wire->broken_ && wire->to_board) wire->to_board(bytes);
  });
}

void ClientWire::send(Bytes& bytes) {
  queued_bytes_ += bytes.size();
  scheduler_.at(arrival(last_to_client_), [wire = shared_from_this(), sent = std::exchange(bytes, {})] {
    wire->queued_bytes_ -= sent.size();
    if (wire->broken_) return;
    if (wire->to_client) wire->to_client(sent);
    if (wire->queued_bytes_ == 0 && wire->drained) wire->drained();
  });
}

void ClientWire::tell_board() {
  to_board = nullptr;
  drained = nullptr;
  if (const auto lost = std::exchange(board_lost, nullptr)) lost();
}

void ClientWire::tell_client() {
  to_client = nullptr;
  if (const auto lost = std::exchange(client_lost, nullptr)) lost();
}

void ClientWire::break_off() {
  if (std::exchange(broken_, true)) return;
  tell_client();
  scheduler_.after(draw_between(random_, 0ms, kUnnoticedMax), [wire = shared_from_this()] { wire->tell_board(); });
}

void ClientWire::lose_board() {
  to_board = nullptr;
  drained = nullptr;
  board_lost = nullptr;
  if (std::exchange(broken_, true)) return;
  scheduler_.after(draw_between(random_, 0ms, kUnnoticedMax), [wire = shared_from_this()] { wire->tell_client(); });
}

// What was sent before arrives before.
void ClientWire::close() {
  scheduler_.at(arrival(last_to_client_), [wire = shared_from_this()] {
    if (std::exchange(wire->broken_, true)) return;
    wire->tell_client();
    wire->tell_board();
  });
}

}  // namespace hedgerow::sim
