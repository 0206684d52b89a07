// Forks as the replicator meets them: who is asked what it holds, and what goes on meanwhile. G5,
// sync/link/replicator.hpp
#include <catch2/catch_test_macros.hpp>
#include <limits>

#include "sync/limits.hpp"
#include "sync/link/frontier_compare.hpp"
#include "sync/log/frontier.hpp"
#include "tests/unit/sync_link/pull_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

class ForkFixture : public PullFixture {
 public:
  // Four ops of kOther, whose chain ends with a known hash.
  void hold_four(Seq end = kSeqMax) {
    ReplicaState ours{.replica = kOther, .seq = 4, .end = end};
    ours.head[0] = 1;
    Committed committed;
    committed.frontiers.push_back({.number = kDefault, .name = "default", .replicas = {ours}});
    commit_as(committed);
  }
  // The peer that was asked holds four other ops.
  void describe_other(LinkId link, std::vector<Run> runs) {
    const wire::Pull asked = question(link);
    REQUIRE(asked.request.token == describe_token());
    ReplicaState theirs{.replica = kOther, .seq = 4};
    theirs.head[0] = 2;
    if (!runs.empty()) {
      theirs.lineage = std::make_shared<const Lineage>(Lineage{.root = kOther, .base = 0, .runs = std::move(runs)});
    }
    hear(link, wire::Describe{.channel = 0, .id = asked.id, .states = {theirs}});
  }
  void contradict_four(LinkId link) {
    hear(link, wire::Announcement{.channel = 0, .answer_wanted = false, .marks = {{kOther, 4}}, .checks = {0x0200}});
  }
};

TEST_CASE_METHOD(ForkFixture, "whose chain contradicts ours is asked what it holds, and the engine is told",
                 "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  pass(kBackoffMin);
  const wire::Pull asked = question(kLink1);
  CHECK(asked.request.token == describe_token());
  hear(kLink1, wire::Describe{.channel = 0, .id = asked.id, .states = {{.replica = kOther, .seq = 4}}});
  REQUIRE(actions<LearnBranches>().size() == 1);
  CHECK(actions<LearnBranches>()[0].peer == "a");
  CHECK(actions<LearnBranches>()[0].states[0].seq == 4);
}

TEST_CASE_METHOD(ForkFixture, "two hashes at one number are a fork, though nobody is behind", "[pull][G5]") {
  hold_four();
  const wire::Announcement same{.channel = 0, .answer_wanted = false, .marks = {{kOther, 4}}, .checks = {0x0100}};
  hear(kLink1, same);
  pass(kPullGrace);
  CHECK(sent<wire::Pull>(kLink1).empty());
  wire::Announcement other = same;
  other.checks = {0x0200};
  hear(kLink1, other);
  pass(kPullGrace);
  CHECK(question(kLink1).request.token == describe_token());
}

