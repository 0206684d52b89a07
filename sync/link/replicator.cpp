// Links, and the ways in. What comes in by them has files of its own.
#include "sync/link/replicator.hpp"

#include <algorithm>
#include <gsl/assert>

#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sync {
Replicator::Replicator(ReplicatorSettings settings, const std::vector<ChannelState>& channels,
                       const Compressor& compressor)
    : settings_(std::move(settings)), compressor_(&compressor) {
  for (const ChannelState& state : channels) {
    if (channels_.size() == kChannelsPerLinkMax) break;
    Channel channel(settings_.replica);
    channel.number = state.number;
    channel.name = state.name;
    channel.merge = state.merge;
    channel.is_prompt = settings_.prompt.contains(state.name);
    channel.own = frontier_of(state.replicas);
    channel.states = state.replicas;
    channel.fill_room_bytes = state.fill_room_bytes;
    channel.expected = channel.own;
    channels_.push_back(std::move(channel));
  }
}

Replicator::Link* Replicator::find_link(LinkId link) {
  const auto found = links_.find(link);
  return found == links_.end() ? nullptr : &found->second;
}

Replicator::Peer* Replicator::peer_of(const Link& link) {
  const auto found = peers_.find(link.peer);
  return found == peers_.end() ? nullptr : &found->second;
}

bool Replicator::is_active(const Link& link) const {
  const auto found = peers_.find(link.peer);
  return found != peers_.end() && found->second.active == link.id;
}

std::size_t Replicator::channel_index(ChannelNo channel) const {
  const auto found =
      std::find_if(channels_.begin(), channels_.end(), [&](const Channel& each) { return each.number == channel; });
  return found == channels_.end() ? kNotOurs : static_cast<std::size_t>(found - channels_.begin());
}

void Replicator::send(Link& link, Bytes message) {
  link.queued_bytes += message.size();
  actions_.emplace_back(SendOnLink{.link = link.id, .message = std::move(message)});
}

void Replicator::send_to(Peer& peer, Bytes message) {
  if (Link* link = find_link(peer.active)) send(*link, std::move(message));
}

bool Replicator::is_congested(const Peer& peer) const {
  const auto found = links_.find(peer.active);
  return found == links_.end() || found->second.queued_bytes > kLinkQueueBytesSoft;
}

// --- links -----------------------------------------------------------------------------------------------------------

std::span<const Action> Replicator::on_link_up(Instant now, LinkId id, std::string_view peer, bool dialled) {
  actions_.clear();
  Expects(!links_.contains(id));
  if (links_.size() >= kLinksMax) {
    actions_.emplace_back(CloseLink{.link = id,
                                    .reason = "this node has its limit of " + std::to_string(kLinksMax) +
                                              " links: let the board dial another node"});
    return finish();
  }
  Link& link = links_[id];
  link.id = id;
  link.authenticated = peer;
  link.dialled = dialled;
  link.since = now;
  wire::Hello hello{.mesh = settings_.mesh,
                    .node = settings_.node,
                    .replica = settings_.replica,
                    .incarnation = settings_.incarnation,
                    .software = settings_.version,
                    .channels = {}};
  for (const Channel& channel : channels_) {
    hello.channels.push_back({.name = channel.name, .merge = channel.merge, .filter = filter_of(channel)});
  }
  send(link, wire::encode(hello));
  return finish();
}

std::span<const Action> Replicator::on_link_down(Instant now, LinkId link) {
  actions_.clear();
  forget_link(now, link);
  pull_all(now);
  return finish();
}

void Replicator::close(Instant now, LinkId link, std::string reason) {
  actions_.emplace_back(CloseLink{.link = link, .reason = std::move(reason)});
  forget_link(now, link);
}

void Replicator::forget_link(Instant now, LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  const std::string name = found->second.peer;
  links_.erase(found);
  const auto of_peer = peers_.find(name);
  if (of_peer == peers_.end()) return;
  Peer& peer = of_peer->second;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    Shared& shared = peer.channels[i];
    if (shared.answering && shared.answering->link == id) {
      shared.answering.reset();
      shared.held.clear();
      shared.held_bytes = 0;
      shared.held_overflowed = false;
    }
    if (shared.next_question && shared.next_question->link == id) shared.next_question.reset();
    answer_next(shared, i);
    if (channels_[i].asked && channels_[i].asked->link == id) {
      channels_[i].asked.reset();
      channels_[i].wake_at = now;
    }
    if (std::erase_if(channels_[i].beside, [&](const Channel::Question& each) { return each.link == id; }) > 0) {
      channels_[i].wake_at = now;
    }
  }
  const bool alone =
      std::none_of(links_.begin(), links_.end(), [&](const auto& each) { return each.second.peer == name; });
  if (!alone) {
    choose_active(now, peer);
    return;
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const auto& snapshot = channels_[i].snapshot;
    if (snapshot && snapshot->peer == name && !snapshot->merging) abandon_snapshot(i);
  }
  const PeerNo gone = peer.number;
  peers_.erase(of_peer);
  for (std::size_t i = 0; i < channels_.size(); ++i) graft(i, channels_[i].tree.on_gone(gone));
}

