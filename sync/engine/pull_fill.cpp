#include "sync/engine/pull_fill.hpp"

#include <algorithm>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/limits.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/join.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {
namespace {

// token = version:u8=3 (replica:u64 first:varint last:varint)+     replicas ascending
constexpr std::uint8_t kFillToken = 3;

// One of our rows, cut to what is wanted of it: what lies above `last` and below `first` goes.
Expected<Bytes> cut(Chain& chain, const ChainName& name, const SegmentRow& row, Seq first, Seq last) {
  auto segment = decode_segment(row.bytes);
  if (!segment) return tl::make_unexpected(std::move(segment.error()));
  segment->ops.resize(static_cast<std::size_t>(last + 1 - row.first_seq));
  return recut(chain, name, *segment, {.first = first}).bytes;
}

// What our log holds at the upper end of the range, as one segment. Empty: nothing.
Expected<Bytes> upper_end(ReadView& view, Chain& chain, const FilledChannel& channel, const FillRange& range,
                          std::size_t window_bytes) {
  const ReplicaState* const state = find_in(channel.states, range.replica);
  const ChainName name{.channel = channel.name, .replica = state == nullptr ? range.replica : root_of(*state)};
  std::vector<Bytes> parts;  // the upper first
  std::size_t bytes = 0;
  for (Seq last = range.last; last >= range.first && parts.size() < kFillRowsMax;) {
    auto rows = view.segments(channel.channel, range.replica, last, 1);
    if (!rows) return tl::make_unexpected(std::move(rows.error()));
    if (rows->empty() || rows->front().first_seq > last) break;
    const SegmentRow& row = rows->front();
    Seq first = std::max(row.first_seq, range.first);
    const bool is_whole = first == row.first_seq && last == row.first_seq + row.count - 1;
    Bytes part = is_whole ? row.bytes : Bytes{};
    // Where it has no room the upper half, and so on; one op is as large as it is.
    while (part.empty() || (parts.empty() && part.size() > window_bytes && first < last)) {
      if (!part.empty()) first += (last - first + 1) / 2;
      auto less = cut(chain, name, row, first, last);
      if (!less) return less;
      part = std::move(*less);
    }
    bytes += part.size();
    if (!parts.empty() && bytes > window_bytes) break;
    parts.push_back(std::move(part));
    last = first - 1;
  }
  if (parts.empty()) return Bytes{};
  std::reverse(parts.begin(), parts.end());
  return std::move(join_segments(std::move(parts)).back());
}

}  // namespace

void add_fill_range(Bytes& token, const FillRange& range) {
  Writer out(token);
  if (token.empty()) out.u8(kFillToken);
  out.u64(static_cast<std::uint64_t>(range.replica));
  out.varint(range.first);
  out.varint(range.last);
}

bool is_fill_token(ByteView token) { return !token.empty() && token[0] == kFillToken; }

Expected<PullAnswer> answer_fill(ReadView& view, Chain& chain, const FilledChannel& channel, ByteView token,
                                 std::size_t window_bytes) {
  RangeAnswer out;
  Reader in(token);
  in.u8();
  FillRange before;
  for (std::size_t count = 0; count == 0 || !in.at_end(); ++count) {
    FillRange range{.replica = ReplicaId{in.u64()}};
    range.first = in.varint_up_to(kSeqMax);
    range.last = in.varint_up_to(kSeqMax);
    const bool is_sound = in.ok() && count < kFillRangesMax && range.first > 0 && range.first <= range.last &&
                          before.replica < range.replica;
    if (!is_sound) {
      return fail(Category::kInvalidInput, "pull: the question for what fills a gap breaks its grammar");
    }
    before = range;
    if (!out.segments.empty()) continue;
    auto segment = upper_end(view, chain, channel, range, window_bytes);
    if (!segment) return tl::make_unexpected(std::move(segment.error()));
    if (!segment->empty()) out.segments.push_back(std::move(*segment));
  }
  return out;
}

}  // namespace hedgerow::sync
