// Catch-up from several peers at once: what is asked of whom, and what becomes of it. sync/link/replicator_parts.cpp
#include <catch2/catch_test_macros.hpp>

#include "sync/limits.hpp"
#include "tests/unit/sync_link/pull_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

constexpr LinkId kLinkB{2};
constexpr LinkId kLinkC{3};
constexpr ReplicaId kFourth{7};
constexpr ReplicaId kFifth{8};

// "a" on kLink1 and "b" on kLinkB hold the ops of four replicas, and "a" was asked first: for everything.
class PartsFixture : public PullFixture {
 public:
  PartsFixture() {
    peer_up(kLinkB, "b");
    hear_frontier(kLinkB, kAll);
    hear_frontier(kLink1, kAll);
    pass(kPullGrace);
    first_ = question(kLink1);
    CHECK(sent<wire::Pull>(kLinkB).empty());
    CHECK(first_.request.token.empty());
  }
  // Its answer filled a window.
  void fill_window() { hear_range(kLink1, first_.id, {{.replica = kOther, .first = 1, .count = 4}}, /*more=*/true); }

  void bring_part(wire::PullId id) {
    hear_range(kLinkB, id,
               {{.replica = kFourth, .first = 1, .count = 10}, {.replica = kFifth, .first = 1, .count = 10}});
  }

  [[nodiscard]] static std::set<ReplicaId> left_out(const wire::Pull& pull) {
    const auto out = decode_part_token(pull.request.token);
    REQUIRE(out);
    return *out;
  }

 protected:
  inline static const Frontier kAll = {{kOther, 20}, {kThird, 10}, {kFourth, 10}, {kFifth, 10}};
  wire::Pull first_;
};

}  // namespace

TEST_CASE_METHOD(PartsFixture, "once a window is full the rest is asked of all who hold it, each op of one", "[pull]") {
  fill_window();
  CHECK(left_out(question(kLink1)) == std::set<ReplicaId>{kFourth, kFifth});
  CHECK(left_out(question(kLinkB)) == std::set<ReplicaId>{kOther, kThird});
  CHECK(question(kLinkB).request.frontier == Frontier{{kOther, 4}});
}

TEST_CASE_METHOD(PartsFixture, "what one answer brings whole is not divided", "[pull]") {
  hear_range(kLink1, first_.id, {{.replica = kOther, .first = 1, .count = 20}}, /*more=*/false);
  CHECK(sent<wire::Pull>(kLinkB).empty());
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PullFixture, "one replica's ops are asked of one peer", "[pull]") {
  peer_up(kLinkB, "b");
  hear_frontier(kLinkB, {{kOther, 10}});
  hear_frontier(kLink1, {{kOther, 10}});
  pass(kPullGrace);
  hear_range(kLink1, question(kLink1).id, {{.replica = kOther, .first = 1, .count = 4}}, /*more=*/true);
  CHECK(sent<wire::Pull>(kLinkB).empty());
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PartsFixture, "nobody is asked who holds nothing of it, is congested, or did not answer", "[pull]") {
  SECTION("congested") { queue(kLinkB, kLinkQueueBytesSoft + 1); }
  SECTION("another peer has nothing") { link_down(kLinkB); }
  fill_window();
  CHECK(sent<wire::Pull>(kLinkB).empty());
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PartsFixture, "a part goes on window by window while the first question waits", "[pull]") {
  fill_window();
  const wire::PullId id = question(kLinkB).id;
  hear_range(kLinkB, id, {{.replica = kFourth, .first = 1, .count = 10}, {.replica = kFifth, .first = 1, .count = 5}},
             /*more=*/true);
  CHECK(actions<ApplySegment>().size() == 2);
  CHECK(sent<wire::Pull>(kLink1).empty());
  CHECK(question(kLinkB).request.frontier == Frontier{{kOther, 4}, {kFourth, 10}, {kFifth, 5}});
  hear_range(kLinkB, question(kLinkB).id, {{.replica = kFifth, .first = 6, .count = 5}});
  CHECK(actions<ApplySegment>().size() == 1);
  CHECK(sent<wire::Pull>(kLinkB).empty());  // it has done its part
}

TEST_CASE_METHOD(PartsFixture, "with the first question's next window what is left is divided anew", "[pull]") {
  fill_window();
  const wire::PullId id = question(kLink1).id;
  bring_part(question(kLinkB).id);
  hear_range(kLink1, id, {{.replica = kOther, .first = 5, .count = 4}}, /*more=*/true);
  CHECK(left_out(question(kLink1)) == std::set<ReplicaId>{kThird});
  CHECK(left_out(question(kLinkB)) == std::set<ReplicaId>{kOther, kFourth, kFifth});
}

