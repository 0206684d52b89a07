#include "tests/sim/simulation.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "tests/sim/network.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/scheduler.hpp"
#include "tests/sim/sim_node.hpp"
#include "tests/sim/workload.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;

// After the last trouble the slowest repair is a question asked again after a minute.
constexpr Duration kHealingMax = 10min;
constexpr Duration kQuiet = 30min;
constexpr Duration kTenYears = 24h * 3652;

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : options_(options),
        random_(options.seed),
        workload_(options_, random_),
        oracle_(options),
        network_(options, scheduler_) {
    for (std::size_t i = 0; i < options.nodes; ++i) {
      NodeIdentity identity{.index = i, .name = "n" + std::to_string(i)};
      nodes_.push_back(
          std::make_unique<SimNode>(std::move(identity), options, scheduler_, oracle_, network_,
                                    options.mode.sqlite ? make_sqlite_disk(options, i) : make_memory_disk(options, i)));
      nodes_.back()->on_power_lost([this, i] {
        ++power_cuts_;
        crash(i);
      });
    }
    images_.resize(options.nodes);
    network_.attach(nodes_);
  }

  Outcome run() {
    Outcome out;
    try {
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        shift_clock(i);
        const int drift = static_cast<int>(options_.clocks.drift_per_mille);
        nodes_[i]->clock().set_drift(random_.one_in(2) ? drift : -drift);
        start(i);
      }
      for (std::size_t step = 0; step < options_.steps; ++step) {
        scheduler_.run_until(scheduler_.now() + draw_between(random_, 1ms, 60ms));
        work();
        make_trouble();
      }
      out.healing = heal();
      check_silence();
      check_live();
    } catch (const Violation& violation) {
      out.violation = violation.what();
    }
    out.ops = oracle_.ops();
    out.acknowledged = oracle_.acknowledged();
    out.crashes = crashes_;
    out.power_cuts = power_cuts_;
    out.bytes = network_.sent_bytes();
    out.control_bytes = out.bytes - network_.data_bytes();
    out.deliveries = network_.delivered_ops();
    out.merges = oracle_.merges();
    out.messages = network_.sent();
    out.events = scheduler_.done();
    return out;
  }

 private:
  bool happens(unsigned per_mille) { return random_.below(1000) < per_mille; }

  void start(std::size_t node) {
    if (nodes_[node]->is_up()) return;
    if (options_.clocks.has_no_rtc && random_.one_in(2)) {
      nodes_[node]->clock().forget(random_.one_in(3) ? std::nullopt
                                                     : std::optional(draw_between(random_, 1ms, Duration(20s))));
    }
    if (!nodes_[node]->start()) return start_later(node);
    network_.node_started(node);
  }

  // The power goes, and comes back; the disk may be another one then.
  void crash(std::size_t node) {
    ++crashes_;
    nodes_[node]->crash();
    network_.node_crashed(node);
    exchange_disk(node);
    start_later(node);
  }

  void start_later(std::size_t node) {
    scheduler_.after(draw_between(random_, 1ms, options_.faults.down_max + 1ms), [this, node] { start(node); });
  }

  void exchange_disk(std::size_t node) {
    const FaultOptions& faults = options_.faults;
    const bool noticed = !options_.mode.unnoticed;
    if (happens(faults.wipe_per_mille)) {
      nodes_[node]->replace_disk(nullptr, noticed);
    } else if (images_[node] && happens(faults.restore_per_mille)) {
      nodes_[node]->replace_disk(images_[node].get(), noticed);
    } else if (const auto& other = images_[random_.below(images_.size())]; other && happens(faults.clone_per_mille)) {
      nodes_[node]->replace_disk(other.get(), noticed);
    } else if (faults.restore_per_mille + faults.clone_per_mille > 0 && random_.one_in(2)) {
      images_[node] = nodes_[node]->disk_image();
    }
  }

  // Some node hears a clone of some board, over a link that stands for an honest one.
  void forge() {
    SimNode& node = *nodes_[random_.below(nodes_.size())];
    if (!node.is_up()) return;
    const auto links = node.replicator().links();
    if (links.empty()) return;
    const sync::LinkStatus& link = links[random_.below(links.size())];
    if (link.state == sync::LinkState::kGreeting) return;
    const auto peer =
        std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& each) { return each->name() == link.peer; });
    if ((*peer)->is_up()) node.hear_clone_of_somebody(**peer, link.link, random_);
  }

  void shift_clock(std::size_t node) {
    if (options_.mode.ten_years && node == 0) {
      return nodes_[node]->clock().set(kTenYears, ClockQuality::kSynchronised);
    }
    const Duration skew = draw_between(random_, -options_.clocks.skew_max, options_.clocks.skew_max);
    nodes_[node]->clock().set(skew, random_.one_in(3) ? ClockQuality::kUnsynchronised : ClockQuality::kSynchronised);
  }

  // A client publishes something.
  void work() {
    SimNode& node = *nodes_[random_.below(nodes_.size())];
    if (!node.is_up()) return;
    for (std::size_t left = workload_.burst(); left > 0; --left) {
      Workload::Publish publish = workload_.next();
      if (publish.live) {
        node.publish_live(std::move(publish.message));
      } else {
        node.write(publish.channel, publish.kind, std::move(publish.message));
      }
    }
  }

  void make_trouble() {
    const FaultOptions& faults = options_.faults;
    const std::size_t victim = random_.below(nodes_.size());
    SimNode& node = *nodes_[victim];
    if (node.is_up() && happens(options_.trim_per_mille)) node.trim();
    if (node.is_up() && happens(faults.disk_full_per_mille)) node.fail_next_commit();
    if (happens(faults.break_per_mille)) network_.break_some_link();
    if (happens(faults.clog_per_mille)) network_.clog_some_link(draw_between(random_, 10ms, 20s));
    if (happens(faults.deaf_per_mille)) network_.deafen_some_link(draw_between(random_, 10ms, 30s));
    if (happens(faults.forge_per_mille)) forge();
    if (happens(faults.clock_jump_per_mille)) shift_clock(victim);
    if (happens(faults.partition_per_mille)) {
      network_.partition(random_.next());
      scheduler_.after(draw_between(random_, 100ms, 20s), [this] { network_.heal(); });
    }
    if (node.is_up() && happens(faults.crash_per_mille)) crash(victim);
  }

  [[nodiscard]] std::vector<Subject> subjects() {
    std::vector<Subject> out;
    for (const auto& node : nodes_) out.push_back(node->subject());
    return out;
  }

  // No node works, asks or lacks what it heard of, and all frontiers are equal.
  [[nodiscard]] bool has_settled() {
    for (const auto& node : nodes_) {
      if (!node->is_idle()) return false;
    }
    return network_.under_way() == 0 && have_equal_frontiers(subjects());
  }

  static bool have_equal_frontiers(const std::vector<Subject>& all) {
    for (const Subject& node : all) {
      for (const sync::ChannelState& channel : node.channels) {
        const auto first = std::find_if(all.front().channels.begin(), all.front().channels.end(),
                                        [&](const sync::ChannelState& each) { return each.name == channel.name; });
        if (sync::frontier_of(first->replicas) != sync::frontier_of(channel.replicas)) return false;
      }
    }
    return true;
  }

  Duration heal() {
    network_.become_reliable();
    for (const auto& node : nodes_) node->keep_power();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      // Of a replica that it saw fork a node takes nothing more until it starts anew; here both branches were never
      // real.
      if (options_.faults.forge_per_mille > 0 && nodes_[i]->is_up()) {
        nodes_[i]->crash();
        network_.node_crashed(i);
      }
      start(i);
    }
    const Instant begin = scheduler_.now();
    while (!has_settled()) {
      if (scheduler_.now() - begin > kHealingMax) report_disagreement();
      scheduler_.run_until(scheduler_.now() + 250ms);
    }
    const Duration took = scheduler_.now() - begin;
    oracle_.check_agreement(subjects());
    return took;
  }

  // Says who lacks what; the oracle's own words are better where it finds the reason.
  [[noreturn]] void report_disagreement() {
    oracle_.check_agreement(subjects());
    std::string what = "G3: no agreement " +
                       std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kHealingMax).count()) +
                       " s after the last trouble:";
    for (const auto& node : nodes_) {
      what += " " + node->name() + (node->is_idle() ? " idle" : " busy");
      for (const sync::LinkStatus& link : node->replicator().links()) {
        what +=
            " (" + link.peer + " lag " + std::to_string(link.lag_ops) + "/" + std::to_string(link.peer_lag_ops) + ")";
      }
    }
    throw Violation(what);
  }

  // Equal nodes say nothing.
  void check_silence() {
    scheduler_.run_until(scheduler_.now() + kHealingMax);
    const std::uint64_t before = network_.sent();
    scheduler_.run_until(scheduler_.now() + kQuiet);
    if (network_.sent() != before) {
      throw Violation("idle links said " + std::to_string(network_.sent() - before) + " messages in half an hour");
    }
  }

  // Live messages reach every node, over other nodes too, and none twice.
  void check_live() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      for (int copies = 0; copies < 3; ++copies)
        nodes_[i]->publish_live(std::make_shared<const sync::Message>(workload_.next_message()));
      const std::uint64_t last = workload_.last_message();
      scheduler_.run_until(scheduler_.now() + 1min);
      const std::vector<Subject> all = subjects();
      for (std::uint64_t id = last - 2; id <= last; ++id) oracle_.live().check(all, id, i);
    }
  }

  Options options_;
  Random random_;
  Workload workload_;
  Scheduler scheduler_;
  Oracle oracle_;
  Network network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<std::shared_ptr<const Disk::Image>> images_;  // of some moments
  std::uint64_t crashes_ = 0;
  std::uint64_t power_cuts_ = 0;
};

}  // namespace

Outcome simulate(const Options& options) { return Simulation(options).run(); }

std::string replay_command(const Options& options) {
  return "hedgerow-sim --seed " + std::to_string(options.seed) + " --nodes " + std::to_string(options.nodes) +
         " --steps " + std::to_string(options.steps) + (options.mode.sqlite ? " --sqlite" : "") +
         (options.mode.unnoticed ? " --unnoticed" : "") + (options.mode.ten_years ? " --ten-years" : "") +
         (options.mode.tranquil ? " --tranquil" : "");
}

}  // namespace hedgerow::sim
