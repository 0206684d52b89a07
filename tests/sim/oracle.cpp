// What the oracle says while it happens: turns, and what peers are told. The lives of a node: oracle_lives.cpp.
#include "tests/sim/oracle.hpp"

#include <algorithm>

#include "sync/engine/branches.hpp"
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

const ReplicaState& state_of(const Subject& node, const ChannelState& channel, ReplicaId replica) {
  for (const ReplicaState& state : channel.replicas) {
    if (state.replica == replica) return state;
  }
  violated("G2", node, "a segment of a replica that is not counted");
}

}  // namespace

Oracle::RunKey Oracle::run_of(const std::string& channel, const ReplicaState& state, Seq seq) {
  return {.channel = channel, .root = sync::root_of(state), .mark = sync::mark_at(sync::runs_of(state), seq)};
}

const Oracle::KnownRun* Oracle::find_run(const std::string& channel, const ReplicaState& state, Seq seq) const {
  const std::uint64_t mark = sync::mark_at(sync::runs_of(state), seq);
  const bool same = last_run_ != nullptr && last_key_.mark == mark && last_key_.root == sync::root_of(state) &&
                    last_key_.channel == channel;
  if (same) return last_run_;
  const auto run = runs_.find({.channel = channel, .root = sync::root_of(state), .mark = mark});
  if (run == runs_.end()) return nullptr;
  last_key_ = run->first;
  last_run_ = &run->second;
  return last_run_;
}

Oracle::KnownOp* Oracle::find_mutable(const std::string& channel, const ReplicaState& state, Seq seq) {
  const auto run = runs_.find(run_of(channel, state, seq));
  if (run == runs_.end() || find(channel, state, seq) == nullptr) return nullptr;
  return &run->second.ops[static_cast<std::size_t>(seq - run->second.first)];
}

const Oracle::KnownOp* Oracle::find(const std::string& channel, const ReplicaState& state, Seq seq) const {
  const KnownRun* const run = find_run(channel, state, seq);
  if (run == nullptr || seq < run->first || seq > run->last()) return nullptr;
  return &run->ops[static_cast<std::size_t>(seq - run->first)];
}

Seq Oracle::counted(const States& states, const RunKey& key, Seq first) {
  Seq reached = first - 1;
  for (bool rises = true; rises;) {
    rises = false;
    for (const ReplicaState& state : states) {
      const std::vector<sync::Run>& runs = sync::runs_of(state);
      const auto run =
          std::find_if(runs.begin(), runs.end(), [&](const sync::Run& each) { return each.mark == key.mark; });
      if (sync::root_of(state) != key.root || run == runs.end()) continue;
      const Seq last = std::next(run) == runs.end() ? state.seq : std::min(state.seq, std::next(run)->first - 1);
      if (sync::base_of(state) > reached || last <= reached) continue;
      reached = last;
      rises = true;
    }
  }
  return reached;
}

void Oracle::author(const Subject& node, const ChannelState& channel, const ReplicaState& state, Seq seq,
                    const Op& op) {
  const std::string op_name = name_of({channel.name, state.replica}, seq);
  const auto [at, first] =
      runs_.try_emplace(run_of(channel.name, state, seq), KnownRun{.first = seq, .writer = node.index, .ops = {}});
  KnownRun& run = at->second;
  if (first && op.run != at->first.mark) violated("G5", node, op_name + " is of a run that never began");
  if (seq <= run.last()) return compare(node, channel.name, state, seq, op);
  if (seq != run.last() + 1) violated("G2", node, op_name + " was written after a hole");
  if (!run.ops.empty() && !(run.ops.back().stamp < op.stamp)) {
    violated("G10", node, op_name + " is not stamped after the op before it");
  }
  check_stamp(node, op_name, op.stamp);
  run.ops.push_back({.made_ms = true_ms_,
                     .stamp = op.stamp,
                     .cell = op.kind.cell,
                     .topic = op.message->topic,
                     .content = content_of(*op.message, op.publisher, op.kind.qos),
                     .change = op.change});
  note_merged(node, channel, op_name, run.ops.back(), op);
  ++ops_;
}

void Oracle::compare(const Subject& node, const std::string& channel, const ReplicaState& state, Seq seq,
                     const Op& op) const {
  const KnownOp* known = find(channel, state, seq);
  const std::string op_name = name_of({channel, state.replica}, seq);
  if (known == nullptr) violated("G5", node, op_name + " is here but not durable with its author");
  if (known->trimmed_unseen) return;
  if (known->stamp != op.stamp || known->stamp.written() != op.stamp.written() ||
      known->content != content_of(*op.message, op.publisher, op.kind.qos) ||
      known->change != op.change) {
    violated("G5", node, op_name + " names two ops");
  }
}

