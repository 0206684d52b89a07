#include "tests/sim/oracle.hpp"

#include <algorithm>
#include <chrono>
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
  add_number(out, message.expiry_s ? std::uint64_t{*message.expiry_s} + 1 : 0);
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

std::unique_ptr<sync::ReadView> view_of(const Subject& node) { return must(node, node.views.open_view()); }

}  // namespace

// --- as it happens ---------------------------------------------------------------------------------------------------

void Oracle::author(const Subject& node, const ReplicaKey& key, Seq seq, const Op& op) {
  Chain& chain = chains_[key];
  if (seq <= chain.size()) return compare(node, key, seq, op);
  if (seq != chain.size() + 1) violated("G2", node, name_of(key, seq) + " was written after a hole");
  if (!chain.empty() && !(chain.back().stamp < op.stamp)) {
    violated("G10", node, name_of(key, seq) + " is not stamped after the op before it");
  }
  check_stamp(node, key, seq, op.stamp);
  chain.push_back({.made_ms = true_ms_,
                   .stamp = op.stamp,
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
  if (known.trimmed_unseen) return;
  if (known.stamp != op.stamp || known.content != content_of(*op.message, op.publisher, op.kind.qos)) {
    violated("G5", node, name_of(key, seq) + " names two ops");
  }
}

// Clocks are wrong by what the options say, and a logical clock runs ahead of the fastest by a counter's carry at most.
void Oracle::check_stamp(const Subject& node, const ReplicaKey& key, Seq seq, const sync::Stamp& stamp) const {
  if (options_.mode.ten_years && node.index == 0) return;  // it is the others that must not believe it
  const auto lived = std::chrono::duration_cast<std::chrono::milliseconds>(options_.clocks.skew_max).count();
  const std::uint64_t ahead_max = static_cast<std::uint64_t>(lived) + options_.clocks.drift_per_mille * 1'000U + 1'000U;
  if (stamp.wall_ms > true_ms_ + ahead_max) {
    violated("G10", node,
             name_of(key, seq) + " is stamped " + std::to_string(stamp.wall_ms - true_ms_) +
                 " ms ahead of every clock that can be trusted");
  }
}

// Numbers are given in commit order. Only where a merge was part of the turn, not every number can be seen here.
void Oracle::check_arrivals(const Subject& node, const sync::Committed& committed) {
  sync::Arrival& last = arrivals_[node.index];
  const bool all_are_seen = committed.merged.empty();
  for (const sync::CommittedSegment& segment : committed.segments) {
    const sync::Arrival first = segment.segment->first_arrival;
    if (first <= last || (all_are_seen && first != last + 1)) {
      violated("arrival", node, std::to_string(first) + " was given after " + std::to_string(last));
    }
    last = first + segment.segment->count - 1;
  }
  if (committed.last_arrival < last || (all_are_seen && committed.last_arrival != last)) {
    violated("arrival", node,
             "the turn ends at " + std::to_string(committed.last_arrival) + ", not " + std::to_string(last));
  }
  last = committed.last_arrival;
}

void Oracle::on_commit(const Subject& node, const sync::Committed& committed) {
  check_arrivals(node, committed);
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
      const Chain& chain = chains_[{channel.name, state.replica}];
      newest = std::max(newest, chain[static_cast<std::size_t>(row.first_seq + row.count - 2)].stamp);
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

// The power may go while a turn is being committed: then it is there, or not. What is there of it counts.
void Oracle::adopt(const Subject& node, const ChannelState& channel, ReplicaId replica, sync::ReadView& view) {
  const ReplicaKey key{channel.name, replica};
  Chain& chain = chains_[key];
  const Seq first = chain.size() + 1;
  for (const sync::SegmentRow& row : must(node, view.segments(channel.number, replica, first, kAll))) {
    while (chain.size() + 1 < row.first_seq) chain.push_back({.trimmed_unseen = true});
    const sync::Segment segment = must(node, sync::decode_segment(row.bytes));
    for (std::size_t i = 0; i < segment.ops.size(); ++i) author(node, key, row.first_seq + i, segment.ops[i]);
  }
  const Seq held = sync::seq_in(channel.replicas, replica);
  while (chain.size() < held) chain.push_back({.trimmed_unseen = true});
}

void Oracle::on_disk_replaced(const Subject& node) {
  const auto is_of_node = [&](const auto& entry) { return std::get<0>(entry.first) == node.index; };
  std::erase_if(frontiers_, is_of_node);
  std::erase_if(trims_, is_of_node);
  std::erase_if(cells_, is_of_node);
  newest_.erase(node.index);
  arrivals_.erase(node.index);
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    // Another board's disk may bring a turn of that board that nobody saw commit.
    for (const ReplicaState& state : channel.replicas) {
      if (writers_.contains(state.replica)) adopt(node, channel, state.replica, *view);
    }
    for (const ReplicaState& state : channel.replicas) {
      frontiers_[{node.index, channel.name, state.replica}] = state.seq;
      trims_[{node.index, channel.name, state.replica}] = state.trimmed;
    }
  }
  for (const auto& [key, chain] : chains_) {
    const auto writer = writers_.find(key.second);
    if (writer != writers_.end() && writer->second == node.index) mortal_.try_emplace(key);
  }
  for (auto& [key, least] : mortal_) {
    least = 0;
    for (const auto& [at, seq] : frontiers_) {
      if (std::get<1>(at) == key.first && std::get<2>(at) == key.second) least = std::max(least, seq);
    }
    acked_.erase(key);
  }
}

void Oracle::check_live(const std::vector<Subject>& nodes, std::uint64_t message, std::size_t from) const {
  for (const Subject& node : nodes) {
    const bool heard = std::any_of(live_.begin(), live_.end(), [&](const auto& delivery) {
      return std::get<0>(delivery) == node.index && std::get<2>(delivery) == message;
    });
    if (heard == (node.index == from)) {
      violated("live", node, "message " + std::to_string(message) + (heard ? " came back" : " never came"));
    }
  }
}

void Oracle::on_live(const Subject& node, std::uint64_t incarnation, std::uint64_t message) {
  if (!live_.insert({node.index, incarnation, message}).second) {
    violated("live", node, "message " + std::to_string(message) + " was delivered twice");
  }
}

void Oracle::on_restart(const Subject& node) {
  writers_.try_emplace(node.replica, node.index);
  for (const auto& [key, seq] : acked_) {
    if (writers_.at(key.second) != node.index) continue;
    const auto channel = std::find_if(node.channels.begin(), node.channels.end(),
                                      [&](const ChannelState& each) { return each.name == key.first; });
    const Seq held = channel == node.channels.end() ? 0 : sync::seq_in(channel->replicas, key.second);
    if (held < seq) {
      violated("G1", node, name_of(key, seq) + " was acknowledged, but only " + std::to_string(held) + " is there");
    }
  }
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    for (const ReplicaState& state : channel.replicas) {
      const auto writer = writers_.find(state.replica);
      if (writer != writers_.end() && writer->second == node.index) adopt(node, channel, state.replica, *view);
    }
    note_gaps(node, channel, *view);
  }
  for (const ChannelState& channel : node.channels) {
    for (const ReplicaState& state : channel.replicas) {
      Seq& before = frontiers_[{node.index, channel.name, state.replica}];
      if (state.seq < before) violated("G1", node, "a frontier went back over a restart in " + channel.name);
      before = state.seq;
    }
  }
  sync::Arrival& last = arrivals_[node.index];
  if (const sync::Arrival held = must(node, view->last_arrival()); held < last) {
    violated("arrival", node,
             "it had come to " + std::to_string(last) + ", and begins anew at " + std::to_string(held));
  } else {
    last = held;
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
  const bool differs = !known.cell || known.stamp != cell.order.stamp ||
                       known.content != content_of(*cell.message, cell.publisher, cell.qos);
  if (differs && !known.trimmed_unseen) {
    violated("G3", node, "the cell " + topic + " differs from its op " + name_of(key, cell.order.seq));
  }
  const SeenCell now{.order = cell.order, .arrival = cell.arrival};
  const auto [seen, first] = cells_.try_emplace({node.index, channel, topic}, now);
  if (cell.order < seen->second.order) {
    violated("G4", node, "the cell " + topic + " went back to " + name_of(key, cell.order.seq));
  }
  if (cell.order == seen->second.order && cell.arrival != seen->second.arrival) {
    violated("arrival", node, "the cell " + topic + " came anew, and is still " + name_of(key, cell.order.seq));
  }
  seen->second = now;
}

void Oracle::check_store(const Subject& node) {
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    check_log(node, channel, *view);
    check_cells(node, channel, *view);
  }
  check_order_of_arrival(node, *view);
}

// Over all channels no number is given twice, and a replica's ops arrive in its order.
void Oracle::check_order_of_arrival(const Subject& node, sync::ReadView& view) const {
  sync::Arrival last = 0;
  std::map<std::pair<sync::ChannelNo, ReplicaId>, Seq> reached;
  for (const auto& [channel, row] : must(node, view.segments_after(0, kAll))) {
    if (row.first_arrival <= last) violated("arrival", node, std::to_string(row.first_arrival) + " was given twice");
    last = row.first_arrival + row.count - 1;
    Seq& before = reached[{channel, row.replica}];
    if (row.first_seq <= before) {
      violated("arrival", node,
               "op " + std::to_string(row.first_seq) + " is listed after op " + std::to_string(before));
    }
    before = row.first_seq + row.count - 1;
  }
  if (last > must(node, view.last_arrival())) violated("arrival", node, std::to_string(last) + " was never given");
}

// G6: what keep dropped somewhere may be missing elsewhere.
void Oracle::note_gaps(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  for (const sync::Gap& gap : must(node, view.gaps(channel.number))) {
    if (gap.reason == sync::GapReason::kTrimmedElsewhere) continue;
    const ReplicaKey key{channel.name, gap.replica};
    const Chain& chain = chains_[key];
    for (Seq seq = gap.first; seq <= gap.last; ++seq) {
      if (!trimmed_.insert({key, seq}).second || gap.reason != sync::GapReason::kAge || seq > chain.size()) continue;
      check_age(node, key, seq, chain[static_cast<std::size_t>(seq - 1)]);
    }
  }
}

// G6, G10: by age goes only what was written so long ago, as far as clocks can be trusted at all.
void Oracle::check_age(const Subject& node, const ReplicaKey& key, Seq seq, const KnownOp& op) const {
  const auto ms = [](Duration duration) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  const std::uint64_t lived = true_ms_ - op.made_ms;
  const std::uint64_t error = 2 * (ms(options_.clocks.skew_max) + options_.clocks.drift_per_mille * 1'000U) + 1'000U;
  if (op.trimmed_unseen || lived + error >= ms(options_.keep_age)) return;
  violated("G6", node, name_of(key, seq) + " was trimmed by age after " + std::to_string(lived) + " ms");
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
  std::uint64_t live_cells = 0;
  for (const Cell& cell : must(node, view.cells(channel.number, "", "", kAll))) {
    live_cells += cell.is_tombstone() ? 0U : 1U;
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
  if (live_cells != channel.live_cells) {
    violated("G6", node,
             "it counts " + std::to_string(channel.live_cells) + " retained messages of " + channel.name +
                 ", and holds " + std::to_string(live_cells));
  }
}

// --- agreement -------------------------------------------------------------------------------------------------------

void Oracle::check_agreement(const std::vector<Subject>& nodes) {
  for (const Subject& node : nodes) check_store(node);
  for (const auto& [key, chain] : chains_) {
    const auto mortal = mortal_.find(key);
    std::optional<Seq> agreed;
    for (const Subject& node : nodes) {
      const auto channel = std::find_if(node.channels.begin(), node.channels.end(),
                                        [&, &name = key.first](const ChannelState& each) { return each.name == name; });
      const Seq held = channel == node.channels.end() ? 0 : sync::seq_in(channel->replicas, key.second);
      const Seq least = mortal == mortal_.end() ? chain.size() : mortal->second;
      if (held < least) violated("G3", node, name_of(key, least) + " never came: " + std::to_string(held));
      if (held != agreed.value_or(held)) {
        violated("G3", node, name_of(key, held) + " is where it ends, elsewhere " + std::to_string(*agreed));
      }
      agreed = held;
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