void Replicator::choose_active(Instant now, Peer& peer) {
  // Both sides see the same two facts: who dialled, and (but for a race, which only costs a copy) which came last.
  const bool prefer_dialled = settings_.node < peer.name;
  const Link* best = nullptr;
  for (const auto& [id, link] : links_) {
    if (link.peer != peer.name) continue;
    const bool better = best == nullptr || (link.dialled == prefer_dialled) >= (best->dialled == prefer_dialled);
    if (better) best = &link;
  }
  if (best == nullptr || best->id == peer.active) return;
  peer.active = best->id;
  start_talking(now, peer);
}

void Replicator::start_talking(Instant now, Peer& peer) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    Shared& shared = peer.channels[i];
    if (!shared.shared) continue;
    // What an earlier link carried may be lost.
    shared.assumed = shared.confirmed;
    graft(i, channels_[i].tree.on_gone(peer.number));
    channels_[i].tree.on_new_link(peer.number);
    shared.told.clear();
    shared.ask_at = Instant::max();
    shared.failures = 0;
    shared.window_bytes = kPullWindowMax;
    shared.answer_due = true;
    shared.announce_at = now;
    review_announcements(now, peer, i);
  }
}

// --- events ----------------------------------------------------------------------------------------------------------

std::span<const Action> Replicator::on_message(Instant now, LinkId id, ByteView bytes) {
  actions_.clear();
  Link* link = find_link(id);
  if (link == nullptr) return finish();  // closed by us; the last messages may still come
  const auto message = wire::decode(bytes);
  if (!message) {
    close(now, id, message.error().what);
    pull_all(now);
  } else if (const auto* hello = std::get_if<wire::Hello>(&*message)) {
    on_hello(now, *link, *hello);
    pull_all(now);
  } else if (link->peer.empty()) {
    close(now, id, "the peer spoke before it greeted");
  } else {
    on_body(now, *link, *message, bytes);
  }
  return finish();
}

void Replicator::on_body(Instant now, Link& link, const wire::AnyMessage& message, ByteView bytes) {
  const LinkId id = link.id;  // the link may be closed below
  Peer& peer = *peer_of(link);
  if (const auto* live = std::get_if<wire::Live>(&message)) return on_live(peer, *live, bytes);

  const auto named = std::visit(
      [](const auto& body) -> wire::ChannelIndex {
        if constexpr (requires { body.channel; }) {
          return body.channel;
        } else {
          return 0;
        }
      },
      message);
  if (named >= link.numbering.size()) return close(now, link.id, "the peer spoke of a channel that it did not name");
  const std::size_t channel = link.numbering[named];
  if (channel == kNotOurs) return;

  if (const auto* announcement = std::get_if<wire::Announcement>(&message)) {
    on_announcement(now, peer, channel, *announcement);
  } else if (const auto* compare = std::get_if<wire::Compare>(&message)) {
    on_compare(now, peer, channel, *compare);
  } else if (const auto* segment = std::get_if<wire::Push>(&message)) {
    on_push(now, link, channel, *segment);
  } else if (const auto* question = std::get_if<wire::Pull>(&message)) {
    on_pull(link, peer, channel, *question);
  } else if (const auto* tree = std::get_if<wire::Tree>(&message)) {
    on_tree(now, peer, channel, *tree);
  } else if (const auto* range = std::get_if<wire::Range>(&message)) {
    on_range(now, link, peer, channel, *range);
  } else if (const auto* page = std::get_if<wire::Page>(&message)) {
    on_page(now, link, peer, channel, *page);
  } else if (const auto* restart = std::get_if<wire::Restart>(&message)) {
    if (const auto asked = take_question(link, channel, restart->id)) on_restart(now, peer, channel, *asked);
  } else if (const auto* describe = std::get_if<wire::Describe>(&message)) {
    if (const auto asked = take_question(link, channel, describe->id)) {
      on_describe(now, peer, channel, *asked, *describe);
    }
  }
  close_if_boundless(now, id, channel);
}

