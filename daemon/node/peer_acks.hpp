// PeerAcks: acknowledgements that wait until another node holds the op, too ("ack": "peer"). DESIGN 1.
//
// PUBACKs of one connection leave in the order of their publishes, and so do PUBRECs [MQTT-4.6.0-2] [MQTT-4.6.0-3]:
// what comes after one that waits, waits behind it. Bounded by the Receive Maximum of each connection, and by time.
// Pure. Thread rule: the loop thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "daemon/node/store_port.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::node {

class PeerAcks {
 public:
  // The greatest number of ours in a channel that some other node has durably.
  using Confirmed = std::function<sync::Seq(sync::ChannelNo)>;

  struct Due {
    Ack ack;
    bool is_alone = false;  // nobody else has it: the time is over
  };

  // Takes an acknowledgement that is to leave now. False: it may.
  [[nodiscard]] bool hold(Instant now, const Ack& ack, const Confirmed& confirmed);
  // What may leave by now, in order for each connection.
  [[nodiscard]] std::vector<Due> take_due(Instant now, const Confirmed& confirmed);

  // The node goes on under another name, whose numbers begin anew: nobody will confirm the old ones.
  void on_renewed();

  [[nodiscard]] bool empty() const { return lanes_.empty(); }
  [[nodiscard]] Instant next_deadline() const;  // Instant::max(): none

 private:
  struct Held {
    Ack ack;
    Instant deadline{};
  };
  using Lane = std::pair<std::uint64_t, AckKind>;  // the connection

  [[nodiscard]] static bool is_confirmed(const Ack& ack, const Confirmed& confirmed);

  std::map<Lane, std::deque<Held>> lanes_;  // none empty; the first of each waits for a peer
};

}  // namespace hedgerow::node
