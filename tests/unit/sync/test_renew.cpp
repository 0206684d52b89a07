// A database that was rolled back, or copied, goes on under another name. DESIGN 3, G5.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

using Log = std::vector<std::string>;
constexpr ReplicaId kFresh{9};

// Node 1 wrote "old", was saved to an image, wrote "shared", which node 2 has, and was restored from the image.
class RolledBack {
 public:
  RolledBack() {
    node.write("t", "old", kRetained);
    const auto image = node.storage.image();
    node.write("t", "shared", kRetained);
    node.write("other", "shared too");
    Puller().finish(peer, node);
    node.storage.put_image(image);
    node.reopen();
  }

  void exchange() {
    Puller().finish(node, peer);
    Puller().finish(peer, node);
  }

  SyncNode node{1};
  SyncNode peer{2};
};

TEST_CASE_METHOD(RolledBack, "what was written since the restart takes the new name", "[sync][G5]") {
  node.now_ms += 100;
  node.write("t", "mine", kRetained);
  node.write("mine", "too");
  REQUIRE(node.engine->renew(kFresh));
  CHECK(node.engine->self() == kFresh);
  CHECK(node.log() == Log{"1:1", "9:1", "9:2"});
  CHECK(node.seq(1) == 1);
  CHECK(node.seq(9) == 2);
  CHECK(node.value("t") == "mine");
}

TEST_CASE_METHOD(RolledBack, "neither what the mesh had nor what was written since is lost", "[sync][G3][G5]") {
  node.now_ms += 100;
  node.write("t", "mine", kRetained);
  node.write("mine", "too");
  REQUIRE(node.engine->renew(kFresh));
  exchange();
  CHECK(node.log() == Log{"1:1", "1:2", "1:3", "9:1", "9:2"});
  CHECK(peer.log() == node.log());
  CHECK(peer.value("t") == "mine");
  CHECK(node.digest() == peer.digest());
}

TEST_CASE_METHOD(RolledBack, "an older write of the forgotten life does not come back over a newer one", "[sync][G4]") {
  node.write("u", "x", kRetained);
  REQUIRE(node.engine->renew(kFresh));
  exchange();
  CHECK(node.value("t") == "shared");
  CHECK(peer.value("u") == "x");
}

TEST_CASE_METHOD(RolledBack, "without any write since the restart only the name changes", "[sync][G5]") {
  REQUIRE(node.engine->renew(kFresh));
  CHECK(node.log() == Log{"1:1"});
  exchange();
  node.write("t", "again", kRetained);
  exchange();
  CHECK(peer.value("t") == "again");
  CHECK(node.digest() == peer.digest());
}

TEST_CASE_METHOD(RolledBack, "the new name survives a restart", "[sync][G5]") {
  node.write("mine", "1");
  REQUIRE(node.engine->renew(kFresh));
  node.storage.crash();
  node.reopen();
  CHECK(node.engine->self() == kFresh);
  node.write("mine", "2");
  exchange();
  CHECK(peer.log() == Log{"1:1", "1:2", "1:3", "9:1", "9:2"});
}

TEST_CASE_METHOD(RolledBack, "arrival numbers stay", "[sync][G5]") {
  node.write("mine", "1");
  node.write("mine", "2");
  const auto arrivals = [&] {
    std::vector<Arrival> out;
    const std::vector<SegmentRow> rows = node.storage.open_view().value()->segments_after(node.c, 0, 1U << 20U).value();
    for (const SegmentRow& row : rows) out.push_back(row.first_arrival);
    return out;
  };
  const std::vector<Arrival> before = arrivals();
  REQUIRE(node.engine->renew(kFresh));
  CHECK(arrivals() == before);
}

TEST_CASE_METHOD(RolledBack, "what was trimmed meanwhile stays a gap of the new name", "[sync][G5][G6]") {
  node.write("mine", "1", kRetained);
  node.write("mine", "2");
  node.trim_all();
  node.write("mine", "3");
  REQUIRE(node.engine->renew(kFresh));
  CHECK(node.log() == Log{"9:3"});
  exchange();
  CHECK(peer.value("mine") == "1");
  CHECK(node.frontier() == peer.frontier());
  CHECK(node.digest() == peer.digest());
}

TEST_CASE_METHOD(RolledBack, "all of it trimmed: the new name has only gaps", "[sync][G5][G6]") {
  node.write("mine", "1", kRetained);
  node.trim_all();
  REQUIRE(node.engine->renew(kFresh));
  CHECK(node.log().empty());
  exchange();
  CHECK(peer.value("mine") == "1");
  CHECK(node.frontier() == peer.frontier());
}

TEST_CASE_METHOD(RolledBack, "what others have seen keeps its name: it is there once", "[sync][G3][G5]") {
  node.now_ms += 100;
  node.write("mine", "1");
  SyncNode other{3};
  Puller().finish(other, node);
  REQUIRE(node.engine->renew(kFresh, {{.channel = node.c, .last = 2}}));
  CHECK(node.engine->self() == kFresh);
  CHECK(node.log() == Log{"1:1", "1:2"});
  node.write("mine", "2");
  Puller().finish(other, node);
  CHECK(other.log() == Log{"1:1", "1:2", "9:1"});
  CHECK(other.digest() == node.digest());
}

TEST_CASE_METHOD(RolledBack, "what others saw before the restart, or in another channel, keeps nothing", "[sync][G5]") {
  node.write("mine", "1");
  REQUIRE(node.engine->renew(kFresh, {{.channel = node.c, .last = 1}, {.channel = node.d, .last = 7}}));
  CHECK(node.log() == Log{"1:1", "9:1"});
}

TEST_CASE_METHOD(RolledBack, "a renewal that does not reach the disk changes nothing", "[sync][G1][G5]") {
  node.write("mine", "1");
  node.storage.fail_next_commit({Category::kLimit, "no room"});
  REQUIRE_FALSE(node.engine->renew(kFresh));
  CHECK(node.engine->self() == ReplicaId{1});
  CHECK(node.log() == Log{"1:1", "1:2"});
  REQUIRE(node.engine->renew(kFresh));
  CHECK(node.log() == Log{"1:1", "9:1"});
}

}  // namespace
}  // namespace hedgerow::test
