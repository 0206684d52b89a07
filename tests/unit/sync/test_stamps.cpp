// Writes that carry a stamp of earlier: what happened then was only written now. DESIGN 1: a will is stamped with the
// moment its connection died.
#include <catch2/catch_test_macros.hpp>

#include "sync/log/segment.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

using Log = std::vector<std::string>;

Stamp died(SyncNode& node) {
  Stamp stamp;
  node.turn([&](Engine& to) { stamp = to.stamp_now(at(++node.now_ms)).value(); });
  return stamp;
}

// A retained write that carries `stamp`.
Committed write_at(SyncNode& node, const Stamp& stamp, std::string_view topic, std::string_view payload) {
  return node.turn([&](Engine& to) {
    REQUIRE(to.write(
        at(++node.now_ms),
        {.channel = node.c, .kind = kRetained, .publisher = 5, .message = message(topic, payload), .stamp = stamp}));
  });
}

// Two nodes that give each other all they have.
void exchange(SyncNode& a, SyncNode& b) {
  Puller().finish(a, b);
  Puller().finish(b, a);
}

TEST_CASE("a stamp of now lies between what was written before and after it", "[sync][G10]") {
  SyncNode node(1);
  const Committed before = node.write("t", "1");
  Stamp stamp;
  const Committed after = node.turn([&](Engine& to) {
    stamp = to.stamp_now(at(node.now_ms)).value();
    REQUIRE(
        to.write(at(node.now_ms), {.channel = node.c, .kind = kRecord, .publisher = 5, .message = message("t", "2")}));
  });
  CHECK(before.segments[0].ops[0].stamp < stamp);
  CHECK(stamp < after.segments[0].ops[0].stamp);
}

TEST_CASE("a stamp of now ticks the clock durably", "[sync][G10]") {
  SyncNode node(1);
  node.now_ms = 1000;
  const Stamp stamp = died(node);
  node.storage.crash();
  node.reopen();
  node.now_ms = 0;
  const Committed after = node.write("t", "x");
  CHECK(after.segments[0].ops[0].stamp > stamp);
  CHECK(stamp.quality == ClockQuality::kSynchronised);
}

TEST_CASE("there is no stamp of now when the clock stands beyond the year 9999", "[sync][G10]") {
  SyncNode node(1);
  node.turn([](Engine& to) {
    const auto stamp = to.stamp_now({.unix_ms = kStampWallMsMax + 1});
    REQUIRE_FALSE(stamp);
    CHECK(stamp.error().category == Category::kLimit);
    CHECK(to.stamp_now(at(1)));
  });
}

TEST_CASE("a write carries the stamp that it is given, and the chain goes on", "[sync][G5]") {
  SyncNode node(1);
  const Stamp stamp = died(node);
  const Committed before = node.write("t", "1");
  const Committed will = write_at(node, stamp, "will", "gone");
  const Committed after = node.write("t", "2");
  CHECK(will.segments[0].ops[0].stamp == stamp);
  CHECK(will.segments[0].ops[0].stamp < before.segments[0].ops[0].stamp);
  CHECK(will.segments[0].head_before == before.segments[0].head_after);
  CHECK(after.segments[0].head_before == will.segments[0].head_after);
  CHECK(after.segments[0].ops[0].stamp > before.segments[0].ops[0].stamp);
  CHECK(node.digest(DigestCheck::kRecords) == node.digest(DigestCheck::kHeads));
}

TEST_CASE("a stamp ahead of the clock is not believed", "[sync][G10]") {
  SyncNode node(1);
  const Stamp ahead{.wall_ms = kStampWallMsMax};
  const Committed done = write_at(node, ahead, "will", "gone");
  CHECK(done.segments[0].ops[0].stamp == Stamp{.wall_ms = at(node.now_ms).unix_ms});
  CHECK(node.value("will") == "gone");
}

TEST_CASE("where the stamp does not rise a new segment begins", "[sync]") {
  SyncNode node(1);
  const Stamp first = died(node);
  const Stamp second = died(node);
  const Committed done = node.turn([&](Engine& to) {
    for (const std::optional<Stamp>& stamp : {std::optional<Stamp>(), std::optional(first), std::optional(second)}) {
      REQUIRE(to.write(at(100), {.channel = node.c,
                                 .kind = kRetained,
                                 .publisher = 5,
                                 .message = message("t", stamp ? "then" : "now"),
                                 .stamp = stamp}));
    }
  });
  REQUIRE(done.segments.size() == 2);
  CHECK(done.segments[0].segment->count == 1);
  CHECK(done.segments[1].segment->count == 2);
  for (const CommittedSegment& segment : done.segments) CHECK(decode_segment(segment.segment->bytes));
  CHECK(node.value("t") == "now");
}