// Clocks are wrong by what the options say, and a logical clock runs ahead of the fastest by a counter's carry at most.
void Oracle::check_stamp(const Subject& node, const std::string& op_name, const sync::Stamp& stamp) const {
  const std::uint64_t ahead_max = in_ms(clock_error(options_.clocks));
  if (stamp.wall_ms > true_ms_ + ahead_max) {
    violated("G10", node,
             op_name + " is stamped " + std::to_string(stamp.wall_ms - true_ms_) +
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
    const ReplicaState& state = state_of(node, *channel, segment.segment->replica);
    const ReplicaKey key{channel->name, state.replica};
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
      compare(node, channel->name, state, segment.segment->first_seq + i, segment.ops[i]);
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
    const ReplicaState& state = state_of(node, *channel, segment.segment->replica);
    placed_ += segment.ops.size();
    sync::Stamp& newest = newest_[node.index];
    for (std::size_t i = 0; i < segment.ops.size(); ++i) {
      const Seq seq = segment.segment->first_seq + i;
      const Op& op = segment.ops[i];
      if (state.replica == node.replica) {
        author(node, *channel, state, seq, op);
        if (op.stamp <= std::max(newest, handed_out_[node.index].newest)) {
          violated("G10", node, name_of({channel->name, state.replica}, seq) + " is not stamped after what was seen");
        }
      } else {
        compare(node, channel->name, state, seq, op);
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
      if (state.seq > sync::base_of(state) && find(channel.name, state, state.seq) == nullptr) {
        violated("G5", node, name_of({channel.name, state.replica}, state.seq) + " is counted, but nobody wrote it");
      }
      trims_moved = trims_moved || state.trimmed > before.trimmed;
      before = {.seq = state.seq, .trimmed = state.trimmed};
    }
    states_[{node.index, channel.name}] = channel.replicas;
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
      const KnownOp* last = find(channel.name, state, row.first_seq + row.count - 1);
      if (last != nullptr) newest = std::max(newest, last->stamp);
    }
  }
}

// G5: a peer is told and shown only what is durable here.
void Oracle::on_told(const Subject& node, ByteView bytes) {
  const auto message = sync::wire::decode(bytes);
  if (!message) violated("wire", node, message.error().what);
  const auto note_sent = [&](sync::wire::ChannelIndex index, ByteView segment) {
    const sync::SegmentHeader header = must(node, sync::peek_segment(segment));
    Seq& last = sent_[node.index][{node.channels[index].name, header.replica}];
    last = std::max(last, header.last_seq());
  };
  const auto check = [&](sync::wire::ChannelIndex index, ReplicaId replica, Seq seq, bool may_be_passed_on = false) {
    const std::string& channel = node.channels[index].name;
    const auto& passed_on = handed_out_[node.index].passed_on;
    const auto out = passed_on.find({channel, replica});
    if (may_be_passed_on && out != passed_on.end() && seq <= out->second) return;
    const auto& former = former_marks_[node.index];
    const auto was = former.find({channel, replica});
    if (was != former.end() && seq <= was->second) return;
    if (seq > marks_[node.index][channel][replica].seq) {
      violated("G5", node, name_of({channel, replica}, seq) + " was shown to a peer before it was durable");
    }
  };
  if (const auto* announcement = std::get_if<sync::wire::Announcement>(&*message)) {
    for (const sync::FrontierEntry& mark : announcement->marks) check(announcement->channel, mark.replica, mark.seq);
  } else if (const auto* push = std::get_if<sync::wire::Push>(&*message)) {
    const sync::SegmentHeader header = must(node, sync::peek_segment(push->segment));
    check(push->channel, header.replica, header.last_seq(), /*may_be_passed_on=*/true);
    note_sent(push->channel, push->segment);
  } else if (const auto* range = std::get_if<sync::wire::Range>(&*message)) {
    for (const ByteView segment : range->segments) note_sent(range->channel, segment);
  }
}

std::pair<Oracle::RunKey, Seq> Oracle::renewed(std::size_t node, RunKey key) const {
  Seq shift = 0;
  for (auto at = renewed_.find({node, key}); at != renewed_.end(); at = renewed_.find({node, key})) {
    shift += at->second.second;
    key = at->second.first;
  }
  return {std::move(key), shift};
}

void Oracle::on_acknowledged(const Subject& node, const RunKey& run, Seq last) {
  const auto [key, shift] = renewed(node.index, run);
  const Seq seq = last - shift;
  const auto [acked, first] = acked_.try_emplace({node.index, key}, runs_.at(key).first - 1);
  acknowledged_ += seq - std::min(seq, acked->second);
  acked->second = std::max(acked->second, seq);
}

}  // namespace hedgerow::sim
