// Frontiers compared in one walk give what a look at each replica gives.
#include <catch2/catch_test_macros.hpp>
#include <map>

#include "sync/link/marks.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::sync {
namespace {

using Model = std::map<ReplicaId, Seq>;

constexpr int kRounds = 3000;

Model draw(test::SeededRandom& random) {
  Model out;
  for (std::size_t left = random.below(20); left > 0; --left)
    out[ReplicaId{1 + random.below(40)}] = 1 + random.below(5);
  return out;
}

Frontier frontier(const Model& model) {
  Frontier out;
  for (const auto& [replica, seq] : model) out.push_back({.replica = replica, .seq = seq});
  return out;
}

Seq of(const Model& model, ReplicaId replica) {
  const auto found = model.find(replica);
  return found == model.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("ops that another frontier lacks are counted", "[sync]") {
  test::SeededRandom random(test::pick_seed("marks"));
  for (int round = 0; round < kRounds; ++round) {
    const Model ahead = draw(random);
    const Model behind = draw(random);
    std::uint64_t missing = 0;
    Frontier lacked;
    for (const auto& [replica, seq] : ahead) {
      if (seq <= of(behind, replica)) continue;
      missing += seq - of(behind, replica);
      lacked.push_back({.replica = replica, .seq = seq});
    }
    REQUIRE(ops_missing(frontier(ahead), frontier(behind)) == missing);
    REQUIRE(covers(frontier(behind), frontier(ahead)) == (missing == 0));
    REQUIRE(above(frontier(ahead), frontier(behind)) == lacked);
  }
}

TEST_CASE("joined frontiers hold the greater mark of each replica", "[sync]") {
  test::SeededRandom random(test::pick_seed("join"));
  for (int round = 0; round < kRounds; ++round) {
    Model both = draw(random);
    Frontier marks = frontier(both);
    const Model more = draw(random);
    for (const auto& [replica, seq] : more) both[replica] = std::max(of(both, replica), seq);
    join(marks, frontier(more));
    REQUIRE(marks == frontier(both));
  }
}

}  // namespace hedgerow::sync
