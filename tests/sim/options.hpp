// What a simulation is made of. Everything follows from the seed: what is not set here is drawn from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "sync/base/time.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::sim {

using Random = test::SeededRandom;

enum class Topology : std::uint8_t { kMesh, kLine, kStar };

// A link is an ordered stream of MQTT messages at QoS 0: it breaks, and a message may be dropped at a queue, but what
// arrives keeps its order. Links beside each other keep none.
struct NetworkOptions {
  Duration delay_min{};
  Duration delay_max{};
  unsigned drop_per_mille = 0;
  unsigned duplicate_per_mille = 0;
  Duration unnoticed_max{};  // for so long one end may take a broken link for a good one
  Duration redial_max{};
  bool both_dial = false;  // each pair has two links, one dialled by each side
};

// Chances per step of the workload.
struct FaultOptions {
  unsigned break_per_mille = 0;
  unsigned partition_per_mille = 0;
  unsigned clog_per_mille = 0;
  unsigned crash_per_mille = 0;
  unsigned clock_jump_per_mille = 0;
  unsigned disk_full_per_mille = 0;
};

struct Options {
  std::uint64_t seed = 1;
  std::size_t nodes = 3;
  std::size_t steps = 400;
  Topology topology{};
  NetworkOptions network;
  FaultOptions faults;
  Duration skew_max{};
  std::uint64_t keep_bytes = 0;  // of each channel's log
  unsigned trim_per_mille = 0;   // per step
  std::size_t payload_bytes_max = 0;
  std::size_t answer_bytes_max = 0;  // to one pull: small ones make snapshots of many pages
};

// Each seed turns some kinds of trouble off and draws the strength of the others, so that rare combinations come up.
[[nodiscard]] Options draw_options(std::uint64_t seed, std::size_t nodes, std::size_t steps);

// One line for people.
[[nodiscard]] std::string describe(const Options& options);

}  // namespace hedgerow::sim