TEST_CASE_METHOD(PartsFixture, "what is on its way from others is asked of nobody else", "[pull]") {
  fill_window();
  const wire::PullId id = question(kLink1).id;
  hear_range(kLink1, id, {{.replica = kOther, .first = 5, .count = 16}, {.replica = kThird, .first = 1, .count = 10}},
             /*more=*/true);
  CHECK(sent<wire::Pull>(kLink1).empty());
  CHECK(sent<wire::Pull>(kLinkB).empty());
}

TEST_CASE_METHOD(PartsFixture, "what a peer does not bring in time is asked of others", "[pull]") {
  fill_window();
  const wire::PullId first = question(kLink1).id;
  SECTION("it is silent") {
    pass(kPullTimeout - 1ms);
    hear_range(kLink1, first, {{.replica = kOther, .first = 5, .count = 1}}, /*more=*/true);
    CHECK(left_out(question(kLink1)) == std::set<ReplicaId>{kFourth, kFifth});
    const wire::PullId second = question(kLink1).id;
    pass(1ms);
    CHECK(sent<wire::Pull>(kLinkB).empty());
    hear_range(kLink1, second, {{.replica = kOther, .first = 6, .count = 1}}, /*more=*/true);
  }
  SECTION("its link breaks") {
    link_down(kLinkB);
    hear_range(kLink1, first, {{.replica = kOther, .first = 5, .count = 1}}, /*more=*/true);
  }
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PartsFixture, "a peer whose log has lost its part is asked for no part for a while", "[pull][G2]") {
  fill_window();
  const wire::PullId first = question(kLink1).id;
  hear(kLinkB, wire::Restart{.channel = 0, .id = question(kLinkB).id});
  CHECK(actions<DropStaged>().empty());
  hear_range(kLink1, first, {{.replica = kOther, .first = 5, .count = 1}}, /*more=*/true);
  CHECK(sent<wire::Pull>(kLinkB).empty());
  CHECK(question(kLink1).request.token.empty());
}

TEST_CASE_METHOD(PartsFixture, "who answers for a part with a page is cut off", "[pull][G2]") {
  fill_window();
  hear_page(kLinkB, question(kLinkB).id, 0);
  CHECK(close_reason() == "the peer answered what it was not asked");
  CHECK(actions<StagePage>().empty());
}

TEST_CASE_METHOD(PartsFixture, "a snapshot is asked for when no part is on its way", "[pull][G2]") {
  fill_window();
  const wire::PullId part = question(kLinkB).id;
  const wire::PullId rest = question(kLink1).id;
  hear(kLink1, wire::Restart{.channel = 0, .id = rest});
  CHECK(sent<wire::Pull>(kLink1).empty());
  CHECK(actions<CommitNow>().size() == 1);
  bring_part(part);
  CHECK(sent<wire::Pull>(kLink1).empty());
  commit({{.replica = kOther, .first = 1, .count = 4},
          {.replica = kFourth, .first = 1, .count = 10},
          {.replica = kFifth, .first = 1, .count = 10}});
  received(kLink1);
  received(kLinkB);
  CHECK(sent<wire::Pull>(kLink1).empty());
  received(kLinkB);
  const wire::Pull asked = question(kLink1);
  CHECK(asked.request.token.empty());
  CHECK(asked.request.frontier == Frontier{{kOther, 4}, {kFourth, 10}, {kFifth, 10}});
}

TEST_CASE_METHOD(PartsFixture, "at most three questions wait in a channel", "[pull][G6]") {
  peer_up(kLinkC, "c");
  hear_frontier(kLinkC, kAll);
  for (const LinkId link : {LinkId{4}, LinkId{5}}) {
    peer_up(link, "peer" + std::to_string(static_cast<std::uint64_t>(link)));
    hear_frontier(link, kAll);
  }
  hear_range(kLink1, first_.id, {{.replica = kFourth, .first = 1, .count = 1}}, /*more=*/true);
  std::size_t questions = 0;
  for (std::uint64_t link = 1; link <= 5; ++link) questions += sent<wire::Pull>(LinkId{link}).size();
  CHECK(questions == 3);
}

TEST_CASE("a token of who asks for a part says what to leave out", "[pull]") {
  CHECK(decode_part_token(part_token({})) == std::set<ReplicaId>{});
  CHECK(decode_part_token(part_token({kOther, kThird})) == std::set<ReplicaId>{kOther, kThird});
  CHECK_FALSE(decode_part_token({}));
  CHECK_FALSE(decode_part_token(describe_token()));
  std::set<ReplicaId> many;
  while (many.size() < kReplicasPerChannelMax) many.insert(ReplicaId{many.size() + 1});
  CHECK(decode_part_token(part_token(many)) == many);
  many.insert(ReplicaId{many.size() + 1});
  CHECK_FALSE(decode_part_token(part_token(many)));
  Bytes cut = part_token({kOther});
  cut.pop_back();
  CHECK_FALSE(decode_part_token(cut));
}

}  // namespace hedgerow::sync::test
