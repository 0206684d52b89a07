// What others trimmed before it came here is asked for from whoever may hold it. sync/link/replicator_fill.cpp.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

constexpr ReplicaId kX{0x1000};
constexpr ReplicaId kY{0x2000};

Bytes fill_token(const FillRange& range) {
  Bytes token;
  add_fill_range(token, range);
  return token;
}

class FillLinks : public LinkFixture {
 public:
  FillLinks() { hold(0); }
  // A peer that holds X and Y to 100, as we do.
  void equal_peer(LinkId link, const std::string& node) {
    link_up(link);
    hear(link, make_hello(node));
    hear_frontier(link, {{.replica = kX, .seq = 100}, {.replica = kY, .seq = 100}});
  }
  // X is held to 100, `last` of it is the last that is missing below the mark.
  void hold(Seq last, std::uint64_t room = 1U << 20U, Seq seq = 100) {
    Committed committed;
    committed.frontiers.push_back(
        {.number = kDefault,
         .name = "default",
         .replicas = {{.replica = kX, .seq = seq, .trimmed = 60, .fill_first = last == 0 ? 0U : 1U, .fill_last = last},
                      {.replica = kY, .seq = 100}},
         .fill_room_bytes = room});
    commit_as(committed);
  }
  void answer(LinkId link, const wire::Pull& asked, const std::vector<RowSpec>& specs) {
    wire::Range range{.channel = 0, .id = asked.id, .more = false, .segments = {}};
    std::vector<std::shared_ptr<const SegmentRow>> rows;
    for (const RowSpec& spec : specs) {
      rows.push_back(make_row(spec));
      range.segments.emplace_back(rows.back()->bytes);
    }
    hear(link, range);
  }
  static bool asks_for(const wire::Pull& asked, Seq last) {
    return asked.request.token == fill_token({.replica = kX, .first = 1, .last = last});
  }
};

TEST_CASE_METHOD(FillLinks, "who is behind nobody asks for what fills its gap", "[link][G3]") {
  equal_peer(kLink1, "b");
  hold(60);
  const wire::Pull asked = question(kLink1);
  CHECK(asks_for(asked, 60));
  answer(kLink1, asked, {{.replica = kX, .first = 31, .count = 30}});
  const auto applied = actions<ApplySegment>();
  REQUIRE(applied.size() == 1);
  CHECK(applied.front().fills);
  CHECK_FALSE(applied.front().may_wait);
  hold(30);
  received(kLink1);
  pass(kFillInterval);
  CHECK(asks_for(question(kLink1), 30));
}

