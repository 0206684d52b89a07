// Documents and counters of a database that goes on under another name: both lives count, once. G5;
// sync/engine/merged_rename.hpp.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync/merged_fixture.hpp"

namespace hedgerow::test {
namespace {

constexpr ReplicaId kFresh{9};

// Node 1 was saved to an image after `before`, went on with `shared`, which node 2 has, and was restored; then it wrote
// `mine`, and takes a new name.
struct Renewed {
  explicit Renewed(MergeKind kind) : node(1, kMergedKeep, {}, kind), peer(2, kMergedKeep, {}, kind) {}
  void run(const std::vector<std::string>& before, const std::vector<std::string>& shared,
           const std::vector<std::string>& mine) {
    for (const std::string& payload : before) node.write("t", payload, kRetained);
    const auto image = node.storage.image();
    for (const std::string& payload : shared) node.write("t", payload, kRetained);
    Puller().finish(peer, node);
    node.storage.put_image(image);
    node.reopen();
    node.now_ms += 100;
    for (const std::string& payload : mine) node.write("t", payload, kRetained);
    REQUIRE(node.engine->renew(kFresh));
  }
  void settle() {
    exchange(node, peer);
    CHECK(node.digest() == peer.digest());
    CHECK(node.storage.open_view().value()->cell(node.c, "t").value()->state ==
          peer.storage.open_view().value()->cell(peer.c, "t").value()->state);
  }
  SyncNode node;
  SyncNode peer;
};

TEST_CASE("a counter of a database that was rolled back counts both lives", "[sync][counter][G5]") {
  Renewed world(MergeKind::kCounter);
  world.run({"50"}, {"20", "20"}, {"5", "-1"});
  CHECK(world.node.value("t") == "54");
  world.settle();
  CHECK(world.node.value("t") == "94");
}

TEST_CASE("a counter that only the life after the rollback wrote", "[sync][counter][G5]") {
  Renewed world(MergeKind::kCounter);
  world.run({}, {}, {"5", "6"});
  world.settle();
  CHECK(world.peer.value("t") == "11");
}

TEST_CASE("a deletion after the rollback hides what it saw, under the new name", "[sync][counter][G4][G5]") {
  Renewed world(MergeKind::kCounter);
  world.run({"50"}, {"20"}, {"5", "", "2"});
  CHECK(world.node.value("t") == "2");
  world.settle();
  CHECK(world.node.value("t") == "22");
}

TEST_CASE("a renewed counter whose deletion was undone by nothing stays deleted", "[sync][counter][G4][G5]") {
  Renewed world(MergeKind::kCounter);
  world.run({"50", ""}, {}, {"5", "-5", ""});
  world.settle();
  CHECK(world.peer.value("t") == "-");
}

TEST_CASE("a counter that a renewal shows again is one retained message more", "[sync][counter][G5][G6]") {
  Renewed world(MergeKind::kCounter);
  world.node.write("t", "5", kRetained);
  exchange(world.node, world.peer);
  world.peer.write("t", "", kRetained);
  exchange(world.node, world.peer);
  CHECK(world.node.engine->totals().live_cells == 0);
  REQUIRE(world.node.engine->renew(kFresh));
  CHECK(world.node.value("t") == "5");
  CHECK(world.node.engine->totals().live_cells == 1);
  world.node.reopen();
  CHECK(world.node.engine->totals().live_cells == 1);
}

TEST_CASE("the new life goes on counting", "[sync][counter][G5]") {
  Renewed world(MergeKind::kCounter);
  world.run({"50"}, {"20"}, {"5"});
  world.node.write("t", "100", kRetained);
  world.settle();
  CHECK(world.peer.value("t") == "175");
}

TEST_CASE("a document of a database that was rolled back keeps both lives' members", "[sync][document][G5]") {
  Renewed world(MergeKind::kDocument);
  world.run({R"({"a":1})"}, {R"({"b":1})"}, {R"({"c":{"d":1}})", R"({"a":2})"});
  world.settle();
  CHECK(world.peer.value("t") == R"({"a":2,"b":1,"c":{"d":1}})");
}

}  // namespace
}  // namespace hedgerow::test
