// Turns that stay open: Engine::hand_out() and RemoteCommit. DESIGN 4.
#include <catch2/catch_test_macros.hpp>
#include <chrono>

#include "sync/engine/remote_commit.hpp"
#include "sync/limits.hpp"
#include "sync/log/segment.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

// Two nodes: `b` takes what `a` wrote, and leaves the turn open.
struct OpenTurn {
  OpenTurn() {
    a.write("t", "1", kRetained);
    a.write("t", "2", kRetained);
    REQUIRE(b.engine->begin());
    for (const Bytes& segment : segments_of(a)) {
      REQUIRE(b.engine->receive(at(50), b.c, segment) == ReceiveResult::kApplied);
    }
  }
  std::vector<CommittedSegment> hand_out() {
    auto out = b.engine->hand_out();
    REQUIRE(out);
    return std::move(*out);
  }

  SyncNode a{1};
  SyncNode b{2};
};

CommittedSegment segment(std::size_t bytes, std::uint8_t qos = 1) {
  auto row = std::make_shared<SegmentRow>();
  row->bytes.resize(bytes);
  CommittedSegment out;
  out.segment = std::move(row);
  out.ops.push_back(
      {.stamp = {}, .kind = {.record = true, .cell = false, .qos = qos}, .publisher = 1, .message = message("t", "1")});
  return out;
}

constexpr Duration kDelay = std::chrono::seconds{5};

}  // namespace

TEST_CASE_METHOD(OpenTurn, "what is handed out is not durable, and nobody can read it", "[sync][G1]") {
  const auto out = hand_out();
  REQUIRE(out.size() == 2);
  CHECK(out[0].segment->first_arrival == 1);
  CHECK(out[1].segment->first_arrival == 2);
  CHECK(b.log().empty());
  CHECK(b.value("t") == "-");
  b.storage.crash();
  b.reopen();
  CHECK(b.seq(1) == 0);
}

TEST_CASE_METHOD(OpenTurn, "the commit of an open turn makes all of it durable, and tells the rest of it",
                 "[sync][G1]") {
  CHECK(hand_out().size() == 2);
  CHECK(hand_out().empty());
  a.write("u", "3");
  REQUIRE(b.engine->receive(at(51), b.c, segments_of(a)[2]) == ReceiveResult::kApplied);
  const auto committed = b.engine->commit();
  REQUIRE(committed);
  REQUIRE(committed->segments.size() == 1);
  CHECK(committed->segments[0].segment->first_arrival == 3);
  CHECK(committed->last_arrival == 3);
  REQUIRE(committed->frontiers.size() == 1);
  b.storage.crash();
  b.reopen();
  CHECK(b.seq(1) == 3);
  CHECK(b.value("t") == "2");
}

TEST_CASE_METHOD(OpenTurn, "after a lost open turn its arrival numbers are not given again", "[sync][G1]") {
  hand_out();
  b.storage.fail_next_commit({Category::kLimit, "the disk is full"});
  CHECK_FALSE(b.engine->commit());
  CHECK(b.engine->last_arrival() == 2);
  for (const Bytes& segment : segments_of(a)) CHECK(b.receive(segment) == ReceiveResult::kApplied);
  CHECK(b.engine->last_arrival() == 4);
  b.reopen();
  CHECK(b.engine->last_arrival() == 4);
  CHECK(b.value("t") == "2");
}

TEST_CASE_METHOD(OpenTurn, "numbers that were lost are on disk with the next commit, whatever it holds", "[sync][G1]") {
  hand_out();
  b.engine->rollback();
  b.turn([](Engine&) {});
  b.reopen();
  CHECK(b.engine->last_arrival() == 2);
}

TEST_CASE_METHOD(OpenTurn, "after a lost open turn the clock stays behind what was handed out", "[sync][G10]") {
  const Stamp seen = hand_out()[1].ops[0].stamp;
  b.engine->rollback();
  const Committed own = b.turn([&](Engine& to) {
    REQUIRE(to.write(at(0), {.channel = b.c, .kind = kRecord, .publisher = 5, .message = message("t", "own")}));
  });
  CHECK(own.segments[0].ops[0].stamp > seen);
}

TEST_CASE_METHOD(OpenTurn, "a storage that failed hands nothing out", "[sync][G1]") {
  a.write("u", "3", kRetained);
  b.storage.fail_next_write({Category::kLimit, "the disk is full"});
  CHECK_FALSE(b.engine->receive(at(51), b.c, segments_of(a)[2]));
  CHECK_FALSE(b.engine->hand_out());
  CHECK_FALSE(b.engine->commit());
  CHECK(b.engine->last_arrival() == 0);
}

TEST_CASE("what was pushed may wait", "[sync]") {
  RemoteCommit commit(kDelay);
  CHECK_FALSE(commit.is_waiting());
  commit.on_received(ReceiveResult::kApplied);
  commit.on_received(ReceiveResult::kDuplicate);
  commit.on_handed_out({segment(100)});
  CHECK_FALSE(commit.is_due());
  CHECK(commit.is_waiting());
  commit.on_end();
  CHECK_FALSE(commit.is_waiting());
}

TEST_CASE("without a delay nothing waits", "[sync]") { CHECK(RemoteCommit(Duration{}).is_due()); }

TEST_CASE("a turn does not stay open beyond so many bytes", "[sync][G6]") {
  RemoteCommit commit(kDelay);
  commit.on_handed_out({segment(kRemoteCommitBytesMax - 1)});
  CHECK_FALSE(commit.is_due());
  commit.on_handed_out({segment(1)});
  CHECK(commit.is_due());
  commit.on_end();
  CHECK_FALSE(commit.is_due());
}

TEST_CASE("QoS 2 is synced at once", "[sync]") {
  RemoteCommit commit(kDelay);
  commit.on_handed_out({segment(10, 2)});
  CHECK(commit.is_due());
}

TEST_CASE("what a sender must hear of is synced at once", "[sync]") {
  for (const Expected<ReceiveResult>& result :
       {Expected<ReceiveResult>(ReceiveResult::kFork), Expected<ReceiveResult>(ReceiveResult::kGap),
        Expected<ReceiveResult>(fail(Category::kCorrupt, "broken"))}) {
    RemoteCommit commit(kDelay);
    commit.on_received(result);
    CHECK(commit.is_due());
  }
}

}  // namespace hedgerow::test
