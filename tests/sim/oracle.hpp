// The oracle knows every op that was ever committed by its author and checks every node against it. It is apart from
// the workload: it sees what nodes commit, acknowledge and store, never why.
//
//   G1  an acknowledged write is there after every restart of its node
//   G2  a frontier counts nothing that was lost: the op is in the log, or in a listed gap that some node trimmed, and
//   its
//       cell is at least as new
//   G3  after healing all nodes hold identical cells and records, and have everything that was ever committed; when a
//       disk was replaced, everything of its writer that another node held
//       A document is what the patches that its node counts make of nothing, in the order of writes; a counter the sum
//       of the increments that it counts, without those that a deletion had seen. Subscribers are shown just that.
//   G4  a cell never goes back to an older write
//   G5  one name, one op; nothing is anywhere before it is durable with its author
//   G6  every missing record is in a listed gap; retained messages are counted; nothing goes by age that is younger
//   G10 a write is stamped after everything that its node had seen, and not beyond what its mesh's clocks say
//
// Arrival numbers, from which sessions are served: each is given once, in commit order, without a hole; a cell keeps
// its number until another write takes it.
//
// Thread rule: one simulation, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sync/engine/engine.hpp"
#include "tests/sim/live_ledger.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/subject.hpp"

namespace hedgerow::sim {

class Oracle {
 public:
  explicit Oracle(const Options& options) : options_(options) {}

  // What every clock should say, in milliseconds since 1970.
  void set_true_time(std::uint64_t unix_ms) { true_ms_ = unix_ms; }
  // What a run wrote in one channel, as its author began it: it names ops on every node, whatever replica they are
  // counted under there.
  struct RunKey {
    std::string channel;
    sync::ReplicaId root{};
    std::uint64_t mark = 0;
    auto operator<=>(const RunKey&) const = default;
  };
  [[nodiscard]] static RunKey run_of(const std::string& channel, const sync::ReplicaState& state, sync::Seq seq);
  // The node takes this for applied, and may pass it on, but it is not durable.
  void on_handed_out(const Subject& node, const std::vector<sync::CommittedSegment>& segments);
  // What was handed out and never became durable, though the node goes on.
  void on_lost(const Subject& node, const std::vector<sync::CommittedSegment>& segments);
  // Right after the turn has become durable, before anybody hears of it. With all that was handed out before.
  void on_commit(const Subject& node, const sync::Committed& committed);
  // The node told its clients that its writes of this run up to `seq` are safe.
  void on_acknowledged(const Subject& node, const RunKey& run, sync::Seq seq);
  // The node has other names for what was written under one by two; that is durable.
  void on_names_changed(const Subject& node);
  // The node goes on under another name, which what it wrote under `former` since its start takes too; likewise.
  void on_renewed(const Subject& node, sync::ReplicaId former);
  // Its links begin anew: from here on it says new names only.
  void on_greets_anew(const Subject& node) { former_marks_.erase(node.index); }
  void on_restart(const Subject& node);
  // The node goes on with another disk than it had: an older state of its own, another board's, or an empty one. What
  // its replicas wrote and nobody else held may be gone. Then on_restart().
  void on_disk_replaced(const Subject& node);
  // The node says this to a peer; its channels bear the engine's order.
  void on_told(const Subject& node, ByteView message);
  [[nodiscard]] LiveLedger& live() { return live_; }
  // Everything that one node holds.
  void check_store(const Subject& node);
  // After healing: all of them hold everything, and the same.
  void check_agreement(const std::vector<Subject>& nodes);

