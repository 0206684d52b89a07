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

// kSparse: a ring, and each node dials some others.
enum class Topology : std::uint8_t { kMesh, kLine, kStar, kSparse };
// What people ask for; the seed draws the rest.
struct Mode {
  bool sqlite = false;     // the real store, on disks that lose power at any write
  bool forks = false;      // boards often go on with an older state, or a copy of another's, that nothing notices
  bool ten_years = false;  // clocks are ten years ahead or behind and come back, the first board's is always ahead
  bool fills = false;      // boards often come back empty, next to some that keep little and some that keep more
  bool sessions = false;   // boards with clients (sessions.hpp), on disks that stay what they are and keep everything
  bool tranquil = false;   // no trouble at all
  unsigned hours = 0;      // so long a life, a bit of work and some trouble each day; 0: all of it in seconds
  [[nodiscard]] bool operator==(const Mode&) const = default;
};

// A link is an ordered stream of MQTT messages at QoS 0: it breaks, and a message may be dropped at a queue, but what
// arrives keeps its order. Links beside each other keep none.
struct NetworkOptions {
  Duration delay_min{};
  Duration delay_max{};
  unsigned drop_per_mille = 0;
  unsigned duplicate_per_mille = 0;
  Duration slow_max{};       // one direction of a link may be so much slower than the other
  Duration unnoticed_max{};  // for so long one end may take a broken link for a good one
  Duration redial_max{};
  bool both_dial = false;  // each pair has two links, one dialled by each side
};

// Chances per step of the workload.
struct FaultOptions {
  unsigned break_per_mille = 0;
  unsigned partition_per_mille = 0;
  unsigned clog_per_mille = 0;
  unsigned deaf_per_mille = 0;  // one direction of a link loses everything, for a while
  unsigned crash_per_mille = 0;
  unsigned client_per_mille = 0;  // a client's connection breaks
  Duration clog_max{};
  Duration deaf_max{};
  Duration partition_max{};
  Duration down_max{};
  // On the real store: the power goes with one of so many writes after a start; never if 0. A sync fails, in so many
  // of a thousand lives.
  std::size_t cut_after_writes_max = 0;
  unsigned failed_sync_per_mille = 0;
  unsigned clock_jump_per_mille = 0;
  unsigned disk_full_per_mille = 0;
  unsigned forge_per_mille = 0;  // what a clone that nobody sees would push
  // Chances of a crash to end on another disk. A store that notices answers with a new replica.
  unsigned wipe_per_mille = 0;
  unsigned restore_per_mille = 0;
  unsigned clone_per_mille = 0;
  unsigned unnoticed_per_mille = 0;  // of these: nothing tells the store, so that two boards may write under one name
};

struct ClockOptions {
  Duration skew_max{};
  unsigned drift_per_mille = 0;
  Duration corrected_after{};  // no clock drifts for longer
  bool has_no_rtc = false;     // boards boot in 1970
  Duration learnt_after{};     // the time, at most, if ever
};

struct Options {
  std::uint64_t seed = 1;
  std::size_t nodes = 3;
  Mode mode;
  std::size_t steps = 400;
  Topology topology{};
  NetworkOptions network;
  FaultOptions faults;
  ClockOptions clocks;
  Duration keep_age{};
  std::uint64_t keep_bytes = 0;  // of each channel's log
  bool keeps_unevenly = false;   // every other board four times as much
  unsigned trim_per_mille = 0;   // per step
  std::size_t payload_bytes_max = 0;
  std::size_t answer_bytes_max = 0;  // to one pull: small ones make snapshots of many pages
  Duration remote_commit{};          // how long what peers push may wait for its sync
};

// Each seed turns some kinds of trouble off and draws the strength of the others, so that rare combinations come up.
[[nodiscard]] Options draw_options(std::uint64_t seed, std::size_t nodes, std::size_t steps, const Mode& mode = {});

// How far a clock can be from the truth, and a logical clock that follows the fastest.
[[nodiscard]] Duration clock_error(const ClockOptions& clocks);

// One line for people.
[[nodiscard]] std::string describe(const Options& options);

}  // namespace hedgerow::sim
