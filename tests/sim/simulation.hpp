// A whole mesh in one process: nodes, network, workload and trouble, all of it from one seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/options.hpp"

namespace hedgerow::sim {

struct Outcome {
  std::optional<std::string> violation;
  std::uint64_t ops = 0;           // committed by their authors
  std::uint64_t acknowledged = 0;  // of these, what a client was told
  std::uint64_t crashes = 0;
  std::uint64_t power_cuts = 0;     // of these, in the middle of what the store was doing
  std::uint64_t fills = 0;          // segments that filled a gap
  std::uint64_t merges = 0;         // snapshot answers that were merged
  std::uint64_t messages = 0;       // between nodes
  std::uint64_t bytes = 0;          // in them
  std::uint64_t control_bytes = 0;  // of these, what carries no ops
  std::uint64_t deliveries = 0;     // ops that came to a node, known or not
  std::uint64_t events = 0;
  Duration healing{};  // simulated time from the last trouble to agreement
};

[[nodiscard]] Outcome simulate(const Options& options);

// How to see it again.
[[nodiscard]] std::string replay_command(const Options& options);

}  // namespace hedgerow::sim
