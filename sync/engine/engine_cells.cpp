// Retained messages of channels that merge. DESIGN 1 and 5; merged_cell.hpp.
#include <algorithm>
#include <gsl/assert>
#include <map>
#include <string_view>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/engine/merged_cell.hpp"
#include "sync/limits.hpp"

namespace hedgerow::sync {

// A local write, before it is sequenced.
Expected<void> Engine::prepare_merge(std::size_t index, Op& op) {
  if (!op.kind.cell || !merges(index)) return {};
  const ChannelState& channel = channels_[index];
  const auto held = kept(storage_.whole_cell(channel.number, op.message->topic));
  if (!held) return tl::make_unexpected(held.error());
  if (auto prepared = prepare_write(channel.merge, *held, self_, seq_in(channel.replicas, self_) + 1, op); !prepared) {
    return prepared;
  }
  return check_op(op);
}

Expected<MessagePtr> Engine::merge_op(std::size_t index, const OpName& name, Arrival arrival, const Op& op) {
  const ChannelState& channel = channels_[index];
  const auto held = kept(storage_.whole_cell(channel.number, op.message->topic));
  if (!held) return tl::make_unexpected(held.error());
  const WriteOrder order{.stamp = op.stamp, .replica = name.replica, .seq = name.seq};
  const ReplicaState* const writer = find_in(channel.replicas, name.replica);
  const ReplicaId root = writer == nullptr ? name.replica : root_of(*writer);
  auto next = kept(after_op(channel.merge, *held, order, root, op));
  if (!next) return tl::make_unexpected(std::move(next.error()));
  if (!*next) return *held ? (*held)->message : nullptr;
  (*next)->arrival = arrival;
  MessagePtr shown = (*next)->message;
  if (auto put = put_merged(index, *held, std::move(**next)); !put) return tl::make_unexpected(std::move(put.error()));
  return shown;
}

// REQUIRES: touch(index); the cell is of the channel's kind
Expected<void> Engine::merge_cell(std::size_t index, const Cell& cell) {
  const auto held = kept(storage_.whole_cell(channels_[index].number, cell.message->topic));
  if (!held) return tl::make_unexpected(held.error());
  auto next = kept(after_join(*held, cell));
  if (!next) return tl::make_unexpected(std::move(next.error()));
  if (!*next) return {};
  (*next)->arrival = cell.arrival;
  return put_merged(index, *held, std::move(**next));
}

Expected<void> Engine::put_merged(std::size_t index, const std::optional<Cell>& held, Cell next) {
  ChannelState& channel = channels_[index];
  const bool was_live = held && !held->is_tombstone();
  const bool is_live = !next.is_tombstone();
  if (is_live && !was_live) ++channel.live_cells;
  if (was_live && !is_live) --channel.live_cells;
  return kept(storage_.put_cell(channel.number, next));
}

// Topic by topic, so that memory holds one document.
Expected<void> Engine::check_merges(std::size_t index, const SegmentHeader& header, const std::vector<Op>& ops,
                                    std::size_t first_new) {
  const ChannelState& channel = channels_[index];
  if (channel.merge != MergeKind::kDocument) return {};
  std::map<std::string_view, std::vector<std::size_t>> by_topic;
  for (std::size_t i = first_new; i < ops.size(); ++i) {
    if (ops[i].kind.cell) by_topic[ops[i].message->topic].push_back(i);
  }
  for (const auto& [topic, writes] : by_topic) {
    auto held = kept(storage_.whole_cell(channel.number, topic));
    if (!held) return tl::make_unexpected(std::move(held.error()));
    std::size_t payload_bytes = 0;
    for (const std::size_t i : writes) payload_bytes += ops[i].message->payload.size();
    if (!may_outgrow(channel.merge, *held, payload_bytes)) continue;
    for (const std::size_t i : writes) {
      const WriteOrder order{.stamp = ops[i].stamp, .replica = header.replica, .seq = header.first_seq + i};
      auto next = after_op(channel.merge, *held, order, header.replica, ops[i]);
      if (!next) {
        const bool is_ours = next.error().category == Category::kCorrupt;
        return tl::make_unexpected(is_ours ? kept(std::move(next)).error() : next.error());
      }
      if (*next) *held = std::move(*next);
    }
  }
  return {};
}

Expected<void> Engine::check_join(std::size_t index, const Cell& cell) {
  if (channels_[index].merge != MergeKind::kDocument) return {};
  const auto held = kept(storage_.whole_cell(channels_[index].number, cell.message->topic));
  if (!held) return tl::make_unexpected(held.error());
  if (!may_outgrow(channels_[index].merge, *held, cell.state.size())) return {};
  if (auto joined = after_join(*held, cell); !joined) return tl::make_unexpected(std::move(joined.error()));
  return {};
}

// A deletion of a counter tells of all its parts: a copy of this database may have written more under our name than we
// did, and others may have heard of that before us.
bool Engine::tells_of_self(std::size_t index, const std::vector<Op>& ops, std::size_t first_new) const {
  if (channels_[index].merge != MergeKind::kCounter) return false;
  const Seq own = seq_in(channels_[index].replicas, self_);
  return std::any_of(ops.begin() + static_cast<std::ptrdiff_t>(first_new), ops.end(),
                     [&](const Op& op) { return told_of(op, self_) > own; });
}

// What the turn has to say of the messages shown is bounded: beyond that they are read from the log again.
MessagePtr Engine::show(std::size_t index, MessagePtr shown) {
  if (shown == nullptr || !report_) return nullptr;
  shown_bytes_ += shown->topic.size() + shown->payload.size();
  if (shown_bytes_ <= kShownBytesMax) return shown;
  const ChannelNo channel = channels_[index].number;
  std::vector<ChannelNo>& merged = committed_.merged;
  if (std::find(merged.begin(), merged.end(), channel) == merged.end()) merged.push_back(channel);
  return nullptr;
}

}  // namespace hedgerow::sync
