#include "tests/sim/mesh.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/limits.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;

// After the last trouble the slowest repair is a question asked again after a minute.
constexpr Duration kHealingMax = 10min;
constexpr Duration kQuiet = 30min;
constexpr Duration kTenYears = 24h * 3652;

// A fork that nobody has noticed yet: one number, two hashes.
bool contradict(const std::vector<sync::ReplicaState>& all, const sync::ReplicaState& state) {
  return std::any_of(all.begin(), all.end(), [&state](const sync::ReplicaState& other) {
    return other.replica == state.replica && other.head != state.head && !sync::is_head_untold(other) &&
           !sync::is_head_untold(state);
  });
}

bool have_equal_chains(const std::vector<Subject>& all) {
  for (const Subject& node : all) {
    for (const sync::ChannelState& channel : node.channels) {
      const auto first = std::find_if(all.front().channels.begin(), all.front().channels.end(),
                                      [&](const sync::ChannelState& each) { return each.name == channel.name; });
      if (sync::frontier_of(first->replicas) != sync::frontier_of(channel.replicas)) return false;
      for (const sync::ReplicaState& state : channel.replicas) {
        if (contradict(first->replicas, state)) return false;
      }
    }
  }
  return true;
}

}  // namespace

Mesh::Mesh(const Options& options, Random& random)
    : options_(options), random_(random), oracle_(options), network_(options, scheduler_) {
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
  std::vector<LinkEnd*> ends;
  for (const auto& node : nodes_) ends.push_back(node.get());
  network_.attach(std::move(ends));
}

SimNode* Mesh::find(const std::string& name) {
  const auto at = std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& each) { return each->name() == name; });
  return at == nodes_.end() ? nullptr : at->get();
}

// --- boards ----------------------------------------------------------------------------------------------------------

void Mesh::boot() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    shift_clock(i);
    const int drift = static_cast<int>(options_.clocks.drift_per_mille);
    nodes_[i]->clock().set_drift(random_.one_in(2) ? drift : -drift);
    start(i);
  }
}

void Mesh::start(std::size_t node) {
  if (nodes_[node]->is_up()) return;
  if (options_.clocks.has_no_rtc && random_.one_in(2)) {
    nodes_[node]->clock().forget(
        random_.one_in(3) ? std::nullopt : std::optional(draw_between(random_, 1ms, options_.clocks.learnt_after)));
  }
  if (!nodes_[node]->start()) return start_later(node);
  network_.node_started(node);
}

void Mesh::crash(std::size_t node) {
  ++crashes_;
  nodes_[node]->crash();
  network_.node_crashed(node);
  exchange_disk(node);
  start_later(node);
}

void Mesh::start_empty(std::size_t node) {
  nodes_[node]->crash();
  network_.node_crashed(node);
  nodes_[node]->replace_disk(nullptr, /*noticed=*/true);
  start(node);
}

void Mesh::start_later(std::size_t node) {
  scheduler_.after(draw_between(random_, 1ms, options_.faults.down_max + 1ms), [this, node] { start(node); });
}

void Mesh::exchange_disk(std::size_t node) {
  const FaultOptions& faults = options_.faults;
  const bool noticed = !happens(options_.faults.unnoticed_per_mille);
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

void Mesh::shift_clock(std::size_t node) {
  // Each of them swears that it is right.
  if (options_.mode.ten_years && (node == 0 || random_.one_in(2))) {
    const bool is_ahead = node == 0 || random_.one_in(2);
    return nodes_[node]->clock().set(is_ahead ? kTenYears : -kTenYears, ClockQuality::kSynchronised);
  }
  const Duration skew = draw_between(random_, -options_.clocks.skew_max, options_.clocks.skew_max);
  nodes_[node]->clock().set(skew, random_.one_in(3) ? ClockQuality::kUnsynchronised : ClockQuality::kSynchronised);
}

// --- all of them -----------------------------------------------------------------------------------------------------

std::vector<Subject> Mesh::subjects() {
  std::vector<Subject> out;
  for (const auto& node : nodes_) out.push_back(node->subject());
  return out;
}

bool Mesh::has_settled() {
  for (const auto& node : nodes_) {
    if (!node->is_idle()) return false;
  }
  return network_.under_way() == 0 && have_equal_chains(subjects());
}

std::uint64_t Mesh::counted_ops() {
  std::uint64_t out = 0;
  for (const Subject& node : subjects()) {
    for (const sync::ChannelState& channel : node.channels) {
      for (const sync::ReplicaState& state : channel.replicas) out += state.seq;
    }
  }
  return out;
}

Duration Mesh::heal() {
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
  Instant last_progress = begin;
  // Small answers over a slow link take their time: as long as something comes, it is no disagreement.
  for (std::uint64_t counted = counted_ops(); !has_settled(); run_for(250ms)) {
    if (const std::uint64_t now = counted_ops(); now != counted) {
      counted = now;
      last_progress = scheduler_.now();
    }
    if (scheduler_.now() - last_progress > kHealingMax) report_disagreement();
  }
  const Duration took = scheduler_.now() - begin;
  oracle_.check_agreement(subjects());
  return took;
}

// Says who lacks what; the oracle's own words are better where it finds the reason.
void Mesh::report_disagreement() {
  oracle_.check_agreement(subjects());
  std::string what = "G3: nothing came for " +
                     std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kHealingMax).count()) +
                     " s, and there is no agreement:";
  for (const auto& node : nodes_) {
    what += " " + node->name() + (node->is_idle() ? " idle" : " busy");
    for (const sync::LinkStatus& link : node->replicator().links()) {
      what += " (" + link.peer + " lag " + std::to_string(link.lag_ops) + "/" + std::to_string(link.peer_lag_ops) + ")";
    }
  }
  throw Violation(what);
}

