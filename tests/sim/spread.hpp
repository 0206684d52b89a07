// How ops travel: over how many links each comes to each node first, and how long that takes until all have it.
// Thread rule: one simulation, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sync/base/time.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sim {

class Spread {
 public:
  explicit Spread(std::size_t nodes) : nodes_(nodes) {}

  // An op came on the link of these two nodes. Who sent it first is its origin.
  void on_op(Instant now, sync::ReplicaId replica, sync::Seq seq, std::size_t from, std::size_t to);

  [[nodiscard]] std::size_t hops_max() const { return hops_max_; }
  // Of each op that came to all nodes, ascending: from the first node but its origin until the last.
  [[nodiscard]] std::vector<Duration> times() const;

 private:
  struct Op {
    Instant first{};
    Instant last{};
    std::size_t origin = 0;
    std::size_t reached = 0;         // nodes, without the origin
    std::vector<std::uint8_t> hops;  // of each node; 0: not reached, or the origin
  };

  std::size_t nodes_;
  std::size_t hops_max_ = 0;
  std::map<std::pair<sync::ReplicaId, sync::Seq>, Op> ops_;
};

}  // namespace hedgerow::sim
