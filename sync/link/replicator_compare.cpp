// Whole frontiers of many marks: compared by digest, and told only where they differ.
#include <algorithm>

#include "sync/engine/branches.hpp"
#include "sync/link/frontier_compare.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"

namespace hedgerow::sync {

std::vector<CheckedMark> Replicator::checked_marks(const Channel& channel) const {
  std::vector<CheckedMark> marks;
  marks.reserve(channel.own.size());
  auto state = channel.states.begin();
  for (const FrontierEntry& mark : channel.own) {
    while (state != channel.states.end() && state->replica < mark.replica) ++state;
    // A digest must not tell apart who knows the hash at the end of a name, and who trimmed what told it.
    const bool is_untold = state != channel.states.end() && state->replica == mark.replica && is_head_untold(*state);
    const std::uint16_t check = is_untold ? std::uint16_t{0} : check_of(channel, mark);
    marks.push_back({.replica = mark.replica, .seq = mark.seq, .check = check});
  }
  return marks;
}

// In the place of an announcement of everything: where the peer holds the same, it knows ours by that.
void Replicator::ask_to_compare(Peer& peer, std::size_t channel) {
  Shared& shared = peer.channels[channel];
  shared.told = channels_[channel].own;
  shared.checks = true;
  const std::uint64_t digest = digest_of(checked_marks(channels_[channel]));
  send_to(peer,
          wire::encode(wire::Compare{.channel = static_cast<wire::ChannelIndex>(channel),
                                     .claims = {{.kind = RangeClaim::Kind::kAsk, .range = {}, .digest = digest}}}));
}

void Replicator::on_compare(Instant now, Peer& peer, std::size_t channel, const wire::Compare& compare) {
  Shared& shared = peer.channels[channel];
  const Channel& ours = channels_[channel];
  if (is_congested(peer)) {  // on_queue() begins anew
    shared.told.clear();
    shared.answer_due = true;
    return review_announcements(now, peer, channel);
  }
  Comparison made = compare_frontier(checked_marks(ours), compare.claims);
  shared.heard = shared.heard || !made.agreed.empty();
  shared.announced = shared.announced || made.agreed.size() == ours.own.size();
  join(shared.confirmed, made.agreed);
  join(shared.assumed, made.agreed);
  join(shared.told, made.agreed);
  shared.announced_ours = std::max(shared.announced_ours, seq_in(made.agreed, settings_.replica));
  const auto index = static_cast<wire::ChannelIndex>(channel);
  if (!made.told.empty()) {
    wire::Announcement announcement{.channel = index, .answer_wanted = false, .marks = {}, .checks = {}};
    for (const CheckedMark& mark : made.told) {
      announcement.marks.push_back({.replica = mark.replica, .seq = mark.seq});
      announcement.checks.push_back(mark.check);
    }
    join(shared.told, announcement.marks);
    send_to(peer, wire::encode(announcement));
  }
  if (!made.claims.empty()) {
    send_to(peer, wire::encode(wire::Compare{.channel = index, .claims = std::move(made.claims)}));
  }
  review_announcements(now, peer, channel);
  pull_soon(now, channel, /*at_once=*/false);
}

}  // namespace hedgerow::sync
