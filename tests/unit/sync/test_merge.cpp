#include <catch2/catch_test_macros.hpp>

#include "sync/engine/page.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

using Log = std::vector<std::string>;

struct Staging {
  SyncNode b{2};

  Expected<ReceiveResult> merge(const std::vector<Bytes>& pages, const std::vector<ReplicaState>& frontier) {
    Expected<ReceiveResult> result = ReceiveResult::kGap;
    b.turn([&](Engine& to) {
      for (std::size_t i = 0; i < pages.size(); ++i) REQUIRE(to.stage(b.c, kPeer, i, pages[i]));
      result = to.merge_staged(at(1), b.c, kPeer, frontier, pages.size());
      REQUIRE(to.drop_staged(b.c, kPeer));
    });
    return result;
  }
};

Bytes page_of(const std::vector<Bytes>& segments) {
  PageBuilder page;
  for (const Bytes& segment : segments) page.add(segment);
  return page.finish();
}

TEST_CASE_METHOD(Staging, "an answer whose frontier its pages do not fill is refused", "[sync][pull][G2]") {
  SyncNode a(1);
  for (int i = 0; i < 3; ++i) a.write("t", std::to_string(i));
  const std::vector<Bytes> segments = segments_of(a);
  CHECK_FALSE(merge({page_of({segments[0], segments[1]})}, a.replicas()));
  CHECK_FALSE(merge({page_of({segments[0], segments[2]})}, a.replicas()));
  CHECK(b.log().empty());
  CHECK(merge({page_of({segments[0]}), page_of({segments[1], segments[2]})}, a.replicas()));
  CHECK(b.log().size() == 3);
}

TEST_CASE_METHOD(Staging, "a refused answer leaves the rest of the turn alone", "[sync][pull][G6]") {
  SyncNode a(1);
  a.write("t", "1");
  b.turn([&](Engine& to) {
    REQUIRE(to.write(at(1), {.channel = b.c, .kind = kRecord, .publisher = 0, .message = message("t", "ours")}));
    REQUIRE(to.stage(b.c, kPeer, 0, page_of({})));
    CHECK_FALSE(to.merge_staged(at(1), b.c, kPeer, a.replicas(), 1));
  });
  CHECK(b.log() == Log{"2:1"});
}

TEST_CASE_METHOD(Staging, "a missing page is named", "[sync][pull][G2]") {
  SyncNode a(1);
  a.write("t", "1");
  b.turn([&](Engine& to) {
    REQUIRE(to.stage(b.c, kPeer, 1, page_of(segments_of(a))));
    const auto merged = to.merge_staged(at(1), b.c, kPeer, a.replicas(), 2);
    REQUIRE_FALSE(merged);
    CHECK(merged.error().category == Category::kNotFound);
    CHECK(merged.error().what.find("page 0") != std::string::npos);
  });
}

TEST_CASE_METHOD(Staging, "pages that a lost turn should have replaced are not merged", "[sync][pull][G2]") {
  SyncNode a(1);
  a.write("t", "1");
  b.turn([&](Engine& to) { REQUIRE(to.stage(b.c, kPeer, 0, page_of(segments_of(a)))); });

  a.write("t", "2");
  REQUIRE(b.engine->begin());
  REQUIRE(b.engine->drop_staged(b.c, kPeer));
  REQUIRE(b.engine->stage(b.c, kPeer, 0, page_of(segments_of(a))));
  b.storage.fail_next_commit({Category::kLimit, "disk full"});
  REQUIRE_FALSE(b.engine->commit());

  b.turn([&](Engine& to) {
    const auto merged = to.merge_staged(at(1), b.c, kPeer, a.replicas(), 1);
    REQUIRE_FALSE(merged);
    CHECK(merged.error().category == Category::kNotFound);
    REQUIRE(to.drop_staged(b.c, kPeer));
  });
  CHECK(b.log().empty());
  CHECK(merge({page_of(segments_of(a))}, a.replicas()));
  CHECK(b.log() == Log{"1:1", "1:2"});
}

TEST_CASE_METHOD(Staging, "a broken page is refused when it comes", "[sync][pull][G6]") {
  b.turn([&](Engine& to) {
    for (const std::string_view bytes : {"", "\x02", "\x01\x09", "\x01\x01", "\x01\x02\x05hello"}) {
      CHECK_FALSE(to.stage(b.c, kPeer, 0, as_bytes(bytes)));
    }
  });
}

TEST_CASE_METHOD(Staging, "an answer that claims writes of ours that we did not make is a fork", "[sync][pull][G5]") {
  SyncNode clone(2);
  clone.write("t", "1");
  CHECK(merge({page_of(segments_of(clone))}, clone.replicas()) == ReceiveResult::kFork);
  CHECK(b.seq(2) == 0);
}

