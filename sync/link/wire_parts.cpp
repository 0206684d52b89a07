#include "sync/link/wire_parts.hpp"

#include <utility>

#include "sync/limits.hpp"
#include "sync/log/lineage_codec.hpp"

namespace hedgerow::sync::wire {
namespace {

// A count of segments is backed by at least this much: a segment's own header is larger.
constexpr std::size_t kRangeSegmentBytesMin = 2;

}  // namespace

std::size_t read_count(Reader& in, const CountBounds& bounds) {
  const auto count = static_cast<std::size_t>(in.varint_up_to(bounds.max));
  if (count > in.left() / bounds.item_bytes) in.reject();
  return in.ok() ? count : 0;
}

void put_marks(Writer& out, const Frontier& marks) {
  out.varint(marks.size());
  for (const FrontierEntry& mark : marks) {
    out.u64(static_cast<std::uint64_t>(mark.replica));
    out.varint(mark.seq);
  }
}

Frontier read_marks(Reader& in) {
  Frontier marks;
  const std::size_t count = read_count(in, {.max = kReplicasPerChannelMax, .item_bytes = 8 + 1});
  marks.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const auto replica = static_cast<ReplicaId>(in.u64());
    const Seq seq = in.varint();
    marks.push_back({.replica = replica, .seq = seq});
  }
  if (!is_ordered_by_replica(marks)) in.reject();
  return marks;
}

void put_states(Writer& out, const std::vector<ReplicaState>& states) {
  out.varint(states.size());
  for (const ReplicaState& state : states) {
    out.u64(static_cast<std::uint64_t>(state.replica));
    out.varint(state.seq);
    out.raw(state.head);
    out.varint(state.trimmed);
    out.sized(state.lineage == nullptr ? Bytes{} : encode_lineage(*state.lineage));
  }
}

std::vector<ReplicaState> read_states(Reader& in) {
  std::vector<ReplicaState> states;
  const std::size_t count = read_count(in, {.max = kReplicasPerChannelMax, .item_bytes = 8 + 1 + 32 + 1 + 1});
  states.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    ReplicaState state;
    state.replica = static_cast<ReplicaId>(in.u64());
    state.seq = in.varint();
    state.head = in.hash();
    state.trimmed = in.varint_up_to(state.seq);
    if (const ByteView lineage = in.sized(kLineageBytesMax); !lineage.empty()) {
      auto decoded = decode_lineage(lineage);
      if (!decoded) in.reject();
      if (decoded) state.lineage = std::move(*decoded);
    }
    states.push_back(state);
  }
  if (!is_ordered_by_replica(states)) in.reject();
  return states;
}

void put_segments(Writer& out, const std::vector<ByteView>& segments) {
  out.varint(segments.size());
  for (const ByteView segment : segments) out.sized(segment);
}

std::vector<ByteView> read_segments(Reader& in) {
  std::vector<ByteView> segments;
  const std::size_t count = read_count(in, {.max = kRangeSegmentsMax, .item_bytes = kRangeSegmentBytesMin});
  segments.reserve(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) segments.push_back(in.sized(kSegmentBytesMax));
  return segments;
}

}  // namespace hedgerow::sync::wire
