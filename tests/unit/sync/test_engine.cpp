#include <catch2/catch_test_macros.hpp>

#include "sync/log/segment.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

using Log = std::vector<std::string>;

// --- local writes --------------------------------------------------------------------------------------------------

TEST_CASE("a write gets the next sequence and arrival number", "[sync][G2]") {
  SyncNode node(1);
  const Committed first = node.write("t", "a");
  const Committed second = node.write("t", "b");
  REQUIRE(first.segments.size() == 1);
  CHECK(first.segments[0].segment->first_seq == 1);
  CHECK(first.segments[0].segment->first_arrival == 1);
  CHECK(second.segments[0].segment->first_seq == 2);
  CHECK(second.last_arrival == 2);
  CHECK(node.seq(1) == 2);
}

TEST_CASE("consecutive writes to one channel share a segment", "[sync]") {
  SyncNode node(1);
  const Committed done = node.turn([&](Engine& to) {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(to.write(at(1), {.channel = node.c, .kind = kRecord, .publisher = 0, .message = message("t", "x")}));
    }
  });
  REQUIRE(done.segments.size() == 1);
  CHECK(done.segments[0].segment->count == 5);
  CHECK(done.segments[0].ops.size() == 5);
  const Segment stored = decode_segment(done.segments[0].segment->bytes).value();
  CHECK(stored.ops.size() == 5);
  CHECK(stored.header.predecessor == done.segments[0].head_before);
}

TEST_CASE("arrival numbers keep the order of writes across channels", "[sync]") {
  SyncNode node(1);
  const Committed done = node.turn([&](Engine& to) {
    for (const ChannelNo channel : {node.c, node.c, node.d, node.c}) {
      REQUIRE(to.write(at(1), {.channel = channel, .kind = kRecord, .publisher = 0, .message = message("t", "x")}));
    }
  });
  REQUIRE(done.segments.size() == 3);
  CHECK(done.segments[0].channel == node.c);
  CHECK(done.segments[0].segment->first_arrival == 1);
  CHECK(done.segments[1].channel == node.d);
  CHECK(done.segments[1].segment->first_arrival == 3);
  CHECK(done.segments[2].segment->first_arrival == 4);
  CHECK(done.segments[2].segment->first_seq == 3);
}

TEST_CASE("a replica's segments form one chain", "[sync][G5]") {
  SyncNode node(1);
  Hash256 head{};
  for (int i = 0; i < 4; ++i) {
    const Committed done = node.write("t", std::to_string(i));
    CHECK(done.segments[0].head_before == head);
    head = done.segments[0].head_after;
  }
  CHECK(node.replicas()[0].head == head);
}

TEST_CASE("after a restart the chain, the numbers and the clock go on", "[sync][G2][G10]") {
  SyncNode node(1);
  const Committed before = node.write("t", "a");
  node.storage.crash();
  node.reopen();
  node.now_ms = 0;
  REQUIRE(node.engine->last_arrival() == 1);
  const Committed after = node.turn([&](Engine& to) {
    REQUIRE(
        to.write({.unix_ms = 5}, {.channel = node.c, .kind = kRecord, .publisher = 0, .message = message("t", "b")}));
  });
  CHECK(after.segments[0].segment->first_seq == 2);
  CHECK(after.segments[0].segment->first_arrival == 2);
  CHECK(after.segments[0].head_before == before.segments[0].head_after);
  CHECK(after.segments[0].ops[0].stamp > before.segments[0].ops[0].stamp);
}

TEST_CASE("a message beyond the limits is refused and the turn goes on", "[sync][G6]") {
  SyncNode node(1);
  node.turn([&](Engine& to) {
    const std::string large(kPayloadBytesMax + 1, 'x');
    const auto refused =
        to.write(at(1), {.channel = node.c, .kind = kRecord, .publisher = 0, .message = message("t", large)});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().category == Category::kLimit);
    CHECK_FALSE(to.write(at(1), {.channel = node.c, .kind = {}, .publisher = 0, .message = message("t", "")}));
    CHECK_FALSE(to.write(at(1), {.channel = node.c, .kind = kRecord, .publisher = 0, .message = message("a/#", "")}));
    CHECK_FALSE(
        to.write(at(1), {.channel = ChannelNo{99}, .kind = kRecord, .publisher = 0, .message = message("t", "")}));
    REQUIRE(to.write(at(1), {.channel = node.c, .kind = kRecord, .publisher = 0, .message = message("t", "ok")}));
  });
  CHECK(node.log() == Log{"1:1"});
}

