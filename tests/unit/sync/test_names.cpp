// How many names a channel knows, and what is done where there is no room for another. DESIGN 3, G5, G6.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "sync/engine/branches.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

TEST_CASE("a replica has so many branches at most, and more change nothing", "[sync][G5][G6]") {
  SyncNode node{1};
  node.write("t", "1");
  std::vector<ReplicaState> clones;
  for (std::uint64_t i = 1; i <= kPathsPerRootMax; ++i) {
    const Run first{.first = 1, .mark = i};
    clones.push_back(
        {.replica = branch_name(node.hasher, ReplicaId{7}, first),
         .seq = 1,
         .lineage = std::make_shared<const Lineage>(Lineage{.root = ReplicaId{7}, .base = 0, .runs = {first}})});
  }
  std::sort(clones.begin(), clones.end(), [](const auto& a, const auto& b) { return a.replica < b.replica; });
  // With their root they are one too many.
  const auto learnt = node.engine->learn(node.c, clones, ReplicaId{99});
  REQUIRE_FALSE(learnt);
  CHECK(learnt.error().category == Category::kLimit);
  CHECK(learnt.error().what.find("more than 512 branches") != std::string::npos);
  CHECK(node.replicas().size() == 1);
  clones.pop_back();
  CHECK(node.engine->learn(node.c, clones, ReplicaId{99}).value());
  CHECK(node.replicas().size() == 1 + kPathsPerRootMax);
}

TEST_CASE("a name that has had its runs is given up at the next start", "[sync][G5][G6]") {
  SyncNode node{1};
  for (std::size_t run = 1; run < kRunsPerReplicaMax; ++run) {
    node.write("t", "x");
    node.reopen();
  }
  node.write("t", "x");
  CHECK(runs_of(node.replicas().front()).size() == kRunsPerReplicaMax);
  Engine again(node.storage, node.hasher);
  REQUIRE(again.open({{.name = "c", .keep = {}}}, ReplicaId{9}));
  CHECK(again.self() == ReplicaId{9});
}

TEST_CASE("where a channel has no room for another name, a worn one is kept, and a new one refused", "[sync][G5][G6]") {
  SyncNode node{1};
  node.write("t", "x");
  for (std::size_t run = 1; run < kRunsPerReplicaMax; ++run) {
    node.reopen();
    node.write("t", "x");
  }
  REQUIRE(node.storage.begin());
  for (std::uint64_t other = 2; other <= kReplicasPerChannelMax; ++other) {
    REQUIRE(node.storage.put_replica(node.c, {.replica = ReplicaId{1000 + other}, .seq = 1}));
  }
  REQUIRE(node.storage.commit());
  node.reopen();
  const ReplicaId self = node.engine->self();
  node.write("t", "y");
  CHECK(node.engine->self() == self);
  CHECK(node.replicas().size() == kReplicasPerChannelMax);

  REQUIRE(node.storage.begin());
  REQUIRE(node.storage.put_self(ReplicaId{9}));
  REQUIRE(node.storage.commit());
  node.reopen();
  node.turn([&](Engine& engine) {
    const auto written = engine.write(
        at(node.now_ms), {.channel = node.c, .kind = kRecord, .publisher = 5, .message = message("t", "z")});
    REQUIRE_FALSE(written);
    CHECK(written.error().category == Category::kLimit);
  });
  CHECK(node.replicas().size() == kReplicasPerChannelMax);
}

}  // namespace
}  // namespace hedgerow::test
