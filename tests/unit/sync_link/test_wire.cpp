// The messages on a link: known bytes, bounds, and what a stranger may send. sync/link/wire.hpp
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <string>
#include <variant>

#include "sync/limits.hpp"
#include "sync/link/wire.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::sync::wire {
namespace {

constexpr auto kMaxSeq = std::numeric_limits<Seq>::max();

Hello example_hello() {
  return {.mesh = "orchard",
          .node = "gw-barn",
          .replica = ReplicaId{0x0102030405060708},
          .incarnation = 0x1112131415161718,
          .software = "0.1.0",
          .channels = {{.name = "default", .filter = "#"}, {.name = "zigbee", .merge = MergeKind::kDocument}}};
}

Pull example_pull() {
  PullRequest request{.frontier = {{.replica = ReplicaId{1}, .seq = 300}, {.replica = ReplicaId{2}, .seq = 1}},
                      .token = {0xAA, 0xBB},
                      .window_bytes = 65536};
  return {.channel = 1, .id = 7, .request = std::move(request)};
}

Compare example_compare() {
  using Kind = RangeClaim::Kind;
  return {.channel = 1,
          .claims = {{.kind = Kind::kAsk, .range = {.first = 0, .last = 0xFF}, .digest = 0x0102030405060708},
                     {.kind = Kind::kSame, .range = {.first = 0x100, .last = 0x1FF}, .digest = 0x1112131415161718},
                     {.kind = Kind::kTell, .range = {.first = 0x300}}}};
}

Live example_live() {
  return {
      .origin = 0x2122232425262728,
      .counter = 5,
      .retain = true,
      .message = std::make_shared<const Message>(Message{
          .topic = "a/b", .properties = {0x01, 0x01}, .payload = to_bytes(std::string_view("42")), .expiry_s = 60})};
}

std::vector<AnyMessage> examples(ByteView segment) {
  Page last{.channel = 0, .id = 9, .page_no = 3, .page = segment, .next_token = {}, .frontier = {ReplicaState{}}};
  last.frontier[0] = {.replica = ReplicaId{1}, .seq = 10, .head = {}, .trimmed = 4};
  return {example_hello(),
          Announcement{.channel = 0, .answer_wanted = true, .marks = {{.replica = ReplicaId{1}, .seq = 2}}},
          Push{.channel = 1, .segment = segment},
          example_pull(),
          Range{.channel = 0, .id = 9, .more = true, .segments = {segment, segment}},
          Page{.channel = 0, .id = 9, .page_no = 2, .page = segment, .next_token = {1}, .frontier = {}},
          last,
          Range{.channel = 0, .id = 9, .more = true, .segments = {}, .packed = {.bytes = segment, .unpacked_bytes = 7}},
          Page{.channel = 0,
               .id = 9,
               .page_no = 2,
               .page = {},
               .next_token = {1},
               .frontier = {},
               .packed = {.bytes = segment, .unpacked_bytes = 7}},
          Restart{.channel = 0, .id = 9},
          example_live(),
          example_compare(),
          Tree{.channel = 1, .what = Tree::What::kGraft, .marks = {{ReplicaId{1}, 300}, {ReplicaId{2}, 1}}}};
}

Bytes from_hex(std::string_view hex) {
  Bytes out;
  int high = -1;
  for (const char digit : hex) {
    if (digit == ' ') continue;
    const int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    if (high >= 0) out.push_back(static_cast<std::uint8_t>(high * 16 + value));
    high = high >= 0 ? -1 : value;
  }
  return out;
}

std::string refusal(ByteView bytes) {
  const auto message = decode(bytes);
  return message ? "accepted" : message.error().what;
}

}  // namespace

TEST_CASE("hello has the documented bytes", "[wire]") {
  CHECK(to_hex(encode(example_hello())) ==
        "0301"
        "076f726368617264"
        "0767772d6261726e"
        "0102030405060708"
        "1112131415161718"
        "05302e312e30"
        "02"
        "0764656661756c74"
        "00"
        "0123"
        "067a6967626565"
        "01"
        "00");
}

TEST_CASE("frontier has the documented bytes", "[wire]") {
  const Announcement message{.channel = 1,
                             .answer_wanted = true,
                             .marks = {{.replica = ReplicaId{1}, .seq = 300}, {.replica = ReplicaId{2}, .seq = 1}},
                             .checks = {0xABCD, 0}};
  CHECK(to_hex(encode(message)) ==
        "0302"
        "01"
        "03"
        "02"
        "0000000000000001"
        "ac02"
        "0000000000000002"
        "01"
        "abcd"
        "0000");
}

