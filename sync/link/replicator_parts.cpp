// Catch-up from several peers at once. The first question of a channel asks one peer for everything. Where its answer
// filled a window, and the peer has more, the next one leaves some replicas to other peers that hold them too. Each is
// asked beside it for its part, window by window, until the first question's own window ends: what is missing then is
// divided anew. So thin links add up, who is slow gets less, and nothing is asked for twice. A replica's ops come in
// sequence, so one replica is never divided; and a snapshot is one peer's.
#include <algorithm>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/limits.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"
#include "sync/link/wanted.hpp"

namespace hedgerow::sync {
namespace {

// Beside the first one: all answers must have room, with a window that waits for the store.
constexpr std::size_t kQuestionsBesideMax = kUnappliedBytesMax / kPullWindowMax - 2;
static_assert(kQuestionsBesideMax == 2);

}  // namespace

bool Replicator::is_asked_beside(const Channel& channel, ReplicaId replica) {
  return std::any_of(channel.beside.begin(), channel.beside.end(),
                     [replica](const Channel::Question& each) { return each.part.contains(replica); });
}

// How many ops the peer has of each replica that may be asked for apart from the others, and that nobody is bringing.
// The ops of a branch come behind those that lead to it.
Frontier Replicator::parts_missing(Instant now, const Peer& peer, std::size_t index) const {
  const Channel& channel = channels_[index];
  Frontier missing;
  SeqWalk walk(channel.expected);
  each_wanted(peer.channels[index].confirmed, channel.states, nullptr, [&](ReplicaId replica, Seq last) {
    const Seq held = walk.seq_in(replica);
    if (last <= held || channel.tree.is_coming(now, replica, held) || is_asked_beside(channel, replica)) return;
    const ReplicaState* const state = find_in(channel.states, replica);
    if (state != nullptr && (is_branch(*state) || state->end != kSeqMax)) return;
    missing.push_back({.replica = replica, .seq = last - held});
  });
  return missing;
}

bool Replicator::may_ask_beside(Instant now, const Peer& peer, std::size_t index) const {
  const Channel& channel = channels_[index];
  const Shared& shared = peer.channels[index];
  const bool is_asked = std::any_of(channel.beside.begin(), channel.beside.end(),
                                    [&](const Channel::Question& each) { return each.peer == peer.name; });
  const std::size_t windows = channel.beside.size() + 2;
  return shared.shared && !is_asked && shared.failures == 0 && now >= shared.not_asked_before &&
         now >= shared.no_part_before && forked_of(channel, peer.name) == nullptr && !is_congested(peer) &&
         channel.beside.size() < kQuestionsBesideMax &&
         unapplied_bytes_ + windows * kPullWindowMax <= kUnappliedBytesMax;
}

// Before `source` is asked: parts of what it has are asked of others.
void Replicator::divide(Instant now, std::size_t index, const Peer& source) {
  Channel& channel = channels_[index];
  if (!source.channels[index].has_more || channel.drain_first || channel.ask_plainly) return;
  if (now < channel.not_divided_before) return;
  Frontier rest = parts_missing(now, source, index);
  std::vector<Peer*> others;
  for (auto& [name, peer] : peers_) {
    if (&peer != &source && may_ask_beside(now, peer, index)) others.push_back(&peer);
  }
  others.resize(std::min(others.size(), kQuestionsBesideMax - channel.beside.size()));
  for (std::size_t i = 0; i < others.size(); ++i) {
    std::uint64_t share = 0;
    for (const FrontierEntry& entry : rest) share += entry.seq;
    share /= others.size() - i + 1;
    const Frontier theirs = parts_missing(now, *others[i], index);
    std::set<ReplicaId> part;
    for (std::size_t at = rest.size(); at-- > 0 && rest.size() > 1;) {
      if (rest[at].seq > share || seq_in(theirs, rest[at].replica) == 0) continue;
      share -= rest[at].seq;
      part.insert(rest[at].replica);
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (!part.empty() && may_ask_beside(now, *others[i], index)) ask_for_part(now, index, *others[i], std::move(part));
  }
}

// While the first question waits: what it leaves to others, and nobody is asked for.
void Replicator::ask_beside(Instant now, std::size_t index) {
  Channel& channel = channels_[index];
  if (channel.asked->part.empty() || channel.drain_first || now < channel.not_before) return;
  for (auto& [name, peer] : peers_) {
    if (name == channel.asked->peer || !may_ask_beside(now, peer, index)) continue;
    std::set<ReplicaId> part;
    for (const FrontierEntry& entry : parts_missing(now, peer, index)) {
      if (channel.asked->part.contains(entry.replica)) part.insert(entry.replica);
    }
    if (!part.empty()) ask_for_part(now, index, peer, std::move(part));
  }
}

void Replicator::ask_for_part(Instant now, std::size_t index, Peer& peer, std::set<ReplicaId> part) {
  Channel& channel = channels_[index];
  const Shared& shared = peer.channels[index];
  std::set<ReplicaId> left_out;
  for (const FrontierEntry& mark : shared.confirmed) {
    if (!part.contains(mark.replica)) left_out.insert(mark.replica);
  }
  for (const ReplicaId replica : part) channel.tree.on_asked(peer.number, replica);
  channel.beside.push_back({.peer = peer.name,
                            .link = peer.active,
                            .id = ++last_pull_id_,
                            .asked_at = now,
                            .deadline = now + kPullTimeout,
                            .is_beside = true,
                            .part = std::move(part)});
  send_to(peer, wire::encode(wire::Pull{.channel = static_cast<wire::ChannelIndex>(index),
                                        .id = last_pull_id_,
                                        .request = {.frontier = channel.expected,
                                                    .token = part_token(left_out),
                                                    .window_bytes = shared.window_bytes}}));
}

// What they were to bring is anybody's again.
void Replicator::end_overdue_parts(Instant now, std::size_t index) {
  std::vector<Channel::Question>& beside = channels_[index].beside;
  const auto overdue = std::stable_partition(beside.begin(), beside.end(),
                                             [now](const Channel::Question& each) { return each.deadline > now; });
  if (overdue == beside.end()) return;
  for (auto each = overdue; each != beside.end(); ++each) note_failure(index, *each);
  beside.erase(overdue, beside.end());
  pull(now, index);
}

}  // namespace hedgerow::sync
