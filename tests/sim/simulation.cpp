#include "tests/sim/simulation.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tests/sim/mesh.hpp"
#include "tests/sim/sessions.hpp"
#include "tests/sim/workload.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;

class Simulation {
 public:
  explicit Simulation(const Options& options)
      : options_(options), random_(options.seed), workload_(options_, random_), mesh_(options_, random_) {}

  Outcome run() {
    Outcome out;
    try {
      mesh_.boot();
      if (options_.mode.hours > 0) {
        live_through_days();
      } else {
        for (std::size_t step = 0; step < options_.steps; ++step) live_through_step();
      }
      out.healing = mesh_.heal();
      mesh_.check_silence();
      mesh_.check_live(workload_, mesh_.size());
      if (has_lasting_records()) mesh_.check_fills(workload_);
    } catch (const Violation& violation) {
      out.violation = violation.what();
    }
    const Network& network = mesh_.network();
    out.ops = mesh_.oracle().ops();
    out.acknowledged = mesh_.oracle().acknowledged();
    out.crashes = mesh_.crashes();
    out.power_cuts = mesh_.power_cuts();
    out.bytes = network.sent_bytes();
    out.control_bytes = out.bytes - network.data_bytes();
    out.deliveries = network.delivered_ops();
    out.fills = mesh_.fills();
    out.merges = mesh_.oracle().merges() - out.fills;
    out.messages = network.sent();
    out.events = mesh_.scheduler().done();
    return out;
  }

 private:
  // Keep's age drops nothing while it is checked what fills gaps, and forks are over.
  [[nodiscard]] bool has_lasting_records() const {
    return options_.keeps_unevenly && options_.keep_age >= 24h && options_.mode.hours == 0 &&
           options_.faults.forge_per_mille + options_.faults.restore_per_mille + options_.faults.clone_per_mille == 0;
  }

  bool happens(unsigned per_mille) { return random_.below(1000) < per_mille; }

  void live_through_step() {
    mesh_.run_for(draw_between(random_, 1ms, 60ms));
    work();
    make_trouble();
  }

  // Each day the clocks are corrected, keep is applied, one trouble is certain, and people work for a moment; nothing
  // says when.
  void live_through_days() {
    const std::size_t days = (options_.mode.hours + 23) / 24;
    for (std::size_t day = 0; day < days; ++day) {
      const Instant begin = mesh_.scheduler().now();
      for (std::size_t i = 0; i < mesh_.size(); ++i) mesh_.shift_clock(i);
      const std::size_t steps = options_.steps * (day + 1) / days - options_.steps * day / days;
      const std::size_t trouble_at = random_.below(steps + 1);
      mesh_.run_for(draw_between(random_, 0ms, 22h));
      for (std::size_t step = 0; step < steps; ++step) {
        if (step == trouble_at) make_trouble_of_the_day();
        live_through_step();
      }
      if (steps == trouble_at) make_trouble_of_the_day();
      for (std::size_t i = 0; i < mesh_.size(); ++i) {
        if (mesh_.node(i).is_up()) mesh_.node(i).trim();
      }
      mesh_.run_for(std::max(Duration{}, begin + 24h - mesh_.scheduler().now()));
    }
  }

  void make_trouble_of_the_day() {
    const std::size_t victim = random_.below(mesh_.size());
    switch (random_.below(5)) {
      case 0: return part();
      case 1: return clog();
      case 2: return deafen();
      default:
        if (mesh_.node(victim).is_up()) mesh_.crash(victim);
    }
  }

  // A client publishes something.
  void work() {
    SimNode& node = mesh_.node(random_.below(mesh_.size()));
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
    const std::size_t victim = random_.below(mesh_.size());
    SimNode& node = mesh_.node(victim);
    if (node.is_up() && happens(options_.trim_per_mille)) node.trim();
    if (node.is_up() && happens(faults.disk_full_per_mille)) node.fail_next_commit();
    if (happens(faults.break_per_mille)) mesh_.network().break_some_link();
    if (happens(faults.clog_per_mille)) clog();
    if (happens(faults.deaf_per_mille)) deafen();
    if (happens(faults.forge_per_mille)) forge();
    if (happens(faults.clock_jump_per_mille)) mesh_.shift_clock(victim);
    if (happens(faults.partition_per_mille)) part();
    if (node.is_up() && happens(faults.crash_per_mille)) mesh_.crash(victim);
  }

  void clog() { mesh_.network().clog_some_link(draw_between(random_, 10ms, options_.faults.clog_max)); }
  void deafen() { mesh_.network().deafen_some_link(draw_between(random_, 10ms, options_.faults.deaf_max)); }
  void part() {
    mesh_.network().partition(random_.next());
    mesh_.scheduler().after(draw_between(random_, 100ms, options_.faults.partition_max),
                            [this] { mesh_.network().heal(); });
  }

  // Some node hears a clone of some board, over a link that stands for an honest one.
  void forge() {
    SimNode& node = mesh_.node(random_.below(mesh_.size()));
    if (!node.is_up()) return;
    const auto links = node.replicator().links();
    if (links.empty()) return;
    const sync::LinkStatus& link = links[random_.below(links.size())];
    if (link.state == sync::LinkState::kGreeting) return;
    const SimNode* peer = mesh_.find(link.peer);
    if (peer->is_up()) node.hear_clone_of_somebody(*peer, link.link, random_);
  }

  Options options_;
  Random random_;
  Workload workload_;
  Mesh mesh_;
};

}  // namespace

Outcome simulate(const Options& options) {
  return options.mode.sessions ? simulate_sessions(options) : Simulation(options).run();
}

std::string replay_command(const Options& options) {
  return "hedgerow-sim --seed " + std::to_string(options.seed) + " --nodes " + std::to_string(options.nodes) +
         " --steps " + std::to_string(options.steps) +
         (options.mode.hours > 0 ? " --hours " + std::to_string(options.mode.hours) : "") +
         (options.mode.sqlite ? " --sqlite" : "") + (options.mode.forks ? " --forks" : "") +
         (options.mode.fills ? " --fills" : "") + (options.mode.sessions ? " --sessions" : "") +
         (options.mode.ten_years ? " --ten-years" : "") + (options.mode.tranquil ? " --tranquil" : "");
}

}  // namespace hedgerow::sim
