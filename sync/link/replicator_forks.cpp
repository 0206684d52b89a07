// Chains that contradict each other: who is asked what it holds, what is refused from whom, and what goes on meanwhile
// (G5). What a description means is the engine's: Engine::learn().
#include <algorithm>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/limits.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"
#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

// `peer` knows more of us than we do.
void Replicator::renew(const std::string& peer) {
  if (std::exchange(renewing_, true)) return;
  RenewReplica action{.peer = peer, .shown = {}};
  for (const Channel& channel : channels_)
    action.shown.push_back({.channel = channel.number, .last = channel.own_shown});
  actions_.emplace_back(std::move(action));
}

// What contradicted us is met again, and asked about again.
void Replicator::forget_forks(std::size_t channel) {
  channels_[channel].forked.clear();
  channels_[channel].describe_from.clear();
}

void Replicator::note_fork(Channel& channel, const std::string& peer, ReplicaId replica) const {
  if (forks().size() < kForksMax) channel.forked[peer].insert(replica);
}

const std::set<ReplicaId>* Replicator::forked_of(const Channel& channel, const std::string& peer) {
  const auto found = channel.forked.find(peer);
  return found == channel.forked.end() ? nullptr : &found->second;
}

bool Replicator::is_forked(const Channel& channel, const std::string& peer, ReplicaId replica) {
  const auto* const forked = forked_of(channel, peer);
  return forked != nullptr && forked->contains(replica);
}

// A snapshot tells where a chain stands, and not how it came there: what is refused could be put behind ours.
bool Replicator::brings_refused(const Channel& channel, const std::string& peer,
                                const std::vector<ReplicaState>& frontier) {
  const auto* const forked = forked_of(channel, peer);
  return forked != nullptr && std::any_of(forked->begin(), forked->end(), [&](ReplicaId replica) {
           return replica != ReplicaId{} && seq_in(frontier, replica) > 0;
         });
}

bool Replicator::is_snapshot_refused(const Channel& channel, const std::string& peer) {
  const auto* const forked = forked_of(channel, peer);
  return forked != nullptr && forked->contains(ReplicaId{}) && forked->size() > 1;
}

// Once, and of no fork that is known, it may be for want of a description that explains it. Else it would be the same
// each time: others are asked meanwhile.
void Replicator::refuse_snapshot(Instant now, const std::string& peer, std::size_t channel) {
  note_fork(channels_[channel], peer, ReplicaId{});
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  Shared& shared = found->second.channels[channel];
  const Duration pause =
      std::min(kRefusedSnapshotPauseMin * (1U << shared.refused_snapshots), kRefusedSnapshotPauseMax);
  if (shared.refused_snapshots > 0 || is_snapshot_refused(channels_[channel], peer)) {
    shared.not_asked_before = now + pause;
    shared.window_bytes = kPullWindowMin;
  }
  if (pause < kRefusedSnapshotPauseMax) ++shared.refused_snapshots;
}

// Its states go to the engine, which knows what to make of them. What they contradict and do not explain is refused,
// lest the question be asked for ever.
void Replicator::on_describe(Instant now, Peer& peer, std::size_t channel, const Channel::Question& asked,
                             const wire::Describe& describe) {
  question_answered(now, channel, asked, peer.channels[channel]);
  Channel& ours = channels_[channel];
  ours.describe_from.clear();
  ours.is_described = true;
  if (ours.snapshot && ours.snapshot->peer == peer.name) abandon_snapshot(channel);
  for (const ReplicaId replica : unexplained_forks(ours.states, describe.states, kForksMax)) {
    note_fork(ours, peer.name, replica);
  }
  actions_.emplace_back(
      LearnBranches{.channel = channels_[channel].number, .peer = peer.name, .states = describe.states});
  back_off(now, channel);
  pull(now, channel);
}

// A peer whose chains contradict ours, to be asked what it holds.
Replicator::Peer* Replicator::choose_describer(std::size_t channel) {
  Channel& ours = channels_[channel];
  if (ours.describe_from.empty()) return nullptr;
  const auto found = peers_.find(ours.describe_from);
  if (found != peers_.end()) return &found->second;
  forget_forks(channel);
  return nullptr;
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

}  // namespace hedgerow::sync
