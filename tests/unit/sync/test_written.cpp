// When an op was written, by its writer's own clock, where its stamp is ahead of that: a clock that was ahead took the
// stamps of its mesh along. Order comes from stamps, ages come from clocks. G10.
#include <catch2/catch_test_macros.hpp>

#include "sync/engine/page.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

constexpr std::uint64_t kYearMs = 31'536'000'000;
constexpr std::uint64_t kKeepMs = 1'000'000;

// `a` has seen a write of a board whose clock is a year ahead.
struct Poisoned {
  Poisoned() {
    wrong.now_ms = kYearMs;
    wrong.write("w", "1", kRetained);
    a.now_ms = 1'000;
    Puller().finish(a, wrong);
    a.write("a", "1", kRetained);
  }

  [[nodiscard]] static Stamp stamp_of(SyncNode& node, std::string_view topic) {
    const auto cell = (*node.storage.open_view())->cell(node.c, topic);
    REQUIRE(cell);
    REQUIRE(*cell);
    return (*cell)->order.stamp;
  }

  SyncNode wrong{1};
  SyncNode a{2};
};

TEST_CASE_METHOD(Poisoned, "a write after a clock that was ahead orders behind it, and tells its own time",
                 "[sync][G10]") {
  CHECK(stamp_of(a, "a") > stamp_of(a, "w"));
  CHECK(stamp_of(a, "a").written() == at(1'001));
  CHECK(stamp_of(a, "w").written() == at(kYearMs + 1));
}

TEST_CASE_METHOD(Poisoned, "the time of a write goes with it by range and by snapshot", "[sync][G10]") {
  SyncNode by_range(3);
  Puller().finish(by_range, a);
  CHECK(stamp_of(by_range, "a").written() == at(1'001));
  a.trim_all();
  a.turn([&](Engine& to) { CHECK(to.trim(at(3 * kYearMs))); });  // also what the wrong clock wrote
  SyncNode by_snapshot(4);
  Puller().finish(by_snapshot, a);
  CHECK(stamp_of(by_snapshot, "a").written() == at(1'001));
  CHECK(by_snapshot.digest() == by_range.digest());
}

TEST_CASE_METHOD(Poisoned, "keep's age counts from when a record was written", "[sync][G10]") {
  SyncNode b(3);
  b.now_ms = 1'500;
  Puller().finish(b, a);
  const auto records = [](SyncNode& node) { return node.storage.log_totals(node.c).ops; };
  for (SyncNode* const node : {&a, &b}) {
    REQUIRE(records(*node) == 2);
    node->trim(1'000 + kKeepMs);
    CHECK(records(*node) == 2);
    // What the wrong clock wrote is no newer than its arrival. It came first, so it goes first.
    node->trim(1'501 + kKeepMs + 1);
    CHECK(records(*node) == 0);
  }
}

TEST_CASE_METHOD(Poisoned, "a row is as new as the newest that its writer's clock says", "[sync][G10]") {
  a.turn([&](Engine& to) {
    for (const std::uint64_t ms : {5'000U, 3'000U}) {  // somebody sets the clock back
      REQUIRE(to.write(at(ms), {.channel = a.c, .kind = kRecord, .publisher = 5, .message = message("b", "x")}));
    }
  });
  SyncNode b(3);
  b.now_ms = 9'000;
  Puller().finish(b, a);
  for (SyncNode* const node : {&a, &b}) {
    const auto view = node->storage.open_view();
    const auto rows = (*view)->segments(node->c, ReplicaId{2}, 2, 1U << 20U);
    REQUIRE(rows);
    CHECK(rows->back().newest_wall_ms == at(5'000).unix_ms);
  }
}

TEST_CASE_METHOD(Poisoned, "a page whose cell tells of a time before 1970 is refused", "[sync][G6][G10]") {
  Cell cell = (*(*a.storage.open_view())->cell(a.c, "a")).value();
  const auto read = [&] {
    PageBuilder builder;
    REQUIRE(builder.add(cell, 1U << 16U));
    const Bytes page = builder.finish();
    return PageReader(page).next().has_value();
  };
  CHECK(read());
  cell.order.stamp.behind_ms = cell.order.stamp.wall_ms + 1;
  CHECK_FALSE(read());
}

TEST_CASE_METHOD(Poisoned, "what moves to another name keeps its time", "[sync][G5][G10]") {
  REQUIRE(a.engine->renew(ReplicaId{9}));
  CHECK(stamp_of(a, "a").written() == at(1'001));
  a.write("b", "1", kRetained);
  SyncNode b(3);
  Puller().finish(b, a);
  CHECK(stamp_of(b, "a").written() == at(1'001));
}

}  // namespace
}  // namespace hedgerow::test
