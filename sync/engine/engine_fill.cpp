// Gaps: what this node's keep leaves, and what comes back where another node's did. DESIGN 5; sync/README.md has the
// argument.
//
// The trimmed mark stays where it is: marks only rise, and what lies below may well be in the log. The gap itself says
// how far it was filled. All between its end and the mark is in the log, so the chain can be held to what is there.
#include <gsl/assert>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/engine_internal.hpp"

namespace hedgerow::sync {

Expected<void> Engine::note_trimmed(std::size_t index, const std::vector<Storage::Trimmed>& gone) {
  if (gone.empty()) return {};
  touch(index);
  ChannelState& channel = channels_[index];
  for (const Storage::Trimmed& range : gone) {
    ReplicaState& state = state_in(channel.replicas, range.replica);
    state.trimmed = std::max(state.trimmed, range.last);
    const Gap gap{.replica = range.replica, .first = range.first, .last = range.last, .reason = range.reason};
    if (auto done = kept(storage_.add_gap(channel.number, gap)); !done) return done;
    // What lies above a gap may not be all here any more.
    if (state.fill_last == 0) continue;
    if (auto done = find_fill(channel.number, state); !done) return done;
  }
  return {};
}

// What is missing right below the mark decides: what this node trimmed stays trimmed, and nothing holds what lies
// beneath that to a chain.
Expected<void> Engine::find_fill(ChannelNo channel, ReplicaState& state) {
  state.fill_first = state.fill_last = 0;
  if (state.trimmed == 0 || state.replica == self_) return {};
  const auto gap = kept(storage_.gap_from_below(channel, state.replica, state.trimmed));
  if (!gap) return tl::make_unexpected(gap.error());
  if (!*gap || (*gap)->reason != GapReason::kTrimmedElsewhere || (*gap)->last > state.trimmed) return {};
  state.fill_first = (*gap)->first;
  state.fill_last = (*gap)->last;
  return {};
}

Expected<void> Engine::find_fills(ChannelState& channel) {
  for (ReplicaState& state : channel.replicas) {
    if (auto found = find_fill(channel.number, state); !found) return found;
  }
  return {};
}

void Engine::measure_room(std::size_t index) {
  const std::uint64_t held = storage_.log_totals(channels_[index].number).bytes;
  const std::uint64_t most = bounds_[index].keep ? bounds_[index].keep->size_bytes : 0;
  channels_[index].fill_room_bytes = most - std::min(most, held);
}

Expected<std::optional<Hash256>> Engine::hash_of_gap_end(ChannelNo channel, const ReplicaState& state) {
  if (state.fill_last == state.seq) return state.head == Hash256{} ? std::nullopt : std::optional(state.head);
  const auto row = kept(storage_.segment_from(channel, state.replica, state.fill_last + 1));
  if (!row) return tl::make_unexpected(row.error());
  if (!*row || (*row)->first_seq != state.fill_last + 1) return std::nullopt;
  const auto above = kept(peek_segment((*row)->bytes));
  if (!above) return tl::make_unexpected(above.error());
  return above->predecessor;
}

Expected<ReceiveResult> Engine::fill(const WallTime& now, ChannelNo channel, ByteView bytes) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  const auto index = index_of(channel);
  if (!index) return tl::make_unexpected(index.error());
  const auto segment = decode_segment(bytes);
  if (!segment) return tl::make_unexpected(segment.error());
  const SegmentHeader& header = segment->header;
  const std::optional<Keep>& keep = bounds_[*index].keep;
  const ReplicaState* const held = find_in(channels_[*index].replicas, header.replica);
  const bool fits =
      keep && held != nullptr && held->fill_last == header.last_seq() && held->fill_first <= header.first_seq;
  if (!fits) return ReceiveResult::kDuplicate;

  // The row above may not be written yet.
  if (auto done = flush(); !done) return tl::make_unexpected(std::move(done.error()));
  if (auto done = kept(rows_.flush()); !done) return tl::make_unexpected(std::move(done.error()));
  const auto end = hash_of_gap_end(channel, *held);
  if (!end) return tl::make_unexpected(end.error());
  if (!*end) return ReceiveResult::kDuplicate;
  const ChainName name{.channel = channels_[*index].name, .replica = root_of(*held)};
  Hash256 head = header.predecessor;
  for (std::size_t i = 0; i < segment->ops.size(); ++i) {
    head = chain_.next(head, name, header.first_seq + i, segment->ops[i]);
  }
  if (head != **end) return ReceiveResult::kFork;

  touch(*index);
  ReplicaState& state = state_in(channels_[*index].replicas, header.replica);
  const std::uint64_t age = age_base_ms(now, segment->ops);
  const bool age_counts = now.quality == ClockQuality::kSynchronised && now.unix_ms > keep->age_ms;
  if (age_counts && age < now.unix_ms - keep->age_ms) {
    // All below is older still: not asked for again in this life of the process.
    state.fill_first = state.fill_last = 0;
    return ReceiveResult::kDuplicate;
  }
  if (storage_.log_totals(channel).bytes + bytes.size() > keep->size_bytes) return ReceiveResult::kGap;

  hlc_.observe(segment->ops.back().stamp);
  const SegmentRow row{.replica = header.replica,
                       .first_seq = header.first_seq,
                       .count = header.count,
                       .first_arrival = last_arrival_ + 1,
                       .newest_wall_ms = age,
                       .bytes = to_bytes(bytes)};
  if (auto done = append_row(*index, row, segment->ops); !done) return tl::make_unexpected(std::move(done.error()));
  const Gap gap{.replica = header.replica,
                .first = state.fill_first,
                .last = state.fill_last,
                .reason = GapReason::kTrimmedElsewhere};
  if (auto done = kept(storage_.end_gap(channel, gap, header.first_seq - 1)); !done) {
    return tl::make_unexpected(std::move(done.error()));
  }
  if (auto done = find_fill(channel, state); !done) return tl::make_unexpected(std::move(done.error()));
  committed_.merged.push_back(channel);
  return ReceiveResult::kApplied;
}

}  // namespace hedgerow::sync
