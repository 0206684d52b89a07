#include <catch2/catch_test_macros.hpp>

#include "sync/log/segment.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

using Log = std::vector<std::string>;

constexpr Keep kShort{.age_ms = 100, .size_bytes = 1U << 20U};
constexpr std::uint32_t kWide = 1U << 18U;

PullAnswer ask(SyncNode& from, const PullRequest& request) {
  auto answer = from.answer(request);
  REQUIRE(answer);
  return std::move(*answer);
}

// Many ops in one segment.
void write_many(SyncNode& node, int count, std::size_t payload_bytes = 50) {
  node.turn([&](Engine& to) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(
          to.write(at(++node.now_ms), {.channel = node.c,
                                       .kind = kRecord,
                                       .publisher = 1,
                                       .message = message("t/" + std::to_string(i), std::string(payload_bytes, 'x'))}));
    }
  });
}

// --- ranges --------------------------------------------------------------------------------------------------------

TEST_CASE("who lacks nothing gets an empty range", "[sync][pull]") {
  SyncNode a(1);
  a.write("t", "1");
  const PullAnswer answer = ask(a, {.frontier = a.frontier(), .token = {}, .window_bytes = kWide});
  CHECK(std::get<RangeAnswer>(answer).segments.empty());
  CHECK_FALSE(std::get<RangeAnswer>(answer).more);
}

TEST_CASE("a range begins right after the requester's frontier", "[sync][pull][G2]") {
  SyncNode a(1);
  write_many(a, 10);
  const std::vector<Bytes> segments = segments_of(a, kWide, {{.replica = ReplicaId{1}, .seq = 4}});
  REQUIRE(segments.size() == 1);
  const Segment segment = decode_segment(segments[0]).value();
  CHECK(segment.header.first_seq == 5);
  CHECK(segment.header.last_seq() == 10);
}

TEST_CASE("a window bounds the answer, and says that more waits", "[sync][pull][G6]") {
  SyncNode a(1);
  write_many(a, 100, 100);
  const PullAnswer answer = ask(a, {.frontier = {}, .token = {}, .window_bytes = 2000});
  const auto& range = std::get<RangeAnswer>(answer);
  CHECK(range.more);
  std::size_t bytes = 0;
  for (const Bytes& segment : range.segments) bytes += segment.size();
  CHECK(bytes <= 2000);
  CHECK(bytes > 1500);
}

TEST_CASE("windows of any size bring everything", "[sync][pull][G2]") {
  for (const std::uint32_t window : {0U, 1U, 100U, 1000U, 5000U, kWide}) {
    SyncNode a(1);
    SyncNode b(2);
    write_many(a, 40);
    a.write("u", "v", kRetained);
    write_many(a, 40);
    Puller puller;
    puller.finish(b, a, window);
    CHECK(b.log().size() == 81);
    CHECK(b.digest() == a.digest());
    CHECK(puller.pages == 0);
  }
}

TEST_CASE("a range serves every replica that we are ahead in", "[sync][pull]") {
  SyncNode a(1);
  SyncNode b(2);
  SyncNode c(3);
  a.write("t", "1");
  b.write("t", "2");
  Puller().finish(b, a);
  Puller().finish(c, b);
  CHECK(c.log() == Log{"1:1", "2:1"});
  CHECK(c.digest() == b.digest());
}

TEST_CASE("ops that are trimmed but known to the requester do not prevent a range", "[sync][pull]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  a.write("t", "1");
  Puller().finish(b, a);
  a.trim_all();
  a.write("t", "2");
  CHECK(segments_of(a, kWide, b.frontier()).size() == 1);
}

TEST_CASE("who asks for a part gets the other replicas", "[sync][pull]") {
  SyncNode a(1);
  SyncNode b(2);
  write_many(a, 3);
  write_many(b, 2);
  for (const Bytes& segment : segments_of(b)) a.receive(segment);
  const PullAnswer answer = ask(a, {.frontier = {}, .token = part_token({ReplicaId{1}}), .window_bytes = kWide});
  const auto& range = std::get<RangeAnswer>(answer);
  REQUIRE(range.segments.size() == 1);
  CHECK(decode_segment(range.segments[0])->header.replica == ReplicaId{2});
  CHECK_FALSE(range.more);
}

TEST_CASE("a part whose ops are trimmed is no range, and no snapshot", "[sync][pull][G2]") {
  SyncNode a(1);
  SyncNode b(2, kShort);
  write_many(a, 3);
  write_many(b, 2);
  b.trim_all();
  for (const Bytes& segment : segments_of(a)) b.receive(segment);
  CHECK(std::holds_alternative<RestartAnswer>(
      ask(b, {.frontier = {}, .token = part_token({ReplicaId{1}}), .window_bytes = kWide})));
  // What was trimmed is left out.
  CHECK(std::get<RangeAnswer>(ask(b, {.frontier = {}, .token = part_token({ReplicaId{2}}), .window_bytes = kWide}))
            .segments.size() == 1);
}

