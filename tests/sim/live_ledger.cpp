#include "tests/sim/live_ledger.hpp"

#include <string>

#include "tests/sim/oracle_internal.hpp"

namespace hedgerow::sim {

void LiveLedger::on_delivered(const Subject& node, std::uint64_t incarnation, std::uint64_t message) {
  if (!hearers_[message].emplace(node.index, incarnation).second) {
    violated("live", node, "message " + std::to_string(message) + " was delivered twice");
  }
}

void LiveLedger::check(const std::vector<Subject>& nodes, std::uint64_t message, std::size_t from) const {
  static const std::set<Hearer> kNobody;
  const auto found = hearers_.find(message);
  const std::set<Hearer>& hearers = found == hearers_.end() ? kNobody : found->second;
  for (const Subject& node : nodes) {
    const auto at = hearers.lower_bound({node.index, 0});
    const bool heard = at != hearers.end() && at->first == node.index;
    if (heard == (node.index == from)) {
      violated("live", node, "message " + std::to_string(message) + (heard ? " came back" : " never came"));
    }
  }
}

}  // namespace hedgerow::sim