TEST_CASE("channels that the file leaves out keep their data and replicate", "[sync]") {
  SyncNode node(1);
  node.write("t", "v", kRetained);
  security::Sha256 hasher;
  Engine fewer(node.storage, hasher);
  REQUIRE(fewer.open({{.name = "d", .keep = {}}}, ReplicaId{99}));
  CHECK(fewer.channels().size() == 2);
  CHECK(node.value("t") == "v");
}

// --- cells ---------------------------------------------------------------------------------------------------------

TEST_CASE("a retained write sets the cell, the next one replaces it", "[sync]") {
  SyncNode node(1);
  node.write("t", "a", kRetained);
  node.write("t", "b", kRetained);
  node.write("t", "c", kRecord);
  CHECK(node.value("t") == "b");
}

TEST_CASE("an empty payload leaves a tombstone that older writes do not overcome", "[sync][G4]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "old", kRetained);
  const std::vector<Bytes> old = segments_of(a);
  b.now_ms = 50;
  b.write("t", "", kRetained);
  CHECK(b.value("t") == "-");
  CHECK(b.receive(old[0]) == ReceiveResult::kApplied);
  CHECK(b.value("t") == "-");
}

TEST_CASE("of two concurrent writes the later stamp wins on both nodes", "[sync][G3]") {
  SyncNode a(1);
  SyncNode b(2);
  a.now_ms = 100;
  a.write("t", "later", kRetained);
  b.write("t", "earlier", kRetained);
  const Bytes from_a = segments_of(a)[0];
  const Bytes from_b = segments_of(b)[0];
  a.receive(from_b);
  b.receive(from_a);
  CHECK(a.value("t") == "later");
  CHECK(b.value("t") == "later");
  CHECK(a.digest() == b.digest());
}

TEST_CASE("of two writes with one stamp the greater replica wins on both nodes", "[sync][G3]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "of 1", kRetained);
  b.write("t", "of 2", kRetained);
  const Bytes from_a = segments_of(a)[0];
  const Bytes from_b = segments_of(b)[0];
  a.receive(from_b);
  b.receive(from_a);
  CHECK(a.value("t") == "of 2");
  CHECK(b.value("t") == "of 2");
}

TEST_CASE("a write after a received one wins, whatever the own clock says", "[sync][G10]") {
  SyncNode a(1);
  SyncNode b(2);
  a.now_ms = 5000;
  a.write("t", "ahead", kRetained);
  b.receive(segments_of(a)[0]);
  b.turn([&](Engine& to) {
    REQUIRE(
        to.write({.unix_ms = 12}, {.channel = b.c, .kind = kRetained, .publisher = 0, .message = message("t", "b")}));
  });
  CHECK(b.value("t") == "b");
}

TEST_CASE("a cell write of QoS 0 is an op like others", "[sync]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "v", kCellOnly);
  b.receive(segments_of(a)[0]);
  CHECK(b.value("t") == "v");
  CHECK(a.digest() == b.digest());
}

// --- failures ------------------------------------------------------------------------------------------------------

TEST_CASE("after a failed commit the engine is as before the turn", "[sync][G1]") {
  SyncNode a(1);
  SyncNode b(2);
  b.write("t", "theirs", kRetained);
  const Bytes theirs = segments_of(b)[0];
  a.write("t", "one", kRetained);
  const std::string before = a.digest();
  a.storage.fail_next_commit({Category::kLimit, "disk full"});
  REQUIRE(a.engine->begin());
  REQUIRE(a.engine->write(at(9), {.channel = a.c, .kind = kRetained, .publisher = 0, .message = message("t", "lost")}));
  REQUIRE(a.engine->receive(at(9), a.c, theirs));
  const auto failed = a.engine->commit();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().category == Category::kLimit);
  CHECK(a.digest() == before);
  CHECK(a.seq(1) == 1);
  CHECK(a.seq(2) == 0);
  CHECK(a.engine->last_arrival() == 1);
  const Committed next = a.write("t", "two", kRetained);
  CHECK(next.segments[0].segment->first_seq == 2);
  CHECK(next.segments[0].segment->first_arrival == 2);
  CHECK(a.value("t") == "two");
}

TEST_CASE("a rollback leaves the engine as before the turn", "[sync]") {
  SyncNode a(1);
  a.write("t", "one");
  REQUIRE(a.engine->begin());
  REQUIRE(a.engine->write(at(9), {.channel = a.c, .kind = kRecord, .publisher = 0, .message = message("t", "lost")}));
  a.engine->rollback();
  CHECK(a.seq(1) == 1);
  CHECK(a.write("t", "two").segments[0].segment->first_seq == 2);
}

