// Catch-up as the replicator runs it: who is asked, what is handed to the store, what is answered.
// sync/link/replicator.hpp
#include <catch2/catch_test_macros.hpp>
#include <deque>

#include "sync/limits.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync_link/pull_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

// The channels of what the last step handed to the store, in order.
void note_jobs(const LinkFixture& fixture, std::deque<ChannelNo>& jobs) {
  for (const Action& action : fixture.all_actions()) {
    if (const auto* apply = std::get_if<ApplySegment>(&action)) jobs.push_back(apply->channel);
    if (const auto* stage = std::get_if<StagePage>(&action)) jobs.push_back(stage->channel);
    if (const auto* merge = std::get_if<MergeStaged>(&action)) jobs.push_back(merge->channel);
  }
}

const std::vector<ReplicaState> kLastFrontier = {{.replica = kOther, .seq = 10, .head = {}, .trimmed = 10}};

}  // namespace

// --- asking ----------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "the first announcement of a peer that is ahead is answered by a pull at once",
                 "[pull]") {
  link_up(kLink1);
  hear(kLink1, make_hello("a"));
  hear_frontier(kLink1, {{kOther, 10}});
  CHECK(question(kLink1).request.frontier.empty());
}

TEST_CASE_METHOD(PullFixture, "a later announcement leaves pushes on other links a moment", "[pull]") {
  hear_frontier(kLink1, {{kOther, 10}});
  CHECK(sent<wire::Pull>(kLink1).empty());
  pass(kPullGrace);
  CHECK(sent<wire::Pull>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "nothing is asked when the pushes came within the grace", "[pull]") {
  hear_frontier(kLink1, {{kOther, 1}});
  hear_push(kLink1, {.replica = kOther, .first = 1});
  pass(kPullGrace);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(PullFixture, "a steady stream of announcements does not put a pull off", "[pull]") {
  hear_frontier(kLink1, {{kOther, 10}});
  pass(kPullGrace / 2);
  hear_frontier(kLink1, {{kOther, 11}});
  pass(kPullGrace / 2);
  CHECK(sent<wire::Pull>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "a push beyond a hole is answered by one pull, not by a storm", "[pull][G2]") {
  hear_push(kLink1, {.replica = kOther, .first = 5});
  CHECK(actions<ApplySegment>().empty());
  CHECK(question(kLink1).request.frontier.empty());
  for (Seq seq = 6; seq < 20; ++seq) {
    hear_push(kLink1, {.replica = kOther, .first = seq});
    CHECK(is_quiet());
  }
}

TEST_CASE_METHOD(PullFixture, "the peer furthest ahead is asked", "[pull]") {
  peer_up(kLink2, "b");
  hear_frontier(kLink1, {{kOther, 3}});
  hear_frontier(kLink2, {{kOther, 10}});
  pass(kPullGrace);
  CHECK(sent<wire::Pull>(kLink1).empty());
  CHECK(sent<wire::Pull>(kLink2).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "a peer that does not answer in time is passed over for another", "[pull]") {
  peer_up(kLink2, "b");
  hear_frontier(kLink1, {{kOther, 10}});
  hear_frontier(kLink2, {{kOther, 3}});
  pass(kPullGrace);
  REQUIRE(sent<wire::Pull>(kLink1).size() == 1);
  pass(kPullTimeout);
  CHECK(sent<wire::Pull>(kLink2).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "the only peer is asked again, with more patience and for less", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  CHECK(question(kLink1).request.window_bytes == kPullWindowMax);
  pass(kPullTimeout);
  CHECK(question(kLink1).request.window_bytes == kPullWindowMax / 2);
  pass(2 * kPullTimeout - 1ms);
  CHECK(sent<wire::Pull>(kLink1).empty());
  pass(1ms);
  CHECK(sent<wire::Pull>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "when the link of a question breaks another peer is asked", "[pull]") {
  peer_up(kLink2, "b");
  hear_frontier(kLink1, {{kOther, 10}});
  hear_frontier(kLink2, {{kOther, 3}});
  pass(kPullGrace);
  REQUIRE(sent<wire::Pull>(kLink1).size() == 1);
  link_down(kLink1);
  CHECK(sent<wire::Pull>(kLink2).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "the next window is asked for when the last one is in the store's hands", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_range(kLink1, question(kLink1).id, {{.replica = kOther, .first = 1, .count = 4}}, /*more=*/true);
  CHECK(actions<ApplySegment>().size() == 1);
  CHECK(question(kLink1).request.frontier == Frontier{{kOther, 4}});
}

TEST_CASE_METHOD(PullFixture, "nothing more is asked while too much waits for its commit", "[pull][G6]") {
  hear_ahead(kLink1, {{kOther, 1000}});
  Seq next = 1;
  wire::PullId id = question(kLink1).id;
  while (replicator().unapplied_bytes() < kUnappliedBytesMax) {
    hear_range(kLink1, id, {{.replica = kOther, .first = next, .payload_bytes = 250'000}}, /*more=*/true);
    ++next;
    const auto questions = sent<wire::Pull>(kLink1);
    if (questions.empty()) break;
    id = questions.front().id;
    CHECK(questions.front().request.window_bytes <= kUnappliedBytesMax - replicator().unapplied_bytes());
  }
  CHECK(replicator().unapplied_bytes() >= kUnappliedBytesMax);
  CHECK(sent<wire::Pull>(kLink1).empty());
  commit({{.replica = kOther, .first = 1}});
  received(kLink1);
  CHECK(sent<wire::Pull>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "pushes are let go while too much waits, and pulled later", "[pull][G6]") {
  Seq next = 1;
  while (replicator().unapplied_bytes() + 300'000 < kUnappliedBytesMax) {
    hear_push(kLink1, {.replica = kOther, .first = next++, .payload_bytes = 300'000});
    REQUIRE(actions<ApplySegment>().size() == 1);
  }
  hear_push(kLink1, {.replica = kOther, .first = next, .payload_bytes = 400'000});
  CHECK(actions<ApplySegment>().empty());
  CHECK(question(kLink1).request.frontier == Frontier{{kOther, next - 1}});
}

TEST_CASE_METHOD(PullFixture, "an answer that nobody asked for means nothing", "[pull][hostile]") {
  hear_range(kLink1, 77, {{.replica = kOther, .first = 1}});
  CHECK(is_quiet());
  hear_page(kLink1, 77, 0, kLastFrontier);
  CHECK(is_quiet());
  hear(kLink1, wire::Restart{.channel = 0, .id = 77});
  CHECK(is_quiet());
}

TEST_CASE_METHOD(PullFixture, "an answer that brings nothing is not asked for again at once", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_range(kLink1, question(kLink1).id, {});
  CHECK(is_quiet());
  pass(kBackoffMin);
  hear_range(kLink1, question(kLink1).id, {});
  pass(kBackoffMin);
  CHECK(is_quiet());
}

TEST_CASE_METHOD(PullFixture, "what a peer passed on and never brings is not asked for for ever", "[pull][G6]") {
  hear_ahead(kLink1, {{kOther, 10}});
  int questions = 0;
  for (; questions < 20 && !is_quiet(); ++questions) {
    hear_range(kLink1, question(kLink1).id, {});
    for (Duration waited{}; is_quiet() && waited < 2 * kBackoffMax; waited += kBackoffMin) pass(kBackoffMin);
  }
  CHECK(questions < 12);
  hear_ahead(kLink1, {{kOther, 10}});
  CHECK(question(kLink1).request.frontier.empty());
}

TEST_CASE_METHOD(PullFixture, "that one peer brings nothing is not held against another", "[pull][G6]") {
  const auto ask_and_get_nothing = [this](LinkId link) {
    for (Duration waited{}; is_quiet() && waited < 2 * kBackoffMax; waited += kBackoffMin) pass(kBackoffMin);
    const wire::PullId id = question(link).id;
    hear_range(link, id, {});
  };
  hear_ahead(kLink1, {{kOther, 10}});
  hear_range(kLink1, question(kLink1).id, {});
  for (int i = 0; i < 6; ++i) ask_and_get_nothing(kLink1);
  peer_up(kLink2, "z");
  hear_frontier(kLink2, {{kOther, 30}});
  for (int i = 0; i < 3; ++i) ask_and_get_nothing(kLink2);
  CHECK(status(kLink2).lag_ops == 30);
}

TEST_CASE_METHOD(PullFixture, "a segment with a broken header closes the link", "[pull][hostile]") {
  const Bytes nonsense = {1, 2, 3};
  hear(kLink1, wire::Push{.channel = 0, .segment = nonsense});
  CHECK(close_reason() == "the peer pushed a segment with a broken header");
}

// --- the store's answers ---------------------------------------------------------------------------------------------

TEST_CASE_METHOD(PullFixture, "what the store holds already is not handed to it again", "[pull]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  hear_push(kLink1, {.replica = kOther, .first = 1});
  CHECK(is_quiet());
}

TEST_CASE_METHOD(PullFixture, "what the store refused is asked for again, after a while", "[pull][G2]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, fail(Category::kLimit, "the disk is full"));
  CHECK(is_quiet());
  pass(kBackoffMin);
  CHECK(question(kLink1).request.frontier.empty());
}

TEST_CASE_METHOD(PullFixture, "a corrupt segment closes the link that brought it", "[pull][hostile]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, fail(Category::kCorrupt, "a segment that breaks its chain"));
  CHECK(close_reason() == "the peer sent a segment that breaks its chain");
}

TEST_CASE_METHOD(PullFixture, "a gap in the store is pulled from what is committed", "[pull][G2]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  hear_push(kLink1, {.replica = kOther, .first = 2});
  received(kLink1, ReceiveResult::kGap);
  pass(kBackoffMin);
  CHECK(question(kLink1).request.frontier.empty());
}

TEST_CASE_METHOD(PullFixture, "who is told more of itself than it wrote takes a new name, once", "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  hear_push(kLink1, {.replica = kOther, .first = 2});
  received(kLink1, ReceiveResult::kRenew);
  REQUIRE(actions<RenewReplica>().size() == 1);
  CHECK(actions<RenewReplica>()[0].peer == "a");
  received(kLink1, ReceiveResult::kRenew);
  CHECK(actions<RenewReplica>().empty());
}

TEST_CASE_METHOD(PullFixture, "answers of the store for a link that has gone are taken", "[pull]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  link_down(kLink1);
  commit({{.replica = kOther, .first = 1}});
  received(kLink1);
  CHECK(replicator().unapplied_bytes() == 0);
}

// --- snapshots -------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(PullFixture, "the pages of a snapshot are staged in order and merged after the last", "[pull][G2]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0);
  CHECK(actions<DropStaged>().size() == 1);
  REQUIRE(actions<StagePage>().size() == 1);
  CHECK(actions<StagePage>()[0].page_no == 0);
  CHECK(actions<StagePage>()[0].peer == "a");
  const wire::Pull next = question(kLink1);
  CHECK(next.request.token == Bytes{0xAA});
  hear_page(kLink1, next.id, 1, kLastFrontier);
  CHECK(actions<StagePage>().size() == 1);
  REQUIRE(actions<MergeStaged>().size() == 1);
  CHECK(actions<MergeStaged>()[0].pages == 2);
  CHECK(actions<MergeStaged>()[0].frontier.size() == 1);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(PullFixture, "a snapshot is asked for only with a frontier that is durable", "[pull][G2]") {
  hear_push(kLink1, {.replica = kThird, .first = 1});
  hear_ahead(kLink1, {{kOther, 10}});
  const wire::Pull early = question(kLink1);
  CHECK(early.request.frontier == Frontier{{kThird, 1}});
  hear_page(kLink1, early.id, 0);
  CHECK(actions<CommitNow>().size() == 1);
  CHECK(all_actions().size() == 1);
  received(kLink1, fail(Category::kLimit, "the disk is full"));
  pass(kBackoffMin);
  CHECK(question(kLink1).request.frontier.empty());
}

TEST_CASE_METHOD(PullFixture, "later pages claim only what is committed", "[pull][G2]") {
  hear_ahead(kLink1, {{kOther, 10}});
  const wire::PullId id = question(kLink1).id;
  hear_push(kLink1, {.replica = kThird, .first = 1});
  hear_page(kLink1, id, 0);
  CHECK(question(kLink1).request.frontier.empty());
}

TEST_CASE_METHOD(PullFixture, "a page out of order drops the snapshot", "[pull][hostile]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0);
  hear_page(kLink1, question(kLink1).id, 2, kLastFrontier);
  CHECK(actions<DropStaged>().size() == 1);
  CHECK(actions<MergeStaged>().empty());
}

TEST_CASE_METHOD(PullFixture, "a peer that leaves in the middle of a snapshot leaves nothing staged", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0);
  link_down(kLink1);
  CHECK(actions<DropStaged>().size() == 1);
}

TEST_CASE_METHOD(PullFixture, "a page whose answer is late is asked for again with the same token", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0);
  pass(kPullTimeout);
  CHECK(question(kLink1).request.token == Bytes{0xAA});
}

TEST_CASE_METHOD(PullFixture, "restart drops what was staged and begins anew without a token", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0);
  hear(kLink1, wire::Restart{.channel = 0, .id = question(kLink1).id});
  CHECK(actions<DropStaged>().size() == 1);
  pass(kBackoffMin);
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PullFixture, "who cannot answer is not asked while another can", "[pull][G3]") {
  peer_up(kLink2, "b");
  hear_frontier(kLink2, {{kOther, 10}});
  hear_ahead(kLink1, {{kOther, 10}});
  SECTION("its log does not have what it once had") {
    hear(kLink1, wire::Restart{.channel = 0, .id = question(kLink1).id});
  }
  SECTION("it brings nothing") { hear_range(kLink1, question(kLink1).id, {}); }
  pass(kBackoffMin);
  CHECK(sent<wire::Pull>(kLink1).empty());
  REQUIRE(sent<wire::Pull>(kLink2).size() == 1);
  // Nor for ever: the other one cannot either.
  hear(kLink2, wire::Restart{.channel = 0, .id = question(kLink2).id});
  pass(kBackoffMin * 2);
  CHECK(sent<wire::Pull>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "pushes do not keep a snapshot waiting for ever", "[pull][G6]") {
  hear_push(kLink1, {.replica = kThird, .first = 1});  // on its way to the store, so the question claims it
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0);
  hear_push(kLink1, {.replica = kThird, .first = 2});
  CHECK(actions<ApplySegment>().empty());
  received(kLink1);
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PullFixture, "a merge that fails drops the snapshot and waits", "[pull]") {
  hear_ahead(kLink1, {{kOther, 10}});
  hear_page(kLink1, question(kLink1).id, 0, kLastFrontier);
  received(kLink1);
  received(kLink1, fail(Category::kNotFound, "a page is missing"));
  CHECK(actions<DropStaged>().size() == 1);
  CHECK(sent<wire::Pull>(kLink1).empty());
  pass(kBackoffMin);
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PullFixture, "after a merge what is still missing is pulled", "[pull]") {
  hear_ahead(kLink1, {{kOther, 12}});
  hear_page(kLink1, question(kLink1).id, 0, kLastFrontier);
  received(kLink1);
  commit_merged({{kOther, 10}});
  received(kLink1);
  CHECK(question(kLink1).request.frontier == Frontier{{kOther, 10}});
}

// --- answering -------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(PullFixture, "a question goes to the reader, its answer to who asked", "[pull]") {
  hear(kLink1, wire::Pull{.channel = 0, .id = 3, .request = {.frontier = {}, .token = {}, .window_bytes = 1000}});
  REQUIRE(actions<AnswerPull>().size() == 1);
  CHECK(actions<AnswerPull>()[0].channel == kDefault);
  CHECK(actions<AnswerPull>()[0].request.window_bytes == 1000);
  pull_answer(kLink1, RangeAnswer{.segments = {make_row({.first = 1})->bytes}, .more = true});
  const auto ranges = sent<wire::Range>(kLink1);
  REQUIRE(ranges.size() == 1);
  CHECK(ranges[0].id == 3);
  CHECK(ranges[0].more);
}

TEST_CASE_METHOD(PullFixture, "of questions that come while one is being answered the newest counts", "[pull][G6]") {
  for (wire::PullId id = 1; id <= 3; ++id) hear(kLink1, wire::Pull{.channel = 0, .id = id, .request = {}});
  CHECK(is_quiet());
  pull_answer(kLink1, RangeAnswer{});
  CHECK(actions<AnswerPull>().size() == 1);
  pull_answer(kLink1, RangeAnswer{});
  REQUIRE(sent<wire::Range>(kLink1).size() == 1);
  CHECK(sent<wire::Range>(kLink1)[0].id == 3);
}

TEST_CASE_METHOD(PullFixture, "a question that cannot be answered is answered by restart", "[pull]") {
  hear(kLink1, wire::Pull{.channel = 0, .id = 3, .request = {}});
  pull_answer(kLink1, fail(Category::kInvalidInput, "a strange token"));
  CHECK(sent<wire::Restart>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "the last page carries the frontier", "[pull]") {
  hear(kLink1, wire::Pull{.channel = 0, .id = 3, .request = {}});
  pull_answer(kLink1, SnapshotPage{.page_no = 4, .page = {1}, .next_token = {}, .frontier = kLastFrontier});
  REQUIRE(sent<wire::Page>(kLink1).size() == 1);
  CHECK(sent<wire::Page>(kLink1)[0].page_no == 4);
  CHECK(sent<wire::Page>(kLink1)[0].frontier.size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "what is committed while the last window is read follows it", "[pull]") {
  commit({{.first = 1, .count = 4}});
  peer_up(kLink1, "a");
  hear(kLink1, wire::Pull{.channel = 0, .id = 3, .request = {}});
  commit({{.first = 5}});
  CHECK(sent<wire::Push>(kLink1).empty());
  pull_answer(kLink1, RangeAnswer{.segments = {make_row({.first = 1, .count = 4})->bytes}, .more = false});
  CHECK(sent<wire::Range>(kLink1).size() == 1);
  CHECK(sent<wire::Push>(kLink1).size() == 1);
  commit({{.first = 6}});
  CHECK(sent<wire::Push>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PullFixture, "an answer for a link that has gone is dropped", "[pull]") {
  hear(kLink1, wire::Pull{.channel = 0, .id = 3, .request = {}});
  link_down(kLink1);
  pull_answer(kLink1, RangeAnswer{});
  CHECK(is_quiet());
}

// --- strangers -------------------------------------------------------------------------------------------------------

TEST_CASE("mutated conversations neither crash nor overrun", "[link][hostile][G6]") {
  const std::uint64_t seed = hedgerow::test::pick_seed("mutated conversations");
  hedgerow::test::SeededRandom random(seed);
  for (int conversation = 0; conversation < 200; ++conversation) {
    LinkFixture fixture;
    fixture.peer_up(kLink1, "a");
    std::deque<ChannelNo> jobs;
    for (int step = 0; step < 50 && !fixture.replicator().links().empty(); ++step) {
      const auto row = make_row({.replica = ReplicaId{1 + random.below(3)}, .first = 1 + random.below(6)});
      const std::vector<wire::AnyMessage> pool = {
          wire::Announcement{.channel = 0, .answer_wanted = random.one_in(2), .marks = {{ReplicaId{1}, random.next()}}},
          wire::Push{.channel = 0, .segment = row->bytes},
          wire::Pull{.channel = 1, .id = random.next(), .request = {}},
          wire::Range{.channel = 0, .id = 1 + random.below(5), .more = true, .segments = {row->bytes, row->bytes}},
          wire::Page{.channel = 0,
                     .id = 1 + random.below(5),
                     .page_no = random.below(3),
                     .page = {},
                     .next_token = {1},
                     .frontier = {}},
          wire::Restart{.channel = 0, .id = 1 + random.below(5)}};
      Bytes bytes = wire::encode(pool[random.below(pool.size())]);
      if (random.one_in(4)) bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
      fixture.hear_bytes(kLink1, bytes);
      note_jobs(fixture, jobs);
      while (!jobs.empty() && random.one_in(2)) {
        const ChannelNo channel = jobs.front();
        jobs.pop_front();
        fixture.received(kLink1, random.one_in(2) ? ReceiveResult::kGap : ReceiveResult::kDuplicate, channel);
        note_jobs(fixture, jobs);
      }
      if (random.one_in(5)) fixture.pass(kBackoffMax);
      INFO("seed " << seed);
      REQUIRE(fixture.replicator().unapplied_bytes() <= 2 * kUnappliedBytesMax);
    }
  }
}

}  // namespace hedgerow::sync::test
