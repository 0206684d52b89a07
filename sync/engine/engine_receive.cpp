// Segments that come from peers. DESIGN 5.
#include <gsl/assert>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/limits.hpp"

namespace hedgerow::sync {

// Where a segment that reaches up to our frontier or beyond it contradicts our head, its replica has forked. Below the
// frontier nothing is recomputed: what is held there was checked when it came.
Engine::Fit Engine::fit(std::size_t index, const ReplicaState& held, const Segment& segment) {
  const SegmentHeader& header = segment.header;
  if (header.last_seq() < held.seq) return {.result = ReceiveResult::kDuplicate};
  if (header.first_seq > held.seq + 1) return {.result = ReceiveResult::kGap};
  // What lies beyond the end has other names, which the sender has not heard of yet.
  if (header.first_seq > held.end) return {.result = ReceiveResult::kDuplicate};
  if (header.last_seq() > held.end) return {.result = ReceiveResult::kGap};
  if (header.replica == self_ && header.last_seq() > held.seq) return {.result = ReceiveResult::kFork};

  const ChainName name{.channel = channels_[index].name, .replica = root_of(held)};
  const auto first_new = static_cast<std::size_t>(held.seq + 1 - header.first_seq);
  Hash256 head = header.predecessor;
  Fit out{.result = ReceiveResult::kApplied, .first_new = first_new};
  for (std::size_t i = 0; i < segment.ops.size(); ++i) {
    if (i == first_new && head != held.head && !is_untold_base(held)) return {.result = ReceiveResult::kFork};
    const Seq seq = header.first_seq + i;
    head = chain_.next(head, name, seq, segment.ops[i]);
    if (i >= first_new && segment.ops[i].run != 0) out.runs.push_back({.first = seq, .mark = segment.ops[i].run});
  }
  if (first_new < segment.ops.size()) {
    out.head_after = head;
    if (held.end == kSeqMax) return out;
    ReplicaState grown = held;
    grown.seq = header.last_seq();
    for (const Run& run : out.runs) add_run(grown, run);
    return goes_astray(channels_[index].replicas, grown) ? Fit{.result = ReceiveResult::kFork} : out;
  }
  const bool same = head == held.head || held.head == Hash256{};
  return {.result = same ? ReceiveResult::kDuplicate : ReceiveResult::kFork};
}

Expected<ReceiveResult> Engine::receive(const WallTime& now, ChannelNo channel, ByteView bytes) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  const auto index = index_of(channel);
  if (!index) return tl::make_unexpected(index.error());
  auto segment = decode_segment(bytes);
  if (!segment) return tl::make_unexpected(std::move(segment.error()));

  const std::vector<ReplicaState>& replicas = channels_[*index].replicas;
  const ReplicaState* known = find_in(replicas, segment->header.replica);
  if (known != nullptr && is_branch(*known) && known->seq == base_of(*known) && !is_stem_held(replicas, *known)) {
    return ReceiveResult::kGap;
  }
  const Fit fitted =
      fit(*index, known != nullptr ? *known : ReplicaState{.replica = segment->header.replica}, *segment);
  if (fitted.result != ReceiveResult::kApplied) return fitted.result;
  if (tells_of_self(*index, segment->ops, fitted.first_new)) return ReceiveResult::kRenew;
  if (known == nullptr && replicas.size() >= kReplicasPerChannelMax) {
    return fail(Category::kLimit, "receive: the channel knows " + std::to_string(kReplicasPerChannelMax) +
                                      " replicas, which is the bound");
  }
  if (auto room = check_merges(*index, segment->header, segment->ops, fitted.first_new); !room) {
    return tl::make_unexpected(std::move(room.error()));
  }
  if (auto done = apply_tail(now, *index, {.bytes = bytes, .segment = std::move(*segment)}, fitted); !done) {
    return tl::make_unexpected(std::move(done.error()));
  }
  return ReceiveResult::kApplied;
}

// Appends what is new of a segment that fits: as it came where all of it is new, else cut anew.
Expected<void> Engine::apply_tail(const WallTime& now, std::size_t index, PageSegment item, const Fit& fitted) {
  const SegmentHeader header = item.segment.header;
  std::vector<Op>& ops = item.segment.ops;
  hlc_.observe(ops.back().stamp);  // stamps only rise within a segment
  const std::uint64_t age = age_base_ms(now, ops);
  if (fitted.first_new > 0) {
    for (std::size_t i = fitted.first_new; i < ops.size(); ++i) {
      if (auto done = add_op(index, header.replica, age, std::move(ops[i])); !done) return done;
    }
    return {};
  }
  if (auto done = flush(); !done) return done;
  touch(index);
  auto row = std::make_shared<SegmentRow>(SegmentRow{.replica = header.replica,
                                                     .first_seq = header.first_seq,
                                                     .count = header.count,
                                                     .first_arrival = last_arrival_ + 1,
                                                     .newest_wall_ms = age,
                                                     .bytes = to_bytes(item.bytes)});
  if (auto done = append_row(index, *row, ops); !done) return done;
  std::vector<MessagePtr> shown;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const OpName name{.replica = header.replica, .seq = header.first_seq + i};
    auto message = take_cell_of(index, name, row->first_arrival + i, ops[i]);
    if (!message) return tl::make_unexpected(std::move(message.error()));
    if (merges(index)) shown.push_back(show(index, std::move(*message)));
  }
  ReplicaState& state = state_in(channels_[index].replicas, header.replica);
  state.seq = header.last_seq();
  state.head = fitted.head_after;
  for (const Run& run : fitted.runs) add_run(state, run);
  if (!report_) return {};
  committed_.segments.push_back({.channel = channels_[index].number,
                                 .segment = std::move(row),
                                 .head_before = header.predecessor,
                                 .head_after = fitted.head_after,
                                 .ops = std::move(ops),
                                 .shown = std::move(shown)});
  return {};
}

}  // namespace hedgerow::sync