// What a peer holds grows, and never beyond what a channel may have; what it is thought to have takes in ours as well.
void Replicator::close_if_boundless(Instant now, LinkId id, std::size_t channel) {
  const Link* const link = find_link(id);
  const Peer* const peer = link == nullptr ? nullptr : peer_of(*link);
  if (peer == nullptr) return;
  const Shared& shared = peer->channels[channel];
  if (shared.confirmed.size() <= kReplicasPerChannelMax && shared.assumed.size() <= 2 * kReplicasPerChannelMax) return;
  close(now, id,
        "the peer speaks of more replicas than the " + std::to_string(kReplicasPerChannelMax) +
            " that a channel may have");
}

std::span<const Action> Replicator::on_queue(Instant now, LinkId id, std::size_t queued_bytes) {
  actions_.clear();
  Link* link = find_link(id);
  if (link == nullptr) return finish();
  const bool was_congested = link->queued_bytes > kLinkQueueBytesSoft;
  link->queued_bytes = queued_bytes;
  if (was_congested && queued_bytes <= kLinkQueueBytesSoft && is_active(*link)) {
    Peer& peer = *peer_of(*link);
    for (std::size_t i = 0; i < channels_.size(); ++i) run_announcement_timers(now, peer, i);
  }
  return finish();
}

std::span<const Action> Replicator::on_handed_out(Instant /*now*/, const std::vector<CommittedSegment>& segments) {
  actions_.clear();
  for (const CommittedSegment& segment : segments) {
    const std::size_t i = channel_index(segment.channel);
    if (i == kNotOurs || segment.segment->replica == settings_.replica) continue;
    keep_open(i, segment.segment);
    for (auto& [name, peer] : peers_) push(peer, i, segment.segment);
  }
  return finish();
}

std::span<const Action> Replicator::on_committed(Instant now, const Committed& committed) {
  actions_.clear();
  forget_open();
  for (const ChannelState& state : committed.frontiers) {
    const std::size_t i = channel_index(state.number);
    if (i == kNotOurs) continue;
    join(channels_[i].own, frontier_of(state.replicas));
    channels_[i].states = state.replicas;
    channels_[i].fill_room_bytes = state.fill_room_bytes;
    join(channels_[i].expected, channels_[i].own);
  }
  for (const CommittedSegment& segment : committed.segments) {
    const std::size_t i = channel_index(segment.channel);
    if (i == kNotOurs) continue;
    for (auto& [name, peer] : peers_) push(peer, i, segment.segment);
  }
  for (const ChannelState& state : committed.frontiers) {
    const std::size_t i = channel_index(state.number);
    if (i == kNotOurs) continue;
    for (auto& [name, peer] : peers_) review_announcements(now, peer, i);
    pull(now, i);
  }
  return finish();
}

std::span<const Action> Replicator::on_timer(Instant now) {
  actions_.clear();
  std::vector<LinkId> silent;
  for (const auto& [id, link] : links_) {
    if (link.peer.empty() && link.since + kGreetingTimeout <= now) silent.push_back(id);
  }
  for (const LinkId id : silent) close(now, id, "the peer did not greet in time");
  for (auto& [name, peer] : peers_) {
    for (std::size_t i = 0; i < channels_.size(); ++i) run_announcement_timers(now, peer, i);
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    end_overdue_parts(now, i);
    if (channels_[i].asked && channels_[i].asked->deadline <= now) question_failed(now, i);
    if (channels_[i].wake_at <= now) pull(now, i);
  }
  return finish();
}

Instant Replicator::next_deadline() const {
  Instant next = Instant::max();
  for (const auto& [id, link] : links_) {
    if (link.peer.empty()) next = std::min(next, link.since + kGreetingTimeout);
  }
  for (const auto& [name, peer] : peers_) {
    if (is_congested(peer)) continue;  // on_queue() goes on
    for (const Shared& shared : peer.channels) next = std::min({next, shared.announce_at, shared.ask_at});
  }
  for (const Channel& channel : channels_) {
    next = std::min(next, channel.wake_at);
    if (channel.asked) next = std::min(next, channel.asked->deadline);
    for (const Channel::Question& each : channel.beside) next = std::min(next, each.deadline);
  }
  return next;
}

}  // namespace hedgerow::sync
