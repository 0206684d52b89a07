#include "tests/sim/scale.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/mesh.hpp"

namespace hedgerow::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPayloadBytes = 64;
constexpr std::uint64_t kTrimmedLogBytes = std::uint64_t{64} << 10U;
constexpr Duration kStuck = 10min;
// What trees must keep while a link breaks each second.
constexpr double kDeliveriesMax = 1.5;
constexpr std::size_t kHopsMax = 12;
constexpr Duration kSpreadMax = 4s;  // before the sync that announcements wait for

Options options_of(const ScaleQuestion& question) {
  Options out = draw_options(question.seed, question.nodes, 0, {.tranquil = true});
  out.topology = Topology::kSparse;
  out.network.delay_min = 5ms;
  out.network.delay_max = 20ms;
  out.network.redial_max = 1s;
  out.network.unnoticed_max = 100ms;
  out.clocks = {.skew_max = 50ms, .corrected_after = 1000s};
  out.remote_commit = 5s;
  out.answer_bytes_max = std::size_t{256} << 10U;
  return out;
}

class Scale {
 public:
  explicit Scale(const ScaleQuestion& question, std::uint64_t keep_bytes = std::uint64_t{1} << 30U)
      : question_(question),
        options_(options_of(question)),
        random_(question.seed),
        mesh_((options_.keep_bytes = keep_bytes, options_), random_) {}

  Mesh& mesh() { return mesh_; }

  // The node writes the topic once more, as a retained record.
  void write(std::size_t node, std::size_t topic) {
    sync::Message message;
    message.topic = "site/" + std::to_string(topic) + "/value";
    message.payload.resize(kPayloadBytes);
    for (std::uint8_t& byte : message.payload) byte = static_cast<std::uint8_t>(random_.next());
    mesh_.node(node).write(0, {.record = true, .cell = true, .qos = 1},
                           std::make_shared<const sync::Message>(std::move(message)));
  }

  // Runs until all agree; returns how long it took, `step` at a time.
  Duration settle(Duration step) {
    const Instant begin = mesh_.scheduler().now();
    while (!mesh_.has_settled()) {
      mesh_.run_for(step);
      if (mesh_.scheduler().now() - begin > kStuck) throw Violation("the mesh does not settle");
    }
    return mesh_.scheduler().now() - begin;
  }

  // What a node holds in memory but its store.
  std::uint64_t weigh(std::size_t node) {
    const std::size_t before = mallinfo2().uordblks;
    mesh_.node(node).crash();
    const std::size_t after = mallinfo2().uordblks;
    return before > after ? before - after : 0;
  }

  std::size_t some_node() { return random_.below(mesh_.size()); }
  std::size_t some_topic() { return random_.below(question_.topics); }

 private:
  ScaleQuestion question_;
  Options options_;
  Random random_;
  Mesh mesh_;
};

void check_bounds(const ScaleAnswer& answer) {
  const auto fail = [](const std::string& what) { throw Violation("the broadcast trees: " + what); };
  if (answer.deliveries > kDeliveriesMax) fail(std::to_string(answer.deliveries) + " deliveries of an op to a node");
  if (answer.hops_max > kHopsMax) fail("an op crossed " + std::to_string(answer.hops_max) + " links");
  if (answer.spread_max > kSpreadMax) fail("an op took until the sync of a turn that was left open to come to all");
}

}  // namespace

ScaleAnswer measure_nodes(const ScaleQuestion& question) {
  Scale scale(question);
  Mesh& mesh = scale.mesh();
  ScaleAnswer out;
  mesh.boot();
  mesh.run_for(2s);
  out.greeting = 2s + scale.settle(10ms);

  // From here on every node has a name that all of them know.
  for (std::size_t node = 0; node < mesh.size(); ++node) scale.write(node, scale.some_topic());
  scale.settle(10ms);

  mesh.run_for(5s);
  scale.settle(100ms);

  Spread spread(question.nodes);
  mesh.network().watch(spread);
  const std::uint64_t bytes = mesh.network().sent_bytes();
  const std::uint64_t data = mesh.network().data_bytes();
  const std::uint64_t delivered = mesh.network().delivered_ops();
  Instant next_break = mesh.scheduler().now() + question.breaks_every;
  for (std::size_t op = 0; op < question.ops; ++op) {
    if (op > 0) mesh.run_for(100ms);
    scale.write(scale.some_node(), scale.some_topic());
    while (question.breaks_every > Duration{} && next_break <= mesh.scheduler().now()) {
      mesh.network().break_some_link();
      next_break += question.breaks_every;
      ++out.broken;
    }
  }
  out.settling = scale.settle(10ms);
  mesh.oracle().check_agreement(mesh.subjects());
  const auto each = static_cast<double>(question.ops) * static_cast<double>(question.nodes);
  out.bytes = static_cast<double>(mesh.network().sent_bytes() - bytes) / each;
  out.control_bytes = out.bytes - static_cast<double>(mesh.network().data_bytes() - data) / each;
  out.deliveries = static_cast<double>(mesh.network().delivered_ops() - delivered) / each;
  const std::vector<Duration> times = spread.times();
  if (!times.empty()) {
    out.spread_median = times[times.size() / 2];
    out.spread_max = times.back();
  }
  out.hops_max = spread.hops_max();
  check_bounds(out);
  out.node_bytes = scale.weigh(question.nodes / 2);
  return out;
}

JoinAnswer measure_join(const ScaleQuestion& question) {
  Scale scale(question, kTrimmedLogBytes);
  Mesh& mesh = scale.mesh();
  mesh.boot();
  mesh.run_for(2s);
  for (std::size_t op = 0; op < question.ops; ++op) {
    scale.write(scale.some_node(), op % question.topics);
    if (op % 100 == 99) mesh.run_for(100ms);
  }
  scale.settle(10ms);
  for (std::size_t i = 0; i < mesh.size(); ++i) mesh.node(i).trim();
  scale.settle(10ms);

  JoinAnswer out;
  const std::uint64_t bytes = mesh.network().sent_bytes();
  mesh.start_empty(question.nodes / 2);
  mesh.run_for(10ms);
  out.joining = 10ms + scale.settle(10ms);
  mesh.oracle().check_agreement(mesh.subjects());
  out.bytes = mesh.network().sent_bytes() - bytes;
  out.node_bytes = scale.weigh(question.nodes / 2);
  return out;
}

}  // namespace hedgerow::sim