  [[nodiscard]] std::uint64_t ops() const { return ops_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  // Ops that became durable somewhere, once for each node, but for those that came by merges.
  [[nodiscard]] std::uint64_t placed() const { return placed_; }
  [[nodiscard]] std::uint64_t merges() const { return merges_; }

 private:
  struct KnownOp {
    bool trimmed_unseen = false;  // written and trimmed in a turn that nobody saw commit: nothing else is known
    std::uint64_t made_ms = 0;    // by the true clock
    sync::Stamp stamp{};
    bool cell = false;
    std::string topic{};
    Bytes content{};  // all of the op but its stamp's quality and its change
    Bytes change{};
    std::string payload{};                        // where cells merge
    std::map<sync::ReplicaId, sync::Seq> seen{};  // the deletion of a counter: by its node, when it was written
  };
  struct KnownRun {
    sync::Seq first = 0;
    std::size_t writer = 0;  // the node
    std::vector<KnownOp> ops;
    std::vector<bool> trimmed = {};  // by keep, on some node
    [[nodiscard]] sync::Seq last() const { return first + ops.size() - 1; }
  };
  using ReplicaKey = std::pair<std::string, sync::ReplicaId>;
  using States = std::vector<sync::ReplicaState>;

  [[nodiscard]] const KnownRun* find_run(const std::string& channel, const sync::ReplicaState& state,
                                         sync::Seq seq) const;
  // Null: nobody wrote it.
  [[nodiscard]] const KnownOp* find(const std::string& channel, const sync::ReplicaState& state, sync::Seq seq) const;
  [[nodiscard]] KnownOp* find_mutable(const std::string& channel, const sync::ReplicaState& state, sync::Seq seq);
  // Up to which number of the run these states count all; its first less 1: nothing.
  [[nodiscard]] static sync::Seq counted(const States& states, const RunKey& key, sync::Seq first);
  void adopt(const Subject& node, const sync::ChannelState& channel, const sync::ReplicaState& state,
             sync::ReadView& view);
  void author(const Subject& node, const sync::ChannelState& channel, const sync::ReplicaState& state, sync::Seq seq,
              const sync::Op& op);
  void compare(const Subject& node, const std::string& channel, const sync::ReplicaState& state, sync::Seq seq,
               const sync::Op& op) const;
  void forget(const Subject& node);
  void forget_names(const Subject& node);
  // The run that these writes of the node bear now, and what their numbers lost by it.
  [[nodiscard]] std::pair<RunKey, sync::Seq> renewed(std::size_t node, RunKey key) const;
  void count_what_is_left();
  void remember(const Subject& node);
  void see_merged(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);
  void check_age(const Subject& node, const std::string& op_name, const KnownOp& op) const;
  void check_arrivals(const Subject& node, const sync::Committed& committed);
  void check_stamp(const Subject& node, const std::string& op_name, const sync::Stamp& stamp) const;
  void check_cell(const Subject& node, const sync::ChannelState& channel, const sync::Cell& cell);
  // Ops that the node's store has listed as gaps of another node's keep.
  [[nodiscard]] bool has_lacked(const Subject& node, sync::ChannelNo channel, const sync::SegmentRow& row) const;
  void check_order_of_arrival(const Subject& node, sync::ReadView& view) const;
  void check_log(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);
  void check_cells(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);

  // oracle_merge.cpp: documents and counters
  void note_merged(const Subject& node, const sync::ChannelState& channel, const std::string& op_name, KnownOp& known,
                   const sync::Op& op);
  // From which number on runs of this root have written the same numbers: where the first fork is, at the latest.
  [[nodiscard]] std::optional<sync::Seq> parted_at(const std::string& channel, sync::ReplicaId root) const;
  [[nodiscard]] std::set<std::string> raised_by_branches(const sync::ChannelState& channel) const;
  void check_shown(const Subject& node, const sync::Committed& committed, sync::ReadView& view) const;
  void check_values(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view) const;
  [[nodiscard]] bool is_deletion_on_its_way(const sync::ChannelState& channel, const std::string& topic) const;
  [[nodiscard]] std::map<std::string, std::string> values_of(const sync::ChannelState& channel) const;
  void note_gaps(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);

  struct SeenCell {
    sync::WriteOrder order;
    sync::Arrival arrival = 0;
  };

  // What a node counts, as it was last seen.
  struct Marks {
    sync::Seq seq = 0;
    sync::Seq trimmed = 0;
  };

  const Options options_;
  std::uint64_t true_ms_ = 0;
  std::map<RunKey, KnownRun> runs_;
  std::map<std::pair<std::size_t, RunKey>, sync::Seq> acked_;  // by the node that said so
  // What a renewal took along: by node, and the run that it was.
  std::map<std::pair<std::size_t, RunKey>, std::pair<RunKey, sync::Seq>> renewed_;
  // What the node held under the names that it has given up, and may still say.
  std::map<std::size_t, std::map<ReplicaKey, sync::Seq>> former_marks_;
  // The last of each name that the node sent to others since its start, in segments.
  std::map<std::size_t, std::map<ReplicaKey, sync::Seq>> sent_;
  std::set<std::pair<sync::ReplicaId, std::size_t>> writers_;  // under this name the node writes, or wrote
  std::map<RunKey, sync::Seq> mortal_;                         // its writer's disk is gone; this much must still come
  std::map<std::pair<std::size_t, std::string>, States> states_;
  std::map<std::size_t, std::map<std::pair<std::string, std::string>, SeenCell>> cells_;            // of nodes
  std::map<std::size_t, std::map<std::string, std::unordered_map<sync::ReplicaId, Marks>>> marks_;  // of nodes
  std::map<std::size_t, sync::Stamp> newest_;  // stamp that the node has committed
  // What find() found last.
  mutable RunKey last_key_;
  mutable const KnownRun* last_run_ = nullptr;
  std::map<std::size_t, sync::Arrival> arrivals_;
  // By node: ops that it listed as gaps of another node's keep at some time, by their root.
  std::map<std::size_t, std::map<ReplicaKey, std::vector<bool>>> lacked_;
  // Of this life of the node, durable or not.
  struct HandedOut {
    std::map<ReplicaKey, sync::Seq> last;       // since the last commit
    std::map<ReplicaKey, sync::Seq> passed_on;  // ever: what was lost may be on its way to peers
    sync::Stamp newest;
    sync::Arrival arrival = 0;
    sync::Arrival lost = 0;  // the last arrival that was given and lost
  };
  std::map<std::size_t, HandedOut> handed_out_;
  LiveLedger live_;
  std::uint64_t ops_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t placed_ = 0;
  std::uint64_t merges_ = 0;
};

}  // namespace hedgerow::sim
