// Links: greeting, who is refused, and two links to one peer. sync/link/replicator.hpp
#include <catch2/catch_test_macros.hpp>

#include "sync/limits.hpp"
#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

constexpr ReplicaId kOther{5};

}  // namespace

// --- greeting --------------------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "a new link is greeted with who we are", "[link]") {
  link_up(kLink1);
  const auto hellos = sent<wire::Hello>(kLink1);
  REQUIRE(hellos.size() == 1);
  CHECK(hellos[0].mesh == "orchard");
  CHECK(hellos[0].node == "m");
  CHECK(hellos[0].replica == kOwnReplica);
  REQUIRE(hellos[0].channels.size() == 2);
  CHECK(hellos[0].channels[0].name == "default");
  CHECK(hellos[0].channels[0].filter == "#");
  CHECK(hellos[0].channels[1].name == "telemetry");
  CHECK(hellos[0].channels[1].merge == MergeKind::kCounter);
}

TEST_CASE_METHOD(LinkFixture, "a greeting is answered with the frontier of each shared channel", "[link]") {
  commit({{.first = 1, .count = 3}});
  link_up(kLink1);
  wire::Hello hello = make_hello("a");
  hello.channels = {{.name = "default"}, {.name = "unknown"}};
  hear(kLink1, hello);
  const auto frontiers = sent<wire::Announcement>(kLink1);
  REQUIRE(frontiers.size() == 1);
  CHECK(frontiers[0].channel == 0);
  CHECK(frontiers[0].marks == Frontier{{kOwnReplica, 3}});
}

TEST_CASE_METHOD(LinkFixture, "a channel that merges otherwise there is not exchanged, and said to be so",
                 "[link][G3]") {
  commit({{.first = 1, .count = 3}});
  link_up(kLink1);
  wire::Hello hello = make_hello("a");
  hello.channels[0].merge = MergeKind::kDocument;
  hear(kLink1, hello);
  for (const auto& announced : sent<wire::Announcement>(kLink1)) CHECK(announced.channel == 1);
  hear_push(kLink1, {.replica = ReplicaId{5}});
  CHECK(actions<ApplySegment>().empty());
  const auto contradictions = replicator().contradictions();
  REQUIRE(contradictions.size() == 1);
  CHECK(contradictions[0].is_kept_apart);
  CHECK(
      contradictions[0].what ==
      "channel \"default\" has merge \"last-write\" here, but \"document\" on a: nothing of it is exchanged with that "
      "node until both say the same");
  link_down(kLink1);
  CHECK(replicator().contradictions().empty());
}

TEST_CASE_METHOD(LinkFixture, "a channel that has another filter there is exchanged, and said to be so", "[link][G3]") {
  link_up(kLink1);
  wire::Hello hello = make_hello("a");
  hello.channels[0].filter = "+/#";
  hear(kLink1, hello);
  CHECK(sent<wire::Announcement>(kLink1).size() == 2);
  const auto contradictions = replicator().contradictions();
  REQUIRE(contradictions.size() == 1);
  CHECK_FALSE(contradictions[0].is_kept_apart);
  CHECK(contradictions[0].what.find("filter \"#\" here, but \"+/#\" on a") != std::string::npos);
}

TEST_CASE_METHOD(LinkFixture, "a peer of another mesh is closed with both names", "[link]") {
  link_up(kLink1);
  wire::Hello hello = make_hello("a");
  hello.mesh = "vineyard";
  hear(kLink1, hello);
  CHECK(close_reason() == "the peer belongs to mesh \"vineyard\", this node to \"orchard\"");
  CHECK(replicator().links().empty());
}

TEST_CASE_METHOD(LinkFixture, "a link to ourselves is closed with the reason that stops dialling", "[link]") {
  link_up(kLink1);
  const auto ours = sent<wire::Hello>(kLink1).front();
  hear(kLink1, ours);
  CHECK(close_reason() == kReasonSelf);
}

TEST_CASE_METHOD(LinkFixture, "another node with our name is told so", "[link]") {
  link_up(kLink1);
  hear(kLink1, make_hello("m"));
  CHECK(close_reason().find("also named \"m\"") != std::string::npos);
}

