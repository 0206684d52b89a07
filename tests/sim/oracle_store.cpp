// What the oracle says of what a node holds, and of all of them after healing.
#include <algorithm>
#include <optional>

#include "sync/engine/branches.hpp"
#include "sync/engine/digest.hpp"
#include "sync/log/frontier.hpp"
#include "sync/log/segment.hpp"
#include "tests/sim/board_clock.hpp"
#include "tests/sim/mixing_hasher.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/oracle_internal.hpp"

namespace hedgerow::sim {

using sync::Cell;
using sync::ChannelState;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::root_of;
using sync::Seq;
using sync::WriteOrder;

// --- the state of one node -------------------------------------------------------------------------------------------

void Oracle::check_cell(const Subject& node, const ChannelState& channel, const Cell& cell) {
  const std::string& topic = cell.message->topic;
  const std::string op_name = name_of({channel.name, cell.order.replica}, cell.order.seq);
  const auto state = std::find_if(channel.replicas.begin(), channel.replicas.end(),
                                  [&](const ReplicaState& each) { return each.replica == cell.order.replica; });
  const KnownOp* known = state == channel.replicas.end() ? nullptr : find(channel.name, *state, cell.order.seq);
  if (known == nullptr) violated("G5", node, "the cell " + topic + " holds " + op_name + ", which nobody wrote");
  const bool merges = channel.merge != sync::MergeKind::kLastWrite;
  const bool differs = !known->cell || known->stamp != cell.order.stamp ||
                       known->stamp.written() != cell.order.stamp.written() ||
                       (!merges && known->content != content_of(*cell.message, cell.publisher, cell.qos));
  if (differs && !known->trimmed_unseen) violated("G3", node, "the cell " + topic + " differs from its op " + op_name);
  const SeenCell now{.order = cell.order, .arrival = cell.arrival};
  const auto [seen, first] = cells_[node.index].try_emplace({channel.name, topic}, now);
  if (cell.order < seen->second.order) {
    violated("G4", node, "the cell " + topic + " went back to " + op_name);
  }
  const bool came_anew = merges ? cell.arrival < seen->second.arrival : cell.arrival != seen->second.arrival;
  if (cell.order == seen->second.order && came_anew) {
    violated("arrival", node, "the cell " + topic + " came anew, and is still " + op_name);
  }
  seen->second = now;
}

void Oracle::check_store(const Subject& node) {
  const auto view = view_of(node);
  for (const ChannelState& channel : node.channels) {
    check_log(node, channel, *view);
    check_cells(node, channel, *view);
    check_values(node, channel, *view);
  }
  check_order_of_arrival(node, *view);
}

bool Oracle::has_lacked(const Subject& node, sync::ChannelNo channel, const sync::SegmentRow& row) const {
  const auto all = lacked_.find(node.index);
  const auto in = std::find_if(node.channels.begin(), node.channels.end(),
                               [&](const ChannelState& each) { return each.number == channel; });
  if (all == lacked_.end() || in == node.channels.end()) return false;
  const auto state = std::find_if(in->replicas.begin(), in->replicas.end(),
                                  [&](const ReplicaState& each) { return each.replica == row.replica; });
  if (state == in->replicas.end()) return false;
  const auto lacked = all->second.find({in->name, root_of(*state)});
  if (lacked == all->second.end() || lacked->second.size() < row.first_seq + row.count) return false;
  const auto first = lacked->second.begin() + static_cast<std::ptrdiff_t>(row.first_seq);
  return std::all_of(first, first + static_cast<std::ptrdiff_t>(row.count), [](bool each) { return each; });
}

// Over all channels no number is given twice, and a replica's ops arrive in its order; but for what filled a gap that
// was listed.
void Oracle::check_order_of_arrival(const Subject& node, sync::ReadView& view) const {
  sync::Arrival last = 0;
  std::map<std::pair<sync::ChannelNo, ReplicaId>, Seq> reached;
  for (const auto& [channel, row] : must(node, view.segments_after(0, kAll))) {
    if (row.first_arrival <= last) violated("arrival", node, std::to_string(row.first_arrival) + " was given twice");
    last = row.first_arrival + row.count - 1;
    Seq& before = reached[{channel, row.replica}];
    if (row.first_seq <= before && has_lacked(node, channel, row)) continue;
    if (row.first_seq <= before) {
      violated("arrival", node,
               "op " + std::to_string(row.first_seq) + " is listed after op " + std::to_string(before));
    }
    before = row.first_seq + row.count - 1;
  }
  if (last > must(node, view.last_arrival())) violated("arrival", node, std::to_string(last) + " was never given");
}

// G6: what keep dropped somewhere may be missing elsewhere, and come back there.
void Oracle::note_gaps(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  for (const sync::Gap& gap : must(node, view.gaps(channel.number))) {
    const auto state = std::find_if(channel.replicas.begin(), channel.replicas.end(),
                                    [&](const ReplicaState& each) { return each.replica == gap.replica; });
    if (state == channel.replicas.end()) violated("G6", node, "a gap in a replica that is not counted");
    if (gap.reason == sync::GapReason::kTrimmedElsewhere) {
      std::vector<bool>& lacked = lacked_[node.index][{channel.name, root_of(*state)}];
      lacked.resize(std::max(lacked.size(), static_cast<std::size_t>(gap.last) + 1), false);
      std::fill(lacked.begin() + static_cast<std::ptrdiff_t>(gap.first),
                lacked.begin() + static_cast<std::ptrdiff_t>(gap.last) + 1, true);
      continue;
    }
    for (Seq seq = gap.first; seq <= gap.last; ++seq) {
      const auto run = runs_.find(run_of(channel.name, *state, seq));
      if (run == runs_.end() || seq < run->second.first) continue;
      std::vector<bool>& trimmed = run->second.trimmed;
      const auto at = static_cast<std::size_t>(seq - run->second.first);
      if (trimmed.size() <= at) trimmed.resize(at + 1, false);
      const bool is_new = !trimmed[at];
      trimmed[at] = true;
      if (is_new && gap.reason == sync::GapReason::kAge && at < run->second.ops.size()) {
        check_age(node, name_of({channel.name, gap.replica}, seq), run->second.ops[at]);
      }
    }
  }
}

// G6, G10: by age goes only what was written so long ago, as far as clocks can be trusted at all.
void Oracle::check_age(const Subject& node, const std::string& op_name, const KnownOp& op) const {
  const std::uint64_t lived = true_ms_ - op.made_ms;
  const std::uint64_t error = 2 * in_ms(clock_error(options_.clocks));
  if (op.trimmed_unseen || lived + error >= in_ms(options_.keep_age)) return;
  violated("G6", node, op_name + " was trimmed by age after " + std::to_string(lived) + " ms");
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
        compare(node, channel.name, state, seq, segment.ops[i]);
        if (seq > state.seq) violated("G2", node, name_of(key, seq) + " is in the log beyond the frontier");
        if (present[static_cast<std::size_t>(seq - 1)]) violated("G2", node, name_of(key, seq) + " is stored twice");
        present[static_cast<std::size_t>(seq - 1)] = true;
      }
    }
    std::vector<bool> listed(present.size(), false);
    for (const sync::Gap& gap : gaps) {
      if (gap.replica != state.replica) continue;
      for (Seq seq = gap.first; seq <= std::min(gap.last, state.seq); ++seq) {
        listed[static_cast<std::size_t>(seq - 1)] = true;
      }
    }
    for (Seq seq = sync::base_of(state) + 1; seq <= state.seq; ++seq) {
      if (present[static_cast<std::size_t>(seq - 1)]) continue;
      if (seq > state.trimmed) violated("G2", node, name_of(key, seq) + " is counted but not in the log");
      if (!listed[static_cast<std::size_t>(seq - 1)]) {
        violated("G6", node, name_of(key, seq) + " is missing and in no listed gap");
      }
      const KnownRun* const run = find_run(channel.name, state, seq);
      const auto at = run == nullptr || seq < run->first ? kAll : static_cast<std::size_t>(seq - run->first);
      if (run == nullptr || at >= run->trimmed.size() || !run->trimmed[at]) {
        violated("G2", node, name_of(key, seq) + " is missing, but nobody trimmed it");
      }
    }
  }
}

