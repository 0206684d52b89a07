#include "daemon/node/peer_acks.hpp"

#include <algorithm>

#include "daemon/node/limits.hpp"

namespace hedgerow::node {

bool PeerAcks::is_confirmed(const Ack& ack, const Confirmed& confirmed) {
  return !ack.stored || !ack.address.peer_channel || confirmed(*ack.address.peer_channel) >= ack.seq;
}

bool PeerAcks::hold(Instant now, const Ack& ack, const Confirmed& confirmed) {
  if (ack.address.kind != AckKind::kPuback && ack.address.kind != AckKind::kPubrec) return false;
  const Lane lane{ack.address.client, ack.address.kind};
  const auto found = lanes_.find(lane);
  if (found == lanes_.end() && is_confirmed(ack, confirmed)) return false;
  lanes_[lane].push_back({.ack = ack, .deadline = now + kPeerAckPatience});
  return true;
}

std::vector<PeerAcks::Due> PeerAcks::take_due(Instant now, const Confirmed& confirmed) {
  std::vector<Due> due;
  for (auto lane = lanes_.begin(); lane != lanes_.end();) {
    std::deque<Held>& held = lane->second;
    while (!held.empty()) {
      const bool is_there = is_confirmed(held.front().ack, confirmed);
      if (!is_there && held.front().deadline > now) break;
      due.push_back({.ack = held.front().ack, .is_alone = !is_there});
      held.pop_front();
    }
    lane = held.empty() ? lanes_.erase(lane) : std::next(lane);
  }
  return due;
}

void PeerAcks::on_renewed() {
  for (auto& [lane, held] : lanes_) {
    for (Held& each : held) each.ack.seq = sync::kSeqMax;
  }
}

Instant PeerAcks::next_deadline() const {
  Instant next = Instant::max();
  for (const auto& [lane, held] : lanes_) next = std::min(next, held.front().deadline);
  return next;
}

}  // namespace hedgerow::node
