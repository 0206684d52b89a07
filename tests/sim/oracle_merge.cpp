// What the oracle says of documents and counters: by models that know nothing of how they are merged.
#include <algorithm>

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
void Oracle::note_merged(const Subject& node, const ChannelState& channel, const ReplicaKey& key, Seq seq,
                         const Op& op) {
  if (channel.merge == MergeKind::kLastWrite || !op.kind.cell) return;
  KnownOp& known = chains_[key].back();
  known.payload = text_of(op.message->payload);
  if (channel.merge != MergeKind::kCounter || !known.payload.empty()) return;
  const sync::CounterChange change = must(node, sync::decode_change(op.change));
  for (const auto& [replica, last] : change.changed.writes()) known.seen[replica] = last;
  for (const auto& [replica, marks] : marks_[node.index][channel.name]) {
    const Chain& chain = chains_[{channel.name, replica}];
    const std::size_t counted = std::min<std::size_t>(chain.size(), static_cast<std::size_t>(marks.seq));
    for (std::size_t at = counted; at > 0; --at) {
      const KnownOp& other = chain[at - 1];
      if (other.trimmed_unseen || !other.cell || other.topic != op.message->topic) continue;
      if (known.seen[replica] < at) {
        violated("G4", node, name_of(key, seq) + " deletes, but not " + name_of({channel.name, replica}, at));
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

void Oracle::check_values(const Subject& node, const ChannelState& channel, sync::ReadView& view) const {
  if (channel.merge == MergeKind::kLastWrite) return;
  for (const ReplicaState& state : channel.replicas) {
    const auto chain = chains_.find({channel.name, state.replica});
    const bool is_known = chain != chains_.end() && std::none_of(chain->second.begin(), chain->second.end(),
                                                                 [](const KnownOp& op) { return op.trimmed_unseen; });
    if (!is_known) return;  // nobody knows what it should be
  }
  std::map<std::string, std::string> held;
  const std::vector<Cell> cells = must(node, view.cells(channel.number, "", "", kAll));
  for (const Cell& cell : cells) {
    if (!cell.is_tombstone()) held[cell.message->topic] = text_of(cell.message->payload);
  }
  const auto wanted = values_of(channel);
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
  const auto counts_after = [&](ReplicaId replica, Seq seq) {
    const Chain& chain = chains_.at({channel.name, replica});
    const auto held = static_cast<std::ptrdiff_t>(sync::seq_in(channel.replicas, replica));
    return static_cast<std::ptrdiff_t>(seq) < held &&
           std::any_of(chain.begin() + static_cast<std::ptrdiff_t>(seq), chain.begin() + held,
                       [&](const KnownOp& op) { return op.cell && op.topic == topic; });
  };
  for (const auto& [key, chain] : chains_) {
    if (key.first != channel.name) continue;
    for (std::size_t at = static_cast<std::size_t>(sync::seq_in(channel.replicas, key.second)); at < chain.size();
         ++at) {
      const KnownOp& op = chain[at];
      if (!op.cell || op.topic != topic) continue;
      for (const auto& [replica, last] : op.seen) {
        if (counts_after(replica, last)) return true;
      }
    }
  }
  return false;
}

std::map<std::string, std::string> Oracle::values_of(const ChannelState& channel) const {
  std::map<std::string, std::map<WriteOrder, const KnownOp*>> writes;
  for (const ReplicaState& state : channel.replicas) {
    const Chain& chain = chains_.at({channel.name, state.replica});
    for (Seq seq = 1; seq <= state.seq; ++seq) {
      const KnownOp& op = chain[static_cast<std::size_t>(seq - 1)];
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
      const auto until = hidden.find(order.replica);
      if (op->payload.empty() || (until != hidden.end() && order.seq <= until->second)) continue;
      is_visible = true;
      sum += std::stoll(op->payload);
    }
    if (is_visible) out[topic] = std::to_string(sum);
  }
  return out;
}

}  // namespace hedgerow::sim
