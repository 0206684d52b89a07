// Pushes, announcements, live messages, and taking another name. sync/link/replicator.hpp
#include <catch2/catch_test_macros.hpp>

#include "sync/limits.hpp"
#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

constexpr ReplicaId kOther{5};

Committed nothing() { return {}; }

MessagePtr live_message() {
  return std::make_shared<const Message>(
      Message{.topic = "t", .properties = {}, .payload = to_bytes(std::string_view("1")), .expiry_s = {}});
}

}  // namespace

// --- push ------------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "what is committed is pushed to every peer", "[link]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  commit({{.first = 1, .count = 2}});
  CHECK(sent<wire::Push>(kLink1).size() == 1);
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "what came from a peer is pushed to the others only", "[link]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  hear_push(kLink1, {.replica = kOther, .first = 1});
  commit({{.replica = kOther, .first = 1}});
  CHECK(sent<wire::Push>(kLink1).empty());
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "what a peer announced is not pushed to it", "[link]") {
  peer_up(kLink1, "a");
  hear_frontier(kLink1, {{kOther, 4}});
  commit({{.replica = kOther, .first = 1, .count = 4}});
  CHECK(sent<wire::Push>(kLink1).empty());
}

TEST_CASE_METHOD(LinkFixture, "a peer that lacks what lies before is left to pull", "[link]") {
  commit({{.first = 1, .count = 4}});
  peer_up(kLink1, "a");
  commit({{.first = 5}});
  CHECK(sent<wire::Push>(kLink1).empty());
  pass(kAnnounceInterval);
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{kOwnReplica, 5}});
}

TEST_CASE_METHOD(LinkFixture, "a peer that announced nothing yet is not pushed to", "[link]") {
  link_up(kLink1);
  hear(kLink1, make_hello("a"));
  commit({{.first = 1}});
  CHECK(sent<wire::Push>(kLink1).empty());
}

TEST_CASE_METHOD(LinkFixture, "pushes go on in sequence before the peer confirms", "[link]") {
  peer_up(kLink1, "a");
  commit({{.first = 1}});
  commit({{.first = 2}});
  CHECK(sent<wire::Push>(kLink1).size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "a full queue takes no push, and the frontier follows when it drains", "[link][G6]") {
  peer_up(kLink1, "a");
  queue(kLink1, kLinkQueueBytesSoft + 1);
  commit({{.first = 1}});
  CHECK(sent<wire::Push>(kLink1).empty());
  CHECK(status(kLink1).pushes_skipped == 1);
  pass(kAskAgainMax);
  CHECK(is_quiet());
  queue(kLink1, 0);
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{kOwnReplica, 1}});
}

TEST_CASE_METHOD(LinkFixture, "the queue is taken to grow by what is sent", "[link][G6]") {
  peer_up(kLink1, "a");
  for (Seq seq = 1; seq <= 5; ++seq) commit({{.first = seq, .payload_bytes = 400'000}});
  CHECK(status(kLink1).pushes_skipped > 0);
}

// --- announcements ---------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "an idle link says nothing", "[link]") {
  peer_up(kLink1, "a");
  commit({{.first = 1}});
  hear_frontier(kLink1, {{kOwnReplica, 1}});
  pass(24h);
  CHECK(is_quiet());
  CHECK(replicator().next_deadline() == Instant::max());
}

TEST_CASE_METHOD(LinkFixture, "an idle link sleeps, also where the peer confirmed by a push", "[link]") {
  peer_up(kLink1, "a");
  commit({{.replica = kOther, .first = 1}});
  hear_push(kLink1, {.replica = kOther, .first = 1});
  pass(2 * kAskAgainMin);
  CHECK(replicator().next_deadline() == Instant::max());
}

TEST_CASE_METHOD(LinkFixture, "announcements are at most one a second", "[link]") {
  peer_up(kLink1, "a");
  pass(kAnnounceInterval);
  std::size_t announced = 0;
  for (Seq seq = 1; seq <= 100; ++seq) {
    hear_push(kLink1, {.replica = kOther, .first = seq});
    commit({{.replica = kOther, .first = seq}});
    announced += sent<wire::Announcement>(kLink1).size();
    received(kLink1);
    pass(20ms);
    announced += sent<wire::Announcement>(kLink1).size();
  }
  CHECK(announced >= 2);
  CHECK(announced <= 3);
}

TEST_CASE_METHOD(LinkFixture, "an announcement tells only what moved", "[link]") {
  commit({{.replica = kOther, .first = 1}});
  peer_up(kLink1, "a");
  hear_push(kLink1, {.replica = ReplicaId{6}, .first = 1});
  commit({{.replica = ReplicaId{6}, .first = 1}});
  pass(kAnnounceInterval);
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{ReplicaId{6}, 1}});
}

