#include "tests/sim/oracle.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "sync/engine/digest.hpp"
#include "sync/link/wire.hpp"
#include "sync/log/frontier.hpp"
#include "sync/log/segment.hpp"
#include "tests/sim/mixing_hasher.hpp"

namespace hedgerow::sim {
namespace {

using sync::Cell;
using sync::ChannelState;
using sync::Op;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::Seq;
using sync::WriteOrder;

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

std::string name_of(const std::pair<std::string, ReplicaId>& key, Seq seq) {
  return key.first + "/" + std::to_string(static_cast<std::uint64_t>(key.second)) + ":" + std::to_string(seq);
}

[[noreturn]] void violated(const char* guarantee, const Subject& node, const std::string& what) {
  throw Violation(std::string(guarantee) + " at " + node.name + ": " + what);
}

template <class T>
T must(const Subject& node, Expected<T> result) {
  if (!result) violated("storage", node, result.error().what);
  return std::move(*result);
}

void add_number(Bytes& out, std::uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

Bytes content_of(const sync::Message& message, std::uint64_t publisher, unsigned qos) {
  Bytes out;
  add_number(out, publisher);
  add_number(out, qos);
  add_number(out, message.topic.size());
  append(out, as_bytes(message.topic));
  add_number(out, message.properties.size());
  append(out, message.properties);
  append(out, message.payload);
  return out;
}

const ChannelState* find_channel(const Subject& node, sync::ChannelNo number) {
  for (const ChannelState& channel : node.channels) {
    if (channel.number == number) return &channel;
  }
  return nullptr;
}

std::unique_ptr<sync::ReadView> view_of(const Subject& node) { return must(node, node.storage.open_view()); }

}  // namespace

// --- as it happens ---------------------------------------------------------------------------------------------------

void Oracle::author(const Subject& node, const ReplicaKey& key, Seq seq, const Op& op) {
  Chain& chain = chains_[key];
  if (seq <= chain.size()) return compare(node, key, seq, op);
  if (seq != chain.size() + 1) violated("G2", node, name_of(key, seq) + " was written after a hole");
  if (!chain.empty() && !(chain.back().stamp < op.stamp)) {
    violated("G10", node, name_of(key, seq) + " is not stamped after the op before it");
  }
  chain.push_back({.stamp = op.stamp,
                   .cell = op.kind.cell,
                   .topic = op.message->topic,
                   .content = content_of(*op.message, op.publisher, op.kind.qos)});
  ++ops_;
}

void Oracle::compare(const Subject& node, const ReplicaKey& key, Seq seq, const Op& op) const {
  const auto chain = chains_.find(key);
  if (chain == chains_.end() || seq == 0 || seq > chain->second.size()) {
    violated("G5", node, name_of(key, seq) + " is here but not durable with its author");
  }
  const KnownOp& known = chain->second[static_cast<std::size_t>(seq - 1)];
  if (known.stamp != op.stamp || known.content != content_of(*op.message, op.publisher, op.kind.qos)) {
    violated("G5", node, name_of(key, seq) + " names two ops");
  }
}

void Oracle::on_commit(const Subject& node, const sync::Committed& committed) {
  for (const sync::CommittedSegment& segment : committed.segments) {
    const ChannelState* channel = find_channel(node, segment.channel);
    if (channel == nullptr) violated("G2", node, "a segment of an unknown channel");
    const ReplicaKey key{channel->name, segment.segment->replica};
    sync::Stamp& newest = newest_[node.index];
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      const Seq seq = segment.segment->first_seq + i;
      const Op& op = segment.ops[i];
      if (key.second == node.replica) {
        author(node, key, seq, op);
        if (op.stamp <= newest) violated("G10", node, name_of(key, seq) + " is not stamped after what was seen");
      } else {
        compare(node, key, seq, op);
      }
      newest = std::max(newest, op.stamp);
    }
  }
  const auto view = view_of(node);
  for (const ChannelState& channel : committed.frontiers) {
    bool trims_moved = false;
    for (const ReplicaState& state : channel.replicas) {
      Seq& before = frontiers_[{node.index, channel.name, state.replica}];
      if (state.seq < before) violated("G2", node, "a frontier went back in " + channel.name);
      const Chain& chain = chains_[{channel.name, state.replica}];
      if (state.seq > chain.size()) {
        violated("G5", node, name_of({channel.name, state.replica}, state.seq) + " is counted, but nobody wrote it");
      }
      before = state.seq;
      Seq& trimmed = trims_[{node.index, channel.name, state.replica}];
      trims_moved = trims_moved || state.trimmed > trimmed;
      trimmed = state.trimmed;
    }
    if (trims_moved) note_gaps(node, channel, *view);
  }
  for (const sync::CommittedSegment& segment : committed.segments) {
    const std::string& channel = find_channel(node, segment.channel)->name;
    for (const Op& op : segment.ops) {
      if (!op.kind.cell) continue;
      const auto cell = must(node, view->cell(segment.channel, op.message->topic));
      if (!cell) violated("G2", node, "no cell for " + op.message->topic + " after it was written");
      check_cell(node, channel, *cell);
    }
  }
  merges_ += committed.merged.size();
  for (const sync::ChannelNo number : committed.merged) {
    check_cells(node, *find_channel(node, number), *view);
    see_merged(node, *find_channel(node, number), *view);
  }
}

// What came by a merge is seen too: all that is left of it.
void Oracle::see_merged(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  sync::Stamp& newest = newest_[node.index];
  for (const Cell& cell : must(node, view.cells(channel.number, "", "", kAll))) {
    newest = std::max(newest, cell.order.stamp);
  }
  for (const ReplicaState& state : must(node, view.replicas(channel.number))) {
    for (const sync::SegmentRow& row : must(node, view.segments(channel.number, state.replica, 1, kAll))) {
      newest = std::max(newest, chains_[{channel.name, state.replica}][row.first_seq + row.count - 2].stamp);
    }
  }
}

// G5: a peer is told and shown only what is durable here.
void Oracle::on_told(const Subject& node, ByteView bytes) {
  const auto message = sync::wire::decode(bytes);
  if (!message) violated("wire", node, message.error().what);
  const auto check = [&](sync::wire::ChannelIndex index, ReplicaId replica, Seq seq) {
    const std::string& channel = node.channels[index].name;
    if (seq > frontiers_[{node.index, channel, replica}]) {
      violated("G5", node, name_of({channel, replica}, seq) + " was shown to a peer before it was durable");
    }
  };
  if (const auto* announcement = std::get_if<sync::wire::Announcement>(&*message)) {
    for (const sync::FrontierEntry& mark : announcement->marks) check(announcement->channel, mark.replica, mark.seq);
  } else if (const auto* push = std::get_if<sync::wire::Push>(&*message)) {
    const sync::SegmentHeader header = must(node, sync::peek_segment(push->segment));
    check(push->channel, header.replica, header.last_seq());
  }
}

void Oracle::on_acknowledged(const Subject& node, const std::string& channel, Seq seq) {
  Seq& acked = acked_[{channel, node.replica}];
  acknowledged_ += seq - acked;
  acked = seq;
}

void Oracle::on_live(const Subject& node, std::uint64_t incarnation, std::uint64_t message) {
  if (!live_.insert({node.index, incarnation, message}).second) {
    violated("live", node, "message " + std::to_string(message) + " was delivered twice");
  }
}

void Oracle::on_restart(const Subject& node) {
  for (const auto& [key, seq] : acked_) {
    if (key.second != node.replica) continue;
    const auto channel = std::find_if(node.channels.begin(), node.channels.end(),
                                      [&](const ChannelState& each) { return each.name == key.first; });
    const Seq held = channel == node.channels.end() ? 0 : sync::seq_in(channel->replicas, node.replica);
    if (held < seq) {
      violated("G1", node, name_of(key, seq) + " was acknowledged, but only " + std::to_string(held) + " is there");
    }
  }
  check_store(node);
}

// --- the state of one node -------------------------------------------------------------------------------------------

void Oracle::check_cell(const Subject& node, const std::string& channel, const Cell& cell) {
  const std::string& topic = cell.message->topic;
  const ReplicaKey key{channel, cell.order.replica};
  const auto chain = chains_.find(key);
  if (chain == chains_.end() || cell.order.seq == 0 || cell.order.seq > chain->second.size()) {
    violated("G5", node, "the cell " + topic + " holds " + name_of(key, cell.order.seq) + ", which nobody wrote");
  }
  const KnownOp& known = chain->second[static_cast<std::size_t>(cell.order.seq - 1)];
  if (!known.cell || known.stamp != cell.order.stamp ||
      known.content != content_of(*cell.message, cell.publisher, cell.qos)) {
    violated("G3", node, "the cell " + topic + " differs from its op " + name_of(key, cell.order.seq));
  }
  const auto [seen, first] = cell_orders_.try_emplace({node.index, channel, topic}, cell.order);
  if (cell.order < seen->second) {
    violated("G4", node, "the cell " + topic + " went back to " + name_of(key, cell.order.seq));
  }
  seen->second = cell.order;
}

void Oracle::check_store(const Subject& node) {
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    check_log(node, channel, *view);
    check_cells(node, channel, *view);
  }
}