std::uint64_t Mesh::wakes() const {
  std::uint64_t out = 0;
  for (const auto& node : nodes_) out += node->wakes();
  return out;
}

std::uint64_t Mesh::fills() const {
  std::uint64_t out = 0;
  for (const auto& node : nodes_) out += node->fills();
  return out;
}

void Mesh::check_silence() {
  run_for(kHealingMax);
  const std::uint64_t said = network_.sent();
  const std::uint64_t woken = wakes();
  run_for(kQuiet);
  if (network_.sent() != said) {
    throw Violation("idle links said " + std::to_string(network_.sent() - said) + " messages in half an hour");
  }
  if (wakes() != woken) {
    throw Violation("idle nodes woke up " + std::to_string(wakes() - woken) + " times in half an hour");
  }
}

void Mesh::check_fills(Workload& workload) {
  std::uint64_t before = 0;
  do {
    before = fills();
    run_for(sync::kFillPause + 1min);
    for (std::size_t i = 0; i < nodes_.size(); ++i) shift_clock(i);  // they are set right now and then
    for (const auto& node : nodes_) {
      for (std::size_t channel = 0; channel < SimNode::kChannels; ++channel) {
        node->write(channel, {.record = true, .cell = false, .qos = 1},
                    std::make_shared<const sync::Message>(workload.next_message()));
      }
    }
    run_for(5min);
  } while (fills() != before);
  for (const auto& node : nodes_) check_fills_of(*node);
}

// What may stay: where there is no room for a row, where a fork is under way, and what keep's age would drop at once.
void Mesh::check_fills_of(SimNode& node) {
  const Subject subject = node.subject();
  for (const sync::ChannelState& channel : subject.channels) {
    for (const sync::ReplicaState& state : channel.replicas) {
      if (state.fill_last == 0 || channel.fill_room_bytes < sync::kFillRoomBytesMin) continue;
      for (const sync::LinkStatus& link : node.replicator().links()) {
        SimNode* const peer = find(link.peer);
        const Subject other = peer->subject();
        const auto theirs = std::find_if(other.channels.begin(), other.channels.end(),
                                         [&](const sync::ChannelState& each) { return each.name == channel.name; });
        const auto view = other.views.open_view();
        const auto rows = (*view)->segments(theirs->number, state.replica, state.fill_last, 1);
        if (!rows || rows->empty() || rows->front().first_seq > state.fill_last) continue;
        if (rows->front().bytes.size() > channel.fill_room_bytes) continue;
        throw Violation("G3 at " + subject.name + ": " + link.peer + " has op " + std::to_string(state.fill_last) +
                        " of a gap in " + channel.name + ", and it was not filled");
      }
    }
  }
}

void Mesh::check_live(Workload& workload, std::size_t senders) {
  for (std::size_t i = 0; i < senders; ++i) {
    for (int copies = 0; copies < 3; ++copies)
      nodes_[i]->publish_live(std::make_shared<const sync::Message>(workload.next_message()));
    const std::uint64_t last = workload.last_message();
    run_for(1min);
    const std::vector<Subject> all = subjects();
    for (std::uint64_t id = last - 2; id <= last; ++id) oracle_.live().check(all, id, i);
  }
}

}  // namespace hedgerow::sim
