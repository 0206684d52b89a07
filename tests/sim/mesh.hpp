// Simulated boards, the network between them and what is checked of all of them together. Who works on them and who
// makes trouble is the caller's.
// Thread rule: one simulation, one thread. Ownership: options and random source must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/sim/network.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/scheduler.hpp"
#include "tests/sim/sim_node.hpp"
#include "tests/sim/workload.hpp"

namespace hedgerow::sim {

class Mesh {
 public:
  Mesh(const Options& options, Random& random);

  [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] Oracle& oracle() { return oracle_; }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] SimNode& node(std::size_t index) { return *nodes_[index]; }
  // None if no board bears the name.
  [[nodiscard]] SimNode* find(const std::string& name);
  void run_for(Duration duration) { scheduler_.run_until(scheduler_.now() + duration); }

  // Sets every clock and starts every board.
  void boot();
  // The power goes, and comes back; the disk may be another one then.
  void crash(std::size_t node);
  // Its disk is empty, and it starts at once.
  void start_empty(std::size_t node);
  // Its clock is wrong in another way from now on.
  void shift_clock(std::size_t node);

  // Ends all trouble and waits until the boards agree; throws Violation if they do not. Returns the simulated time.
  Duration heal();
  // No node works, asks or lacks what it heard of, and all frontiers are equal.
  [[nodiscard]] bool has_settled();
  [[nodiscard]] std::vector<Subject> subjects();
  // What all frontiers count.
  [[nodiscard]] std::uint64_t counted_ops();
  // Equal nodes say nothing, and sleep. REQUIRES: heal() was called.
  void check_silence();
  // What fills a gap comes wherever a linked peer has it and there is room, at the latest when something happens after
  // the pause. REQUIRES: heal() was called.
  void check_fills(Workload& workload);
  // Live messages of so many nodes reach every node, over other nodes too, and none twice.
  void check_live(Workload& workload, std::size_t senders);

  [[nodiscard]] std::uint64_t fills() const;
  [[nodiscard]] std::uint64_t crashes() const { return crashes_; }
  [[nodiscard]] std::uint64_t power_cuts() const { return power_cuts_; }

 private:
  bool happens(unsigned per_mille) { return random_.below(1000) < per_mille; }
  void start(std::size_t node);
  void start_later(std::size_t node);
  void exchange_disk(std::size_t node);
  [[nodiscard]] std::uint64_t wakes() const;
  [[noreturn]] void report_disagreement();
  void check_fills_of(SimNode& node);

  const Options& options_;
  Random& random_;
  Scheduler scheduler_;
  Oracle oracle_;
  Network network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<std::shared_ptr<const Disk::Image>> images_;  // of some moments
  std::uint64_t crashes_ = 0;
  std::uint64_t power_cuts_ = 0;  // of these, in the middle of what the store was doing
};

}  // namespace hedgerow::sim