// G6: what keep dropped somewhere may be missing elsewhere.
void Oracle::note_gaps(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  for (const sync::Gap& gap : must(node, view.gaps(channel.number))) {
    if (gap.reason == sync::GapReason::kTrimmedElsewhere) continue;
    for (Seq seq = gap.first; seq <= gap.last; ++seq) trimmed_.insert({{channel.name, gap.replica}, seq});
  }
}

void Oracle::check_log(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  const std::vector<sync::Gap> gaps = must(node, view.gaps(channel.number));
  for (const ReplicaState& state : must(node, view.replicas(channel.number))) {
    const ReplicaKey key{channel.name, state.replica};
    std::vector<bool> present(static_cast<std::size_t>(state.seq), false);
    for (const sync::SegmentRow& row : must(node, view.segments(channel.number, state.replica, 1, kAll))) {
      const sync::Segment segment = must(node, sync::decode_segment(row.bytes));
      for (std::size_t i = 0; i < segment.ops.size(); ++i) {
        const Seq seq = row.first_seq + i;
        compare(node, key, seq, segment.ops[i]);
        if (seq > state.seq) violated("G2", node, name_of(key, seq) + " is in the log beyond the frontier");
        if (present[static_cast<std::size_t>(seq - 1)]) violated("G2", node, name_of(key, seq) + " is stored twice");
        present[static_cast<std::size_t>(seq - 1)] = true;
      }
    }
    for (Seq seq = 1; seq <= state.seq; ++seq) {
      if (present[static_cast<std::size_t>(seq - 1)]) continue;
      if (seq > state.trimmed) violated("G2", node, name_of(key, seq) + " is counted but not in the log");
      const bool listed = std::any_of(gaps.begin(), gaps.end(), [&](const sync::Gap& gap) {
        return gap.replica == state.replica && gap.first <= seq && seq <= gap.last;
      });
      if (!listed) violated("G6", node, name_of(key, seq) + " is missing and in no listed gap");
      if (!trimmed_.contains({key, seq}))
        violated("G2", node, name_of(key, seq) + " is missing, but nobody trimmed it");
    }
  }
}

