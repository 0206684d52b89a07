// What the oracle says while it happens: turns, restarts, exchanged disks, and what peers are told.
#include "tests/sim/oracle.hpp"

#include <algorithm>

#include "sync/link/wire.hpp"
#include "sync/log/frontier.hpp"
#include "sync/log/segment.hpp"
#include "tests/sim/board_clock.hpp"
#include "tests/sim/oracle_internal.hpp"

namespace hedgerow::sim {
namespace {

using sync::Cell;
using sync::ChannelState;
using sync::Op;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::Seq;

const ChannelState* find_channel(const Subject& node, sync::ChannelNo number) {
  for (const ChannelState& channel : node.channels) {
    if (channel.number == number) return &channel;
  }
  return nullptr;
}

}  // namespace

void Oracle::author(const Subject& node, const ChannelState& channel, const ReplicaKey& key, Seq seq, const Op& op) {
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
                   .content = content_of(op)});
  note_merged(node, channel, key, seq, op);
  ++ops_;
}

void Oracle::compare(const Subject& node, const ReplicaKey& key, Seq seq, const Op& op) const {
  const auto chain = chains_.find(key);
  if (chain == chains_.end() || seq == 0 || seq > chain->second.size()) {
    violated("G5", node, name_of(key, seq) + " is here but not durable with its author");
  }
  const KnownOp& known = chain->second[static_cast<std::size_t>(seq - 1)];
  if (known.trimmed_unseen) return;
  if (known.stamp != op.stamp || known.content != content_of(op)) {
    violated("G5", node, name_of(key, seq) + " names two ops");
  }
}

// Clocks are wrong by what the options say, and a logical clock runs ahead of the fastest by a counter's carry at most.
void Oracle::check_stamp(const Subject& node, const ReplicaKey& key, Seq seq, const sync::Stamp& stamp) const {
  if (options_.mode.ten_years && node.index == 0) return;  // it is the others that must not believe it
  const std::uint64_t ahead_max = in_ms(clock_error(options_.clocks));
  if (stamp.wall_ms > true_ms_ + ahead_max) {
    violated("G10", node,
             name_of(key, seq) + " is stamped " + std::to_string(stamp.wall_ms - true_ms_) +
                 " ms ahead of every clock that can be trusted");
  }
}

// Numbers are given in commit order. Only where a merge was part of the turn, not every number can be seen here.
void Oracle::check_arrivals(const Subject& node, const sync::Committed& committed) {
  sync::Arrival& last = arrivals_[node.index];
  last = std::max(last, handed_out_[node.index].lost);
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

// Peers' ops, in the order of their replicas and of arrival: whoever hears of them hears it in order.
void Oracle::on_handed_out(const Subject& node, const std::vector<sync::CommittedSegment>& segments) {
  HandedOut& out = handed_out_[node.index];
  for (const sync::CommittedSegment& segment : segments) {
    const ChannelState* channel = find_channel(node, segment.channel);
    if (channel == nullptr) violated("G2", node, "a segment of an unknown channel");
    const ReplicaKey key{channel->name, segment.segment->replica};
    if (key.second == node.replica) violated("G1", node, "its own writes were handed out before they were durable");
    Seq& last = out.last[key];
    const Seq held = std::max(last, marks_[node.index][key.first][key.second].seq);
    if (segment.segment->first_seq != held + 1) {
      violated("G2", node, name_of(key, segment.segment->first_seq) + " was handed out after " + std::to_string(held));
    }
    const sync::Arrival arrived = std::max(out.arrival, arrivals_[node.index]);
    if (segment.segment->first_arrival != arrived + 1) {
      violated("arrival", node,
               std::to_string(segment.segment->first_arrival) + " was given after " + std::to_string(arrived));
    }
    out.arrival = segment.segment->first_arrival + segment.segment->count - 1;
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      compare(node, key, segment.segment->first_seq + i, segment.ops[i]);
      out.newest = std::max(out.newest, segment.ops[i].stamp);
    }
    last = segment.segment->first_seq + segment.segment->count - 1;
    Seq& passed_on = out.passed_on[key];
    passed_on = std::max(passed_on, last);
  }
}

// It comes again; its arrival numbers never do.
void Oracle::on_lost(const Subject& node, const std::vector<sync::CommittedSegment>& segments) {
  HandedOut& out = handed_out_[node.index];
  out.last.clear();
  if (segments.empty()) return;
  const sync::SegmentRow& last = *segments.back().segment;
  out.lost = last.first_arrival + last.count - 1;
  out.arrival = out.lost;
}

