#include "tests/sim/spread.hpp"

#include <algorithm>

namespace hedgerow::sim {

void Spread::on_op(Instant now, sync::ReplicaId replica, sync::Seq seq, std::size_t from, std::size_t to) {
  Op& op = ops_[{replica, seq}];
  if (op.hops.empty()) {
    op.first = now;
    op.hops.resize(nodes_);
  }
  if (op.reached == 0) op.origin = from;
  if (op.hops[to] > 0 || op.origin == to) return;
  op.hops[to] = static_cast<std::uint8_t>(std::min(op.hops[from] + 1, 255));
  op.last = now;
  ++op.reached;
  hops_max_ = std::max<std::size_t>(hops_max_, op.hops[to]);
}

std::vector<Duration> Spread::times() const {
  std::vector<Duration> out;
  for (const auto& [name, op] : ops_) {
    if (op.reached + 1 == nodes_) out.push_back(op.last - op.first);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace hedgerow::sim
