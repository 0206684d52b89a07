// What two nodes say to each other when they meet again. DESIGN 5 and 9: two equal ones at most 1 KiB, however much
// they hold and however many have written.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

Frontier written_by(std::uint64_t replicas) {
  Frontier frontier;
  for (std::uint64_t i = 1; i <= replicas; ++i) {
    frontier.push_back({.replica = ReplicaId{i << 48U}, .seq = 1'000'000 / replicas});
  }
  return frontier;
}

std::vector<CheckedMark> marks_of(const Frontier& frontier) {
  std::vector<CheckedMark> marks;
  for (const FrontierEntry& entry : frontier) marks.push_back({.replica = entry.replica, .seq = entry.seq});
  return marks;
}

wire::Compare compare(RangeClaim::Kind kind, const Frontier& frontier) {
  return {.channel = 0, .claims = {{.kind = kind, .range = {}, .digest = digest_of(marks_of(frontier))}}};
}

// With node "a", where a hundred replicas have written and node "m" holds all.
struct Meeting : LinkFixture {
  Meeting() {
    commit_merged(frontier);
    link_up(kLink1);
    hear(kLink1, make_hello("a"));
  }
  const Frontier frontier = written_by(100);
};

// What node "m" says after its greeting to this equal one, in a minute, where so many replicas have written.
std::size_t bytes_said(const std::string& peer, std::uint64_t replicas) {
  LinkFixture fixture;
  const Frontier frontier = written_by(replicas);
  fixture.commit_merged(frontier);
  fixture.link_up(kLink1);
  std::size_t bytes = 0;
  const auto count = [&] {
    for (const SendOnLink& message : fixture.actions<SendOnLink>()) bytes += message.message.size();
  };
  fixture.hear(kLink1, make_hello(peer));
  count();
  if (replicas <= kToldAtOnceMax) {
    fixture.hear_frontier(kLink1, frontier);
  } else {
    fixture.hear(kLink1, compare(RangeClaim::Kind::kSame, frontier));
    count();
    fixture.hear(kLink1, compare(RangeClaim::Kind::kAsk, frontier));
  }
  count();
  fixture.pass(60s);
  count();
  return bytes;
}

}  // namespace

TEST_CASE("two equal nodes find it out in tens of bytes, however many replicas have written", "[link]") {
  CHECK(bytes_said("a", 40) + bytes_said("z", 40) <= 128);
  CHECK(bytes_said("a", 4096) + bytes_said("z", 4096) <= 128);
}

TEST_CASE("a few marks are told at once", "[link]") {
  CHECK(bytes_said("a", kToldAtOnceMax) + bytes_said("z", kToldAtOnceMax) <= 1024);
}

TEST_CASE_METHOD(Meeting, "who holds the same by its digest is pushed to, and not asked again", "[link]") {
  REQUIRE(sent<wire::Compare>(kLink1).size() == 1);
  hear(kLink1, compare(RangeClaim::Kind::kSame, frontier));
  CHECK(status(kLink1).peer_lag_ops == 0);
  pass(60s);
  CHECK(is_quiet());
  const FrontierEntry& some = frontier[40];
  commit({{.replica = some.replica, .first = some.seq + 1}});
  CHECK(sent<wire::Push>(kLink1).size() == 1);
}

TEST_CASE_METHOD(Meeting, "of frontiers that differ the parts are compared, and told where they are small", "[link]") {
  Frontier theirs = frontier;
  theirs[70].seq += 5;
  hear(kLink1, compare(RangeClaim::Kind::kAsk, theirs));
  const auto parts = sent<wire::Compare>(kLink1);
  REQUIRE(parts.size() == 1);
  const Comparison answer = compare_frontier(marks_of(theirs), parts[0].claims);
  CHECK(answer.agreed.size() > 90);
  CHECK(answer.told.size() < 10);
  hear(kLink1, wire::Compare{.channel = 0, .claims = answer.claims});
  // It wants to be told these few, and is.
  const auto told = sent<wire::Announcement>(kLink1);
  REQUIRE(told.size() == 1);
  CHECK(told[0].marks.size() == answer.told.size());
  CHECK(told[0].checks.size() == told[0].marks.size());
  Frontier rest;
  for (const CheckedMark& mark : answer.told) rest.push_back({.replica = mark.replica, .seq = mark.seq});
  hear_frontier(kLink1, rest);
  CHECK(status(kLink1).lag_ops == 5);
  CHECK(status(kLink1).peer_lag_ops == 0);
  pass(1s);
  CHECK(question(kLink1).request.frontier == frontier);
}

TEST_CASE("who compares and does not read is not answered until it does", "[link][hostile][G6]") {
  LinkFixture fixture;
  const Frontier frontier = written_by(100);
  fixture.commit_merged(frontier);
  fixture.peer_up(kLink1, "a");
  fixture.queue(kLink1, kLinkQueueBytesSoft + 1);
  fixture.hear(kLink1, wire::Compare{.channel = 0, .claims = {{.kind = RangeClaim::Kind::kTell, .range = {}}}});
  CHECK(fixture.actions<SendOnLink>().empty());
  fixture.pass(kAnnounceInterval);
  fixture.queue(kLink1, 0);
  CHECK(fixture.sent<wire::Compare>(kLink1).size() == 1);
}

TEST_CASE_METHOD(Meeting, "a question says nothing of what a peer holds, and a digest does", "[link]") {
  hear(kLink1, wire::Pull{.channel = 0, .id = 7, .request = {}});
  CHECK_FALSE(replicator().has_heard(kDefault));
  hear(kLink1, compare(RangeClaim::Kind::kSame, frontier));
  CHECK(replicator().has_heard(kDefault));
}

TEST_CASE_METHOD(Meeting, "what moves after frontiers were compared is said with checks", "[link][G5]") {
  hear(kLink1, compare(RangeClaim::Kind::kSame, frontier));
  pass(kAnnounceInterval);
  commit_merged({{kOwnReplica, 1}});
  REQUIRE(sent<wire::Announcement>(kLink1).size() == 1);
  CHECK(sent<wire::Announcement>(kLink1)[0].checks.size() == 1);
}

TEST_CASE("who asks in an announcement is answered by a digest", "[link]") {
  LinkFixture fixture;
  const Frontier frontier = written_by(100);
  fixture.commit_merged(frontier);
  fixture.peer_up(kLink1, "a");
  fixture.hear(kLink1, compare(RangeClaim::Kind::kSame, frontier));
  fixture.hear_frontier(kLink1, {}, /*answer_wanted=*/true);
  fixture.pass(kAnnounceInterval);
  REQUIRE(fixture.sent<wire::Compare>(kLink1).size() == 1);
  CHECK(fixture.sent<wire::Compare>(kLink1)[0].claims == compare(RangeClaim::Kind::kAsk, frontier).claims);
}

TEST_CASE("two equal nodes with one writer find it out in tens of bytes", "[link]") {
  CHECK(bytes_said("a", 1) + bytes_said("z", 1) <= 64);
}

}  // namespace hedgerow::sync::test
