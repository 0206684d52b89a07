// What the oracle says of the lives of a node: restarts, exchanged disks, other names.
#include <algorithm>

#include "sync/engine/branches.hpp"
#include "sync/log/segment.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/oracle_internal.hpp"

namespace hedgerow::sim {

using sync::ChannelState;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::Seq;

// The power may go while a turn is being committed: then it is there, or not. What is there of it counts.
void Oracle::adopt(const Subject& node, const ChannelState& channel, const ReplicaState& state, sync::ReadView& view) {
  const std::vector<sync::Run>& runs = sync::runs_of(state);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Seq last = i + 1 < runs.size() ? std::min(state.seq, runs[i + 1].first - 1) : state.seq;
    if (last < runs[i].first || last <= sync::base_of(state)) continue;
    KnownRun& run = runs_
                        .try_emplace(run_of(channel.name, state, last),
                                     KnownRun{.first = runs[i].first, .writer = node.index, .ops = {}})
                        .first->second;
    if (run.last() >= last) continue;
    for (const sync::SegmentRow& row : must(node, view.segments(channel.number, state.replica, run.last() + 1, kAll))) {
      const sync::Segment segment = must(node, sync::decode_segment(row.bytes));
      for (std::size_t at = 0; at < segment.ops.size() && row.first_seq + at <= last; ++at) {
        const Seq seq = row.first_seq + at;
        if (seq < run.first) continue;
        while (run.last() + 1 < seq) run.ops.push_back({.trimmed_unseen = true});
        author(node, channel, state, seq, segment.ops[at]);
      }
    }
    while (run.last() < last) run.ops.push_back({.trimmed_unseen = true});
  }
}

void Oracle::forget(const Subject& node) {
  marks_.erase(node.index);
  cells_.erase(node.index);
}

void Oracle::forget_names(const Subject& node) {
  for (const auto& [channel, marks] : marks_[node.index]) {
    for (const auto& [replica, mark] : marks) {
      Seq& most = former_marks_[node.index][{channel, replica}];
      most = std::max(most, mark.seq);
    }
  }
  forget(node);
}

void Oracle::remember(const Subject& node) {
  for (const ChannelState& channel : node.channels) {
    states_[{node.index, channel.name}] = channel.replicas;
    for (const ReplicaState& state : channel.replicas) {
      marks_[node.index][channel.name][state.replica] = {.seq = state.seq, .trimmed = state.trimmed};
    }
  }
}

void Oracle::on_names_changed(const Subject& node) {
  writers_.insert({node.replica, node.index});
  forget_names(node);
  remember(node);
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    note_gaps(node, channel, *view);
    for (const ReplicaState& state : channel.replicas) {
      if (state.replica != node.replica || state.end == sync::kSeqMax) continue;
      violated("G5", node, "it goes on under a name that has ended in " + channel.name);
    }
  }
  check_store(node);
}

void Oracle::on_disk_replaced(const Subject& node) {
  forget(node);
  newest_.erase(node.index);
  arrivals_.erase(node.index);
  // An older state, or another board's: what was filled there is listed no more.
  std::map<ReplicaKey, std::vector<bool>> lacked;
  for (const auto& [index, by_replica] : lacked_) {
    for (const auto& [key, ops] : by_replica) {
      std::vector<bool>& all = lacked[key];
      all.resize(std::max(all.size(), ops.size()), false);
      for (std::size_t seq = 0; seq < ops.size(); ++seq) all[seq] = all[seq] || ops[seq];
    }
  }
  lacked_[node.index] = std::move(lacked);
  std::erase_if(acked_, [&](const auto& entry) { return entry.first.first == node.index; });
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    // Another board's disk may bring a turn of that board that nobody saw commit.
    for (const ReplicaState& state : channel.replicas) adopt(node, channel, state, *view);
  }
  remember(node);
  for (const auto& [key, run] : runs_) {
    if (run.writer == node.index) mortal_.try_emplace(key);
  }
  count_what_is_left();
}