TEST_CASE("a frontier out of order is refused", "[sync][pull][G6]") {
  SyncNode a(1);
  const Frontier twice{{.replica = ReplicaId{2}, .seq = 1}, {.replica = ReplicaId{2}, .seq = 1}};
  CHECK_FALSE(a.answer({.frontier = twice, .token = {}, .window_bytes = kWide}));
}

TEST_CASE("a token that is not ours is refused", "[sync][pull][G6]") {
  SyncNode a(1);
  for (const std::string_view bytes : {"x", "\x01", "\x01\x00\x03\x00\x00"}) {
    const auto answer = a.answer({.frontier = {}, .token = to_bytes(bytes), .window_bytes = kWide});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().category == Category::kInvalidInput);
  }
}

// --- snapshots -----------------------------------------------------------------------------------------------------

TEST_CASE("when records are gone the answer is a snapshot of cells and of the records left", "[sync][pull][G3]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  a.write("kept", "v", kRetained);
  a.write("gone", "x", kRetained);
  a.write("gone", "", kRetained);
  a.trim_all();
  a.now_ms += 10'000'000;
  a.write("t", "new");
  Puller puller;
  puller.finish(b, a);
  CHECK(puller.pages > 0);
  CHECK(b.value("kept") == "v");
  CHECK(b.value("gone") == "-");
  CHECK(b.log() == Log{"1:4"});
  CHECK(b.replicas()[0].trimmed == 3);
  CHECK(b.digest() == a.digest());
}

TEST_CASE("a tombstone travels in a snapshot", "[sync][pull][G4]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  b.write("t", "old", kRetained);
  a.now_ms = 1000;
  a.write("t", "", kRetained);
  a.trim_all();
  Puller().finish(b, a);
  CHECK(b.value("t") == "-");
}

TEST_CASE("what a snapshot could not bring is recorded as a gap", "[sync][pull][G6]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  a.write("t", "1");
  Puller().finish(b, a);
  a.write("t", "2");
  a.write("t", "3");
  a.trim_all();
  Puller().finish(b, a);
  const std::vector<Gap> gaps = b.storage.open_view().value()->gaps(b.c).value();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].first == 2);
  CHECK(gaps[0].last == 3);
  CHECK(gaps[0].reason == GapReason::kTrimmedElsewhere);
  CHECK(b.log() == Log{"1:1"});
}

TEST_CASE("after a snapshot the chain goes on by ranges", "[sync][pull][G5]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  a.write("t", "1");
  a.trim_all();
  Puller().finish(b, a);
  a.write("t", "2");
  Puller puller;
  puller.finish(b, a);
  CHECK(puller.pages == 0);
  CHECK(b.log() == Log{"1:2"});
}

TEST_CASE("who got a gap serves others by a snapshot in turn", "[sync][pull][G3]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  SyncNode c(3);
  a.write("t", "1", kRetained);
  a.trim_all();
  a.write("u", "2");
  Puller().finish(b, a);
  Puller puller;
  puller.finish(c, b);
  CHECK(puller.pages > 0);
  CHECK(c.digest() == a.digest());
  CHECK(c.value("t") == "1");
}

TEST_CASE("nothing of a snapshot counts before its last page", "[sync][pull][G2]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  for (int i = 0; i < 20; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  a.trim_all();
  Puller puller;
  for (int i = 0; i < 3; ++i) CHECK_FALSE(puller.step(b, a, 300));
  CHECK(b.seq(1) == 0);
  CHECK(b.value("cell/0") == "-");
  puller.finish(b, a, 300);
  CHECK(puller.pages > 6);
  CHECK(b.digest() == a.digest());
}

// DESIGN 5: S sends X:(10,100] without X:50 that Y:7 beat; R claims X:100 without Y:7; S and Y die; nobody ever sends
// X:50 to R.
TEST_CASE("a compacted answer that breaks off does not advance any frontier", "[sync][pull][G2][G4]") {
  SyncNode x(1);
  SyncNode y(2);
  SyncNode s(3, kShort);
  SyncNode r(4);
  for (int i = 1; i <= 10; ++i) x.write("x/" + std::to_string(i), "v", kRetained);
  Puller().finish(r, x);
  for (int i = 11; i <= 100; ++i) x.write(i == 50 ? "contested" : "x/" + std::to_string(i), "v of X", kRetained);
  y.now_ms = 5000;
  y.write("contested", "v of Y", kRetained);
  Puller().finish(s, x);
  Puller().finish(s, y);
  s.trim_all();
  REQUIRE(s.value("contested") == "v of Y");

  Puller from_s;
  for (int i = 0; i < 3; ++i) REQUIRE_FALSE(from_s.step(r, s, 500));
  CHECK(r.seq(1) == 10);
  CHECK(r.seq(2) == 0);

  Puller().finish(r, x);
  CHECK(r.seq(1) == 100);
  CHECK(r.value("contested") == "v of X");
  from_s.finish(r, s, 500);
  CHECK(r.value("contested") == "v of Y");
  CHECK(r.digest() == s.digest());
}

