// What is handed to the store, and what became of it.
#include <gsl/assert>
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/replicator.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sync {

void Replicator::submit(const Submitted& job, Action action) {
  unapplied_bytes_ += job.size_bytes;
  ++channels_[job.channel].in_store;
  submitted_.push_back(job);
  actions_.push_back(std::move(action));
}

std::span<const Action> Replicator::on_received(Instant now, LinkId link, ChannelNo channel,
                                                const Expected<ReceiveResult>& result) {
  actions_.clear();
  Expects(!submitted_.empty());
  const Submitted job = submitted_.front();
  Expects(job.link == link);
  Expects(channels_[job.channel].number == channel);
  submitted_.pop_front();
  const bool was_full = unapplied_bytes_ >= kUnappliedBytesMax;
  unapplied_bytes_ -= job.size_bytes;
  settle(now, job, result);
  if (was_full && unapplied_bytes_ < kUnappliedBytesMax) {
    pull_all(now);
  } else {
    pull(now, job.channel);
  }
  return finish();
}

void Replicator::settle(Instant now, const Submitted& job, const Expected<ReceiveResult>& result) {
  Channel& ours = channels_[job.channel];
  --ours.in_store;
  if (ours.in_store == 0) ours.expected = ours.own;
  if (!result) {
    ours.expected = ours.own;
    back_off(now, job.channel);
    if (job.job == Job::kMerge || (job.job == Job::kStage && ours.snapshot && !ours.snapshot->merging)) {
      abandon_snapshot(job.channel);
    }
    const bool peers_fault =
        result.error().category == Category::kCorrupt || result.error().category == Category::kInvalidInput;
    if (peers_fault && links_.contains(job.link)) close(now, job.link, "the peer sent " + result.error().what);
    return;
  }
  const Link* link = find_link(job.link);
  switch (job.job) {
    case Job::kStage: return;
    case Job::kMerge: return settle_merge(now, job.channel, *result);
    case Job::kFill: return settle_fill(now, job, *result);
    case Job::kApply: break;
  }
  switch (*result) {
    case ReceiveResult::kApplied: ours.backoff = {}; break;
    case ReceiveResult::kDuplicate: break;
    case ReceiveResult::kFork:
      // Where the link has gone, it will be met again.
      if (link != nullptr) note_fork(ours, link->peer, job.replica);
      if (link != nullptr) ours.describe_from = link->peer;
      [[fallthrough]];
    case ReceiveResult::kRenew:
    case ReceiveResult::kGap:
      if (*result == ReceiveResult::kRenew && link != nullptr) renew(link->peer);
      ours.expected = ours.own;
      back_off(now, job.channel);
      break;
  }
}

void Replicator::settle_merge(Instant now, std::size_t channel, ReceiveResult result) {
  Channel& ours = channels_[channel];
  if (!ours.snapshot) return;
  if (result == ReceiveResult::kApplied) {
    const auto source = peers_.find(ours.snapshot->peer);
    if (source != peers_.end()) source->second.channels[channel].refused_snapshots = 0;
    if (source != peers_.end()) source->second.channels[channel].useless_answers = 0;
    ours.snapshot.reset();
    ours.backoff = {};
    for (auto& [name, peer] : peers_) peer.channels[channel].filling = {};  // other gaps now
    return;
  }
  // A chain in the snapshot contradicts ours; which one, a snapshot does not say.
  if (result == ReceiveResult::kFork) {
    refuse_snapshot(now, ours.snapshot->peer, channel);
    ours.describe_from = ours.snapshot->peer;
  }
  if (result == ReceiveResult::kRenew) renew(ours.snapshot->peer);
  abandon_snapshot(channel);
  back_off(now, channel);
}

}  // namespace hedgerow::sync
