// QueueBudget: how much may wait to be sent, for one client and for all together (G6). What a client is slow to take
// stays in the log, or is dropped at QoS 0; it never piles up. Counted as it is added.
//
//   of all clients together      who is sent anything
//   up to all_bytes_max          whose own queue has room
//   up to twice as much          whose own queue is empty: who keeps up is served on, however many others do not
//   beyond                       nobody, until the owner has closed those that hold the most
//
// Thread rule: the loop thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "daemon/node/limits.hpp"

namespace hedgerow::node {

struct QueueBudget {
  std::size_t client_bytes_max = kClientQueueBytesMax;
  std::size_t all_bytes_max = kAllQueuesBytesMax;
  std::size_t queued_bytes = 0;  // of all clients
  bool is_short = false;         // somebody was sent nothing for want of room; until the owner has looked

  // `more`: what would be added, about. Above a quarter, QoS 1 and 2 stay in the log until the connection has drained.
  [[nodiscard]] bool has_room_logged(std::size_t client_bytes, std::size_t more) {
    return client_bytes <= client_bytes_max / 4 && has_room_in_all(client_bytes, more);
  }
  [[nodiscard]] bool has_room_live(std::size_t client_bytes, std::size_t more) {
    return client_bytes <= client_bytes_max && has_room_in_all(client_bytes, more);
  }
  [[nodiscard]] bool is_pressed() const { return queued_bytes > all_bytes_max; }
  [[nodiscard]] bool is_exceeded() const { return queued_bytes > hard_max(); }
  // Twice as much, within what a 32-bit board can count.
  [[nodiscard]] std::size_t hard_max() const {
    return all_bytes_max + std::min(all_bytes_max, std::numeric_limits<std::size_t>::max() / 4);
  }

 private:
  [[nodiscard]] bool has_room_in_all(std::size_t client_bytes, std::size_t more) {
    if (is_pressed() && client_bytes > 0) return false;
    if (queued_bytes + more <= hard_max()) return true;
    is_short = true;
    return false;
  }
};

}  // namespace hedgerow::node