TEST_CASE("a page asked for again has the same number", "[sync][pull]") {
  SyncNode a(1, kShort);
  for (int i = 0; i < 20; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  a.trim_all();
  const auto first = std::get<SnapshotPage>(ask(a, {.frontier = {}, .token = {}, .window_bytes = 500}));
  CHECK(first.page_no == 0);
  const PullRequest second{.frontier = {}, .token = first.next_token, .window_bytes = 500};
  CHECK(std::get<SnapshotPage>(ask(a, second)).page_no == 1);
  CHECK(std::get<SnapshotPage>(ask(a, second)).page == std::get<SnapshotPage>(ask(a, second)).page);
}

TEST_CASE("writes behind the walk still reach the requester", "[sync][pull][G3]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  for (int i = 10; i < 30; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  a.trim_all();
  Puller puller;
  for (int i = 0; i < 3; ++i) puller.step(b, a, 500);
  a.write("cell/10", "changed", kRetained);
  a.write("a", "before the walk", kRetained);
  puller.finish(b, a, 500);
  CHECK(puller.restarts == 0);
  CHECK(b.value("cell/10") == "changed");
  CHECK(b.value("a") == "before the walk");
  CHECK(b.digest() == a.digest());
}

TEST_CASE("when a write behind the walk is trimmed the answer starts anew", "[sync][pull][G3]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  for (int i = 10; i < 30; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  a.trim_all();
  Puller puller;
  for (int i = 0; i < 3; ++i) puller.step(b, a, 500);
  a.write("cell/10", "changed", kRetained);
  a.trim_all();
  puller.finish(b, a, 500);
  CHECK(puller.restarts == 1);
  CHECK(b.value("cell/10") == "changed");
  CHECK(b.digest() == a.digest());
}

TEST_CASE("trimming what was there before the first page does not disturb the answer", "[sync][pull]") {
  SyncNode a(1, kShort);
  SyncNode b(2);
  a.write("t", "gone");
  a.trim_all();
  for (int i = 10; i < 30; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  Puller puller;
  for (int i = 0; i < 3; ++i) puller.step(b, a, 500);
  a.trim_all();
  puller.finish(b, a, 500);
  CHECK(puller.restarts == 0);
  CHECK(b.digest() == a.digest());
}

TEST_CASE("when the sender itself merges a snapshot behind its walk the answer starts anew", "[sync][pull][G3]") {
  SyncNode origin(1, kShort);
  SyncNode a(2, kShort);
  SyncNode b(3);
  for (int i = 10; i < 30; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  a.trim_all();
  Puller puller;
  for (int i = 0; i < 3; ++i) puller.step(b, a, 500);
  origin.write("a", "behind the walk", kRetained);
  origin.trim_all();
  Puller("origin").finish(a, origin);
  puller.finish(b, a, 500);
  CHECK(puller.restarts == 1);
  CHECK(b.value("a") == "behind the walk");
  CHECK(b.digest() == a.digest());
}

TEST_CASE("the requester may go on receiving while it stages", "[sync][pull][G2]") {
  SyncNode x(1);
  SyncNode s(2, kShort);
  SyncNode r(3);
  for (int i = 0; i < 30; ++i) x.write("x/" + std::to_string(i), std::string(100, 'x'), kRetained);
  Puller().finish(s, x);
  s.write("s", "gone", kRetained);
  s.trim_all();
  write_many(x, 5);
  Puller().finish(s, x);
  Puller from_s;
  for (int i = 0; i < 3; ++i) from_s.step(r, s, 500);
  Puller("x").finish(r, x);
  from_s.finish(r, s, 500);
  CHECK(r.digest() == s.digest());
  CHECK(r.log().size() == 35);
}

TEST_CASE("mutated tokens are refused or answered", "[sync][pull][G6]") {
  SeededRandom random(pick_seed("mutated tokens"));
  SyncNode a(1, kShort);
  for (int i = 0; i < 20; ++i) a.write("cell/" + std::to_string(i), std::string(100, 'x'), kRetained);
  a.trim_all();
  const Bytes good = std::get<SnapshotPage>(ask(a, {.frontier = {}, .token = {}, .window_bytes = 500})).next_token;
  for (int round = 0; round < 5000; ++round) {
    Bytes token = good;
    token[random.below(token.size())] = static_cast<std::uint8_t>(random.next());
    if (random.one_in(4)) token.resize(1 + random.below(token.size()));
    const auto answer = a.answer({.frontier = {}, .token = token, .window_bytes = 500});
    if (!answer) CHECK(answer.error().category == Category::kInvalidInput);
  }
}

}  // namespace
}  // namespace hedgerow::test