TEST_CASE_METHOD(LinkFixture, "a peer that does not confirm is asked again, more and more rarely", "[link]") {
  peer_up(kLink1, "a");
  commit({{.first = 1}});
  pass(kAskAgainMin);
  const auto asked = sent<wire::Announcement>(kLink1);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].answer_wanted);
  CHECK(asked[0].marks == Frontier{{kOwnReplica, 1}});
  pass(2 * kAskAgainMin - 1ns);
  CHECK(is_quiet());
  pass(1ns);
  CHECK(sent<wire::Announcement>(kLink1).size() == 1);
  pass(24h);
  CHECK(sent<wire::Announcement>(kLink1).size() <= 24 * 60 + 10);
}

TEST_CASE_METHOD(LinkFixture, "a peer that confirms in time is not asked while we go on writing", "[link]") {
  peer_up(kLink1, "a");
  for (Seq seq = 1; seq <= 60; ++seq) {
    commit({{.first = seq}});
    hear_frontier(kLink1, {{kOwnReplica, seq}});
    commit({{.first = ++seq}});
    pass(1s);
    CHECK(sent<wire::Announcement>(kLink1).empty());
  }
}

TEST_CASE_METHOD(LinkFixture, "who asks for our frontier gets all of it, empty or not", "[link]") {
  peer_up(kLink1, "a");
  pass(kAnnounceInterval);
  hear_frontier(kLink1, {}, /*answer_wanted=*/true);
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks.empty());
}

TEST_CASE_METHOD(LinkFixture, "a merged snapshot is announced, since nothing of it was pushed", "[link]") {
  peer_up(kLink1, "a");
  pass(kAnnounceInterval);
  commit_merged({{kOther, 50}});
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{kOther, 50}});
}

TEST_CASE_METHOD(LinkFixture, "a commit that changes nothing says nothing", "[link]") {
  peer_up(kLink1, "a");
  CHECK(replicator().on_committed(now(), nothing()).empty());
}

// --- what is handed out before it is durable ------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "others' ops are passed on before they are durable here", "[link]") {
  peer_up(kLink1, "a");
  hand_out({{.replica = kOther}});
  CHECK(sent<wire::Push>(kLink1).size() == 1);
  commit({{.replica = kOther}});
  CHECK(sent<wire::Push>(kLink1).empty());
}

TEST_CASE_METHOD(LinkFixture, "our own ops are not shown before they are durable here", "[link][G5]") {
  peer_up(kLink1, "a");
  hand_out({{.replica = kOwnReplica}});
  CHECK(is_quiet());
}

TEST_CASE_METHOD(LinkFixture, "what was passed on early is announced when it is durable", "[link][G5]") {
  peer_up(kLink1, "a");
  pass(kAnnounceInterval);
  hand_out({{.replica = kOther}});
  CHECK(sent<wire::Announcement>(kLink1).empty());
  pass(kAskAgainMin);
  CHECK(sent<wire::Announcement>(kLink1).empty());
  commit({{.replica = kOther}});
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{kOther, 1}});
}

TEST_CASE_METHOD(LinkFixture, "a push may wait for its sync, an answer may not", "[link]") {
  peer_up(kLink1, "a");
  hear_push(kLink1, {.replica = kOther});
  REQUIRE(actions<ApplySegment>().size() == 1);
  CHECK(actions<ApplySegment>()[0].may_wait);
  commit({{.replica = kOther}});
  received(kLink1);
  hear_frontier(kLink1, {{kOther, 3}});
  pass(kPullGrace);
  const wire::Pull asked = question(kLink1);
  const auto row = make_row({.replica = kOther, .first = 2, .count = 2});
  hear(kLink1, wire::Range{.channel = 0, .id = asked.id, .more = false, .segments = {row->bytes}});
  REQUIRE(actions<ApplySegment>().size() == 1);
  CHECK_FALSE(actions<ApplySegment>()[0].may_wait);
}

// --- live ------------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "a live message of ours goes to every peer, numbered", "[live]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  replicator().publish_live(now(), live_message(), false);
  const auto actions = replicator().publish_live(now(), live_message(), true);
  REQUIRE(actions.size() == 2);
  const auto message = wire::decode(std::get<SendOnLink>(actions[0]).message);
  REQUIRE(message);
  CHECK(std::get<wire::Live>(*message).origin == 99);
  CHECK(std::get<wire::Live>(*message).counter == 2);
  CHECK(std::get<wire::Live>(*message).retain);
}

TEST_CASE_METHOD(LinkFixture, "a live message is delivered once and never returns where it came from", "[live]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  const wire::Live live{.origin = 4, .counter = 1, .retain = false, .message = live_message()};
  hear(kLink1, live);
  CHECK(actions<DeliverLive>().size() == 1);
  CHECK(sent<wire::Live>(kLink1).empty());
  CHECK(sent<wire::Live>(kLink2).size() == 1);
  hear(kLink2, live);
  CHECK(is_quiet());
}

