// What we say unasked: pushes, announcements of frontiers, live messages.
#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sync {

namespace {

const ReplicaState* find_in(const std::vector<ReplicaState>& states, ReplicaId replica) {
  const auto found = std::lower_bound(states.begin(), states.end(), replica,
                                      [](const ReplicaState& each, ReplicaId wanted) { return each.replica < wanted; });
  return found != states.end() && found->replica == replica ? &*found : nullptr;
}

bool begins_as_branch(const std::vector<ReplicaState>& states, ReplicaId replica) {
  const ReplicaState* state = find_in(states, replica);
  return state != nullptr && is_branch(*state) && base_of(*state) == 0;
}

}  // namespace

void Replicator::push(Peer& peer, std::size_t channel, const std::shared_ptr<const SegmentRow>& segment) {
  Shared& shared = peer.channels[channel];
  if (!shared.shared || !shared.heard) return;
  const ReplicaId replica = segment->replica;
  const bool is_own = replica == settings_.replica;
  if (is_own && renewing_) return;
  const Seq last = segment->first_seq + segment->count - 1;
  const Seq known = seq_in(shared.assumed, replica);
  if (last <= known) return;
  // Nothing in it says that it is a branch, and whose: who has not heard of that asks.
  if (!lists(shared.assumed, replica) && begins_as_branch(channels_[channel].states, replica)) return;
  if (channels_[channel].tree.is_lazy(peer.number, replica)) return;
  if (known + 1 < segment->first_seq) {
    // It lacks what lies before, and pulls. What is committed while its question is being answered follows the answer:
    // otherwise a peer that catches up under load would never return to being pushed to.
    if (!shared.answering || shared.held_overflowed) return;
    shared.held.push_back(segment);
    shared.held_bytes += segment->bytes.size();
    if (shared.held_bytes > kLinkQueueBytesSoft) {
      shared.held.clear();
      shared.held_overflowed = true;
    }
    return;
  }
  if (is_congested(peer)) {
    if (Link* link = find_link(peer.active)) ++link->pushes_skipped;
    return;
  }
  raise(shared.assumed, replica, last);
  if (is_own) channels_[channel].own_shown = std::max(channels_[channel].own_shown, last);
  // What is passed on before it is durable here says nothing of what we hold.
  if (last <= seq_in(channels_[channel].own, replica)) raise(shared.told, replica, last);
  send_to(peer,
          wire::encode(wire::Push{.channel = static_cast<wire::ChannelIndex>(channel), .segment = segment->bytes}));
}

// --- announcements ---------------------------------------------------------------------------------------------------

void Replicator::on_announcement(Instant now, Peer& peer, std::size_t channel, const wire::Announcement& announcement) {
  Shared& shared = peer.channels[channel];
  const bool first = !shared.heard;
  shared.heard = true;
  shared.announced = true;
  const Seq ours_there = seq_in(announcement.marks, settings_.replica);
  if (ours_there > seq_in(channels_[channel].own, settings_.replica)) renew(peer.name);
  bool is_ours = true;  // what it calls so
  for (std::size_t i = 0; i < announcement.checks.size(); ++i) {
    const std::uint16_t check = check_of(channels_[channel], announcement.marks[i]);
    const bool contradicts = check != 0 && announcement.checks[i] != 0 && check != announcement.checks[i];
    const bool is_refused = is_forked(channels_[channel], peer.name, announcement.marks[i].replica);
    if (contradicts && !is_refused) channels_[channel].describe_from = peer.name;
    if (contradicts && announcement.marks[i].replica == settings_.replica) is_ours = false;
  }
  if (is_ours) shared.announced_ours = std::max(shared.announced_ours, ours_there);
  join(shared.confirmed, announcement.marks);
  join(shared.assumed, announcement.marks);
  if (announcement.answer_wanted) {
    shared.told.clear();
    shared.answer_due = true;
  }
  review_announcements(now, peer, channel);
  SeqWalk held(channels_[channel].expected);
  for (const FrontierEntry& mark : announcement.marks) {
    if (mark.seq > held.seq_in(mark.replica)) channels_[channel].tree.on_announced(now, peer.number, mark);
  }
  pull_soon(now, channel, /*at_once=*/first);
}

// What was announced may be on its way as a push.
void Replicator::pull_soon(Instant now, std::size_t channel, bool at_once) {
  Channel& ours = channels_[channel];
  const bool waiting = ours.asked.has_value() || now < ours.not_before;
  if (!at_once && !waiting) ours.not_before = std::max(ours.not_before, now + kPullGrace);
  pull(now, channel);
}

