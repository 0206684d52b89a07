#include <catch2/catch_test_macros.hpp>

#include "sync/log/segment.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

using Log = std::vector<std::string>;

TEST_CASE("a segment that continues the frontier is applied and stored as it came", "[sync][G2]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "1");
  a.write("t", "2");
  const std::vector<Bytes> segments = segments_of(a);
  CHECK(b.receive(segments[0]) == ReceiveResult::kApplied);
  CHECK(b.receive(segments[1]) == ReceiveResult::kApplied);
  CHECK(b.seq(1) == 2);
  CHECK(segments_of(b) == segments);
}

TEST_CASE("a segment beyond the frontier is a gap and changes nothing", "[sync][G2]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "1");
  a.write("t", "2", kRetained);
  CHECK(b.receive(segments_of(a)[1]) == ReceiveResult::kGap);
  CHECK(b.seq(1) == 0);
  CHECK(b.value("t") == "-");
}

TEST_CASE("a segment that is held already is a duplicate", "[sync][G2]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "1");
  a.write("t", "2");
  const std::vector<Bytes> segments = segments_of(a);
  b.receive(segments[0]);
  b.receive(segments[1]);
  CHECK(b.receive(segments[0]) == ReceiveResult::kDuplicate);
  CHECK(b.receive(segments[1]) == ReceiveResult::kDuplicate);
  CHECK(a.receive(segments[1]) == ReceiveResult::kDuplicate);
  CHECK(b.log() == Log{"1:1", "1:2"});
}

TEST_CASE("of an overlapping segment the new tail is applied, cut anew", "[sync][G2]") {
  SyncNode a(1);
  SyncNode b(2);
  SyncNode c(3);
  a.turn([&](Engine& to) {
    for (int i = 0; i < 3; ++i) {
      REQUIRE(to.write(at(1), {.channel = a.c, .kind = kRecord, .publisher = 9, .message = message("t", "x")}));
    }
  });
  const Bytes all = segments_of(a)[0];
  security::Sha256 hasher;
  Chain chain(hasher);
  const Segment whole = decode_segment(all).value();
  const CutSegment first = recut(chain, {.channel = "c", .replica = ReplicaId{1}}, whole, {.first = 1, .bytes_max = 0});
  REQUIRE(first.last_seq == 1);
  CHECK(b.receive(first.bytes) == ReceiveResult::kApplied);
  CHECK(b.receive(all) == ReceiveResult::kApplied);
  CHECK(b.log() == Log{"1:1", "1:2", "1:3"});
  CHECK(b.replicas()[0].head == a.replicas()[0].head);
  for (const Bytes& segment : segments_of(b)) CHECK(c.receive(segment) == ReceiveResult::kApplied);
  CHECK(c.digest() == a.digest());
}

TEST_CASE("a changed op breaks the chain of what follows", "[sync][G5]") {
  SyncNode a(1);
  SyncNode forged(1);
  SyncNode b(2);
  a.write("t", "1");
  a.write("t", "2");
  forged.write("t", "other");
  forged.write("t", "2");
  forged.write("t", "3");
  b.receive(segments_of(a)[0]);
  CHECK(b.receive(segments_of(forged)[1]) == ReceiveResult::kFork);
  b.receive(segments_of(a)[1]);
  CHECK(b.receive(segments_of(forged)[1]) == ReceiveResult::kFork);
  CHECK(b.receive(segments_of(forged)[2]) == ReceiveResult::kFork);
  CHECK(b.seq(1) == 2);
}

TEST_CASE("a segment of another channel does not fit", "[sync][G5]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "1");
  a.write("t", "2");
  const std::vector<Bytes> of_c = segments_of(a);
  b.turn([&](Engine& to) { CHECK(to.receive(at(1), b.d, of_c[0]).value() == ReceiveResult::kApplied); });
  b.turn([&](Engine& to) { CHECK(to.receive(at(1), b.d, of_c[1]).value() == ReceiveResult::kFork); });
}

TEST_CASE("nobody writes under our own name", "[sync][G5]") {
  SyncNode a(1);
  SyncNode clone(1);
  clone.write("t", "1");
  clone.write("t", "2");
  CHECK(a.receive(segments_of(clone)[0]) == ReceiveResult::kFork);
  CHECK(a.seq(1) == 0);
}

TEST_CASE("a broken segment is refused and the turn goes on", "[sync][G6]") {
  SyncNode a(1);
  a.turn([&](Engine& to) {
    REQUIRE(to.write(at(1), {.channel = a.c, .kind = kRecord, .publisher = 0, .message = message("t", "1")}));
    const auto refused = to.receive(at(1), a.c, as_bytes("nonsense"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().category == Category::kCorrupt);
    REQUIRE(to.write(at(1), {.channel = a.c, .kind = kRecord, .publisher = 0, .message = message("t", "2")}));
  });
  CHECK(a.log() == Log{"1:1", "1:2"});
}

TEST_CASE("a turn reports what it committed in arrival order", "[sync]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "theirs");
  const Bytes theirs = segments_of(a)[0];
  const Committed done = b.turn([&](Engine& to) {
    const LocalWrite ours{.channel = b.c, .kind = kRecord, .publisher = 0, .message = message("t", "ours")};
    REQUIRE(to.write(at(1), ours));
    REQUIRE(to.receive(at(1), b.c, theirs));
    REQUIRE(to.write(at(1), ours));
  });
  REQUIRE(done.segments.size() == 3);
  Arrival next = 1;
  for (const CommittedSegment& segment : done.segments) {
    CHECK(segment.segment->first_arrival == next);
    next += segment.segment->count;
  }
  CHECK(done.segments[1].segment->replica == ReplicaId{1});
  REQUIRE(done.frontiers.size() == 1);
  CHECK(done.frontiers[0].replicas.size() == 2);
  CHECK(done.frontiers[0].replicas[0].replica == ReplicaId{1});
}

}  // namespace
}  // namespace hedgerow::test