// G2 for cells: no write that the frontier counts is newer than what the cell holds.
void Oracle::check_cells(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  std::map<std::string, WriteOrder> newest;
  for (const ReplicaState& state : must(node, view.replicas(channel.number))) {
    const Chain& chain = chains_[{channel.name, state.replica}];
    if (state.seq > chain.size()) {
      violated("G5", node, name_of({channel.name, state.replica}, state.seq) + " is counted, but nobody wrote it");
    }
    for (Seq seq = 1; seq <= state.seq; ++seq) {
      const KnownOp& op = chain[static_cast<std::size_t>(seq - 1)];
      if (!op.cell) continue;
      const WriteOrder order{.stamp = op.stamp, .replica = state.replica, .seq = seq};
      const auto [at, first] = newest.try_emplace(op.topic, order);
      if (at->second < order) at->second = order;
    }
  }
  for (const Cell& cell : must(node, view.cells(channel.number, "", "", kAll))) {
    check_cell(node, channel.name, cell);
    const auto counted = newest.find(cell.message->topic);
    if (counted == newest.end()) continue;
    if (cell.order < counted->second) {
      violated("G2", node,
               "the cell " + cell.message->topic + " is older than " +
                   name_of({channel.name, counted->second.replica}, counted->second.seq) + ", which is counted");
    }
    newest.erase(counted);
  }
  if (!newest.empty())
    violated("G2", node, "the cell " + newest.begin()->first + " is missing, but its write is counted");
}

// --- agreement -------------------------------------------------------------------------------------------------------

void Oracle::check_agreement(const std::vector<Subject>& nodes) {
  for (const Subject& node : nodes) check_store(node);
  for (const auto& [key, chain] : chains_) {
    for (const Subject& node : nodes) {
      const auto channel = std::find_if(node.channels.begin(), node.channels.end(),
                                        [&, &name = key.first](const ChannelState& each) { return each.name == name; });
      const Seq held = channel == node.channels.end() ? 0 : sync::seq_in(channel->replicas, key.second);
      if (held != chain.size())
        violated("G3", node, name_of(key, chain.size()) + " never came: " + std::to_string(held));
    }
  }
  for (const ChannelState& named : nodes.front().channels) {
    std::optional<Hash256> agreed;
    for (const Subject& node : nodes) {
      const auto channel = std::find_if(node.channels.begin(), node.channels.end(),
                                        [&](const ChannelState& each) { return each.name == named.name; });
      const auto view = view_of(node);
      MixingHasher hasher;
      const Hash256 digest =
          must(node, sync::channel_digest(*view, hasher, channel->number, channel->name, sync::DigestCheck::kRecords));
      if (!agreed) agreed = digest;
      if (*agreed != digest) violated("G3", node, "another digest than its peers for " + named.name);
    }
  }
}

}  // namespace hedgerow::sim
