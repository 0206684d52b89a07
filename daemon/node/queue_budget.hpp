// QueueBudget: how much may wait to be sent, for one client and for all together (G6). What a client is slow to take
// stays in the log, or is dropped at QoS 0; it never piles up.
// Thread rule: the loop thread.
#pragma once

#include <cstddef>

#include "daemon/node/limits.hpp"

namespace hedgerow::node {

struct QueueBudget {
  std::size_t client_bytes_max = kClientQueueBytesMax;
  std::size_t all_bytes_max = kAllQueuesBytesMax;
  std::size_t queued_bytes = 0;  // of all clients

  // Above a quarter, QoS 1 and 2 stay in the log until the connection has drained.
  [[nodiscard]] bool has_room_logged(std::size_t client_bytes) const {
    return client_bytes <= client_bytes_max / 4 && has_room_in_all(client_bytes);
  }
  [[nodiscard]] bool has_room_live(std::size_t client_bytes) const {
    return client_bytes <= client_bytes_max && has_room_in_all(client_bytes);
  }

 private:
  // Whoever keeps up is served on, however many others do not.
  [[nodiscard]] bool has_room_in_all(std::size_t client_bytes) const {
    return queued_bytes <= all_bytes_max || client_bytes == 0;
  }
};

}  // namespace hedgerow::node