TEST_CASE_METHOD(LinkFixture, "a node on a copy of our database is refused, and we take another name", "[link][G5]") {
  link_up(kLink1);
  wire::Hello hello = make_hello("a");
  hello.replica = kOwnReplica;
  hear(kLink1, hello);
  CHECK(close_reason().find("copy of this node's database") != std::string::npos);
  CHECK(actions<RenewReplica>().size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "a peer must bear the name in its certificate", "[link][G7]") {
  link_up(kLink1, /*dialled=*/true, "a");
  hear(kLink1, make_hello("b"));
  CHECK(close_reason() == "the peer calls itself \"b\", but its certificate says \"a\"");
}

TEST_CASE_METHOD(LinkFixture, "a removed life of a node is sent away, a new one is not", "[link]") {
  removed({make_hello("a").replica});
  link_up(kLink1);
  hear(kLink1, make_hello("a"));
  CHECK(close_reason() == "node \"a\" was removed from the mesh: it can join anew with an empty database");
  link_up(kLink2);
  wire::Hello anew = make_hello("a");
  anew.replica = ReplicaId{0xABC};
  hear(kLink2, anew);
  CHECK(actions<CloseLink>().empty());
  REQUIRE(replicator().links().size() == 1);
  CHECK(replicator().links()[0].state == LinkState::kUp);
}

TEST_CASE_METHOD(LinkFixture, "a node that is removed loses its links at once, and nobody else", "[link]") {
  peer_up(kLink1, "a");
  peer_up(kLink2, "b");
  removed({make_hello("a").replica});
  REQUIRE(actions<CloseLink>().size() == 1);
  CHECK(actions<CloseLink>()[0].link == kLink1);
  hear_push(kLink1, {.replica = make_hello("a").replica});
  CHECK(actions<ApplySegment>().empty());
  hear_push(kLink2, {.replica = make_hello("b").replica});
  CHECK(actions<ApplySegment>().size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "a node that was removed itself keeps no link", "[link]") {
  peer_up(kLink1, "a");
  removed({kOwnReplica});
  CHECK(close_reason() == "this node was removed from the mesh");
  link_up(kLink2);
  hear(kLink2, make_hello("b"));
  CHECK(close_reason() == "this node was removed from the mesh");
}

TEST_CASE_METHOD(LinkFixture, "a peer that speaks before it greets is closed", "[link][hostile]") {
  link_up(kLink1);
  hear_frontier(kLink1, {});
  CHECK(close_reason() == "the peer spoke before it greeted");
}

TEST_CASE_METHOD(LinkFixture, "a peer that greets twice is closed", "[link][hostile]") {
  peer_up(kLink1, "a");
  hear(kLink1, make_hello("a"));
  CHECK(close_reason() == "the peer greeted twice");
}

TEST_CASE_METHOD(LinkFixture, "a peer that does not greet in time is closed", "[link]") {
  link_up(kLink1);
  pass(kGreetingTimeout);
  CHECK(close_reason() == "the peer did not greet in time");
}

TEST_CASE_METHOD(LinkFixture, "a broken message closes the link with what is wrong", "[link][hostile]") {
  peer_up(kLink1, "a");
  hear_bytes(kLink1, Bytes{9, 1});
  CHECK(close_reason() == "the peer speaks link protocol 9, this node speaks 3: update the older of the two");
}

TEST_CASE_METHOD(LinkFixture, "a channel that the peer did not name closes the link", "[link][hostile]") {
  peer_up(kLink1, "a");
  hear(kLink1, wire::Announcement{.channel = 2, .answer_wanted = false, .marks = {}});
  CHECK(close_reason() == "the peer spoke of a channel that it did not name");
}

TEST_CASE_METHOD(LinkFixture, "messages on a link that was closed mean nothing", "[link]") {
  peer_up(kLink1, "a");
  hear_bytes(kLink1, Bytes{9, 1});
  hear_frontier(kLink1, {{kOther, 9}});
  CHECK(is_quiet());
}

TEST_CASE_METHOD(LinkFixture, "a link beyond the limit is closed with the number", "[link][G6]") {
  for (std::uint64_t id = 0; id < kLinksMax; ++id) link_up(LinkId{id + 100});
  link_up(kLink1);
  CHECK(close_reason().find("limit of 64 links") != std::string::npos);
  CHECK(replicator().links().size() == kLinksMax);
}

// --- two links to one peer -------------------------------------------------------------------------------------------

TEST_CASE_METHOD(LinkFixture, "of two links the one that the smaller name dialled carries", "[link]") {
  peer_up(kLink1, "z", /*dialled=*/false);
  peer_up(kLink2, "z", /*dialled=*/true);
  CHECK(status(kLink1).state == LinkState::kStandby);
  CHECK(status(kLink2).state == LinkState::kUp);
  peer_up(kLink3, "z", /*dialled=*/false);
  CHECK(status(kLink2).state == LinkState::kUp);
}

TEST_CASE_METHOD(LinkFixture, "of two links that one side dialled the newer carries", "[link]") {
  peer_up(kLink1, "z");
  peer_up(kLink2, "z");
  CHECK(status(kLink1).state == LinkState::kStandby);
  CHECK(status(kLink2).state == LinkState::kUp);
}

TEST_CASE_METHOD(LinkFixture, "a link that stands by is not pushed to", "[link]") {
  peer_up(kLink1, "z", /*dialled=*/true);
  peer_up(kLink2, "z", /*dialled=*/false);
  commit({{.first = 1}});
  CHECK(sent<wire::Push>(kLink1).size() == 1);
  CHECK(sent<wire::Push>(kLink2).empty());
}

TEST_CASE_METHOD(LinkFixture, "the link that stood by takes over at once and tells the whole frontier", "[link]") {
  peer_up(kLink1, "z", /*dialled=*/true);
  peer_up(kLink2, "z", /*dialled=*/false);
  commit({{.first = 1}});
  link_down(kLink1);
  CHECK(status(kLink2).state == LinkState::kUp);
  const auto frontiers = sent<wire::Announcement>(kLink2);
  REQUIRE(frontiers.size() == 2);
  CHECK(frontiers[0].marks == Frontier{{kOwnReplica, 1}});
}

TEST_CASE_METHOD(LinkFixture, "a link that stands by is listened to", "[link]") {
  peer_up(kLink1, "z", /*dialled=*/true);
  peer_up(kLink2, "z", /*dialled=*/false);
  hear_push(kLink2, {.replica = kOther, .first = 1});
  CHECK(actions<ApplySegment>().size() == 1);
}

TEST_CASE_METHOD(LinkFixture, "links from before a peer's restart are closed", "[link]") {
  peer_up(kLink1, "z", /*dialled=*/true);
  link_up(kLink2, /*dialled=*/false);
  wire::Hello hello = make_hello("z");
  hello.incarnation += 1;
  hear(kLink2, hello);
  REQUIRE(actions<CloseLink>().size() == 1);
  CHECK(actions<CloseLink>()[0].link == kLink1);
  CHECK(status(kLink2).state == LinkState::kUp);
}

}  // namespace hedgerow::sync::test
