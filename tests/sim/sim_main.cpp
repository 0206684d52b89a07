// hedgerow-sim: runs simulated meshes, one for each seed.
//   hedgerow-sim [--seed N] [--seeds COUNT] [--nodes K] [--steps S] [--verbose] [MODE...]
//     --hours H            a life of so long, with trouble each day, and 8 steps of work unless --steps says how many
//                          there are in all; a year is 8760
//     --scale              no seeds, but two tables: what an op costs among 10 to 1,000 nodes (up to --nodes, if
//     given), and
//                          what it costs a node with an empty disk to join among 10 to 10,000 topics
//     --power-cuts COUNT   as many seeds as it takes to cut the power so often in the middle of a write or sync of the
//                          real store, on disks that drop, reorder and tear what was not synced
//     --fills              boards often come back empty, next to some that keep little and some that keep more
//     --forks              boards often go on with an older state, or a copy of another's, that nothing notices
//     --sessions           boards with clients and their sessions, instead of publishes that come from nowhere
//     --sqlite             the real store; --tranquil  no trouble, to measure
//     --ten-years          trouble that production code does not stand yet
// Exit status: 0 every guarantee held, 1 one did not, 2 usage.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "tests/sim/scale.hpp"
#include "tests/sim/simulation.hpp"
#include "tests/sim/subject.hpp"

namespace {

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  std::optional<std::size_t> nodes;
  std::optional<std::size_t> steps;
  std::uint64_t power_cuts = 0;  // go on until there were so many
  hedgerow::sim::Mode mode;
  bool verbose = false;
  bool scale = false;
};

