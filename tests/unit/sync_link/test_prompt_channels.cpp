// A channel in which publishers wait for another node. sync/link/replicator.hpp, ReplicatorSettings::prompt
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

constexpr ReplicaId kOther{5};

class PromptFixture : public LinkFixture {
 public:
  PromptFixture() : LinkFixture({"default"}) { peer_up(kLink1, "a"); }
  const ReplicaId writer = make_hello("a").replica;
};

}  // namespace

TEST_CASE_METHOD(PromptFixture, "who waits for us is told at once, each time", "[link]") {
  for (Seq seq = 1; seq <= 3; ++seq) {
    hear_push(kLink1, {.replica = writer, .first = seq});
    REQUIRE(actions<ApplySegment>().size() == 1);
    CHECK_FALSE(actions<ApplySegment>()[0].may_wait);
    commit({{.replica = writer, .first = seq}});
    REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
    CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{writer, seq}});
    received(kLink1);
  }
}

TEST_CASE_METHOD(PromptFixture, "who does not wait for us is told once a second", "[link]") {
  hear_push(kLink1, {.replica = writer});
  commit({{.replica = writer}});
  received(kLink1);
  hear_push(kLink1, {.replica = kOther});
  commit({{.replica = kOther}});
  CHECK(sent<wire::Announcement>(kLink1).empty());
  pass(kAnnounceInterval);
  CHECK(sent<wire::Announcement>(kLink1).size() == 1);
}

TEST_CASE_METHOD(PromptFixture, "who waits for us is told at once, also where others bring us what it wrote",
                 "[link]") {
  peer_up(kLink2, "b");
  hear_push(kLink2, {.replica = writer});
  hear_push(kLink1, {.replica = writer});
  REQUIRE(sent<wire::Tree>(kLink1).size() == 1);
  commit({{.replica = writer}});
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].marks == Frontier{{writer, 1}});
}

TEST_CASE_METHOD(PromptFixture, "only what a peer says that it holds counts as there", "[link][G1]") {
  commit({{.replica = kOwnReplica, .count = 3}});
  CHECK(replicator().confirmed_by_some_peer(kDefault) == 0);
  hear_frontier(kLink1, {{kOwnReplica, 2}});
  CHECK(replicator().confirmed_by_some_peer(kDefault) == 2);
  // It may have been passed on before it was synced there.
  hear_push(kLink1, {.replica = kOwnReplica, .first = 3});
  CHECK(replicator().confirmed_by_some_peer(kDefault) == 2);
  CHECK(replicator().confirmed_by_some_peer(kTelemetry) == 0);
}

}  // namespace hedgerow::sync::test
