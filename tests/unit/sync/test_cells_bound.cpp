// How many retained messages the channels hold, and the bound on them all. G6.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

constexpr std::uint64_t kMost = 3;

class Bounded : public SyncNode {
 public:
  Bounded() : SyncNode(1, {.age_ms = 1'000'000, .size_bytes = 1U << 20U}, kMost) {}

  // The category of the refusal, if it is refused.
  std::optional<Category> try_write(std::string_view topic, std::string_view payload, OpKind kind = kRetained,
                                    std::optional<Stamp> stamp = {}) {
    std::optional<Category> refused;
    turn([&](Engine& to) {
      const auto written =
          to.write(at(++now_ms),
                   {.channel = c, .kind = kind, .publisher = 5, .message = message(topic, payload), .stamp = stamp});
      if (!written) refused = written.error().category;
    });
    return refused;
  }
  void fill() {
    for (const std::string_view topic : {"a", "b", "c"}) REQUIRE_FALSE(try_write(topic, "v"));
  }
  [[nodiscard]] std::uint64_t live() const { return engine->channels().front().live_cells; }
};

TEST_CASE_METHOD(Bounded, "a retained message beyond the bound is refused, with what to do", "[sync][G6]") {
  fill();
  CHECK(try_write("d", "v") == Category::kLimit);
  CHECK(try_write("d", "v", kCellOnly) == Category::kLimit);
  CHECK(value("d") == "-");
  CHECK(live() == kMost);
  turn([&](Engine& to) {
    const auto refused =
        to.write(at(1), {.channel = c, .kind = kRetained, .publisher = 5, .message = message("d", "v")});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("holds 3") != std::string::npos);
    CHECK(refused.error().what.find("delete some") != std::string::npos);
  });
}

TEST_CASE_METHOD(Bounded, "at the bound changes, deletes and records go on", "[sync][G6]") {
  fill();
  CHECK_FALSE(try_write("a", "w"));
  CHECK_FALSE(try_write("d", "v", kRecord));
  CHECK_FALSE(try_write("e", ""));
  CHECK_FALSE(try_write("b", ""));
  CHECK(value("a") == "w");
  CHECK(live() == kMost - 1);
  CHECK_FALSE(try_write("d", "v"));
  CHECK(try_write("b", "again") == Category::kLimit);
}

TEST_CASE_METHOD(Bounded, "the bound holds within one turn", "[sync][G6]") {
  turn([&](Engine& to) {
    const auto put = [&](std::string_view topic, std::string_view payload) {
      return to.write(at(1), {.channel = c, .kind = kRetained, .publisher = 5, .message = message(topic, payload)})
          .has_value();
    };
    CHECK(put("a", "v"));
    CHECK(put("b", "v"));
    CHECK(put("a", "w"));
    CHECK(put("c", "v"));
    CHECK_FALSE(put("d", "v"));
    CHECK(put("a", ""));
    CHECK(put("d", "v"));
    CHECK_FALSE(put("a", "v"));
    CHECK(put("b", "w"));
  });
  CHECK(live() == kMost);
  CHECK(log().size() == 7);
}

TEST_CASE_METHOD(Bounded, "the bound counts the retained messages of all channels", "[sync][G6]") {
  const auto set = [&](std::string_view topic, std::string_view payload) {
    turn([&](Engine& to) {
      REQUIRE(to.write(at(1), {.channel = d, .kind = kRetained, .publisher = 5, .message = message(topic, payload)}));
    });
  };
  set("x", "v");
  set("y", "v");
  CHECK_FALSE(try_write("a", "v"));
  CHECK(try_write("b", "v") == Category::kLimit);
  set("x", "");
  CHECK_FALSE(try_write("b", "v"));
  CHECK(try_write("x", "v") == Category::kLimit);  // another channel's topic is another retained message
}

