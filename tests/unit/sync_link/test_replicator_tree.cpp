// The broadcast trees on the link: what is said, and what is pushed. sync/link/replicator.hpp
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync_link/pull_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

using What = wire::Tree::What;

// "a" pushes what another node wrote, "b" brings copies.
class BranchesFixture : public PullFixture {
 public:
  BranchesFixture() { peer_up(kLink2, "b"); }
  void hear_tree(LinkId link, What what, Frontier marks) {
    hear(link, wire::Tree{.channel = 0, .what = what, .marks = std::move(marks)});
  }
  // One op of kOther comes from "a", and is committed.
  void take_from_a(Seq seq) {
    hear_push(kLink1, {.replica = kOther, .first = seq});
    commit({{.replica = kOther, .first = seq}});
    received(kLink1);
  }
};

}  // namespace

TEST_CASE_METHOD(BranchesFixture, "a copy is answered with a prune", "[link]") {
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  REQUIRE(sent<wire::Tree>(kLink2).size() == 1);
  CHECK(sent<wire::Tree>(kLink2)[0].what == What::kPrune);
  CHECK(sent<wire::Tree>(kLink2)[0].marks == Frontier{{kOther, 1}});
  CHECK(sent<wire::Tree>(kLink1).empty());
}

TEST_CASE_METHOD(BranchesFixture, "who has pruned a replica is told of it by announcements only", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  pass(kAnnounceInterval);
  hear_push(kLink1, {.replica = kOther, .first = 2});
  hand_out({{.replica = kOther, .first = 2}});
  CHECK(sent<wire::Push>(kLink2).empty());
  commit({{.replica = kOther, .first = 2}});
  CHECK(sent<wire::Push>(kLink2).empty());
  REQUIRE(sent<wire::Announcement>(kLink2).size() == 1);
  CHECK(sent<wire::Announcement>(kLink2)[0].marks == Frontier{{kOther, 2}});
}

TEST_CASE_METHOD(BranchesFixture, "a prune is about the replicas that it names", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  commit({{.replica = kOwnReplica}});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(BranchesFixture, "a prune of a name that is not known takes no room", "[link][G6]") {
  hear_tree(kLink2, What::kPrune, {{kOther, 0}});
  commit({{.replica = kOther}});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(BranchesFixture, "a graft brings what is not committed yet, and what follows", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  hand_out({{.replica = kOther, .first = 2}});
  hear_tree(kLink2, What::kGraft, {{kOther, 1}});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
  hand_out({{.replica = kOther, .first = 3}});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(BranchesFixture, "a graft is answered at once with what was not announced yet", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  pass(kAnnounceInterval);
  take_from_a(2);
  take_from_a(3);
  hear_tree(kLink2, What::kGraft, {{kOther, 1}});
  CHECK(sent<wire::Push>(kLink2).empty());
  REQUIRE(sent<wire::Announcement>(kLink2).size() == 1);
  CHECK(sent<wire::Announcement>(kLink2)[0].marks == Frontier{{kOther, 3}});
}

TEST_CASE_METHOD(BranchesFixture, "when the upstream has gone, the pruned peer is told so", "[link]") {
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  link_down(kLink1);
  REQUIRE(sent<wire::Tree>(kLink2).size() == 1);
  CHECK(sent<wire::Tree>(kLink2)[0].what == What::kGraft);
  CHECK(sent<wire::Tree>(kLink2)[0].marks == Frontier{{kOther, 1}});
}

TEST_CASE_METHOD(BranchesFixture, "what a pruned peer announces is asked for when the tree did not bring it",
                 "[link]") {
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  pass(kPruneInterval);
  hear_frontier(kLink2, {{kOther, 2}});
  pass(kTreeGrace - 1ms);
  CHECK(sent<wire::Pull>(kLink2).empty());
  pass(1ms);
  CHECK(question(kLink2).request.frontier == Frontier{{kOther, 1}});
}

TEST_CASE_METHOD(BranchesFixture, "what the tree brings in time is not asked for", "[link]") {
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  hear_frontier(kLink2, {{kOther, 2}});
  take_from_a(2);
  pass(kTreeGrace);
  CHECK(sent<wire::Pull>(kLink2).empty());
}

TEST_CASE_METHOD(BranchesFixture, "what the tree has passed over is asked for at once", "[link]") {
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  hear_frontier(kLink2, {{kOther, 2}});
  pass(kPullGrace);
  REQUIRE(is_quiet());
  hear_push(kLink1, {.replica = kOther, .first = 3});
  CHECK(question(kLink1).request.frontier == Frontier{{kOther, 1}});
}

TEST_CASE_METHOD(BranchesFixture, "what nobody brings is asked for as soon as ever", "[link]") {
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  hear_frontier(kLink2, {{kOther, 2}, {kThird, 1}});
  pass(kPullGrace);
  CHECK(question(kLink2).request.frontier == Frontier{{kOther, 1}});
}

TEST_CASE_METHOD(BranchesFixture, "who asks for what it lacks is pushed to again", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  take_from_a(2);
  hear(kLink2, wire::Pull{.channel = 0, .id = 1, .request = {.frontier = {{kOther, 1}}, .token = {}}});
  pull_answer(kLink2, RangeAnswer{.segments = {make_row({.replica = kOther, .first = 2})->bytes}, .more = false});
  hand_out({{.replica = kOther, .first = 3}});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(BranchesFixture, "an answer is followed by what was handed out before the question", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  take_from_a(2);
  hand_out({{.replica = kOther, .first = 3}});
  hear(kLink2, wire::Pull{.channel = 0, .id = 1, .request = {.frontier = {{kOther, 1}}, .token = {}}});
  pull_answer(kLink2, RangeAnswer{.segments = {make_row({.replica = kOther, .first = 2})->bytes}, .more = false});
  CHECK(sent<wire::Push>(kLink2).size() == 1);
}

TEST_CASE_METHOD(BranchesFixture, "a live message goes to every peer, whatever was pruned", "[link]") {
  take_from_a(1);
  hear_tree(kLink2, What::kPrune, {{kOther, 1}});
  hear(kLink1, wire::Live{.origin = 7, .counter = 1, .retain = false, .message = std::make_shared<const Message>()});
  CHECK(sent<wire::Live>(kLink2).size() == 1);
}

TEST_CASE_METHOD(BranchesFixture, "where another link to the upstream takes over, the lazy peers push again",
                 "[link]") {
  peer_up(kLink3, "a");
  REQUIRE(status(kLink3).state == LinkState::kUp);
  take_from_a(1);
  hear_push(kLink2, {.replica = kOther});
  REQUIRE(sent<wire::Tree>(kLink2).size() == 1);
  link_down(kLink3);
  REQUIRE(status(kLink1).state == LinkState::kUp);
  REQUIRE(sent<wire::Tree>(kLink2).size() == 1);
  CHECK(sent<wire::Tree>(kLink2)[0].what == What::kGraft);
}

TEST_CASE_METHOD(BranchesFixture, "who speaks of more replicas than a channel may have is closed",
                 "[link][hostile][G6]") {
  const auto many = [](std::uint64_t from) {
    Frontier marks;
    for (std::uint64_t i = 0; i < kReplicasPerChannelMax; ++i) marks.push_back({ReplicaId{from + i}, 1});
    return marks;
  };
  hear_frontier(kLink1, many(1'000'000));
  REQUIRE(close_reason().empty());
  hear_frontier(kLink1, many(2'000'000));
  CHECK(close_reason() == "the peer speaks of more replicas than the 4096 that a channel may have");
}

}  // namespace hedgerow::sync::test