TEST_CASE_METHOD(LinkFixture, "our own live message that comes back is dropped", "[live]") {
  peer_up(kLink1, "a");
  hear(kLink1, wire::Live{.origin = 99, .counter = 1, .retain = false, .message = live_message()});
  CHECK(is_quiet());
}

TEST_CASE_METHOD(LinkFixture, "a full queue takes no live message, and it is counted", "[live][G6]") {
  peer_up(kLink1, "a");
  queue(kLink1, kLinkQueueBytesSoft + 1);
  CHECK(replicator().publish_live(now(), live_message(), false).empty());
  CHECK(status(kLink1).live_skipped == 1);
}

// --- our own name ----------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "a peer that holds more of our own than we wrote makes us go on under another name",
                 "[link][G5]") {
  commit({{.first = 1, .count = 3}});
  peer_up(kLink1, "a");
  hear_frontier(kLink1, {{kOwnReplica, 3}});
  CHECK(actions<RenewReplica>().empty());
  hear_frontier(kLink1, {{kOwnReplica, 4}});
  REQUIRE(actions<RenewReplica>().size() == 1);
  CHECK(actions<RenewReplica>()[0].peer == "a");
}

TEST_CASE_METHOD(LinkFixture, "with it comes what others have seen of our own", "[link][G3][G5]") {
  const auto shown = [&] {
    hear_frontier(kLink1, {{kOwnReplica, 9}});
    REQUIRE(actions<RenewReplica>().size() == 1);
    REQUIRE(actions<RenewReplica>()[0].shown.size() == 2);
    CHECK(actions<RenewReplica>()[0].shown[0].channel == kDefault);
    CHECK(actions<RenewReplica>()[0].shown[1].last == 0);
    return actions<RenewReplica>()[0].shown[0].last;
  };
  commit({{.first = 1, .count = 3}});
  peer_up(kLink1, "a");
  SECTION("nothing: it is only announced") { CHECK(shown() == 0); }
  SECTION("nothing of others is ours") {
    commit({{.replica = ReplicaId{5}}});
    REQUIRE(sent<wire::Push>(kLink1).size() == 1);
    CHECK(shown() == 0);
  }
  SECTION("a push") {
    hear_frontier(kLink1, {{kOwnReplica, 3}});
    commit({{.first = 4, .count = 2}});
    REQUIRE(sent<wire::Push>(kLink1).size() == 1);
    CHECK(shown() == 5);
  }
  SECTION("an answer") {
    hear(kLink1,
         wire::Pull{.channel = 0, .id = 1, .request = {.frontier = {}, .token = {}, .window_bytes = 1U << 16U}});
    pull_answer(kLink1, RangeAnswer{.segments = {make_row({.first = 1, .count = 2})->bytes}, .more = true});
    CHECK(shown() == 2);
  }
  SECTION("a page, which may hold anything") {
    hear(kLink1,
         wire::Pull{.channel = 0, .id = 1, .request = {.frontier = {}, .token = {}, .window_bytes = 1U << 16U}});
    pull_answer(kLink1, SnapshotPage{.page_no = 0, .page = {1}, .next_token = {2}, .frontier = {}});
    CHECK(shown() == kSeqMax);
  }
}

TEST_CASE_METHOD(LinkFixture, "then nothing more of our own is shown, until the name is another", "[link][G5]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  hear(kLink2, wire::Pull{.channel = 0, .id = 1, .request = {.frontier = {}, .token = {}, .window_bytes = 1U << 16U}});
  hear_frontier(kLink1, {{kOwnReplica, 9}});
  commit({{.first = 1}});
  CHECK(sent<wire::Push>(kLink2).empty());
  pull_answer(kLink2, RangeAnswer{.segments = {make_row({.first = 1})->bytes}, .more = false});
  CHECK(sent<wire::Range>(kLink2).empty());
  CHECK(sent<wire::Restart>(kLink2).size() == 1);
  commit({{.replica = ReplicaId{5}}});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "that is said once", "[link][G5]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  hear_frontier(kLink1, {{kOwnReplica, 1}});
  CHECK(actions<RenewReplica>().size() == 1);
  hear_frontier(kLink2, {{kOwnReplica, 2}});
  CHECK(actions<RenewReplica>().empty());
}

// --- status ----------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "lag is told both ways", "[link]") {
  commit({{.first = 1, .count = 3}});
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  hear_frontier(kLink1, {{kOther, 5}, {kOwnReplica, 1}});
  hear_frontier(kLink2, {{kOther, 7}});
  CHECK(status(kLink1).lag_ops == 5);
  CHECK(status(kLink1).peer_lag_ops == 2);
  CHECK(replicator().behind(kDefault) == 7);
  CHECK(replicator().behind(kTelemetry) == 0);
}

}  // namespace hedgerow::sync::test