TEST_CASE("push has the documented bytes", "[wire]") {
  const Bytes segment = {0xDE, 0xAD};
  CHECK(to_hex(encode(Push{.channel = 2, .segment = segment})) ==
        "0303"
        "02"
        "dead");
}

TEST_CASE("pull has the documented bytes", "[wire]") {
  CHECK(to_hex(encode(example_pull())) ==
        "0304"
        "01"
        "07"
        "808004"
        "02aabb"
        "02"
        "0000000000000001"
        "ac02"
        "0000000000000002"
        "01");
}

TEST_CASE("range has the documented bytes", "[wire]") {
  const Bytes segment = {0xDE, 0xAD};
  CHECK(to_hex(encode(Range{.channel = 0, .id = 9, .more = true, .segments = {segment, segment}})) ==
        "0305"
        "00"
        "09"
        "01"
        "00"
        "02"
        "02dead"
        "02dead");
}

TEST_CASE("a compressed range and a compressed page have the documented bytes", "[wire]") {
  const Bytes frame = {0xDE, 0xAD};
  const Packed packed{.bytes = frame, .unpacked_bytes = 300};
  CHECK(to_hex(encode(Range{.channel = 0, .id = 9, .more = true, .segments = {}, .packed = packed})) ==
        "0305"
        "00"
        "09"
        "01"
        "ac02"
        "02dead");
  CHECK(to_hex(encode(Page{
            .channel = 0, .id = 9, .page_no = 3, .page = {}, .next_token = {1}, .frontier = {}, .packed = packed})) ==
        "0306"
        "00"
        "09"
        "03"
        "ac02"
        "02dead"
        "0101"
        "00");
}

TEST_CASE("page has the documented bytes", "[wire]") {
  const Bytes page = {0xDE, 0xAD};
  Page last{.channel = 0, .id = 9, .page_no = 3, .page = page, .next_token = {}, .frontier = {}};
  last.frontier.push_back({.replica = ReplicaId{1}, .seq = 10, .head = {}, .trimmed = 4});
  last.frontier[0].head.fill(0x5A);
  CHECK(to_hex(encode(last)) ==
        "0306"
        "00"
        "09"
        "03"
        "00"
        "02dead"
        "00"
        "01"
        "0000000000000001"
        "0a"
        "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
        "04"
        "00");
}

TEST_CASE("describe has the documented bytes, and comes back", "[wire][G5]") {
  const auto lineage = std::make_shared<const Lineage>(Lineage{.root = ReplicaId{7}, .base = 2, .runs = {{1, 0xA1}}});
  const Describe describe{
      .channel = 1,
      .id = 300,
      .states = {{.replica = ReplicaId{1}, .seq = 10, .head = {}, .trimmed = 4, .lineage = lineage}}};
  const Bytes bytes = encode(describe);
  CHECK(to_hex(bytes) ==
        "0309"
        "01"
        "ac02"
        "01"
        "0000000000000001"
        "0a"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "04"
        "14"
        "0100000000000000070201"
        "0100000000000000a1");
  const auto back = decode(bytes);
  REQUIRE(back);
  CHECK(*std::get<Describe>(*back).states.at(0).lineage == *lineage);
}

TEST_CASE("compare has the documented bytes", "[wire]") {
  CHECK(to_hex(encode(example_compare())) ==
        "030a"
        "01"
        "03"
        "00"
        "0000000000000000"
        "00000000000000ff"
        "0102030405060708"
        "01"
        "0000000000000100"
        "00000000000001ff"
        "1112131415161718"
        "02"
        "0000000000000300"
        "ffffffffffffffff");
}

TEST_CASE("compared ranges out of order, that overlap, end before they begin or are none are refused",
          "[wire][hostile]") {
  CHECK(decode(from_hex("030a 00 02 02 0000000000000001 0000000000000001 02 0000000000000002 0000000000000002")));
  CHECK_FALSE(decode(from_hex("030a 00 02 02 0000000000000001 0000000000000002 02 0000000000000002 0000000000000002")));
  CHECK_FALSE(decode(from_hex("030a 00 02 02 0000000000000002 0000000000000002 02 0000000000000001 0000000000000001")));
  CHECK_FALSE(decode(from_hex("030a 00 01 02 0000000000000002 0000000000000001")));
  CHECK_FALSE(decode(from_hex("030a 00 01 03 0000000000000001 0000000000000002")));
  CHECK_FALSE(decode(from_hex("030a 00 00")));
}

