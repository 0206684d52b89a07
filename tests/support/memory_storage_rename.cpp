// What the storage does when it goes on under another name.
#include <algorithm>
#include <gsl/assert>

#include "tests/support/memory_storage.hpp"

namespace hedgerow::test {

using sync::ChannelNo;
using sync::Gap;
using sync::ReplicaId;
using sync::SegmentRow;
using sync::Seq;

Expected<void> MemoryStorage::put_self(ReplicaId self) {
  if (auto may = may_change(); !may) return may;
  State& now = state();
  undo_.emplace_back([before = now.self](State& at) { at.self = before; });
  now.self = self;
  return {};
}

Expected<std::optional<SegmentRow>> MemoryStorage::segment_from(ChannelNo channel, ReplicaId replica, Seq from) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  for (const auto& [key, row] : (*in)->by_seq) {
    if (key.first == replica && key.second + row->count > from) return *row;
  }
  return std::nullopt;
}

Expected<void> MemoryStorage::replace(ChannelNo channel, const SegmentRow& row) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto put = [channel](State& at, const std::shared_ptr<const SegmentRow>& next) {
    Channel& held = at.channels.at(channel);
    auto& place = held.by_arrival.at(next->first_arrival);
    held.by_seq.erase({place->replica, place->first_seq});
    held.by_seq[{next->replica, next->first_seq}] = next;
    held.log.bytes = held.log.bytes - place->bytes.size() + next->bytes.size();
    place = next;
  };
  undo_.emplace_back([put, before = (*in)->by_arrival.at(row.first_arrival)](State& at) { put(at, before); });
  put(state(), std::make_shared<const SegmentRow>(row));
  return {};
}

Expected<void> MemoryStorage::rename(ChannelNo channel, ReplicaId from, Seq after, ReplicaId to) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  undo_.emplace_back([channel, cells = (*in)->cells, gaps = (*in)->gaps](State& at) {
    at.channels.at(channel).cells = cells;
    at.channels.at(channel).gaps = gaps;
  });
  for (auto& [topic, cell] : (*in)->cells) {
    if (cell.order.replica != from || cell.order.seq <= after) continue;
    cell.order.replica = to;
    cell.order.seq -= after;
  }
  std::vector<Gap> moved;
  for (Gap& gap : (*in)->gaps) {
    if (gap.replica != from || gap.last <= after) continue;
    moved.push_back({.replica = to,
                     .first = std::max(gap.first, after + 1) - after,
                     .last = gap.last - after,
                     .reason = gap.reason});
    gap.last = after;
  }
  std::erase_if((*in)->gaps, [](const Gap& gap) { return gap.last < gap.first; });
  (*in)->gaps.insert((*in)->gaps.end(), moved.begin(), moved.end());
  return {};
}

Expected<void> MemoryStorage::branch_off(ChannelNo channel, ReplicaId from, Seq after, ReplicaId to) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  undo_.emplace_back([channel, cells = (*in)->cells, gaps = (*in)->gaps](State& at) {
    at.channels.at(channel).cells = cells;
    at.channels.at(channel).gaps = gaps;
  });
  for (auto& [topic, cell] : (*in)->cells) {
    if (cell.order.replica == from && cell.order.seq > after) cell.order.replica = to;
  }
  std::vector<Gap> moved;
  for (Gap& gap : (*in)->gaps) {
    if (gap.replica != from || gap.last <= after) continue;
    moved.push_back({.replica = to, .first = std::max(gap.first, after + 1), .last = gap.last, .reason = gap.reason});
    gap.last = after;
  }
  std::erase_if((*in)->gaps, [](const Gap& gap) { return gap.last < gap.first; });
  (*in)->gaps.insert((*in)->gaps.end(), moved.begin(), moved.end());
  return {};
}

Expected<void> MemoryStorage::put_lineage(ChannelNo channel, ReplicaId replica, const sync::Lineage& lineage) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto held = (*in)->replicas.find(replica);
  const auto before = held == (*in)->replicas.end() ? nullptr : held->second.lineage;
  sync::ReplicaState& state = (*in)->replicas[replica];
  state.replica = replica;
  state.lineage = std::make_shared<const sync::Lineage>(lineage);
  undo_.emplace_back([channel, replica, before](State& at) {
    auto& replicas = at.channels.at(channel).replicas;
    if (const auto back = replicas.find(replica); back != replicas.end()) back->second.lineage = before;
  });
  return {};
}

Expected<void> MemoryStorage::divide(ChannelNo channel, const SegmentRow& first, const SegmentRow& second) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto whole = (*in)->by_arrival.at(first.first_arrival);
  Expects(whole->count == first.count + second.count && second.first_arrival == first.first_arrival + first.count);
  (*in)->by_seq.erase({whole->replica, whole->first_seq});
  (*in)->by_arrival.erase(whole->first_arrival);
  (*in)->log.bytes -= whole->bytes.size();
  (*in)->log.ops -= whole->count;
  undo_.emplace_back([channel, whole](State& at) {
    Channel& back = at.channels.at(channel);
    back.by_seq[{whole->replica, whole->first_seq}] = whole;
    back.by_arrival[whole->first_arrival] = whole;
    back.log.bytes += whole->bytes.size();
    back.log.ops += whole->count;
  });
  if (auto done = append(channel, first); !done) return done;
  return append(channel, second);
}

}  // namespace hedgerow::test
