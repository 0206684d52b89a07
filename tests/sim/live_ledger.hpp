// Live messages: each comes to every other node, over other nodes too, and to none twice.
// Thread rule: one simulation, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tests/sim/subject.hpp"

namespace hedgerow::sim {

class LiveLedger {
 public:
  // `incarnation`: the node's life; another one may hear the message again.
  void on_delivered(const Subject& node, std::uint64_t incarnation, std::uint64_t message);
  // Everybody heard it but the node that sent it.
  void check(const std::vector<Subject>& nodes, std::uint64_t message, std::size_t from) const;

 private:
  using Hearer = std::pair<std::size_t, std::uint64_t>;  // the node's position, and its incarnation
  std::map<std::uint64_t, std::set<Hearer>> hearers_;    // of each message
};

}  // namespace hedgerow::sim