std::optional<std::uint64_t> number(const char* text) {
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 0);
  if (end == text || *end != '\0') return std::nullopt;
  return value;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    bool* const flag = name == "--verbose"     ? &out.verbose
                       : name == "--scale"     ? &out.scale
                       : name == "--sqlite"    ? &out.mode.sqlite
                       : name == "--ten-years" ? &out.mode.ten_years
                       : name == "--fills"     ? &out.mode.fills
                       : name == "--forks"     ? &out.mode.forks
                       : name == "--sessions"  ? &out.mode.sessions
                       : name == "--tranquil"  ? &out.mode.tranquil
                                               : nullptr;
    if (flag != nullptr) {
      *flag = true;
      continue;
    }
    const auto value = i + 1 < argc ? number(argv[++i]) : std::nullopt;
    if (!value) return std::nullopt;
    if (name == "--seed") {
      out.seed = *value;
    } else if (name == "--seeds") {
      out.seeds = *value;
    } else if (name == "--nodes" && *value >= 1 && *value <= 2000) {
      out.nodes = static_cast<std::size_t>(*value);
    } else if (name == "--hours" && *value >= 1 && *value <= 1'000'000) {
      out.mode.hours = static_cast<unsigned>(*value);
    } else if (name == "--power-cuts" && *value >= 1) {
      out.power_cuts = *value;
      out.seeds = std::numeric_limits<std::uint64_t>::max();
      out.mode.sqlite = true;
    } else if (name == "--steps") {
      out.steps = static_cast<std::size_t>(*value);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

// A moment of work, or a bit of it each day.
std::size_t steps_of(const Arguments& arguments) {
  return arguments.steps.value_or(arguments.mode.hours > 0 ? (arguments.mode.hours + 23) / 24 * 8 : 400);
}

void say(const char* head, const hedgerow::sim::Outcome& outcome) {
  const auto count = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf(
      "%s%llu ops, %llu acknowledged, %llu crashes (%llu at a write or sync), %llu merges, %llu fills, %llu messages "
      "of %llu B "
      "(%llu B without ops), %llu ops delivered, %llu events",
      head, count(outcome.ops), count(outcome.acknowledged), count(outcome.crashes), count(outcome.power_cuts),
      count(outcome.merges), count(outcome.fills), count(outcome.messages), count(outcome.bytes),
      count(outcome.control_bytes), count(outcome.deliveries), count(outcome.events));
}

void add(hedgerow::sim::Outcome& total, const hedgerow::sim::Outcome& outcome) {
  total.ops += outcome.ops;
  total.acknowledged += outcome.acknowledged;
  total.crashes += outcome.crashes;
  total.power_cuts += outcome.power_cuts;
  total.merges += outcome.merges;
  total.fills += outcome.fills;
  total.messages += outcome.messages;
  total.bytes += outcome.bytes;
  total.control_bytes += outcome.control_bytes;
  total.deliveries += outcome.deliveries;
  total.events += outcome.events;
}

long long in_ms(hedgerow::Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void print_nodes(std::uint64_t seed, std::size_t nodes_max) {
  std::printf(
      "200 ops, 10 a second, from anywhere. Links: 6 a node, a break a second.\n"
      "| nodes | links broken | everywhere, median | slowest | hops, most | on all disks after the last | B/op/node | "
      "without ops | deliveries/op/node | KiB a node | took |\n"
      "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  for (const std::size_t nodes : {10U, 50U, 200U, 1000U}) {
    if (nodes > nodes_max) break;
    const auto start = std::chrono::steady_clock::now();
    const auto row = hedgerow::sim::measure_nodes(
        {.seed = seed, .nodes = nodes, .topics = 100, .ops = 200, .breaks_every = std::chrono::seconds(1)});
    std::printf("| %zu | %llu | %lld ms | %lld ms | %zu | %lld ms | %.0f | %.0f | %.2f | %llu | %.1f s |\n", nodes,
                static_cast<unsigned long long>(row.broken), in_ms(row.spread_median), in_ms(row.spread_max),
                row.hops_max, in_ms(row.settling), row.bytes, row.control_bytes, row.deliveries,
                static_cast<unsigned long long>(row.node_bytes >> 10U), seconds_since(start));
    std::fflush(stdout);
  }
}

void print_topics(std::uint64_t seed) {
  std::printf(
      "\nA node of ten starts with an empty disk; each topic has a retained message of 64 B, logs are trimmed to 64 "
      "KiB.\n"
      "| topics | until it has all | B on the wire | B a topic | KiB a node | took |\n"
      "| ---: | ---: | ---: | ---: | ---: | ---: |\n");
  for (const std::size_t topics : {10U, 100U, 1000U, 10'000U}) {
    const auto start = std::chrono::steady_clock::now();
    const auto row = hedgerow::sim::measure_join(
        {.seed = seed, .nodes = 10, .topics = topics, .ops = std::max<std::size_t>(topics, 2000)});
    std::printf("| %zu | %lld ms | %llu | %.0f | %llu | %.1f s |\n", topics, in_ms(row.joining),
                static_cast<unsigned long long>(row.bytes),
                static_cast<double>(row.bytes) / static_cast<double>(topics),
                static_cast<unsigned long long>(row.node_bytes >> 10U), seconds_since(start));
    std::fflush(stdout);
  }
}

int print_scale(const Arguments& arguments) {
  try {
    print_nodes(arguments.seed, arguments.nodes.value_or(1000));
    print_topics(arguments.seed);
  } catch (const hedgerow::sim::Violation& violation) {
    std::printf("VIOLATION after 1 seeds: %s\n", violation.what());
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    std::fputs(
        "usage: hedgerow-sim [--seed N] [--seeds COUNT | --power-cuts COUNT | --scale] [--nodes 1..2000] [--steps S]\n"
        "                    [--hours H] [--sqlite] [--fills] [--forks] [--sessions] [--ten-years] [--tranquil] "
        "[--verbose]\n",
        stderr);
    return 2;
  }
  if (arguments->scale) return print_scale(*arguments);
  const auto start = std::chrono::steady_clock::now();
  hedgerow::sim::Outcome total;
  std::uint64_t seeds = 0;
  while (seeds < arguments->seeds && (arguments->power_cuts == 0 || total.power_cuts < arguments->power_cuts)) {
    const auto options = hedgerow::sim::draw_options(arguments->seed + seeds++, arguments->nodes.value_or(3),
                                                     steps_of(*arguments), arguments->mode);
    const auto outcome = hedgerow::sim::simulate(options);
    if (arguments->verbose || outcome.violation) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(options.seed),
                  hedgerow::sim::describe(options).c_str());
      say("  ", outcome);
      std::printf(
          ", healed in %lld ms\n",
          static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(outcome.healing).count()));
    }
    if (outcome.violation) {
      std::printf("VIOLATION after %llu seeds: %s\n  replay: %s\n", static_cast<unsigned long long>(seeds),
                  outcome.violation->c_str(), hedgerow::sim::replay_command(options).c_str());
      return 1;
    }
    add(total, outcome);
  }
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  say((std::to_string(seeds) + " seeds held: ").c_str(), total);
  std::printf(" in %lld ms\n", static_cast<long long>(took));
  return 0;
}
