// What the checkers see of a node, and how they end a run.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "sync/engine/engine.hpp"

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
  sync::ReadViews& views;
  const std::vector<sync::ChannelState>& channels;  // the engine's
};

}  // namespace hedgerow::sim
