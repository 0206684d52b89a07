// The oracle knows every op that was ever committed by its author and checks every node against it. It is apart from
// the workload: it sees what nodes commit, acknowledge and store, never why.
//
//   G1  an acknowledged write is there after every restart of its node
//   G2  a frontier counts nothing that was lost: the op is in the log, or in a listed gap that some node trimmed, and
//   its
//       cell is at least as new
//   G3  after healing all nodes hold identical cells and records, and have everything that was ever committed
//   G4  a cell never goes back to an older write
//   G5  one name, one op; nothing is anywhere before it is durable with its author
//   G6  every missing record is in a listed gap
//   G10 a write is stamped after everything that its node had seen
//
// Thread rule: one simulation, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sync/engine/engine.hpp"
#include "tests/support/memory_storage.hpp"

namespace hedgerow::sim {

// The end of a run: a guarantee does not hold.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One node as the oracle sees it.
struct Subject {
  std::size_t index = 0;
  std::string name;
  sync::ReplicaId replica{};
  test::MemoryStorage& storage;
  const std::vector<sync::ChannelState>& channels;  // the engine's
};

class Oracle {
 public:
  // Right after the turn has become durable, before anybody hears of it.
  void on_commit(const Subject& node, const sync::Committed& committed);
  // The node told its clients that their writes up to `seq` are safe.
  void on_acknowledged(const Subject& node, const std::string& channel, sync::Seq seq);
  void on_restart(const Subject& node);
  // The node says this to a peer; its channels bear the engine's order.
  void on_told(const Subject& node, ByteView message);
  void on_live(const Subject& node, std::uint64_t incarnation, std::uint64_t message);
  // Everything that one node holds.
  void check_store(const Subject& node);
  // After healing: all of them hold everything, and the same.
  void check_agreement(const std::vector<Subject>& nodes);

  [[nodiscard]] std::uint64_t ops() const { return ops_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t merges() const { return merges_; }

 private:
  struct KnownOp {
    sync::Stamp stamp;
    bool cell = false;
    std::string topic;
    Bytes content;  // all of the op but its stamp's quality
  };
  using Chain = std::vector<KnownOp>;  // op `seq` is at seq - 1
  using ReplicaKey = std::pair<std::string, sync::ReplicaId>;
  using OpKey = std::pair<ReplicaKey, sync::Seq>;

  void author(const Subject& node, const ReplicaKey& key, sync::Seq seq, const sync::Op& op);
  void compare(const Subject& node, const ReplicaKey& key, sync::Seq seq, const sync::Op& op) const;
  void see_merged(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);
  void check_cell(const Subject& node, const std::string& channel, const sync::Cell& cell);
  void check_log(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);
  void check_cells(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);
  void note_gaps(const Subject& node, const sync::ChannelState& channel, sync::ReadView& view);

  std::map<ReplicaKey, Chain> chains_;
  std::map<ReplicaKey, sync::Seq> acked_;
  std::map<std::tuple<std::size_t, std::string, std::string>, sync::WriteOrder> cell_orders_;
  std::map<std::tuple<std::size_t, std::string, sync::ReplicaId>, sync::Seq> frontiers_;
  std::map<std::tuple<std::size_t, std::string, sync::ReplicaId>, sync::Seq> trims_;
  std::set<OpKey> trimmed_;                    // by keep, on some node
  std::map<std::size_t, sync::Stamp> newest_;  // stamp that the node has committed
  std::set<std::tuple<std::size_t, std::uint64_t, std::uint64_t>> live_;
  std::uint64_t ops_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t merges_ = 0;
};

}  // namespace hedgerow::sim