void Oracle::on_commit(const Subject& node, const sync::Committed& committed) {
  check_arrivals(node, committed);
  handed_out_[node.index].last.clear();
  for (const sync::CommittedSegment& segment : committed.segments) {
    const ChannelState* channel = find_channel(node, segment.channel);
    if (channel == nullptr) violated("G2", node, "a segment of an unknown channel");
    const ReplicaKey key{channel->name, segment.segment->replica};
    placed_ += segment.ops.size();
    sync::Stamp& newest = newest_[node.index];
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      const Seq seq = segment.segment->first_seq + i;
      const Op& op = segment.ops[i];
      if (key.second == node.replica) {
        author(node, *channel, key, seq, op);
        if (op.stamp <= std::max(newest, handed_out_[node.index].newest))
          violated("G10", node, name_of(key, seq) + " is not stamped after what was seen");
      } else {
        compare(node, key, seq, op);
      }
      newest = std::max(newest, op.stamp);
    }
  }
  const auto view = view_of(node);
  for (const ChannelState& channel : committed.frontiers) {
    bool trims_moved = false;
    auto& marks = marks_[node.index][channel.name];
    for (const ReplicaState& state : channel.replicas) {
      Marks& before = marks[state.replica];
      if (state.seq == before.seq && state.trimmed == before.trimmed) continue;
      if (state.seq < before.seq) violated("G2", node, "a frontier went back in " + channel.name);
      if (state.seq > chains_[{channel.name, state.replica}].size()) {
        violated("G5", node, name_of({channel.name, state.replica}, state.seq) + " is counted, but nobody wrote it");
      }
      trims_moved = trims_moved || state.trimmed > before.trimmed;
      before = {.seq = state.seq, .trimmed = state.trimmed};
    }
    if (trims_moved) note_gaps(node, channel, *view);
  }
  for (const sync::CommittedSegment& segment : committed.segments) {
    const ChannelState& channel = *find_channel(node, segment.channel);
    for (const Op& op : segment.ops) {
      if (!op.kind.cell) continue;
      const auto cell = must(node, view->cell(segment.channel, op.message->topic));
      if (!cell) violated("G2", node, "no cell for " + op.message->topic + " after it was written");
      check_cell(node, channel, *cell);
    }
  }
  check_shown(node, committed, *view);
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
  const auto check = [&](sync::wire::ChannelIndex index, ReplicaId replica, Seq seq, bool may_be_passed_on = false) {
    const std::string& channel = node.channels[index].name;
    const auto& passed_on = handed_out_[node.index].passed_on;
    const auto out = passed_on.find({channel, replica});
    if (may_be_passed_on && out != passed_on.end() && seq <= out->second) return;
    if (seq > marks_[node.index][channel][replica].seq) {
      violated("G5", node, name_of({channel, replica}, seq) + " was shown to a peer before it was durable");
    }
  };
  if (const auto* announcement = std::get_if<sync::wire::Announcement>(&*message)) {
    for (const sync::FrontierEntry& mark : announcement->marks) check(announcement->channel, mark.replica, mark.seq);
  } else if (const auto* push = std::get_if<sync::wire::Push>(&*message)) {
    const sync::SegmentHeader header = must(node, sync::peek_segment(push->segment));
    check(push->channel, header.replica, header.last_seq(), /*may_be_passed_on=*/true);
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
    for (std::size_t i = 0; i < segment.ops.size(); ++i) author(node, channel, key, row.first_seq + i, segment.ops[i]);
  }
  const Seq held = sync::seq_in(channel.replicas, replica);
  while (chain.size() < held) chain.push_back({.trimmed_unseen = true});
}

void Oracle::on_disk_replaced(const Subject& node) {
  marks_.erase(node.index);
  cells_.erase(node.index);
  newest_.erase(node.index);
  arrivals_.erase(node.index);
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    // Another board's disk may bring a turn of that board that nobody saw commit.
    for (const ReplicaState& state : channel.replicas) {
      if (writers_.contains(state.replica)) adopt(node, channel, state.replica, *view);
    }
    for (const ReplicaState& state : channel.replicas) {
      marks_[node.index][channel.name][state.replica] = {.seq = state.seq, .trimmed = state.trimmed};
    }
  }
  for (const auto& [key, chain] : chains_) {
    const auto writer = writers_.find(key.second);
    if (writer != writers_.end() && writer->second == node.index) mortal_.try_emplace(key);
  }
  for (auto& [key, least] : mortal_) {
    least = 0;
    for (auto& [holder, channels] : marks_) least = std::max(least, channels[key.first][key.second].seq);
    acked_.erase(key);
  }
}

void Oracle::on_restart(const Subject& node) {
  writers_.try_emplace(node.replica, node.index);
  handed_out_.erase(node.index);
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
      Seq& before = marks_[node.index][channel.name][state.replica].seq;
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

}  // namespace hedgerow::sim
