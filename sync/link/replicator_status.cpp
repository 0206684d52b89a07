// What is told of links, peers and what is behind.
#include <algorithm>
#include <utility>

#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/wanted.hpp"

namespace hedgerow::sync {

// What it said it holds, as far as it may be asked for.
Frontier Replicator::wanted_of(const Peer& peer, std::size_t channel) const {
  Frontier out;
  each_wanted(peer.channels[channel].confirmed, channels_[channel].states, forked_of(channels_[channel], peer.name),
              [&](ReplicaId replica, Seq last) { out.push_back({.replica = replica, .seq = last}); });
  return out;
}

std::vector<LinkStatus> Replicator::links() const {
  std::vector<LinkStatus> out;
  for (const auto& [id, link] : links_) {
    LinkStatus status;
    status.link = id;
    status.peer = link.peer.empty() ? link.authenticated : link.peer;
    status.dialled = link.dialled;
    status.pushes_skipped = link.pushes_skipped;
    status.live_skipped = link.live_skipped;
    status.since = link.since;
    status.state = LinkState::kGreeting;
    const auto found = peers_.find(link.peer);
    if (found != peers_.end()) {
      const Peer& peer = found->second;
      status.state = peer.active == id ? LinkState::kUp : LinkState::kStandby;
      status.version = peer.version;
      for (std::size_t i = 0; i < channels_.size(); ++i) {
        if (!peer.channels[i].shared) continue;
        status.lag_ops += ops_missing(wanted_of(peer, i), channels_[i].own);
        status.peer_lag_ops += ops_missing(channels_[i].own, peer.channels[i].confirmed);
      }
    }
    out.push_back(std::move(status));
  }
  return out;
}

std::vector<ChannelContradiction> Replicator::contradictions() const {
  std::vector<ChannelContradiction> out;
  for (const auto& [name, peer] : peers_) {
    out.insert(out.end(), peer.contradictions.begin(), peer.contradictions.end());
  }
  return out;
}

Seq Replicator::confirmed_by_some_peer(ChannelNo number) const {
  const std::size_t i = channel_index(number);
  Seq most = 0;
  if (i == kNotOurs) return most;
  for (const auto& [name, peer] : peers_) most = std::max(most, peer.channels[i].announced_ours);
  return most;
}

bool Replicator::has_heard(ChannelNo number) const {
  const std::size_t i = channel_index(number);
  return i != kNotOurs &&
         std::any_of(peers_.begin(), peers_.end(), [i](const auto& each) { return each.second.channels[i].announced; });
}

std::uint64_t Replicator::behind(ChannelNo number) const {
  const std::size_t i = channel_index(number);
  if (i == kNotOurs) return 0;
  Frontier known;
  for (const auto& [name, peer] : peers_) join(known, wanted_of(peer, i));
  return ops_missing(known, channels_[i].own);
}

}  // namespace hedgerow::sync