TEST_CASE("restart has the documented bytes", "[wire]") {
  CHECK(to_hex(encode(Restart{.channel = 1, .id = 300})) ==
        "0307"
        "01"
        "ac02");
}

TEST_CASE("live has the documented bytes", "[wire]") {
  CHECK(to_hex(encode(example_live())) ==
        "0308"
        "2122232425262728"
        "05"
        "03"
        "3c"
        "03612f62"
        "020101"
        "3432");
}

TEST_CASE("tree has the documented bytes", "[wire]") {
  CHECK(to_hex(encode(Tree{.channel = 1, .what = Tree::What::kPrune, .marks = {{ReplicaId{2}, 300}}})) ==
        "030b"
        "01"
        "00"
        "01"
        "0000000000000002"
        "ac02");
  CHECK(decode(from_hex("030b 01 01 01 0000000000000002 01")));
}

TEST_CASE("a tree message that names nothing, or wants something unknown, is refused", "[wire]") {
  CHECK_FALSE(decode(from_hex("030b 01 00 00")));
  CHECK_FALSE(decode(from_hex("030b 01 02 01 0000000000000002 01")));
}

TEST_CASE("what is encoded decodes to itself", "[wire]") {
  const Bytes segment = {0xDE, 0xAD};
  for (const AnyMessage& example : examples(segment)) {
    const Bytes bytes = encode(example);
    const auto back = decode(bytes);
    REQUIRE(back);
    CHECK(back->index() == example.index());
    CHECK(encode(*back) == bytes);
  }
}

TEST_CASE("another version is refused with both versions named", "[wire]") {
  const auto message = decode(from_hex("01 01 00"));
  REQUIRE_FALSE(message);
  CHECK(message.error().category == Category::kNotInVersion);
  CHECK(message.error().what == "the peer speaks link protocol 1, this node speaks 3: update the older of the two");
}

TEST_CASE("a message without version and type is refused", "[wire]") {
  CHECK(refusal({}) == "the peer sent a link message without version and type");
  CHECK(refusal(from_hex("03")) == "the peer sent a link message without version and type");
}

TEST_CASE("an unknown type is refused by its number", "[wire]") {
  CHECK(refusal(from_hex("03 00")) == "the peer sent a link message of unknown type 0");
  CHECK(refusal(from_hex("03 0c 00")) == "the peer sent a link message of unknown type 12");
}

TEST_CASE("a refusal names the message", "[wire]") {
  CHECK(refusal(from_hex("03 05 00")) ==
        "the peer sent a broken \"range\" message: it breaks the link grammar or a limit");
}

TEST_CASE("a message that ends early is refused wherever it is cut", "[wire]") {
  const Bytes segment = {0xDE, 0xAD};
  for (const AnyMessage& example : examples(segment)) {
    if (std::holds_alternative<Push>(example) || std::holds_alternative<Live>(example)) continue;  // end where they end
    const Bytes bytes = encode(example);
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode(ByteView(bytes).first(size)));
  }
}

TEST_CASE("bytes after a message are refused", "[wire]") {
  Bytes bytes = encode(example_pull());
  bytes.push_back(0);
  CHECK_FALSE(decode(bytes));
}

TEST_CASE("a frontier out of order or doubled is refused", "[wire]") {
  CHECK(decode(from_hex("0302 00 02 02 0000000000000001 01 0000000000000002 01 0000 0000")));
  CHECK(decode(from_hex("0302 00 02 01 0000000000000001 00 0000")));
  CHECK_FALSE(decode(from_hex("0302 00 02 01 0000000000000001 01")));
  CHECK_FALSE(decode(from_hex("0302 00 02 02 0000000000000002 01 0000000000000001 01 0000 0000")));
  CHECK_FALSE(decode(from_hex("0302 00 02 02 0000000000000001 01 0000000000000001 02 0000 0000")));
}

TEST_CASE("a frontier reaches the last sequence number", "[wire]") {
  const Bytes bytes = encode(Announcement{.channel = 0, .answer_wanted = false, .marks = {{ReplicaId{1}, kMaxSeq}}});
  const auto back = decode(bytes);
  REQUIRE(back);
  CHECK(std::get<Announcement>(*back).marks.front().seq == kMaxSeq);
}

