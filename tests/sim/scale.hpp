// How the mesh grows: what one op costs in time, bytes and memory among so many nodes, and what a new node costs among
// so many topics. Every guarantee is checked meanwhile. The network is a ring and two more links a node, drawn from the
// seed: six links each on average. Simulated times hold the simulated boards': 0 to 5 ms until a turn begins, 0 to 10
// ms until it is on disk, 0 to 10 ms until the loop knows, and 5 to 20 ms on a link.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sync/base/time.hpp"

namespace hedgerow::sim {

struct ScaleQuestion {
  std::uint64_t seed = 1;
  std::size_t nodes = 10;
  std::size_t topics = 10;
  std::size_t ops = 100;  // one at a time from anywhere, 64 B each
  // A link breaks each so often, and is dialled again within a second; 0: none.
  Duration breaks_every{};
};

struct ScaleAnswer {
  Duration greeting{};       // from the first start until all links are up and silent
  Duration spread_median{};  // of each op: from the first node that it was sent to until the last one
  Duration spread_max{};
  std::size_t hops_max = 0;  // links that an op crossed to a node
  Duration settling{};       // from the last of the ops until all agree, on their disks
  // Of one op and node, on the wire, headers of MQTT and TLS apart.
  double bytes = 0;
  double control_bytes = 0;  // of these, what carries no ops
  double deliveries = 0;
  std::uint64_t node_bytes = 0;  // of memory: engine and replicator of a node, at the end, without its store
  std::uint64_t broken = 0;      // links
};
// Throws Violation, also where the broadcast trees do not keep to the bounds of scale.cpp.
[[nodiscard]] ScaleAnswer measure_nodes(const ScaleQuestion& question);

struct JoinAnswer {
  Duration joining{};            // a node with an empty disk: until it holds everything
  std::uint64_t bytes = 0;       // on the wire, all of them
  std::uint64_t node_bytes = 0;  // as above
};
// Each topic was written `ops` / `topics` times, and the logs trimmed to 64 KiB. Throws Violation.
[[nodiscard]] JoinAnswer measure_join(const ScaleQuestion& question);

}  // namespace hedgerow::sim