void Oracle::on_renewed(const Subject& node, ReplicaId former) {
  forget_names(node);  // what it counts now it had not seen when it wrote what takes the new name
  const auto view = view_of(node);
  std::set<std::string> renamed_in;
  for (const ChannelState& channel : node.channels) {
    const auto moved = std::find_if(channel.replicas.begin(), channel.replicas.end(),
                                    [&](const ReplicaState& state) { return state.replica == node.replica; });
    if (moved == channel.replicas.end()) continue;
    adopt(node, channel, *moved, *view);
    const States& before = states_[{node.index, channel.name}];
    const auto was = std::find_if(before.begin(), before.end(),
                                  [former](const ReplicaState& state) { return state.replica == former; });
    if (was == before.end()) violated("G5", node, "what was renewed was never seen");
    const Seq shift = was->seq - moved->seq;
    if (sent_[node.index][{channel.name, former}] > shift) {
      violated("G5", node, name_of({channel.name, former}, shift + 1) + " takes another name, but a peer was shown it");
    }
    renamed_in.insert(channel.name);
    const RunKey key = run_of(channel.name, *was, was->seq);
    const RunKey now = run_of(channel.name, *moved, moved->seq);
    renewed_.emplace(std::pair(node.index, key), std::pair(now, shift));
    // They are as old as they were, and as sure.
    const KnownRun& old = runs_.at(key);
    for (Seq seq = 1; seq <= moved->seq; ++seq) {
      KnownOp* const op = find_mutable(channel.name, *moved, seq);
      if (op != nullptr) op->made_ms = old.ops[static_cast<std::size_t>(seq + shift - old.first)].made_ms;
    }
    if (const auto acked = acked_.find({node.index, key}); acked != acked_.end()) {
      acked_.emplace(std::pair(node.index, now), acked->second - shift);
    }
  }
  for (const auto& [key, run] : runs_) {
    if (key.root == former && run.writer == node.index && renamed_in.contains(key.channel)) mortal_.try_emplace(key);
  }
  std::erase_if(acked_, [&](const auto& entry) { return renewed_.contains(entry.first); });
  on_names_changed(node);
  count_what_is_left();
}

// Of what its writer has no more.
void Oracle::count_what_is_left() {
  for (auto& [key, least] : mortal_) {
    const Seq first = runs_.at(key).first;
    least = first - 1;
    for (const auto& [at, states] : states_) {
      if (at.second == key.channel) least = std::max(least, counted(states, key, first));
    }
  }
}

void Oracle::on_restart(const Subject& node) {
  writers_.insert({node.replica, node.index});
  handed_out_.erase(node.index);
  sent_.erase(node.index);
  on_greets_anew(node);
  for (const auto& [at, seq] : acked_) {
    if (at.first != node.index) continue;
    const auto channel = std::find_if(node.channels.begin(), node.channels.end(),
                                      [&, &key = at.second](const auto& each) { return each.name == key.channel; });
    const Seq held =
        channel == node.channels.end() ? 0 : counted(channel->replicas, at.second, runs_.at(at.second).first);
    if (held < seq) {
      violated("G1", node,
               name_of({at.second.channel, at.second.root}, seq) + " was acknowledged, but only " +
                   std::to_string(held) + " is there");
    }
  }
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    for (const ReplicaState& state : channel.replicas) {
      if (writers_.contains({sync::root_of(state), node.index})) adopt(node, channel, state, *view);
    }
    note_gaps(node, channel, *view);
  }
  for (const ChannelState& channel : node.channels) {
    for (const ReplicaState& state : channel.replicas) {
      const Seq before = marks_[node.index][channel.name][state.replica].seq;
      if (state.seq < before && state.end == sync::kSeqMax) {
        violated("G1", node, "a frontier went back over a restart in " + channel.name);
      }
      // The power went when a fork had just been seen.
      if (state.seq < before) forget(node);
    }
  }
  remember(node);
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