TEST_CASE_METHOD(LinkFixture, "of two nodes that meet, the first by name says what to compare", "[pull][G5]") {
  commit({{.replica = kOther}});
  link_up(kLink1);
  hear(kLink1, make_hello("a"));
  CHECK(sent<wire::Announcement>(kLink1).at(0).marks.size() == 1);
  CHECK(sent<wire::Announcement>(kLink1).at(0).checks.empty());
  link_up(kLink2);
  hear(kLink2, make_hello("z"));
  CHECK(sent<wire::Announcement>(kLink2).at(0).checks.size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "what moves after the meeting is said with checks by both", "[pull][G5]") {
  link_up(kLink1);
  hear(kLink1, make_hello("a"));
  hear_frontier(kLink1, {});
  pass(kAnnounceInterval);
  commit_merged({{kOther, 4}});
  CHECK(sent<wire::Announcement>(kLink1).at(0).checks.size() == 1);
}

TEST_CASE_METHOD(ForkFixture, "a description that never comes is not waited for", "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  hear_frontier(kLink1, {{kThird, 4}});
  pass(kBackoffMin + kPullGrace);
  CHECK(question(kLink1).request.token == describe_token());
  pass(kPullTimeout);
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(ForkFixture, "a branch that the requester does not list is described to it", "[pull][G5]") {
  hear(kLink1, wire::Pull{.channel = 0, .id = 7, .request = {}});
  pull_answer(kLink1, PullAnswer(DescribeAnswer{.states = {{.replica = kOther, .seq = 4}}}));
  REQUIRE(sent<wire::Describe>(kLink1).size() == 1);
  CHECK(sent<wire::Describe>(kLink1)[0].id == 7);
}

TEST_CASE_METHOD(ForkFixture, "a fork that nothing explains is reported and not asked for again", "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  REQUIRE(replicator().forks().size() == 1);
  CHECK(replicator().forks()[0].replica == kOther);
  CHECK(replicator().forks()[0].peer == "a");
  hear_frontier(kLink1, {{kOther, 100}});
  hear_push(kLink1, {.replica = kOther, .first = 2});
  pass(kBackoffMax);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(ForkFixture, "two hashes at one number that no run explains are refused, reported, and asked of once",
                 "[pull][G5]") {
  hold_four();
  contradict_four(kLink1);
  pass(kPullGrace);
  describe_other(kLink1, {});
  REQUIRE(replicator().forks().size() == 1);
  CHECK(replicator().forks()[0].replica == kOther);
  CHECK(replicator().forks()[0].peer == "a");
  CHECK_FALSE(replicator().forks()[0].is_asked);
  contradict_four(kLink1);
  hear_push(kLink1, {.replica = kOther, .first = 5});
  CHECK(actions<ApplySegment>().empty());
  pass(kBackoffMax);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(ForkFixture, "two hashes where runs part are the engine's, and refused by nobody", "[pull][G5]") {
  hold_four();
  contradict_four(kLink1);
  pass(kPullGrace);
  describe_other(kLink1, {{.first = 3, .mark = 77}});
  CHECK(actions<LearnBranches>().size() == 1);
  CHECK(replicator().forks().empty());
}

TEST_CASE_METHOD(ForkFixture, "what one peer contradicts is taken from who holds our chain", "[pull][G5]") {
  hold_four();
  peer_up(kLink2, "b");
  contradict_four(kLink1);
  pass(kPullGrace);
  describe_other(kLink1, {});
  REQUIRE(replicator().forks().size() == 1);
  hear_push(kLink2, {.replica = kOther, .first = 5});
  CHECK(actions<ApplySegment>().size() == 1);
}

TEST_CASE_METHOD(ForkFixture, "a fork of which the peer is still asked says so", "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  REQUIRE(replicator().forks().size() == 1);
  CHECK(replicator().forks()[0].is_asked);
}

TEST_CASE_METHOD(ForkFixture, "two hashes at the end of a name are compared", "[pull][G5]") {
  hold_four(/*end=*/4);
  contradict_four(kLink1);
  pass(kPullGrace);
  CHECK(question(kLink1).request.token == describe_token());
}

TEST_CASE_METHOD(ForkFixture, "frontiers that differ in what is known of an end have one digest", "[pull][G5]") {
  const auto digest_with = [this](std::uint8_t head_of_end, LinkId link, const std::string& peer) {
    Committed committed;
    committed.frontiers.push_back({.number = kDefault, .name = "default", .replicas = {}});
    for (std::uint64_t i = 1; i <= kToldAtOnceMax + 1; ++i) {
      ReplicaState state{.replica = ReplicaId{i}, .seq = 4, .end = i == 1 ? 4 : kSeqMax};
      state.head[0] = i == 1 ? head_of_end : 9;
      committed.frontiers[0].replicas.push_back(state);
    }
    commit_as(committed);
    link_up(link);
    hear(link, make_hello(peer));
    REQUIRE(sent<wire::Compare>(link).size() == 1);
    return sent<wire::Compare>(link)[0].claims.at(0).digest;
  };
  const std::uint64_t known = digest_with(7, kLink2, "b");
  CHECK(known == digest_with(0, kLink3, "c"));
}

TEST_CASE_METHOD(ForkFixture, "beside a fork the other replicas go on", "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{kThird, 4}});
  pass(4 * kBackoffMin + kPullGrace);
  CHECK(question(kLink1).request.frontier == Frontier{{kOther, std::numeric_limits<Seq>::max()}});
}

TEST_CASE_METHOD(ForkFixture, "a snapshot is asked for without claiming what was refused as a fork", "[pull][G2][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{kThird, 4}});
  pass(4 * kBackoffMin + kPullGrace);
  const wire::PullId claiming = question(kLink1).id;
  hear_page(kLink1, claiming, 0);
  CHECK(actions<StagePage>().empty());
  CHECK(question(kLink1).request.frontier.empty());
  hear_page(kLink1, question(kLink1).id, 0);
  CHECK(actions<StagePage>().size() == 1);
}

TEST_CASE_METHOD(ForkFixture, "who offers only a snapshot that is refused keeps nobody else from being asked",
                 "[pull][G3][G5][G6]") {
  peer_up(kLink2, "b");
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{kThird, 9}});
  pass(4 * kBackoffMin + kPullGrace);
  hear_page(kLink1, question(kLink1).id, 0);  // it was asked with a claim
  const wire::Pull plain = question(kLink1);
  hear_page(kLink1, plain.id, 0, {{.replica = kThird, .seq = 9}});
  REQUIRE(actions<MergeStaged>().size() == 1);
  received(kLink1);
  received(kLink1, ReceiveResult::kFork);
  hear_frontier(kLink2, {{kThird, 9}});
  bool is_b_asked = false;
  for (int i = 0; i < 400 && !is_b_asked; ++i) {
    pass(kBackoffMin);
    is_b_asked = !sent<wire::Pull>(kLink2).empty();
    if (const auto to_a = sent<wire::Pull>(kLink1); !to_a.empty()) {
      REQUIRE(to_a[0].request.token == describe_token());
      hear(kLink1, wire::Describe{.channel = 0, .id = to_a[0].id, .states = {}});
    }
  }
  CHECK(is_b_asked);
}

TEST_CASE_METHOD(ForkFixture, "a snapshot that is refused is not fetched again and again", "[pull][G5][G6]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{kThird, 9}});
  int staged = 0;
  for (Duration passed{}; passed < 5min; passed += kBackoffMin) {
    pass(kBackoffMin);
    const auto asked = sent<wire::Pull>(kLink1);
    if (asked.empty()) continue;
    if (asked[0].request.token == describe_token()) {
      hear(kLink1, wire::Describe{.channel = 0, .id = asked[0].id, .states = {}});
      continue;
    }
    hear_page(kLink1, asked[0].id, 0, {{.replica = kThird, .seq = 9}});
    if (actions<StagePage>().empty() && !sent<wire::Pull>(kLink1).empty()) {
      hear_page(kLink1, question(kLink1).id, 0, {{.replica = kThird, .seq = 9}});
    }
    if (actions<StagePage>().empty()) continue;
    ++staged;
    received(kLink1);
    received(kLink1, ReceiveResult::kFork);
  }
  CHECK(staged == 1);
}

TEST_CASE_METHOD(ForkFixture, "no snapshot brings the chain that is refused from that peer", "[pull][G3][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{kThird, 9}});
  pass(4 * kBackoffMin + kPullGrace);
  hear_page(kLink1, question(kLink1).id, 0);
  hear_page(kLink1, question(kLink1).id, 0);
  REQUIRE(actions<StagePage>().size() == 1);
  hear_page(kLink1, question(kLink1).id, 1,
            {{.replica = kOther, .seq = 120, .trimmed = 110}, {.replica = kThird, .seq = 9}});
  CHECK(actions<MergeStaged>().empty());
  CHECK(actions<DropStaged>().size() == 1);
  received(kLink1);
  pass(kBackoffMax);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(ForkFixture, "what is refused is not waited for", "[pull][G5]") {
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{kOther, 20}});
  CHECK(replicator().behind(kDefault) == 0);
  CHECK(status(kLink1).lag_ops == 0);
}

TEST_CASE_METHOD(ForkFixture, "what lies beyond the end of a name is not missed", "[pull][G5]") {
  Committed committed;
  committed.frontiers.push_back(
      {.number = kDefault, .name = "default", .replicas = {{.replica = kOther, .seq = 4, .end = 4}}});
  commit_as(committed);
  hear_frontier(kLink1, {{kOther, 100}});
  CHECK(replicator().behind(kDefault) == 0);
  pass(kBackoffMax);
  CHECK(sent<wire::Pull>(kLink1).empty());
}

TEST_CASE_METHOD(ForkFixture, "who contradicts and explains nothing takes turns with those who have something",
                 "[pull][G5]") {
  hold_four();
  peer_up(kLink2, "b");
  contradict_four(kLink1);
  pass(kPullGrace);
  const wire::Pull asked = question(kLink1);
  REQUIRE(asked.request.token == describe_token());
  hear_frontier(kLink2, {{kOther, 4}, {kThird, 9}});
  hear(kLink1, wire::Describe{.channel = 0, .id = asked.id, .states = {}});
  contradict_four(kLink1);
  pass(4 * kBackoffMin);
  const wire::Pull plain = question(kLink2);
  CHECK(plain.request.token.empty());
  contradict_four(kLink1);
  hear_range(kLink2, plain.id, {});
  pass(4 * kBackoffMin);
  CHECK(question(kLink1).request.token == describe_token());
}

TEST_CASE_METHOD(ForkFixture, "a question about forks that comes between leaves the plain question of a snapshot plain",
                 "[pull][G2][G5]") {
  hold_four();
  peer_up(kLink2, "b");
  hear_push(kLink1, {.replica = kThird, .first = 1});
  received(kLink1, ReceiveResult::kFork);
  describe_nothing();
  hear_frontier(kLink1, {{ReplicaId{7}, 4}});
  pass(4 * kBackoffMin + kPullGrace);
  const wire::Pull claiming = question(kLink1);
  REQUIRE(seq_in(claiming.request.frontier, kThird) == std::numeric_limits<Seq>::max());
  contradict_four(kLink2);
  hear_page(kLink1, claiming.id, 0);
  const wire::Pull between = question(kLink2);
  REQUIRE(between.request.token == describe_token());
  hear(kLink2, wire::Describe{.channel = 0, .id = between.id, .states = {}});
  pass(4 * kBackoffMin);
  CHECK(question(kLink1).request.frontier == Frontier{{kOther, 4}});
}

TEST_CASE_METHOD(ForkFixture, "a description throws nobody else's snapshot away", "[pull][G5]") {
  peer_up(kLink2, "b");
  hear_frontier(kLink2, {{kThird, 10}});
  pass(kPullGrace);
  hear_page(kLink2, question(kLink2).id, 0);
  const wire::Pull second = question(kLink2);
  REQUIRE_FALSE(second.request.token.empty());
  hear_push(kLink1, {.replica = kOther, .first = 1});
  received(kLink2);  // the page
  received(kLink1, ReceiveResult::kFork);
  hear_page(kLink2, second.id, 1);
  pass(4 * kBackoffMin);
  const wire::Pull asked = question(kLink1);
  REQUIRE(asked.request.token == describe_token());
  hear(kLink1, wire::Describe{.channel = 0, .id = asked.id, .states = {}});
  CHECK(actions<DropStaged>().empty());
  pass(4 * kBackoffMin);
  CHECK(question(kLink2).request.token == Bytes{0xAA});
}

}  // namespace
}  // namespace hedgerow::sync::test