TEST_CASE_METHOD(Staging, "an answer whose chain ends elsewhere is a fork", "[sync][pull][G5]") {
  SyncNode a(1);
  SyncNode other(1);
  a.write("t", "1");
  other.write("t", "other");
  CHECK(merge({page_of(segments_of(a))}, other.replicas()) == ReceiveResult::kFork);
  CHECK(b.log().empty());
}

TEST_CASE_METHOD(Staging, "a cell that its sender's frontier does not cover is refused", "[sync][pull][G2]") {
  SyncNode a(1);
  a.write("t", "1", kRetained);
  const Cell cell = a.storage.open_view().value()->cell(a.c, "t").value().value();
  PageBuilder page;
  REQUIRE(page.add(cell, 1000));
  CHECK_FALSE(merge({page.finish()}, {}));
  CHECK(b.value("t") == "-");
}

TEST_CASE_METHOD(Staging, "a merge reports its channel instead of its records", "[sync][pull][G6]") {
  SyncNode a(1);
  a.write("t", "1");
  const Committed done = b.turn([&](Engine& to) {
    REQUIRE(to.stage(b.c, kPeer, 0, page_of(segments_of(a))));
    REQUIRE(to.merge_staged(at(1), b.c, kPeer, a.replicas(), 1));
    REQUIRE(to.write(at(2), {.channel = b.c, .kind = kRecord, .publisher = 0, .message = message("t", "ours")}));
  });
  CHECK(done.merged == std::vector<ChannelNo>{b.c});
  REQUIRE(done.segments.size() == 1);
  CHECK(done.segments[0].segment->replica == ReplicaId{2});
  CHECK(done.last_arrival == 2);
}

TEST_CASE("a page's cells come back as they were", "[sync][pull]") {
  Cell cell{.order = {.stamp = {.wall_ms = kStampWallMsMax, .counter = 7, .quality = ClockQuality::kSynchronised},
                      .replica = ReplicaId{~std::uint64_t{0}},
                      .seq = 1U << 20U},
            .arrival = 3,
            .qos = 2,
            .publisher = 99,
            .message = nullptr};
  auto first = std::make_shared<Message>();
  first->topic = "a/b";
  first->properties = to_bytes("props");
  first->payload = to_bytes("v");
  first->expiry_s = 0;
  cell.message = first;
  Cell tombstone = cell;
  tombstone.message = message("a/bc", "");
  PageBuilder page;
  REQUIRE(page.add(cell, 1000));
  REQUIRE(page.add(tombstone, 1000));
  CHECK_FALSE(page.add(cell, page.size_bytes()));
  const Bytes bytes = page.finish();
  CHECK(to_hex(bytes) ==
        "01017affffffffffffffff808040ffb7ff90fdce390700000000000000630003612f620570726f7073000176011affffffff"
        "ffffffff808040ffb7ff90fdce3907000000000000006303016300");
  PageReader items(bytes);
  const Cell back = std::get<Cell>(items.next().value().value());
  CHECK(back.order == cell.order);
  CHECK(back.order.stamp.quality == ClockQuality::kSynchronised);
  CHECK(back.arrival == 0);
  CHECK(back.qos == 2);
  CHECK(back.publisher == 99);
  CHECK(back.message->properties == first->properties);
  CHECK(back.message->expiry_s == 0U);
  CHECK(std::get<Cell>(items.next().value().value()).message->topic == "a/bc");
  CHECK_FALSE(items.next().value());
}

TEST_CASE("mutated pages are refused or staged, and count for nothing", "[sync][pull][G6]") {
  SeededRandom random(pick_seed("mutated pages"));
  SyncNode a(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  for (int i = 0; i < 8; ++i) a.write("cell/" + std::to_string(i), "v", kRetained);
  a.trim_all();
  for (int i = 0; i < 8; ++i) a.write("t/" + std::to_string(i), "v");
  const PullAnswer answer = a.answer({.frontier = {}, .token = {}, .window_bytes = 1U << 18U}).value();
  const Bytes good = std::get<SnapshotPage>(answer).page;
  SyncNode b(2);
  int staged = 0;
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes = good;
    for (std::size_t edits = 1 + random.below(3); edits > 0; --edits) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
    }
    if (random.one_in(4)) bytes.resize(random.below(bytes.size()));
    b.turn([&](Engine& to) {
      if (!to.stage(b.c, kPeer, 0, bytes)) return;
      ++staged;
      REQUIRE(to.drop_staged(b.c, kPeer));
    });
  }
  CHECK(staged > 0);
  CHECK(b.seq(1) == 0);
}

}  // namespace
}  // namespace hedgerow::test
