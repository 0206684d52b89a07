// Answers that travel compressed, the adapter that does it, and what a stranger may claim. sync/link/packing.hpp
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <variant>

#include "sync/limits.hpp"
#include "sync/link/packing.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

const compress_zstd::ZstdCompressor kZstd;

Bytes noise(std::size_t size) {
  hedgerow::test::SeededRandom random(7);
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
  return bytes;
}

RangeAnswer packed_answer() {
  PullAnswer answer = RangeAnswer{.segments = {make_row({.replica = ReplicaId{5}, .count = 40})->bytes}};
  pack(kZstd, answer);
  return std::get<RangeAnswer>(answer);
}

// The range that the fixture's question of channel 0 was answered with.
wire::Range as_message(const wire::Pull& question, const RangeAnswer& answer) {
  return {.channel = 0,
          .id = question.id,
          .more = answer.more,
          .segments = {},
          .packed = {.bytes = answer.packed.bytes, .unpacked_bytes = answer.packed.unpacked_bytes}};
}

}  // namespace

TEST_CASE("what was compressed is expanded into itself", "[packing]") {
  for (const std::size_t size : {std::size_t{300}, kAnswerBytesDefault, kPageBytesMax}) {
    Bytes bytes = noise(100);
    bytes.resize(size, 0x20);
    const Bytes packed = kZstd.compress(bytes);
    REQUIRE_FALSE(packed.empty());
    CHECK(packed.size() < bytes.size() / 2);
    CHECK(kZstd.expand(packed, size) == bytes);
  }
}

TEST_CASE("what does not shrink is not compressed", "[packing]") {
  CHECK(kZstd.compress(noise(1000)).empty());
  CHECK(kZstd.compress({}).empty());
}

TEST_CASE("a frame that holds more or less than was announced is refused", "[packing][hostile][G6]") {
  const Bytes packed = kZstd.compress(Bytes(kPageBytesMax, 0x20));
  REQUIRE(packed.size() < 1000);
  for (const std::size_t announced : {std::size_t{1}, kPageBytesMax - 1, kPageBytesMax + 1}) {
    const auto expanded = kZstd.expand(packed, announced);
    REQUIRE_FALSE(expanded);
    CHECK(expanded.error().category == Category::kInvalidInput);
  }
}

TEST_CASE("a broken frame is refused", "[packing][hostile]") {
  const std::uint64_t seed = hedgerow::test::pick_seed("broken frames");
  hedgerow::test::SeededRandom random(seed);
  Bytes bytes = noise(400);
  bytes.resize(5000, 0x20);
  const Bytes good = kZstd.compress(bytes);
  for (int round = 0; round < 5000; ++round) {
    Bytes packed = good;
    packed[random.below(packed.size())] = static_cast<std::uint8_t>(random.next());
    packed.resize(1 + random.below(packed.size()));
    const auto expanded = kZstd.expand(packed, bytes.size());
    if (expanded && expanded->size() != bytes.size()) FAIL("seed " << seed << ": " << to_hex(packed));
  }
}

TEST_CASE("an answer that shrinks is packed, and its segments come out again", "[packing]") {
  const RangeAnswer answer = packed_answer();
  REQUIRE(answer.packed.unpacked_bytes > 0);
  const auto unpacked = unpack(kZstd, {.bytes = answer.packed.bytes, .unpacked_bytes = answer.packed.unpacked_bytes});
  REQUIRE(unpacked);
  const auto segments = wire::decode_segments(*unpacked);
  REQUIRE(segments);
  REQUIRE(segments->size() == 1);
  CHECK(std::equal(segments->front().begin(), segments->front().end(), answer.segments[0].begin(),
                   answer.segments[0].end()));
}

TEST_CASE("an answer that is short or random is sent as it is", "[packing]") {
  PullAnswer small = RangeAnswer{.segments = {make_row({})->bytes}};
  pack(kZstd, small);
  CHECK(std::get<RangeAnswer>(small).packed.bytes.empty());
  PullAnswer random = SnapshotPage{.page_no = 0, .page = noise(2000), .next_token = {1}, .frontier = {}};
  pack(kZstd, random);
  CHECK(std::get<SnapshotPage>(random).packed.bytes.empty());
}

TEST_CASE_METHOD(LinkFixture, "a packed answer leaves as one frame", "[packing]") {
  peer_up(kLink1, "a");
  hear(kLink1, wire::Pull{.channel = 0, .id = 3, .request = {.frontier = {}, .token = {}, .window_bytes = 1000}});
  const RangeAnswer answer = packed_answer();
  pull_answer(kLink1, answer);
  const auto sent_ranges = sent<wire::Range>(kLink1);
  REQUIRE(sent_ranges.size() == 1);
  CHECK(sent_ranges[0].segments.empty());
  CHECK(sent_ranges[0].packed.unpacked_bytes == answer.packed.unpacked_bytes);
}

TEST_CASE_METHOD(LinkFixture, "a packed range is applied as a plain one", "[packing]") {
  peer_up(kLink1, "a");
  hear_frontier(kLink1, {{.replica = ReplicaId{5}, .seq = 40}});
  pass(kPullGrace);
  const wire::Pull asked = question(kLink1);
  const RangeAnswer answer = packed_answer();
  hear(kLink1, as_message(asked, answer));
  const auto applied = actions<ApplySegment>();
  REQUIRE(applied.size() == 1);
  CHECK(applied[0].segment == answer.segments[0]);
}

TEST_CASE_METHOD(LinkFixture, "a packed page is staged as a plain one", "[packing]") {
  peer_up(kLink1, "a");
  hear_frontier(kLink1, {{.replica = ReplicaId{5}, .seq = 40}});
  pass(kPullGrace);
  const wire::Pull asked = question(kLink1);
  const Bytes page(1000, 0x20);
  const Bytes frame = kZstd.compress(page);
  hear(kLink1, wire::Page{.channel = 0,
                          .id = asked.id,
                          .page_no = 0,
                          .page = {},
                          .next_token = {1},
                          .frontier = {},
                          .packed = {.bytes = frame, .unpacked_bytes = page.size()}});
  const auto staged = actions<StagePage>();
  REQUIRE(staged.size() == 1);
  CHECK(staged[0].page == page);
}

TEST_CASE_METHOD(LinkFixture, "a packed answer that is broken closes the link", "[packing][hostile]") {
  peer_up(kLink1, "a");
  hear_frontier(kLink1, {{.replica = ReplicaId{5}, .seq = 40}});
  pass(kPullGrace);
  const wire::Pull asked = question(kLink1);
  RangeAnswer answer = packed_answer();
  answer.packed.unpacked_bytes += 1;
  hear(kLink1, as_message(asked, answer));
  CHECK(close_reason().starts_with("the peer answered with a range that is broken"));
}

TEST_CASE_METHOD(LinkFixture, "what nobody asked for is not expanded", "[packing][hostile][G6]") {
  peer_up(kLink1, "a");
  RangeAnswer answer = packed_answer();
  answer.packed.unpacked_bytes += 1;
  hear(kLink1, as_message(wire::Pull{.channel = 0, .id = 99, .request = {}}, answer));
  CHECK(is_quiet());
}

}  // namespace hedgerow::sync::test
