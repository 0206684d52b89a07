// A fixed number of seeds in the normal tests. More: hedgerow-sim --seeds COUNT.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/sim/scale.hpp"
#include "tests/sim/simulation.hpp"

namespace hedgerow::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
constexpr std::uint64_t kSeeds = 10;
constexpr std::uint64_t kPowerCuts = 100;
#else
constexpr std::uint64_t kSeeds = 40;
constexpr std::uint64_t kPowerCuts = 1500;
#endif

void check_seeds(std::uint64_t first, std::size_t nodes, std::size_t steps, const Mode& mode = {}) {
  for (std::uint64_t seed = first; seed < first + kSeeds; ++seed) {
    const Options options = draw_options(seed, nodes, steps, mode);
    const Outcome outcome = simulate(options);
    if (outcome.violation) FAIL(*outcome.violation << "\n  " << describe(options) << "\n  " << replay_command(options));
  }
}

}  // namespace

TEST_CASE("one node alone keeps its word through crashes", "[sim][G1][G9]") { check_seeds(1, 1, 200); }
TEST_CASE("two nodes agree after any trouble", "[sim][G1][G2][G3][G4][G5][G6]") { check_seeds(1000, 2, 200); }
TEST_CASE("three nodes agree after any trouble", "[sim][G1][G2][G3][G4][G5][G6]") { check_seeds(2000, 3, 300); }
TEST_CASE("five nodes agree after any trouble", "[sim][G1][G2][G3][G4][G5][G6]") { check_seeds(3000, 5, 200); }

TEST_CASE("nodes that go on with copies of databases agree", "[sim][G2][G3][G5][G6]") {
  check_seeds(1, 4, 300, {.forks = true});
}

TEST_CASE("a gap that another board's keep left is filled by who still holds it", "[sim][G3][G6]") {
  check_seeds(1, 4, 300, {.fills = true});
}

TEST_CASE("clocks that are ten years ahead or behind, and swear that they are right, poison nothing",
          "[sim][G3][G6][G10]") {
  check_seeds(5000, 4, 200, {.ten_years = true});
}

TEST_CASE("sessions get what was published, in order, whatever breaks", "[sim][G1][G3]") {
  check_seeds(6000, 1, 300, {.sessions = true});
  check_seeds(6000, 3, 300, {.sessions = true});
  check_seeds(6000, 5, 200, {.sessions = true});
}

TEST_CASE("sessions get what was published when the power goes at a write of the real store", "[sim][G1]") {
  check_seeds(1, 1, 200, {.sqlite = true, .sessions = true});
  check_seeds(150, 3, 200, {.sqlite = true, .sessions = true});
}

TEST_CASE("seven nodes agree after a month of daily trouble", "[sim][G1][G2][G3][G4][G5][G6]") {
  check_seeds(4000, 7, 30 * 8, {.hours = 30 * 24});
}

TEST_CASE("no acknowledged publish is lost when the power goes at a write of the real store", "[sim][G1][G5][G11]") {
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = 1; cuts < kPowerCuts; ++seed) {
    const Options options = draw_options(seed, 2, 200, {.sqlite = true});
    const Outcome outcome = simulate(options);
    if (outcome.violation) FAIL(*outcome.violation << "\n  " << describe(options) << "\n  " << replay_command(options));
    cuts += outcome.power_cuts;
  }
}

TEST_CASE("a sparse mesh of 60 nodes agrees", "[sim][G3]") {
  const Options options = draw_options(1, 60, 20, {.tranquil = true});
  const Outcome outcome = simulate(options);
  if (outcome.violation) FAIL(*outcome.violation << "\n  " << describe(options) << "\n  " << replay_command(options));
}

TEST_CASE("an op comes to a node about once", "[sim]") {
  const ScaleAnswer answer = measure_nodes({.nodes = 40, .topics = 10, .ops = 100});
  CHECK(answer.deliveries >= 39.0 / 40);
  CHECK(answer.deliveries <= 1.05);
  CHECK(answer.spread_max < std::chrono::seconds(1));
}

TEST_CASE("an op comes to a node about once, and soon, while links break", "[sim]") {
  const ScaleAnswer answer =
      measure_nodes({.nodes = 40, .topics = 10, .ops = 200, .breaks_every = std::chrono::seconds(2)});
  CHECK(answer.deliveries <= 1.3);
  CHECK(answer.spread_max < std::chrono::seconds(2));
}

TEST_CASE("the same seed does the same, also on the real store", "[sim]") {
  const bool sqlite = GENERATE(false, true);
  const Options options = draw_options(7, 3, 200, {.sqlite = sqlite});
  const Outcome first = simulate(options);
  const Outcome second = simulate(options);
  CHECK(first.events == second.events);
  CHECK(first.messages == second.messages);
  CHECK(first.ops == second.ops);
  CHECK(first.healing == second.healing);
}

}  // namespace hedgerow::sim
