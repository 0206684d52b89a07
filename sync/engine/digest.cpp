#include "sync/engine/digest.hpp"

#include <string>

#include "sync/engine/branches.hpp"
#include "sync/log/chain.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

namespace {

constexpr std::string_view kDomain = "hedgerow channel digest 1";
constexpr std::size_t kBatchBytes = std::size_t{256} << 10U;

void put_cell(Writer& out, const Cell& cell) {
  const Message& message = *cell.message;
  out.u8(1);
  out.u32(static_cast<std::uint32_t>(message.topic.size()));
  out.raw(message.topic);
  out.u64(cell.order.stamp.wall_ms);
  out.u16(cell.order.stamp.counter);
  out.u64(static_cast<std::uint64_t>(cell.order.replica));
  out.u64(cell.order.seq);
  out.u8(cell.qos);
  out.u64(cell.publisher);
  out.u64(message.expiry_s ? *message.expiry_s : ~std::uint64_t{0});
  out.u32(static_cast<std::uint32_t>(message.properties.size()));
  out.raw(message.properties);
  out.u32(static_cast<std::uint32_t>(message.payload.size()));
  out.raw(message.payload);
}

Expected<void> hash_cells(ReadView& view, Hasher& hasher, ChannelNo channel) {
  Bytes scratch;
  std::string after;
  while (true) {
    const auto cells = view.cells(channel, "", after, kBatchBytes);
    if (!cells) return tl::make_unexpected(cells.error());
    if (cells->empty()) return {};
    for (const Cell& cell : *cells) {
      if (cell.is_tombstone()) continue;
      scratch.clear();
      Writer out(scratch);
      put_cell(out, cell);
      hasher.update(scratch);
    }
    after = cells->back().message->topic;
  }
}

tl::unexpected<Error> broken(std::string_view channel, ReplicaId replica, Seq seq) {
  return fail(Category::kCorrupt, "channel " + std::string(channel) + ": the log breaks at op " + std::to_string(seq) +
                                      " of replica " + std::to_string(static_cast<std::uint64_t>(replica)) +
                                      ": set the database aside, the node fills up again from its peers");
}

// Every op in (trimmed, seq] is there, and chains up to the head.
Expected<void> check_records(ReadView& view, Chain& chain, ChannelNo channel, const ChainName& name,
                             const ReplicaState& state) {
  Seq next = state.trimmed + 1;
  Hash256 head{};
  bool begun = state.trimmed == 0;
  while (next <= state.seq) {
    const auto rows = view.segments(channel, state.replica, next, kBatchBytes);
    if (!rows) return tl::make_unexpected(rows.error());
    if (rows->empty()) return broken(name.channel, state.replica, next);
    for (const SegmentRow& row : *rows) {
      auto segment = decode_segment(row.bytes);
      if (!segment) return tl::make_unexpected(std::move(segment.error()));
      const SegmentHeader& header = segment->header;
      const bool starts = !begun && header.first_seq <= next;
      if (header.replica != state.replica || header.last_seq() < next ||
          !(starts || (header.first_seq == next && header.predecessor == head))) {
        return broken(name.channel, state.replica, next);
      }
      begun = true;
      head = header.predecessor;
      for (std::size_t i = 0; i < segment->ops.size(); ++i) {
        head = chain.next(head, name, header.first_seq + i, segment->ops[i]);
      }
      next = header.last_seq() + 1;
    }
  }
  const bool holds_records = state.seq > state.trimmed;
  return holds_records && (next != state.seq + 1 || head != state.head)
             ? Expected<void>(broken(name.channel, state.replica, state.seq))
             : Expected<void>();
}

}  // namespace

Expected<Hash256> channel_digest(ReadView& view, Hasher& hasher, ChannelNo channel, std::string_view channel_name,
                                 DigestCheck check) {
  auto replicas = view.replicas(channel);
  if (!replicas) return tl::make_unexpected(std::move(replicas.error()));
  set_ends(*replicas);
  if (check == DigestCheck::kRecords) {
    Chain chain(hasher);
    for (const ReplicaState& state : *replicas) {
      const ChainName name{.channel = channel_name, .replica = root_of(state)};
      if (auto sound = check_records(view, chain, channel, name, state); !sound) {
        return tl::make_unexpected(std::move(sound.error()));
      }
    }
  }
  hasher.update(as_bytes(kDomain));
  if (auto done = hash_cells(view, hasher, channel); !done) {
    static_cast<void>(hasher.finish());
    return tl::make_unexpected(std::move(done.error()));
  }
  Bytes scratch;
  Writer out(scratch);
  out.u8(0);
  for (const ReplicaState& state : *replicas) {
    if (state.seq == 0) continue;  // of a name that ended before its first op: who never heard it has no entry
    out.u64(static_cast<std::uint64_t>(state.replica));
    out.u64(state.seq);
    out.raw(is_head_untold(state) ? Hash256{} : state.head);
  }
  hasher.update(scratch);
  return hasher.finish();
}

}  // namespace hedgerow::sync
