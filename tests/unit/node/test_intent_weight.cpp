// What waits for the store counts with the memory that it holds. daemon/node/intent_weight.hpp
#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "daemon/node/intent_weight.hpp"

namespace hedgerow::node {
namespace {

// Of 1,000 replicas, each of 64 runs.
std::vector<sync::ReplicaState> many_states() {
  std::vector<sync::ReplicaState> states;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    auto lineage = std::make_shared<sync::Lineage>();
    lineage->runs.resize(64);
    states.push_back({.replica = sync::ReplicaId{i}, .lineage = std::move(lineage)});
  }
  return states;
}
constexpr std::size_t kManyStatesBytes = 1000 * 64 * sizeof(sync::Run);

}  // namespace

TEST_CASE("a segment and a page weigh what was sent", "[node][G6]") {
  CHECK(weight(sync::ApplySegment{.segment = Bytes(10'000)}) >= 10'000);
  CHECK(weight(sync::StagePage{.peer = {}, .page = Bytes(10'000)}) >= 10'000);
}

TEST_CASE("what a peer says of forks weighs as much as its lists", "[node][G6]") {
  CHECK(weight(LearnIntent{.branches = {.peer = {}, .states = many_states()}}) >= kManyStatesBytes);
}

TEST_CASE("the frontier of a snapshot weighs with its lists", "[node][G6]") {
  CHECK(weight(sync::MergeStaged{.peer = {}, .frontier = many_states()}) >= kManyStatesBytes);
}

TEST_CASE("what has no payload weighs little, but something", "[node][G6]") {
  CHECK(weight(TrimIntent{}) > 0);
  CHECK(weight(TrimIntent{}) < 1024);
}

}  // namespace hedgerow::node