TEST_CASE_METHOD(FillLinks, "without a gap nothing is asked", "[link]") {
  equal_peer(kLink1, "b");
  hold(0);
  pass(1h);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(FillLinks, "what is missing comes before what fills gaps", "[link]") {
  equal_peer(kLink1, "b");
  hear_frontier(kLink1, {{.replica = kX, .seq = 120}});
  hold(60);
  pass(1s);
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(FillLinks,
                 "a peer without it is asked again when something happens after a pause, another one at once",
                 "[link]") {
  equal_peer(kLink1, "b");
  equal_peer(kLink2, "c");
  hold(60);
  answer(kLink1, question(kLink1), {});
  pass(kFillInterval);
  CHECK(sent<wire::Pull>(kLink1).empty());
  answer(kLink2, question(kLink2), {});
  pass(kFillPause / 2);
  CHECK(sent<wire::Pull>(kLink1).empty());
  CHECK(sent<wire::Pull>(kLink2).empty());
  hold(60);
  CHECK(sent<wire::Pull>(kLink1).empty());
  pass(kFillPause / 2);
  CHECK(sent<wire::Pull>(kLink1).empty());
  hold(60);
  CHECK(asks_for(question(kLink1), 60));
}

TEST_CASE_METHOD(FillLinks, "a log without room asks for nothing", "[link][G6]") {
  equal_peer(kLink1, "b");
  hold(60, kFillRoomBytesMin - 1);
  pass(1h);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(FillLinks, "no more is asked for than there is room", "[link][G6]") {
  equal_peer(kLink1, "b");
  hold(60, 10'000);
  CHECK(question(kLink1).request.window_bytes == 10'000);
}

TEST_CASE_METHOD(FillLinks, "what there is no room for keeps no other gap from being filled", "[link][G3][G6]") {
  equal_peer(kLink1, "b");
  Committed committed;
  committed.frontiers.push_back(
      {.number = kDefault,
       .name = "default",
       .replicas = {{.replica = kX, .seq = 100, .trimmed = 60, .fill_first = 1, .fill_last = 60},
                    {.replica = kY, .seq = 100, .trimmed = 9, .fill_first = 1, .fill_last = 9}},
       .fill_room_bytes = 2000});
  commit_as(committed);
  answer(kLink1, question(kLink1), {{.replica = kX, .first = 31, .count = 30}});
  received(kLink1, ReceiveResult::kGap);
  pass(kFillInterval);
  const wire::Pull asked = question(kLink1);
  CHECK(asked.request.token == fill_token({.replica = kY, .first = 1, .last = 9}));
  answer(kLink1, asked, {{.replica = kY, .first = 1, .count = 9}});
  received(kLink1, ReceiveResult::kGap);
  pass(kFillPause - 1s);
  CHECK(sent<wire::Pull>(kLink1).empty());  // both have had their turn
}

TEST_CASE_METHOD(FillLinks, "who answers with what it was not asked for is left alone for the pause",
                 "[link][hostile][G6]") {
  equal_peer(kLink1, "b");
  hold(60);
  answer(kLink1, question(kLink1), {{.replica = kY, .first = 1, .count = 9}});
  CHECK(actions<ApplySegment>().empty());
  pass(kFillPause - 1s);
  CHECK(sent<wire::Pull>(kLink1).empty());
  pass(1s);
  hold(60);
  CHECK(asks_for(question(kLink1), 60));
}

TEST_CASE_METHOD(FillLinks, "a congested link is not asked", "[link][G6]") {
  equal_peer(kLink1, "b");
  queue(kLink1, kLinkQueueBytesSoft + 1);
  hold(60);
  pass(1s);
  CHECK(sent<wire::Pull>(kLink1).empty());
  queue(kLink1, 0);
  pass(kFillInterval);
  CHECK(asks_for(question(kLink1), 60));
}

TEST_CASE_METHOD(FillLinks, "a peer that knows less of the replica is not asked", "[link]") {
  link_up(kLink1);
  hear(kLink1, make_hello("b"));
  hear_frontier(kLink1, {{.replica = kX, .seq = 59}, {.replica = kY, .seq = 100}});
  hold(60);
  pass(1h);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(FillLinks, "who fills with another chain is asked what it holds", "[link][G5]") {
  equal_peer(kLink1, "b");
  hold(60);
  answer(kLink1, question(kLink1), {{.replica = kX, .first = 31, .count = 30}});
  received(kLink1, ReceiveResult::kFork);
  CHECK(question(kLink1).request.token == describe_token());
  CHECK(replicator().forks().size() == 1);
}

TEST_CASE_METHOD(FillLinks, "a page is no answer to a question for what fills gaps", "[link][G6]") {
  equal_peer(kLink1, "b");
  hold(60);
  hear(
      kLink1,
      wire::Page{.channel = 0, .id = question(kLink1).id, .page_no = 0, .page = {}, .next_token = {1}, .frontier = {}});
  CHECK_FALSE(close_reason().empty());
}

TEST_CASE_METHOD(FillLinks, "a snapshot that was merged may have left gaps that a peer can fill", "[link]") {
  equal_peer(kLink1, "b");
  hold(60);
  answer(kLink1, question(kLink1), {});
  hear_frontier(kLink1, {{.replica = kX, .seq = 120}});
  pass(1s);
  hear(kLink1, wire::Page{.channel = 0,
                          .id = question(kLink1).id,
                          .page_no = 0,
                          .page = {},
                          .next_token = {},
                          .frontier = {{.replica = kX, .seq = 120}}});
  received(kLink1);
  hold(60, 1U << 20U, 120);
  received(kLink1);
  CHECK(asks_for(question(kLink1), 60));
}

}  // namespace
}  // namespace hedgerow::sync::test
