// Small segments that follow each other in a turn become one row. DESIGN 2 ("anyone may re-cut segments"), 4.
#include <catch2/catch_test_macros.hpp>

#include "sync/engine/row_gatherer.hpp"
#include "sync/limits.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

std::vector<SegmentRow> rows_of(SyncNode& node) {
  return node.storage.open_view().value()->segments_after(node.c, 0, ~std::size_t{0}).value();
}

// What they wrote comes to `b` in one turn, op by op; each is handed out.
struct Pushed {
  void write(SyncNode& node, int count, std::size_t payload_bytes = 5) {
    for (int i = 0; i < count; ++i) {
      node.write("sensor/" + std::to_string(i % 5), std::string(payload_bytes, static_cast<char>('a' + i % 26)));
    }
  }
  void take(const std::vector<Bytes>& segments) {
    for (const Bytes& segment : segments) {
      REQUIRE(b.engine->receive(at(50), b.c, segment) == ReceiveResult::kApplied);
      const auto out = b.engine->hand_out();
      REQUIRE(out);
      REQUIRE(out->size() == 1);
      handed_out.push_back(out->front());
    }
  }

  SyncNode a{1};
  SyncNode b{2};
  SyncNode c{3};
  std::vector<CommittedSegment> handed_out;
};

}  // namespace

TEST_CASE_METHOD(Pushed, "what waits together in an open turn becomes one row", "[sync]") {
  write(a, 20);
  REQUIRE(b.engine->begin());
  take(segments_of(a));
  REQUIRE(b.engine->commit());
  CHECK(handed_out.size() == 20);
  CHECK(handed_out[19].segment->first_arrival == 20);
  const auto rows = rows_of(b);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].count == 20);
  CHECK(rows[0].first_seq == 1);
  CHECK(rows[0].first_arrival == 1);
  std::size_t apart = 0;
  for (const Bytes& segment : segments_of(a)) apart += segment.size();
  CHECK(rows[0].bytes.size() * 2 < apart);
  CHECK(b.log() == a.log());
  CHECK(b.digest() == a.digest());
}

TEST_CASE_METHOD(Pushed, "a gathered row is passed on like any other", "[sync][G3]") {
  write(a, 20);
  REQUIRE(b.engine->begin());
  take(segments_of(a));
  REQUIRE(b.engine->commit());
  const auto segments = segments_of(b);
  REQUIRE(segments.size() == 1);
  CHECK(c.receive(segments[0]) == ReceiveResult::kApplied);
  CHECK(c.digest() == a.digest());
  // Who has the first half takes the second.
  SyncNode half{4};
  half.turn([&](Engine& to) {
    const auto apart = segments_of(a);
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(to.receive(at(50), half.c, apart[i]) == ReceiveResult::kApplied);
  });
  CHECK(half.receive(segments[0]) == ReceiveResult::kApplied);
  CHECK(half.digest() == a.digest());
}

TEST_CASE_METHOD(Pushed, "what arrived in between keeps its number", "[sync]") {
  write(a, 4);
  write(c, 1);
  const auto of_a = segments_of(a);
  REQUIRE(b.engine->begin());
  take({of_a[0], of_a[1]});
  take(segments_of(c));
  take({of_a[2], of_a[3]});
  REQUIRE(b.engine->commit());
  const auto rows = rows_of(b);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].count == 2);
  CHECK(rows[1].replica == ReplicaId{3});
  CHECK(rows[1].first_arrival == 3);
  CHECK(rows[2].first_arrival == 4);
  CHECK(rows[2].count == 2);
}

TEST_CASE_METHOD(Pushed, "each turn has rows of its own", "[sync]") {
  write(a, 2);
  for (const Bytes& segment : segments_of(a)) REQUIRE(b.receive(segment) == ReceiveResult::kApplied);
  CHECK(rows_of(b).size() == 2);
}

TEST_CASE_METHOD(Pushed, "a row that is gathered has a bound", "[sync][G6]") {
  write(a, 100, 1000);
  REQUIRE(b.engine->begin());
  take(segments_of(a));
  REQUIRE(b.engine->commit());
  const auto rows = rows_of(b);
  CHECK(rows.size() < 8);
  for (const SegmentRow& row : rows) CHECK(row.bytes.size() <= kGatheredRowBytesMax);
  CHECK(b.digest() == a.digest());
}

TEST_CASE_METHOD(Pushed, "what is not small is stored as it came", "[sync]") {
  write(a, 2, kGatheredPartBytesMax);
  const auto segments = segments_of(a);
  REQUIRE(b.engine->begin());
  take(segments);
  REQUIRE(b.engine->commit());
  const auto rows = rows_of(b);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].bytes == segments[0]);
  CHECK(rows[1].bytes == segments[1]);
}

TEST_CASE_METHOD(Pushed, "a lost turn leaves nothing of what was gathered", "[sync][G1]") {
  write(a, 3);
  REQUIRE(b.engine->begin());
  take(segments_of(a));
  b.engine->rollback();
  b.turn([](Engine&) {});
  CHECK(rows_of(b).empty());
  for (const Bytes& segment : segments_of(a)) CHECK(b.receive(segment) == ReceiveResult::kApplied);
  CHECK(b.digest() == a.digest());
}

TEST_CASE_METHOD(Pushed, "a disk that refuses the gathered row loses the turn", "[sync][G1]") {
  write(a, 3);
  REQUIRE(b.engine->begin());
  take(segments_of(a));
  b.storage.fail_next_write({Category::kLimit, "the disk is full"});
  const auto committed = b.engine->commit();
  REQUIRE_FALSE(committed);
  CHECK(committed.error().category == Category::kLimit);
  CHECK(b.seq(1) == 0);
  CHECK(rows_of(b).empty());
}

}  // namespace hedgerow::test