// G2 for cells: no write that the frontier counts is newer than what the cell holds.
void Oracle::check_cells(const Subject& node, const ChannelState& channel, sync::ReadView& view) {
  std::map<std::string, WriteOrder> newest;
  for (const ReplicaState& state : must(node, view.replicas(channel.number))) {
    for (Seq seq = sync::base_of(state) + 1; seq <= state.seq; ++seq) {
      const KnownOp* op = find(channel.name, state, seq);
      if (op == nullptr) {
        violated("G5", node, name_of({channel.name, state.replica}, seq) + " is counted, but nobody wrote it");
      }
      if (!op->cell) continue;
      const WriteOrder order{.stamp = op->stamp, .replica = state.replica, .seq = seq};
      const auto [at, first] = newest.try_emplace(op->topic, order);
      if (at->second < order) at->second = order;
    }
  }
  std::uint64_t live_cells = 0;
  for (const Cell& cell : must(node, view.cells(channel.number, "", "", kAll))) {
    live_cells += cell.is_tombstone() ? 0U : 1U;
    check_cell(node, channel, cell);
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
  for (const auto& [key, run] : runs_) {
    const auto mortal = mortal_.find(key);
    const ReplicaKey name{key.channel, key.root};
    std::optional<Seq> agreed;
    for (const Subject& node : nodes) {
      const auto channel =
          std::find_if(node.channels.begin(), node.channels.end(),
                       [&, &wanted = key.channel](const ChannelState& each) { return each.name == wanted; });
      const Seq held = channel == node.channels.end() ? run.first - 1 : counted(channel->replicas, key, run.first);
      const Seq least = mortal == mortal_.end() ? run.last() : mortal->second;
      if (held < least) violated("G3", node, name_of(name, least) + " never came: " + std::to_string(held));
      if (held != agreed.value_or(held)) {
        violated("G3", node, name_of(name, held) + " is where it ends, elsewhere " + std::to_string(*agreed));
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