TEST_CASE("a will of earlier loses against what was written since, on every node", "[sync][G3][G4]") {
  SyncNode a(1);
  SyncNode b(2);
  const Stamp stamp = died(a);
  b.now_ms = a.now_ms + 10;
  b.write("t", "of b", kRetained);
  a.write("u", "of a", kRetained);
  write_at(a, stamp, "t", "will");
  write_at(a, stamp, "u", "will");
  CHECK(a.value("t") == "will");
  CHECK(a.value("u") == "of a");
  exchange(a, b);
  for (SyncNode* node : {&a, &b}) {
    CHECK(node->value("t") == "of b");
    CHECK(node->value("u") == "of a");
  }
  CHECK(a.digest() == b.digest());
}

TEST_CASE("a will of earlier does not bring back what was deleted since", "[sync][G4]") {
  SyncNode a(1);
  SyncNode b(2);
  const Stamp stamp = died(a);
  a.write("t", "", kRetained);
  write_at(a, stamp, "t", "will");
  exchange(a, b);
  CHECK(a.value("t") == "-");
  CHECK(b.value("t") == "-");
}

TEST_CASE("a will wins over what was written before its connection died", "[sync][G3]") {
  SyncNode a(1);
  SyncNode b(2);
  a.write("t", "alive", kRetained);
  const Stamp stamp = died(a);
  a.write("other", "x", kRetained);
  write_at(a, stamp, "t", "will");
  exchange(a, b);
  CHECK(a.value("t") == "will");
  CHECK(b.value("t") == "will");
}

TEST_CASE("two writes of one stamp are ordered by their sequence numbers", "[sync][G3]") {
  SyncNode a(1);
  SyncNode b(2);
  const Stamp stamp = died(a);
  write_at(a, stamp, "t", "first");
  write_at(a, stamp, "t", "second");
  exchange(a, b);
  CHECK(a.value("t") == "second");
  CHECK(b.value("t") == "second");
}

TEST_CASE("wills of earlier come over in windows of every size", "[sync][pull][G2]") {
  SyncNode a(1);
  std::vector<Stamp> stamps;
  for (int i = 0; i < 10; ++i) {
    stamps.push_back(died(a));
    a.write("t/" + std::to_string(i), "v", kRetained);
  }
  for (int i = 9; i >= 0; --i) write_at(a, stamps.at(static_cast<std::size_t>(i)), "t/" + std::to_string(i), "will");
  for (const std::uint32_t window : {0U, 1U, 100U, 250U, 4000U}) {
    SyncNode b(2);
    Puller().finish(b, a, window);
    CHECK(b.digest() == a.digest());
    CHECK(b.value("t/3") == "v");
  }
}

TEST_CASE("a snapshot of a compacted log gives the same cells, wills of earlier among them", "[sync][pull][G3][G4]") {
  SyncNode a(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  SyncNode b(2);
  const Stamp early = died(a);
  a.write("won", "older", kRetained);
  const Stamp late = died(a);
  a.write("lost", "newer", kRetained);
  write_at(a, late, "won", "will");
  write_at(a, early, "lost", "will");
  a.trim_all();
  REQUIRE(a.log().empty());
  const Stamp last = died(a);
  a.write("kept", "x", kRetained);
  write_at(a, last, "kept too", "will");
  Puller puller;
  puller.finish(b, a, 50);
  CHECK(puller.pages > 0);
  CHECK(b.value("won") == "will");
  CHECK(b.value("lost") == "newer");
  CHECK(b.value("kept too") == "will");
  CHECK(b.digest() == a.digest());
}

TEST_CASE("a will of earlier that a peer merges does not turn its clock back", "[sync][G10]") {
  SyncNode a(1);
  SyncNode b(2);
  const Stamp stamp = died(a);
  a.now_ms = 5000;
  const Committed before = a.write("t", "x");
  write_at(a, stamp, "will", "gone");
  exchange(a, b);
  b.now_ms = 0;
  const Committed after = b.write("t", "y");
  CHECK(after.segments[0].ops[0].stamp > before.segments[0].ops[0].stamp);
}

}  // namespace
}  // namespace hedgerow::test