TEST_CASE("a count that cannot follow is refused before anything is reserved", "[wire][G6]") {
  CHECK_FALSE(decode(from_hex("0302 00 00 8020")));                        // 4096 marks in no bytes
  CHECK_FALSE(decode(from_hex("0305 00 09 00 00 808001")));                // 16384 segments in no bytes
  CHECK_FALSE(decode(from_hex("0305 00 09 00 00 ffffffffffffffffff01")));  // 2^64 - 1
}

TEST_CASE("bulk that claims to be larger than any answer is refused", "[wire][G6]") {
  const auto range = [](std::size_t unpacked) {
    return encode(Range{
        .channel = 0, .id = 9, .more = false, .segments = {}, .packed = {.bytes = {}, .unpacked_bytes = unpacked}});
  };
  const auto page = [](std::size_t unpacked) {
    return encode(Page{.channel = 0,
                       .id = 9,
                       .page_no = 0,
                       .page = {},
                       .next_token = {1},
                       .frontier = {},
                       .packed = {.bytes = {}, .unpacked_bytes = unpacked}});
  };
  CHECK(decode(range(kRangeBytesMax)));
  CHECK_FALSE(decode(range(kRangeBytesMax + 1)));
  CHECK(decode(page(kPageBytesMax)));
  CHECK_FALSE(decode(page(kPageBytesMax + 1)));
}

TEST_CASE("the segments of a compressed range are held to the grammar", "[wire][hostile]") {
  const Bytes segment = {0xDE, 0xAD};
  const Bytes bytes = encode_segments({segment, segment});
  CHECK(to_hex(bytes) == "0202dead02dead");
  const auto back = decode_segments(bytes);
  REQUIRE(back);
  CHECK(encode_segments(*back) == bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode_segments(ByteView(bytes).first(size)));
  CHECK_FALSE(decode_segments(from_hex("0202dead02dead00")));
}

TEST_CASE("a channel beyond the limit is refused", "[wire][G6]") {
  CHECK(decode(from_hex("0307 ff01 09")));
  CHECK_FALSE(decode(from_hex("0307 8002 09")));
}

TEST_CASE("a message above the limit is refused", "[wire][G6]") {
  Bytes bytes = encode(Push{.channel = 0, .segment = {}});
  bytes.resize(kSegmentBytesMax + 3);
  CHECK(decode(bytes));
  bytes.resize(kSegmentBytesMax + 4);
  CHECK_FALSE(decode(bytes));
}

TEST_CASE("the last page has the frontier, the others a token", "[wire]") {
  const Bytes page = {1};
  CHECK_FALSE(
      decode(encode(Page{.channel = 0, .id = 1, .page_no = 0, .page = page, .next_token = {}, .frontier = {}})));
  CHECK_FALSE(decode(encode(Page{
      .channel = 0, .id = 1, .page_no = 0, .page = page, .next_token = {1}, .frontier = {{ReplicaId{1}, 1, {}, 0}}})));
}

TEST_CASE("a state that was trimmed beyond its end is refused", "[wire]") {
  CHECK_FALSE(decode(encode(Page{
      .channel = 0, .id = 1, .page_no = 0, .page = {}, .next_token = {}, .frontier = {{ReplicaId{1}, 4, {}, 5}}})));
}

TEST_CASE("a live message keeps topic, properties, payload, retain and expiry", "[wire]") {
  const Bytes bytes = encode(example_live());
  const auto back = decode(bytes);
  REQUIRE(back);
  const Live& live = std::get<Live>(*back);
  CHECK(live.retain);
  CHECK(live.message->topic == "a/b");
  CHECK(live.message->properties == Bytes{1, 1});
  CHECK(as_text(live.message->payload) == "42");
  CHECK(live.message->expiry_s == 60);
}

TEST_CASE("mutated messages are refused or decode to what encodes alike", "[wire][hostile]") {
  const std::uint64_t seed = test::pick_seed("mutated messages");
  test::SeededRandom random(seed);
  const Bytes segment = {0xDE, 0xAD, 0xBE, 0xEF};
  const std::vector<AnyMessage> pool = examples(segment);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = encode(pool[random.below(pool.size())]);
    for (std::size_t changes = 1 + random.below(4); changes > 0 && !bytes.empty(); --changes) {
      const std::size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0: bytes[at] = static_cast<std::uint8_t>(random.next()); break;
        case 1: bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << random.below(8))); break;
        case 2: bytes.resize(at); break;
        default: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(0xFF)); break;
      }
    }
    const auto message = decode(bytes);
    if (message && encode(*message) != bytes) FAIL("seed " << seed << ": " << to_hex(bytes));
  }
}

}  // namespace hedgerow::sync::wire
