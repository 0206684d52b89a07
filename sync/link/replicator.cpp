// Links, greetings, and the ways in. Push and pull have files of their own.
#include "sync/link/replicator.hpp"

#include <algorithm>
#include <gsl/assert>
#include <limits>

#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sync {
namespace {

constexpr std::size_t kNotOurs = std::numeric_limits<std::size_t>::max();

}  // namespace

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

// --- greeting --------------------------------------------------------------------------------------------------------

std::optional<std::string> Replicator::reject_greeting(const Link& link, const wire::Hello& hello) const {
  if (hello.mesh != settings_.mesh) {
    return "the peer belongs to mesh \"" + hello.mesh + "\", this node to \"" + settings_.mesh + "\"";
  }
  if (hello.incarnation == settings_.incarnation && hello.replica == settings_.replica) return std::string(kReasonSelf);
  if (hello.node == settings_.node) {
    return "another node of the mesh is also named \"" + hello.node + "\": give one of the two a name of its own";
  }
  if (!link.authenticated.empty() && link.authenticated != hello.node) {
    return "the peer calls itself \"" + hello.node + "\", but its certificate says \"" + link.authenticated + "\"";
  }
  return std::nullopt;
}

void Replicator::on_hello(Instant now, Link& link, const wire::Hello& hello) {
  if (!link.peer.empty()) return close(now, link.id, "the peer greeted twice");
  if (auto reason = reject_greeting(link, hello)) return close(now, link.id, std::move(*reason));
  if (hello.replica == settings_.replica) {
    renew(hello.node);
    return close(now, link.id,
                 "node \"" + hello.node + "\" runs on a copy of this node's database: both go on under new names");
  }

  // Links from before the peer's restart are dead, though nobody has noticed yet.
  const auto known = peers_.find(hello.node);
  if (known != peers_.end() && known->second.incarnation != hello.incarnation) {
    std::vector<LinkId> dead;
    for (const auto& [id, other] : links_) {
      if (other.peer == hello.node) dead.push_back(id);
    }
    for (const LinkId id : dead) close(now, id, "\"" + hello.node + "\" has started anew on another link");
  }

  link.peer = hello.node;
  Peer& peer = peers_[hello.node];
  if (peer.name.empty()) {
    peer.name = hello.node;
    peer.number = PeerNo{++last_peer_};
    peer.replica = hello.replica;
    peer.incarnation = hello.incarnation;
    peer.channels.resize(channels_.size());
    // Of two that say everything at once, one leaves it to the other to compare. Whatever moves later is said with
    // checks, so of two marks that come to one number one is always compared.
    for (Shared& shared : peer.channels) shared.checks = settings_.node < peer.name;
  }
  peer.version = hello.software;
  peer.contradictions.clear();
  for (const wire::Hello::Channel& theirs : hello.channels) {
    const auto ours =
        std::find_if(channels_.begin(), channels_.end(), [&](const Channel& each) { return each.name == theirs.name; });
    const bool is_shared = ours != channels_.end() && compare(*ours, theirs, peer);
    const auto index = is_shared ? static_cast<std::size_t>(ours - channels_.begin()) : kNotOurs;
    link.numbering.push_back(index);
    if (index != kNotOurs) peer.channels[index].shared = true;
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) forget_forks(i);
  choose_active(now, peer);
}

const std::string& Replicator::filter_of(const Channel& channel) const {
  static const std::string kUnknown;
  const auto found = settings_.filters.find(channel.name);
  return found == settings_.filters.end() ? kUnknown : found->second;
}

bool Replicator::compare(const Channel& ours, const wire::Hello::Channel& theirs, Peer& peer) const {
  const auto note = [&](std::string_view key, std::string_view here, std::string_view there, bool is_kept_apart) {
    peer.contradictions.push_back(
        {.channel = ours.number,
         .peer = peer.name,
         .what = "channel \"" + ours.name + "\" has " + std::string(key) + " \"" + std::string(here) +
                 "\" here, but \"" + std::string(there) + "\" on " + peer.name +
                 (is_kept_apart ? ": nothing of it is exchanged with that node until both say the same"
                                : ": let both configurations say the same"),
         .is_kept_apart = is_kept_apart});
  };
  if (ours.merge != theirs.merge) {
    note("merge", to_string(ours.merge), to_string(theirs.merge), /*is_kept_apart=*/true);
    return false;
  }
  const std::string& filter = filter_of(ours);
  const bool differs = !filter.empty() && !theirs.filter.empty() && filter != theirs.filter;
  if (differs) note("filter", filter, theirs.filter, /*is_kept_apart=*/false);
  return true;
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
    if (is_answer_to_ours(link, channel, restart->id)) on_restart(now, peer, channel);
  } else if (const auto* describe = std::get_if<wire::Describe>(&message)) {
    if (is_answer_to_ours(link, channel, describe->id)) on_describe(now, peer, channel, *describe);
  }
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
  }
  return next;
}

// --- status ----------------------------------------------------------------------------------------------------------

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
        status.lag_ops += ops_missing(peer.channels[i].confirmed, channels_[i].own);
        status.peer_lag_ops += ops_missing(channels_[i].own, peer.channels[i].confirmed);
      }
    }
    out.push_back(std::move(status));
  }
  return out;
}

std::vector<ForkStatus> Replicator::forks() const {
  std::vector<ForkStatus> out;
  for (const Channel& channel : channels_) {
    for (const auto& [peer, replicas] : channel.forked) {
      for (const ReplicaId replica : replicas) {
        out.push_back(
            {.channel = channel.number, .replica = replica, .peer = peer, .is_asked = peer == channel.describe_from});
      }
    }
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
         std::any_of(peers_.begin(), peers_.end(), [i](const auto& each) { return each.second.channels[i].heard; });
}

std::uint64_t Replicator::behind(ChannelNo number) const {
  const std::size_t i = channel_index(number);
  if (i == kNotOurs) return 0;
  Frontier known;
  for (const auto& [name, peer] : peers_) join(known, peer.channels[i].confirmed);
  return ops_missing(known, channels_[i].own);
}

}  // namespace hedgerow::sync
