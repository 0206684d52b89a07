// hedgerow-sim: runs simulated meshes, one for each seed.
//   hedgerow-sim [--seed N] [--seeds COUNT] [--nodes K] [--steps S] [--verbose]
// Exit status: 0 every guarantee held, 1 one did not, 2 usage.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "tests/sim/simulation.hpp"

namespace {

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  std::size_t nodes = 3;
  std::size_t steps = 400;
  bool verbose = false;
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
    if (name == "--verbose") {
      out.verbose = true;
      continue;
    }
    const auto value = i + 1 < argc ? number(argv[++i]) : std::nullopt;
    if (!value) return std::nullopt;
    if (name == "--seed") {
      out.seed = *value;
    } else if (name == "--seeds") {
      out.seeds = *value;
    } else if (name == "--nodes" && *value >= 1 && *value <= 32) {
      out.nodes = static_cast<std::size_t>(*value);
    } else if (name == "--steps") {
      out.steps = static_cast<std::size_t>(*value);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  if (!arguments) {
    std::fputs("usage: hedgerow-sim [--seed N] [--seeds COUNT] [--nodes 1..32] [--steps S] [--verbose]\n", stderr);
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  hedgerow::sim::Outcome total;
  for (std::uint64_t i = 0; i < arguments->seeds; ++i) {
    const auto options = hedgerow::sim::draw_options(arguments->seed + i, arguments->nodes, arguments->steps);
    const auto outcome = hedgerow::sim::simulate(options);
    if (arguments->verbose || outcome.violation) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(options.seed),
                  hedgerow::sim::describe(options).c_str());
      std::printf(
          "  %llu ops, %llu acknowledged, %llu crashes, %llu merges, %llu messages, healed in %lld ms\n",
          static_cast<unsigned long long>(outcome.ops), static_cast<unsigned long long>(outcome.acknowledged),
          static_cast<unsigned long long>(outcome.crashes), static_cast<unsigned long long>(outcome.merges),
          static_cast<unsigned long long>(outcome.messages),
          static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(outcome.healing).count()));
    }
    if (outcome.violation) {
      std::printf("VIOLATION after %llu seeds: %s\n  replay: %s\n", static_cast<unsigned long long>(i + 1),
                  outcome.violation->c_str(), hedgerow::sim::replay_command(options).c_str());
      return 1;
    }
    total.ops += outcome.ops;
    total.acknowledged += outcome.acknowledged;
    total.crashes += outcome.crashes;
    total.merges += outcome.merges;
    total.messages += outcome.messages;
    total.events += outcome.events;
  }
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "%llu seeds held: %llu ops, %llu acknowledged, %llu crashes, %llu merges, %llu messages, %llu events in %lld "
      "ms\n",
      static_cast<unsigned long long>(arguments->seeds), static_cast<unsigned long long>(total.ops),
      static_cast<unsigned long long>(total.acknowledged), static_cast<unsigned long long>(total.crashes),
      static_cast<unsigned long long>(total.merges), static_cast<unsigned long long>(total.messages),
      static_cast<unsigned long long>(total.events), static_cast<long long>(took));
  return 0;
}