void Replicator::review_announcements(Instant now, Peer& peer, std::size_t channel) {
  Shared& shared = peer.channels[channel];
  if (!shared.shared) return;
  const Frontier& own = channels_[channel].own;
  if (shared.answer_due || !covers(shared.told, own)) {
    const bool is_awaited =
        channels_[channel].is_prompt && seq_in(own, peer.replica) > seq_in(shared.told, peer.replica);
    const bool is_free = is_awaited || shared.announced_at == Instant::min();
    const Instant allowed = is_free ? now : shared.announced_at + kAnnounceInterval;
    shared.announce_at = std::min(shared.announce_at, std::max(now, allowed));
  }
  if (covers(shared.confirmed, own)) {
    shared.ask_at = Instant::max();
  } else if (shared.ask_at == Instant::max()) {
    shared.awaited = own;
    shared.ask_backoff = kAskAgainMin;
    shared.ask_at = now + shared.ask_backoff;
  }
  run_announcement_timers(now, peer, channel);
}

void Replicator::run_announcement_timers(Instant now, Peer& peer, std::size_t channel) {
  Shared& shared = peer.channels[channel];
  if (!shared.shared || is_congested(peer)) return;
  const Frontier& own = channels_[channel].own;
  if (shared.ask_at <= now) {
    const bool answered = covers(shared.confirmed, shared.awaited);
    shared.awaited = own;
    shared.ask_backoff = answered ? kAskAgainMin : std::min(shared.ask_backoff * 2, kAskAgainMax);
    // What was awaited may have come in another way than an announcement.
    shared.ask_at = covers(shared.confirmed, own) ? Instant::max() : now + shared.ask_backoff;
    if (!answered) {
      shared.told.clear();
      announce(now, peer, channel, /*answer_wanted=*/true);
    }
  }
  if (shared.announce_at <= now) {
    shared.announce_at = Instant::max();
    if (shared.answer_due || !covers(shared.told, own)) announce(now, peer, channel, /*answer_wanted=*/false);
  }
}

std::uint16_t Replicator::check_of(const Channel& channel, const FrontierEntry& mark) const {
  const ReplicaState* state = find_in(channel.states, mark.replica);
  const bool known = state != nullptr && state->seq == mark.seq;
  return known ? static_cast<std::uint16_t>((state->head[0] << 8U) | state->head[1]) : std::uint16_t{0};
}

void Replicator::announce(Instant now, Peer& peer, std::size_t channel, bool answer_wanted) {
  Shared& shared = peer.channels[channel];
  shared.answer_due = false;
  shared.announce_at = Instant::max();
  shared.announced_at = now;
  if (shared.told.empty() && channels_[channel].own.size() > kToldAtOnceMax) return ask_to_compare(peer, channel);
  wire::Announcement announcement{.channel = static_cast<wire::ChannelIndex>(channel),
                                  .answer_wanted = answer_wanted,
                                  .marks = above(channels_[channel].own, shared.told),
                                  .checks = {}};
  if (std::exchange(shared.checks, true)) {
    for (const FrontierEntry& mark : announcement.marks) {
      announcement.checks.push_back(check_of(channels_[channel], mark));
    }
  }
  join(shared.told, announcement.marks);
  send_to(peer, wire::encode(announcement));
}

// --- live ------------------------------------------------------------------------------------------------------------

std::span<const Action> Replicator::publish_live(Instant /*now*/, const MessagePtr& message, bool retain) {
  Expects(message != nullptr);
  actions_.clear();
  const Bytes bytes = wire::encode(
      wire::Live{.origin = settings_.incarnation, .counter = ++last_live_, .retain = retain, .message = message});
  forward_live(nullptr, bytes);
  return finish();
}

void Replicator::on_live(const Peer& from, const wire::Live& live, ByteView bytes) {
  if (live.origin == settings_.incarnation || !live_window_.first_time(live.origin, live.counter)) return;
  actions_.emplace_back(DeliverLive{.message = live.message, .retain = live.retain});
  forward_live(&from, bytes);
}

void Replicator::forward_live(const Peer* from, ByteView bytes) {
  for (auto& [name, peer] : peers_) {
    if (&peer == from) continue;
    Link* link = find_link(peer.active);
    if (link == nullptr) continue;
    if (is_congested(peer)) {
      ++link->live_skipped;
    } else {
      send(*link, to_bytes(bytes));
    }
  }
}

}  // namespace hedgerow::sync