TEST_CASE("when the storage fails within a turn the commit says so and nothing happened", "[sync][G1]") {
  SyncNode a(1);
  a.write("t", "one");
  REQUIRE(a.engine->begin());
  REQUIRE(a.engine->write(at(9), {.channel = a.c, .kind = kRecord, .publisher = 0, .message = message("t", "lost")}));
  a.storage.fail_next_write({Category::kLimit, "disk full"});
  const auto failed = a.engine->commit();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().what == "disk full");
  CHECK(a.log() == Log{"1:1"});
  CHECK(a.write("t", "two").segments[0].segment->first_seq == 2);
}

TEST_CASE("an empty turn commits nothing", "[sync]") {
  SyncNode a(1);
  const Committed done = a.turn([](Engine&) {});
  CHECK(done.segments.empty());
  CHECK(done.frontiers.empty());
  CHECK(done.last_arrival == 0);
}

// --- retention -----------------------------------------------------------------------------------------------------

TEST_CASE("what is older than keep goes, and is recorded as a gap", "[sync][G6]") {
  SyncNode node(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  node.write("t", "1", kRetained);
  node.write("t", "2", kRetained);
  node.now_ms = 1000;
  node.write("t", "3", kRetained);
  CHECK_FALSE(node.trim(1001));
  CHECK(node.log() == Log{"1:3"});
  CHECK(node.replicas()[0].trimmed == 2);
  CHECK(node.replicas()[0].seq == 3);
  const std::vector<Gap> gaps = node.storage.open_view().value()->gaps(node.c).value();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].first == 1);
  CHECK(gaps[0].last == 2);
  CHECK(gaps[0].reason == GapReason::kAge);
}

TEST_CASE("the cell outlives its trimmed record", "[sync]") {
  SyncNode node(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  node.write("t", "v", kRetained);
  node.trim_all();
  CHECK(node.log().empty());
  CHECK(node.value("t") == "v");
}

TEST_CASE("what exceeds keep's size goes, oldest first", "[sync][G6]") {
  SyncNode node(1, {.age_ms = 1'000'000, .size_bytes = 2000});
  for (int i = 0; i < 20; ++i) node.write("t", std::string(200, 'x'));
  CHECK_FALSE(node.trim(1));
  const Log left = node.log();
  CHECK(left.size() < 10);
  CHECK(left.back() == "1:20");
}

TEST_CASE("a step of retention is bounded and says when more waits", "[sync][G6]") {
  SyncNode node(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  for (std::size_t i = 0; i < kTrimSegmentsPerStep + 5; ++i) node.write("t", "x");
  CHECK(node.trim(1'000'000));
  CHECK(node.log().size() == 5);
  CHECK_FALSE(node.trim(1'000'000));
  CHECK(node.log().empty());
}

TEST_CASE("without a trusted clock age trims nothing", "[sync][G10]") {
  SyncNode node(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  node.write("t", "x");
  CHECK_FALSE(node.trim(1'000'000'000, ClockQuality::kUnsynchronised));
  CHECK(node.log().size() == 1);
}

TEST_CASE("what a board without clock wrote in 1970 does not age at once when its clock is set", "[sync][G10]") {
  SyncNode node(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  node.turn([&](Engine& to) {
    REQUIRE(to.write({.unix_ms = 60'000},
                     {.channel = node.c, .kind = kRecord, .publisher = 0, .message = message("t", "x")}));
  });
  SyncNode peer(2, {.age_ms = 100, .size_bytes = 1U << 20U});
  peer.now_ms = 1000;
  peer.receive(segments_of(node)[0]);
  CHECK_FALSE(node.trim(50));
  CHECK_FALSE(peer.trim(1050));
  CHECK(node.log().size() == 1);
  CHECK(peer.log().size() == 1);
  CHECK_FALSE(peer.trim(1200));
  CHECK(peer.log().empty());
}

TEST_CASE("after trimming the chain still goes on", "[sync][G5]") {
  SyncNode node(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  node.write("t", "1");
  node.trim_all();
  node.reopen();
  node.write("t", "2");
  CHECK(node.log() == Log{"1:2"});
  CHECK(node.digest(DigestCheck::kRecords) == node.digest(DigestCheck::kHeads));
}

}  // namespace
}  // namespace hedgerow::test
