// What the oracle says of documents and counters: by models that know nothing of how they are merged.
#include <algorithm>

#include "sync/engine/branches.hpp"
#include "sync/engine/merged_cell.hpp"
#include "sync/log/frontier.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/oracle_internal.hpp"
#include "tests/support/merge_patch_model.hpp"

namespace hedgerow::sim {

using sync::Cell;
using sync::ChannelState;
using sync::MergeKind;
using sync::Op;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::Seq;
using sync::WriteOrder;

namespace {

std::string text_of(const Bytes& bytes) { return std::string(as_text(bytes)); }

}  // namespace

// A deletion of a counter hides what its node had seen: all that it counted before, at least. What exactly, only the op
// can tell, since others may have told that node of more.
void Oracle::note_merged(const Subject& node, const ChannelState& channel, const std::string& op_name, KnownOp& known,
                         const Op& op) {
  if (channel.merge == MergeKind::kLastWrite || !op.kind.cell) return;
  known.payload = text_of(op.message->payload);
  if (channel.merge != MergeKind::kCounter || !known.payload.empty()) return;
  const sync::CounterChange change = must(node, sync::decode_change(op.change));
  for (const auto& [replica, last] : change.changed.writes()) known.seen[replica] = last;
  auto& counted = marks_[node.index][channel.name];
  for (const ReplicaState& state : channel.replicas) {
    const auto marks = counted.find(state.replica);
    if (marks == counted.end() || parted_at(channel.name, sync::root_of(state))) continue;
    for (Seq at = std::min(marks->second.seq, state.seq); at > sync::base_of(state); --at) {
      const KnownOp* other = find(channel.name, state, at);
      if (other == nullptr || other == &known || other->trimmed_unseen || !other->cell) continue;
      if (other->topic != op.message->topic) continue;
      if (known.seen[sync::root_of(state)] < at) {
        violated("G4", node, op_name + " deletes, but not " + name_of({channel.name, state.replica}, at));
      }
      break;
    }
  }
}

// Who subscribes is shown what the topic shows, after the last write of the turn.
void Oracle::check_shown(const Subject& node, const sync::Committed& committed, sync::ReadView& view) const {
  if (!committed.merged.empty()) return;
  std::map<std::pair<sync::ChannelNo, std::string>, std::string> last;
  for (const sync::CommittedSegment& segment : committed.segments) {
    for (std::size_t i = 0; i < segment.shown.size(); ++i) {
      const Op& op = segment.ops[i];
      if (op.kind.cell != (segment.shown[i] != nullptr))
        violated("G3", node, "nothing is shown of " + op.message->topic);
      if (op.kind.cell) last[{segment.channel, op.message->topic}] = text_of(segment.shown[i]->payload);
    }
  }
  for (const auto& [cell, shown] : last) {
    const auto held = must(node, view.cell(cell.first, cell.second));
    if (!held || text_of(held->message->payload) != shown) {
      violated("G3", node, "subscribers are shown " + shown + " in " + cell.second + ", which is not there");
    }
  }
}

std::optional<Seq> Oracle::parted_at(const std::string& channel, ReplicaId root) const {
  std::map<Seq, Seq> lasts;  // by first number, of runs that begin there the longest
  std::optional<Seq> parted;
  for (auto run = runs_.lower_bound({.channel = channel, .root = root, .mark = 0});
       run != runs_.end() && run->first.channel == channel && run->first.root == root; ++run) {
    const auto [last, first] = lasts.try_emplace(run->second.first, run->second.last());
    if (first) continue;
    parted = std::min(parted.value_or(sync::kSeqMax), run->second.first);
    last->second = std::max(last->second, run->second.last());
  }
  Seq reached = 0;
  for (const auto& [first, last] : lasts) {
    if (first <= reached) parted = std::min(parted.value_or(sync::kSeqMax), first);
    reached = std::max(reached, last);
  }
  return parted;
}

// Counters whose sum is a matter of which branch has the greater number: sync/README.md.
std::set<std::string> Oracle::raised_by_branches(const ChannelState& channel) const {
  std::set<std::string> out;
  std::map<ReplicaId, std::optional<Seq>> parted;
  for (const ReplicaState& state : channel.replicas) {
    parted[sync::root_of(state)] = parted_at(channel.name, sync::root_of(state));
  }
  for (const auto& [root, from] : parted) {
    if (!from) continue;
    std::set<std::string> once;
    for (auto run = runs_.lower_bound({.channel = channel.name, .root = root, .mark = 0});
         run != runs_.end() && run->first.channel == channel.name && run->first.root == root; ++run) {
      std::set<std::string> topics;
      for (Seq seq = std::max(*from, run->second.first); seq <= run->second.last(); ++seq) {
        const KnownOp& op = run->second.ops[static_cast<std::size_t>(seq - run->second.first)];
        if (op.cell) topics.insert(op.topic);
      }
      for (const std::string& topic : topics) {
        if (!once.insert(topic).second) out.insert(topic);
      }
    }
  }
  return out;
}

void Oracle::check_values(const Subject& node, const ChannelState& channel, sync::ReadView& view) const {
  if (channel.merge == MergeKind::kLastWrite) return;
  for (const ReplicaState& state : channel.replicas) {
    for (Seq seq = sync::base_of(state) + 1; seq <= state.seq; ++seq) {
      const KnownOp* const op = find(channel.name, state, seq);
      if (op == nullptr || op->trimmed_unseen) return;  // nobody knows what it should be
    }
  }
  std::map<std::string, std::string> held;
  const std::vector<Cell> cells = must(node, view.cells(channel.number, "", "", kAll));
  for (const Cell& cell : cells) {
    if (!cell.is_tombstone()) held[cell.message->topic] = text_of(cell.message->payload);
  }
  auto wanted = values_of(channel);
  if (channel.merge == MergeKind::kCounter) {
    for (const std::string& topic : raised_by_branches(channel)) {
      held.erase(topic);
      wanted.erase(topic);
    }
  }
  if (held == wanted) return;
  for (const auto& [topic, value] : wanted) {
    const auto found = held.find(topic);
    if (found != held.end() && found->second == value) continue;
    if (is_deletion_on_its_way(channel, topic)) return;
    violated("G3", node,
             channel.name + " " + topic + " shows " + (found == held.end() ? "nothing" : found->second) +
                 ", but what was written makes " + value);
  }
  violated("G4", node, channel.name + " shows what was deleted");
}

// A deletion that has not come yet shows all the same in what a node counted after it: that node's part begins anew.
bool Oracle::is_deletion_on_its_way(const ChannelState& channel, const std::string& topic) const {
  const auto counts_after = [&](ReplicaId root, Seq seq) {
    return std::any_of(channel.replicas.begin(), channel.replicas.end(), [&](const ReplicaState& state) {
      if (sync::root_of(state) != root) return false;
      for (Seq at = std::max(seq, sync::base_of(state)) + 1; at <= state.seq; ++at) {
        const KnownOp* const op = find(channel.name, state, at);
        if (op != nullptr && op->cell && op->topic == topic) return true;
      }
      return false;
    });
  };
  for (const auto& [key, run] : runs_) {
    if (key.channel != channel.name) continue;
    for (Seq at = counted(channel.replicas, key, run.first) + 1; at <= run.last(); ++at) {
      const KnownOp& op = run.ops[static_cast<std::size_t>(at - run.first)];
      if (!op.cell || op.topic != topic) continue;
      for (const auto& [root, last] : op.seen) {
        if (counts_after(root, last)) return true;
      }
    }
  }
  return false;
}

std::map<std::string, std::string> Oracle::values_of(const ChannelState& channel) const {
  std::map<std::string, std::map<WriteOrder, const KnownOp*>> writes;
  std::map<ReplicaId, ReplicaId> roots;
  for (const ReplicaState& state : channel.replicas) {
    roots[state.replica] = sync::root_of(state);
    for (Seq seq = sync::base_of(state) + 1; seq <= state.seq; ++seq) {
      const KnownOp& op = *find(channel.name, state, seq);
      if (op.cell) writes[op.topic][{.stamp = op.stamp, .replica = state.replica, .seq = seq}] = &op;
    }
  }
  std::map<std::string, std::string> out;
  for (const auto& [topic, ops] : writes) {
    std::vector<std::string> patches;
    std::map<ReplicaId, Seq> hidden;
    for (const auto& [order, op] : ops) {
      patches.push_back(op->payload);
      for (const auto& [replica, seq] : op->seen) hidden[replica] = std::max(hidden[replica], seq);
    }
    if (channel.merge == MergeKind::kDocument) {
      if (std::string value = test::patched_text(patches); !value.empty()) out[topic] = std::move(value);
      continue;
    }
    bool is_visible = false;
    long long sum = 0;
    for (const auto& [order, op] : ops) {
      const auto until = hidden.find(roots.at(order.replica));
      if (op->payload.empty() || (until != hidden.end() && order.seq <= until->second)) continue;
      is_visible = true;
      sum += std::stoll(op->payload);
    }
    if (is_visible) out[topic] = std::to_string(sum);
  }
  return out;
}

}  // namespace hedgerow::sim
