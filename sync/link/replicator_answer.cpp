// Catch-up, the side that is asked: one question of a peer for each channel at a time.
#include <algorithm>
#include <utility>

#include "sync/limits.hpp"
#include "sync/link/marks.hpp"
#include "sync/link/replicator.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {
namespace {

wire::Packed packed(const PackedBulk& bulk) { return {.bytes = bulk.bytes, .unpacked_bytes = bulk.unpacked_bytes}; }

}  // namespace

// A page may hold cells of ours, and a description tells of our runs.
Seq Replicator::own_shown_by(const PullAnswer& answer) const {
  if (std::holds_alternative<RestartAnswer>(answer)) return 0;
  const auto* range = std::get_if<RangeAnswer>(&answer);
  if (range == nullptr) return kSeqMax;
  Seq last = 0;
  for (const Bytes& segment : range->segments) {
    const auto header = peek_segment(segment);
    if (header && header->replica == settings_.replica) last = std::max(last, header->last_seq());
  }
  return last;
}

void Replicator::on_pull(Link& link, Peer& peer, std::size_t channel, const wire::Pull& pull) {
  Shared& shared = peer.channels[channel];
  shared.heard = true;
  join(shared.assumed, pull.request.frontier);
  Frontier above = pull.request.frontier;
  if (const auto left_out = decode_part_token(pull.request.token)) {
    Frontier left;
    for (const ReplicaId replica : *left_out) left.push_back({.replica = replica, .seq = kSeqMax});
    join(above, left);
  }
  channels_[channel].tree.on_question(peer.number, above, channels_[channel].own);
  shared.next_question = {.link = link.id, .id = pull.id, .request = pull.request};
  answer_next(shared, channel);
}

void Replicator::answer_next(Shared& shared, std::size_t channel) {
  if (shared.answering || !shared.next_question) return;
  shared.answering = std::move(shared.next_question);
  shared.next_question.reset();
  // What is committed soon may be too late for the answer, and was committed before the next is pushed.
  shared.held = channels_[channel].open;
  actions_.emplace_back(AnswerPull{.link = shared.answering->link,
                                   .channel = channels_[channel].number,
                                   .request = std::move(shared.answering->request)});
}

std::span<const Action> Replicator::on_pull_answer(Instant now, LinkId id, ChannelNo number,
                                                   const Expected<PullAnswer>& answer) {
  actions_.clear();
  const std::size_t channel = channel_index(number);
  Link* link = find_link(id);
  Peer* peer = link == nullptr ? nullptr : peer_of(*link);
  if (peer == nullptr || channel >= channels_.size()) return finish();
  Shared& shared = peer->channels[channel];
  if (!shared.answering || shared.answering->link != id) return finish();
  const wire::PullId question = shared.answering->id;
  shared.answering.reset();
  std::vector<std::shared_ptr<const SegmentRow>> held = std::move(shared.held);
  const bool complete = !shared.held_overflowed;
  shared.held.clear();
  shared.held_bytes = 0;
  shared.held_overflowed = false;
  const bool at_end = answer && send_answer(*link, shared, channel, question, *answer);
  if (!answer) {
    // The reason is ours to log; to the peer it is all one: its question cannot be answered as it stands.
    send(*link, wire::encode(wire::Restart{.channel = static_cast<wire::ChannelIndex>(channel), .id = question}));
  }
  if (at_end && complete) {
    for (const auto& segment : held) push(*peer, channel, segment);
  }
  answer_next(shared, channel);
  review_announcements(now, *peer, channel);
  return finish();
}

bool Replicator::send_answer(Link& link, Shared& shared, std::size_t channel, wire::PullId question,
                             const PullAnswer& answer) {
  const auto index = static_cast<wire::ChannelIndex>(channel);
  const Seq own_shown = own_shown_by(answer);
  if (own_shown > 0 && renewing_) {
    send(link, wire::encode(wire::Restart{.channel = index, .id = question}));
    return false;
  }
  channels_[channel].own_shown = std::max(channels_[channel].own_shown, own_shown);
  if (const auto* page = std::get_if<SnapshotPage>(&answer)) {
    if (page->is_last()) join(shared.assumed, frontier_of(page->frontier));
    send(link, wire::encode(wire::Page{.channel = index,
                                       .id = question,
                                       .page_no = page->page_no,
                                       .page = page->page,
                                       .next_token = page->next_token,
                                       .frontier = page->frontier,
                                       .packed = packed(page->packed)}));
    return false;
  }
  if (const auto* describe = std::get_if<DescribeAnswer>(&answer)) {
    send(link, wire::encode(wire::Describe{.channel = index, .id = question, .states = describe->states}));
    return false;
  }
  const auto* complete = std::get_if<RangeAnswer>(&answer);
  if (complete == nullptr) {
    send(link, wire::encode(wire::Restart{.channel = index, .id = question}));
    return false;
  }
  wire::Range range{
      .channel = index, .id = question, .more = complete->more, .segments = {}, .packed = packed(complete->packed)};
  for (const Bytes& segment : complete->segments) {
    if (range.segments.size() == kRangeSegmentsMax) {
      range.more = true;
      break;
    }
    range.segments.emplace_back(segment);
    if (const auto header = peek_segment(segment)) raise(shared.assumed, header->replica, header->last_seq());
  }
  send(link, wire::encode(range));
  return !range.more;
}

}  // namespace hedgerow::sync
