// Pushes that come, and the broadcast trees that grow out of them: what peers want pushed, and what we want of them.
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

void Replicator::on_push(Instant now, Link& link, std::size_t channel, const wire::Push& push) {
  Peer& peer = *peer_of(link);
  Channel& ours = channels_[channel];
  const auto header = peek_segment(push.segment);
  switch (accept_segment(link, channel, push.segment, /*asked_for=*/false)) {
    case Accepted::kSubmitted: ours.tree.on_news(now, peer.number, header->replica); break;
    case Accepted::kHeld:
      if (!is_forked(ours, link.peer, header->replica) && ours.tree.on_copy(now, peer.number, header->replica)) {
        prune(peer, channel, header->replica);
      }
      break;
    case Accepted::kGap:
    case Accepted::kLetGo:
      ours.tree.on_gap(header->replica);
      pull(now, channel);
      break;
    case Accepted::kBroken: close(now, link.id, "the peer pushed a segment with a broken header"); break;
  }
}

void Replicator::on_tree(Instant now, Peer& peer, std::size_t channel, const wire::Tree& tree) {
  Channel& ours = channels_[channel];
  Shared& shared = peer.channels[channel];
  if (!shared.shared) return;
  Frontier marks = tree.marks;
  // Only names that are known here take room (G6).
  std::erase_if(marks, [&ours](const FrontierEntry& mark) { return !lists(ours.expected, mark.replica); });
  join(shared.assumed, marks);
  if (tree.what == wire::Tree::What::kPrune) {
    return graft(channel, ours.tree.on_prune(now, peer.number, marks));
  }
  graft(channel, ours.tree.on_graft(peer.number, marks));
  // What came here while it was cut off: what is not committed yet follows by itself, the rest it will ask for.
  for (const auto& segment : ours.open) push(peer, channel, segment);
  if (!covers(shared.told, ours.own)) announce(now, peer, channel, /*answer_wanted=*/false);
}

void Replicator::prune(Peer& peer, std::size_t channel, ReplicaId replica) {
  send_to(peer, wire::encode(
                    wire::Tree{.channel = static_cast<wire::ChannelIndex>(channel),
                               .what = wire::Tree::What::kPrune,
                               .marks = {{.replica = replica, .seq = seq_in(channels_[channel].expected, replica)}}}));
}

void Replicator::graft(std::size_t channel, const std::vector<Graft>& grafts) {
  for (const Graft& graft : grafts) {
    wire::Tree tree{.channel = static_cast<wire::ChannelIndex>(channel), .what = wire::Tree::What::kGraft, .marks = {}};
    for (const ReplicaId replica : graft.replicas) {
      tree.marks.push_back({.replica = replica, .seq = seq_in(channels_[channel].expected, replica)});
    }
    for (auto& [name, peer] : peers_) {
      if (peer.number == graft.to) send_to(peer, wire::encode(tree));
    }
  }
}

void Replicator::keep_open(std::size_t channel, const std::shared_ptr<const SegmentRow>& segment) {
  // A turn that is lost takes no part in this: what bounds turns bounds this.
  if (open_bytes_ + segment->bytes.size() > kRemoteCommitBytesMax) forget_open();
  open_bytes_ += segment->bytes.size();
  channels_[channel].open.push_back(segment);
}

void Replicator::forget_open() {
  if (std::exchange(open_bytes_, 0) == 0) return;
  for (Channel& channel : channels_) channel.open.clear();
}

}  // namespace hedgerow::sync
