// Gaps that somebody's keep left here, and peers that may hold what is missing: one question a channel at a time, after
// all else, and with pauses, so that it never stands in the way of what is new.
#include <algorithm>
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

// Of replicas of which the peer holds as much as stands above the gap: a peer that heard less trimmed nothing there.
Replicator::FillQuestion Replicator::question_to_fill(const Channel& channel, const Peer& peer, const Shared& shared) {
  FillQuestion question;
  std::size_t ranges = 0;
  SeqWalk confirmed(shared.confirmed);
  for (const ReplicaState& state : channel.states) {
    if (state.fill_last == 0 || confirmed.seq_in(state.replica) < state.fill_last) continue;
    if (state.replica <= shared.filling.after || is_forked(channel, peer.name, state.replica)) continue;
    question.last = state.replica;
    add_fill_range(question.token, {.replica = state.replica, .first = state.fill_first, .last = state.fill_last});
    if (++ranges == kFillRangesMax) break;
  }
  return question;
}

Instant Replicator::ask_to_fill(Instant now, std::size_t channel) {
  Channel& ours = channels_[channel];
  if (ours.snapshot || ours.in_store > 0 || ours.fill_room_bytes < kFillRoomBytesMin) return Instant::max();
  Instant next = Instant::max();
  for (auto& [name, peer] : peers_) {
    Shared& shared = peer.channels[channel];
    // Nobody wakes up for who had nothing: an idle mesh stays silent.
    if (!shared.shared || now < shared.filling.not_before) continue;
    FillQuestion wanted = question_to_fill(ours, peer, shared);
    if (wanted.token.empty()) continue;
    const Instant due = is_congested(peer) ? now + kFillInterval : ours.fill_at;
    if (due > now) {
      next = std::min(next, due);
      continue;
    }
    ours.asked = {.peer = name,
                  .link = peer.active,
                  .id = ++last_pull_id_,
                  .asked_at = now,
                  .deadline = now + kPullTimeout,
                  .fills_to = wanted.last};
    // Unless it answers with something.
    shared.filling.not_before = now + kFillPause;
    ours.fill_at = now + kFillInterval;
    wire::Pull question{.channel = static_cast<wire::ChannelIndex>(channel), .id = ours.asked->id, .request = {}};
    question.request.frontier = ours.expected;
    question.request.token = std::move(wanted.token);
    question.request.window_bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(kJoinBytesMax, ours.fill_room_bytes));
    send_to(peer, wire::encode(question));
    return Instant::max();
  }
  return next;
}

void Replicator::on_fill(Instant now, Link& link, Peer& peer, std::size_t channel,
                         const std::vector<ByteView>& segments, ReplicaId asked_to) {
  Channel& ours = channels_[channel];
  const auto header = segments.empty() ? Expected<SegmentHeader>{} : peek_segment(segments.front());
  if (!header) return close(now, link.id, "the peer answered with a broken segment");
  // Also what was not asked for, or fits no more.
  const bool fits = !segments.empty() && std::any_of(ours.states.begin(), ours.states.end(), [&](const auto& state) {
    return state.replica == header->replica && state.fill_last == header->last_seq() && state.fill_last != 0;
  });
  if (!fits) {
    fill_behind(now, channel, peer, asked_to);
    return pull(now, channel);
  }
  submit({.job = Job::kFill,
          .link = link.id,
          .channel = channel,
          .replica = header->replica,
          .size_bytes = segments.front().size()},
         ApplySegment{.link = link.id, .channel = ours.number, .segment = to_bytes(segments.front()), .fills = true});
}

// The peer is asked for the replicas behind this one; without any once more from the first, after the pause.
void Replicator::fill_behind(Instant now, std::size_t channel, Peer& peer, ReplicaId replica) {
  Shared& shared = peer.channels[channel];
  shared.filling.after = replica;
  if (question_to_fill(channels_[channel], peer, shared).token.empty()) {
    shared.filling.after = {};
  } else {
    shared.filling.not_before = now;
  }
}

void Replicator::settle_fill(Instant now, const Submitted& job, ReceiveResult result) {
  Channel& ours = channels_[job.channel];
  const Link* const link = find_link(job.link);
  if (link == nullptr) return;
  Peer* const peer = peer_of(*link);
  if (peer == nullptr) return;
  // Whoever sent what does not fit is left alone for the pause that began with the question; not for what was too old.
  const bool is_open = std::any_of(ours.states.begin(), ours.states.end(), [&job](const ReplicaState& state) {
    return state.replica == job.replica && state.fill_last != 0;
  });
  if (result == ReceiveResult::kApplied || (result == ReceiveResult::kDuplicate && !is_open)) {
    peer->channels[job.channel].filling.not_before = now;
  }
  // No room for it; others may have smaller ones.
  if (result == ReceiveResult::kGap) fill_behind(now, job.channel, *peer, job.replica);
  if (result != ReceiveResult::kFork) return;
  note_fork(ours, peer->name, job.replica);
  ours.describe_from = peer->name;
}

}  // namespace hedgerow::sync