TEST_CASE_METHOD(Bounded, "a channel without a bound is written beyond that of the others", "[sync][G6]") {
  fill();
  turn([&](Engine& to) {
    for (int i = 0; i < 10; ++i) {
      REQUIRE(to.write(
          at(1), {.channel = d, .kind = kRetained, .publisher = 5, .message = message("t/" + std::to_string(i), "v")}));
    }
  });
  CHECK(engine->totals().live_cells == kMost + 10);
}

TEST_CASE_METHOD(Bounded, "what peers wrote is taken beyond the bound", "[sync][G3][G6]") {
  SyncNode peer(2);
  for (int i = 0; i < 5; ++i) peer.write("t/" + std::to_string(i), "v", kRetained);
  fill();
  Puller().finish(*this, peer);
  CHECK(live() == kMost + 5);
  CHECK(try_write("d", "v") == Category::kLimit);
  CHECK_FALSE(try_write("t/1", "w"));
  Puller().finish(peer, *this);
  CHECK(peer.digest() == digest());
}

TEST_CASE_METHOD(Bounded, "at the bound a will that would lose anyway is written", "[sync][G6]") {
  Stamp stamp;
  turn([&](Engine& to) { stamp = to.stamp_now(at(++now_ms)).value(); });
  CHECK_FALSE(try_write("t", ""));
  fill();
  CHECK_FALSE(try_write("t", "will", kRetained, stamp));
  CHECK(value("t") == "-");
  CHECK(try_write("u", "will", kRetained, stamp) == Category::kLimit);
}

TEST_CASE_METHOD(Bounded, "after a restart the count is exact", "[sync][G6]") {
  fill();
  REQUIRE_FALSE(try_write("a", ""));
  storage.crash();
  reopen();
  CHECK(live() == kMost - 1);
  CHECK_FALSE(try_write("d", "v"));
  CHECK(try_write("e", "v") == Category::kLimit);
}

TEST_CASE_METHOD(Bounded, "a turn that fails does not count", "[sync][G6]") {
  fill();
  REQUIRE(engine->begin());
  REQUIRE(engine->write(at(9), {.channel = c, .kind = kRetained, .publisher = 5, .message = message("a", "")}));
  engine->rollback();
  CHECK(live() == kMost);
  storage.fail_next_commit({Category::kLimit, "disk full"});
  REQUIRE(engine->begin());
  REQUIRE(engine->write(at(9), {.channel = c, .kind = kRetained, .publisher = 5, .message = message("a", "")}));
  REQUIRE_FALSE(engine->commit());
  CHECK(live() == kMost);
}

TEST_CASE("tombstones are not counted, whether written or merged", "[sync][G6]") {
  SyncNode a(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  SyncNode b(2);
  b.write("x", "v", kRetained);
  b.write("y", "v", kRetained);
  a.now_ms = 50;
  a.write("x", "", kRetained);
  a.write("z", "v", kRetained);
  a.trim_all();
  Puller().finish(b, a, 30);
  CHECK(b.value("x") == "-");
  CHECK(b.engine->totals().live_cells == 2);
  CHECK(a.engine->totals().live_cells == 1);
}

TEST_CASE("the totals say what all channels hold, and each commit brings them", "[sync][G6]") {
  SyncNode node(1);
  CHECK(node.engine->totals() == StoreTotals{});
  node.write("t", "v", kRetained);
  const Committed done = node.turn([&](Engine& to) {
    REQUIRE(to.write(at(5), {.channel = node.c, .kind = kRecord, .publisher = 5, .message = message("t", "x")}));
    REQUIRE(to.write(at(5), {.channel = node.d, .kind = kRetained, .publisher = 5, .message = message("t", "x")}));
  });
  CHECK(done.totals.live_cells == 2);
  CHECK(done.totals.ops == 3);
  CHECK(done.totals.bytes > 0);
  CHECK(node.engine->totals() == done.totals);
  node.storage.crash();
  node.reopen();
  CHECK(node.engine->totals() == done.totals);
  node.trim_all();
  CHECK(node.engine->totals() == StoreTotals{.live_cells = 2});
}

}  // namespace
}  // namespace hedgerow::test
