#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "security/crypto_mbedtls/crypto.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/segment.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::sync {
namespace {

Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  Bytes out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return out;
}

Op op(std::uint64_t wall_ms, std::string_view topic, std::string_view payload, std::uint16_t counter = 0,
      std::uint64_t publisher = 0) {
  auto message = std::make_shared<Message>();
  message->topic = topic;
  message->payload = to_bytes(payload);
  return {.stamp = {.wall_ms = wall_ms, .counter = counter, .quality = ClockQuality::kSynchronised},
          .kind = {.record = true, .cell = false, .qos = 1},
          .publisher = publisher,
          .message = std::move(message)};
}

Op full_op(std::uint64_t wall_ms) {
  auto message = std::make_shared<Message>();
  message->topic = "orchard/pump";
  message->properties = from_hex("0101");
  message->payload = to_bytes("42");
  message->expiry_s = 3600;
  return {.stamp = {.wall_ms = wall_ms, .counter = 3, .quality = ClockQuality::kUnsynchronised},
          .kind = {.record = true, .cell = true, .qos = 2},
          .publisher = 0xABCD,
          .message = std::move(message)};
}

constexpr ReplicaId kReplica{0x0102030405060708};

Bytes encode(const std::vector<Op>& ops, Seq first = 1, const Hash256& predecessor = {}) {
  SegmentBuilder builder;
  builder.start(kReplica, first, predecessor);
  for (const Op& one : ops) {
    REQUIRE(builder.fits(one));
    builder.add(one);
  }
  CHECK(builder.size_bytes() == Bytes(builder.finish()).size());
  return builder.finish();
}

bool same(const Op& a, const Op& b) {
  return a.stamp == b.stamp && a.stamp.written() == b.stamp.written() && a.kind == b.kind &&
         a.publisher == b.publisher && a.message->topic == b.message->topic &&
         a.message->properties == b.message->properties && a.message->payload == b.message->payload &&
         a.message->expiry_s == b.message->expiry_s && a.change == b.change && a.run == b.run;
}

std::vector<Op> three_ops() {
  return {op(1000, "orchard/pump", "1"), op(1000, "orchard/pond", "", 1, 7), full_op(1002)};
}

// Committed bytes: they are on disks and on wires, so they must never change without a new version.
constexpr std::string_view kThreeOpsHex =
    "01010203040506070809030000000000000000000000000000000000000000000000000000000000000000030000000000000000000000"
    "0000000007000000000000abcd15e80700000c6f7263686172642f70756d7001319500000109036f6e6400eb0203020903756d70020101"
    "901c023432";

TEST_CASE("the varint's bytes are LEB128", "[sync]") {
  Bytes bytes;
  Writer out(bytes);
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, ~std::uint64_t{0}}) {
    out.varint(value);
  }
  CHECK(to_hex(bytes) == "007f8001ffffffffffffffffff01");
  Reader in(bytes);
  CHECK(in.varint() == 0);
  CHECK(in.varint() == 127);
  CHECK(in.varint() == 128);
  CHECK(in.varint() == ~std::uint64_t{0});
  CHECK(in.at_end());
}

TEST_CASE("a varint that is too long, too large or cut off is refused", "[sync][G6]") {
  for (const std::string_view hex : {"8000", "80", "ffffffffffffffffff02", "ffffffffffffffffffff01", ""}) {
    const Bytes bytes = from_hex(hex);
    Reader in(bytes);
    static_cast<void>(in.varint());
    CHECK_FALSE(in.ok());
  }
}

TEST_CASE("a reader that failed stays failed and reads zeros", "[sync][G6]") {
  const Bytes bytes = from_hex("0102");
  Reader in(bytes);
  CHECK(in.u32() == 0);
  CHECK(in.u8() == 0);
  CHECK(in.raw(1).empty());
  CHECK_FALSE(in.ok());
}

TEST_CASE("a segment decodes to what was encoded", "[sync]") {
  const std::vector<Op> ops = three_ops();
  Hash256 predecessor{};
  predecessor.fill(0x5A);
  const Bytes bytes = encode(ops, 300, predecessor);
  const Segment segment = decode_segment(bytes).value();
  CHECK(segment.header.replica == kReplica);
  CHECK(segment.header.first_seq == 300);
  CHECK(segment.header.last_seq() == 302);
  CHECK(segment.header.predecessor == predecessor);
  REQUIRE(segment.ops.size() == 3);
  for (std::size_t i = 0; i < ops.size(); ++i) CHECK(same(segment.ops[i], ops[i]));
}

Op changing_op() {
  Op out = full_op(1003);
  out.change = from_hex("00f1f2");
  return out;
}

TEST_CASE("an op brings what it changes in a counter", "[sync]") {
  const Segment segment = decode_segment(encode({full_op(1002), changing_op(), full_op(1004)})).value();
  REQUIRE(segment.ops.size() == 3);
  CHECK(same(segment.ops[1], changing_op()));
  CHECK(same(segment.ops[2], full_op(1004)));
}

TEST_CASE("a change of an op that sets no cell is refused", "[sync][G6]") {
  Op wrong = changing_op();
  wrong.kind.cell = false;
  CHECK_FALSE(check_op(wrong));
  SegmentBuilder builder;
  builder.start(kReplica, 1, {});
  builder.add(wrong);
  CHECK_FALSE(decode_segment(builder.finish()));
}

TEST_CASE("a payload and its change together keep within the bound of a payload", "[sync][G6]") {
  Op large = changing_op();
  large.change.assign(kPayloadBytesMax - large.message->payload.size(), 1);
  CHECK(check_op(large));
  CHECK(decode_segment(encode({large})));
  large.change.push_back(1);
  CHECK(check_op(large).error().category == Category::kLimit);
}

TEST_CASE("test vector: an op with a change, and its chain", "[sync][G5]") {
  CHECK(to_hex(encode({changing_op()}, 9)) ==
        "0101020304050607080901000000000000000000000000000000000000000000000000000000000000000001000000000000"
        "abcd6feb0703000c6f7263686172642f70756d70020101901c023432020300f1f2");
  security::Sha256 hasher;
  CHECK(to_hex(Chain(hasher).next({}, {.channel = "default", .replica = kReplica}, 9, changing_op())) ==
        "afac56adb7f2ae585f68f7d0edc41f0f707de207db703252920654e1689a02ca");
}

Op beginning_op() {
  Op out = changing_op();
  out.run = 0x1122334455667788;
  return out;
}

TEST_CASE("test vector: an op that begins a run, and its chain", "[sync][G5]") {
  CHECK(to_hex(encode({beginning_op()}, 9)) ==
        "0101020304050607080901000000000000000000000000000000000000000000000000000000000000000001000000000000"
        "abcd6feb0703000c6f7263686172642f70756d70020101901c0234320611223344556677880300f1f2");
  security::Sha256 hasher;
  CHECK(to_hex(Chain(hasher).next({}, {.channel = "default", .replica = kReplica}, 9, beginning_op())) ==
        "3c1608777ca23cbfc1eb73515e25045ff5be81ba0e2a3f02bca151ffdc499ab7");
}

TEST_CASE("an op says that it begins a run, with a change and without", "[sync][G5]") {
  Op plain = full_op(1001);
  plain.run = 7;
  const Segment segment = decode_segment(encode({plain, full_op(1002), beginning_op()})).value();
  REQUIRE(segment.ops.size() == 3);
  CHECK(same(segment.ops[0], plain));
  CHECK(same(segment.ops[1], full_op(1002)));
  CHECK(same(segment.ops[2], beginning_op()));
}

Op behind_op() {
  Op out = full_op(1003);
  out.stamp.quality = ClockQuality::kSynchronised;
  out.stamp.behind_ms = 900;
  return out;
}

TEST_CASE("test vector: an op whose writer's clock stood behind its stamp, and its chain", "[sync][G5][G10]") {
  CHECK(to_hex(encode({behind_op()}, 9)) ==
        "0101020304050607080901000000000000000000000000000000000000000000000000000000000000000001000000000000"
        "abcd7feb0703000c6f7263686172642f70756d70020101901c0234321a8407");
  security::Sha256 hasher;
  CHECK(to_hex(Chain(hasher).next({}, {.channel = "default", .replica = kReplica}, 9, behind_op())) ==
        "9b7ad18e686d3229279ce1a615320acc00e06070e72db663e61c6946472fbb81");
}

TEST_CASE("an op says when it was written, with a run and a change and without", "[sync][G10]") {
  Op all = beginning_op();
  all.stamp = {.wall_ms = 1004, .counter = 0, .quality = ClockQuality::kSynchronised, .behind_ms = 1004};
  Op run = behind_op();
  run.stamp.wall_ms = 1005;
  run.run = 7;
  const Segment segment = decode_segment(encode({full_op(1002), behind_op(), all, run})).value();
  REQUIRE(segment.ops.size() == 4);
  CHECK(same(segment.ops[0], full_op(1002)));
  CHECK(same(segment.ops[1], behind_op()));
  CHECK(same(segment.ops[2], all));
  CHECK(same(segment.ops[3], run));
}

TEST_CASE("a stamp that is ahead by more than can be, or of a clock that nobody trusts, is refused",
          "[sync][G6][G10]") {
  Op op = behind_op();
  CHECK(check_op(op));
  op.stamp.behind_ms = op.stamp.wall_ms + 1;
  CHECK(check_op(op).error().category == Category::kInvalidInput);
  CHECK_FALSE(decode_segment(encode({op})));
  op = behind_op();
  op.stamp.quality = ClockQuality::kUnsynchronised;
  CHECK(check_op(op).error().category == Category::kInvalidInput);
  CHECK_FALSE(decode_segment(encode({op})));
  Bytes none = encode({behind_op()});  // 0 in two bytes' place is no shortest form, and in one it says nothing
  none.pop_back();
  none.back() = 0;
  CHECK_FALSE(decode_segment(none));
}

TEST_CASE("more that says nothing, or what nobody knows, is refused", "[sync][G6]") {
  Op plain = full_op(1001);
  plain.run = 7;
  for (const std::uint8_t kind : Bytes{0x02, 0x06, 0x0A, 0x0F, 0x1A, 0x2E}) {
    Bytes bytes = encode({plain});
    CHECK(decode_segment(bytes));
    bytes[bytes.size() - 9] = kind;
    CHECK_FALSE(decode_segment(bytes));
  }
  Bytes unmarked = encode({plain});
  unmarked.back() = 0;
  CHECK_FALSE(decode_segment(unmarked));
}

TEST_CASE("a segment under another name is the same but for that", "[sync][G5]") {
  const Bytes bytes = encode(three_ops(), 300);
  const Segment renamed = decode_segment(rename_segment(bytes, ReplicaId{77})).value();
  CHECK(renamed.header.replica == ReplicaId{77});
  CHECK(renamed.header.first_seq == 300);
  CHECK(rename_segment(rename_segment(bytes, ReplicaId{77}), kReplica) == bytes);
}

TEST_CASE("the header can be read alone", "[sync]") {
  Bytes bytes = encode(three_ops(), 300);
  bytes.resize(bytes.size() - 5);
  const auto header = peek_segment(bytes);
  REQUIRE(header);
  CHECK(header->first_seq == 300);
  CHECK(header->count == 3);
}

TEST_CASE("test vector: three ops", "[sync]") {
  const Bytes bytes = encode(three_ops(), 9);
  CHECK(to_hex(bytes) == kThreeOpsHex);
  CHECK(decode_segment(from_hex(kThreeOpsHex)));
}

TEST_CASE("test vector: the chain of these three ops", "[sync][G5]") {
  security::Sha256 hasher;
  Chain chain(hasher);
  Hash256 head{};
  std::vector<std::string> heads;
  Seq seq = 0;
  for (const Op& one : three_ops()) {
    head = chain.next(head, {.channel = "default", .replica = kReplica}, ++seq, one);
    heads.push_back(to_hex(head));
  }
  CHECK(heads[0] == "d9ecf59dc02f5b98658205aed2bab0ed685afabd633158ba2591aa339501935e");
  CHECK(heads[1] == "d03617986455bad9b3c8a8d0b35d33f2205003cf246f735bbecdabe11e94085f");
  CHECK(heads[2] == "c7fc8135144e7734b0ebb20fb0fa8099c0ace77ddc4d81d90ea697275568d8e6");
}

TEST_CASE("everything about an op is in its hash", "[sync][G5]") {
  security::Sha256 hasher;
  Chain chain(hasher);
  const ChainName name{.channel = "default", .replica = kReplica};
  const Op base = full_op(5);
  std::vector<Hash256> hashes{
      chain.next({}, name, 1, base),
      chain.next(Hash256{1}, name, 1, base),
      chain.next({}, {.channel = "defaul", .replica = kReplica}, 1, base),
      chain.next({}, {.channel = "default", .replica = ReplicaId{1}}, 1, base),
      chain.next({}, name, 2, base),
  };
  const auto with = [&](auto change) {
    Op changed = base;
    auto message = std::make_shared<Message>(*base.message);
    change(changed, *message);
    changed.message = message;
    hashes.push_back(chain.next({}, name, 1, changed));
  };
  with([](Op& at, Message&) { at.stamp.wall_ms = 6; });
  with([](Op& at, Message&) { at.stamp.counter = 4; });
  with([](Op& at, Message&) { at.stamp.quality = ClockQuality::kSynchronised; });
  with([](Op& at, Message&) { at.kind.record = false; });
  with([](Op& at, Message&) { at.kind.cell = false; });
  with([](Op& at, Message&) { at.kind.qos = 1; });
  with([](Op& at, Message&) { at.publisher = 1; });
  with([](Op&, Message& at) { at.topic = "orchard/pum"; });
  with([](Op&, Message& at) { at.properties.clear(); });
  with([](Op&, Message& at) { at.payload = to_bytes("p42"); });
  with([](Op&, Message& at) { at.expiry_s.reset(); });
  with([](Op&, Message& at) { at.expiry_s = 0; });
  with([](Op& at, Message&) { at.change = to_bytes("42"); });
  with([](Op& at, Message&) { at.change = to_bytes("43"); });
  with([](Op& at, Message&) { at.stamp.behind_ms = 1; });
  with([](Op& at, Message&) { at.stamp.behind_ms = 2; });
  with([](Op& at, Message&) { at.run = 1; });
  with([](Op& at, Message&) { at.run = 2; });
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end());
}

TEST_CASE("no expiry is not expiry 0", "[sync]") {
  Op never = op(1, "t", "x");
  Op now = op(2, "t", "x");
  auto message = std::make_shared<Message>(*now.message);
  message->expiry_s = 0;
  now.message = message;
  const Segment segment = decode_segment(encode({never, now})).value();
  CHECK(segment.ops[0].message->expiry_s == std::nullopt);
  CHECK(segment.ops[1].message->expiry_s == 0U);
}

TEST_CASE("a hundred small telemetry records take a few bytes each beyond their payload", "[sync]") {
  std::vector<Op> ops;
  for (std::uint64_t i = 0; i < 100; ++i) ops.push_back(op(1'700'000'000'000 + 10 * i, "site/barn/t", "21.5", 0, 77));
  CHECK(encode(ops).size() < 100 * (4 + 7) + 80);
}

TEST_CASE("a builder closes at the soft bound, but takes one op of any size", "[sync][G6]") {
  SegmentBuilder builder;
  builder.start(kReplica, 1, {});
  const Op large = op(1, "t", std::string(kPayloadBytesMax, 'x'));
  REQUIRE(builder.fits(large));
  builder.add(large);
  CHECK_FALSE(builder.fits(op(2, "t", "x")));
  CHECK(decode_segment(builder.finish()));
}

TEST_CASE("a builder closes at its bound of ops", "[sync][G6]") {
  SegmentBuilder builder;
  builder.start(kReplica, 1, {});
  for (std::uint64_t i = 0; i < kSegmentOpsMax; ++i) builder.add(op(i, "t", ""));
  CHECK_FALSE(builder.fits(op(kSegmentOpsMax, "t", "")));
  CHECK(decode_segment(builder.finish())->ops.size() == kSegmentOpsMax);
}

TEST_CASE("a builder closes at its bound of publishers and of topic bytes", "[sync][G6]") {
  SegmentBuilder builder;
  builder.start(kReplica, 1, {});
  for (std::uint64_t i = 0; i < kSegmentPublishersMax; ++i) builder.add(op(i, "t", "", 0, i));
  CHECK_FALSE(builder.fits(op(1000, "t", "", 0, kSegmentPublishersMax)));
  CHECK(builder.fits(op(1000, "t", "", 0, 3)));
  const std::string topic(kTopicBytesMax, 'x');
  builder.start(kReplica, 1, {});
  std::uint64_t count = 0;
  while (builder.fits(op(count, topic, ""))) builder.add(op(count++, topic, ""));
  CHECK(count == kSegmentTopicBytesMax / kTopicBytesMax);
  CHECK(decode_segment(builder.finish()));
}

TEST_CASE("a builder refuses a stamp that does not rise", "[sync]") {
  SegmentBuilder builder;
  builder.start(kReplica, 1, {});
  builder.add(op(5, "t", "", 2));
  CHECK_FALSE(builder.fits(op(5, "t", "", 2)));
  CHECK_FALSE(builder.fits(op(4, "t", "", 9)));
  CHECK(builder.fits(op(5, "t", "", 3)));
}

TEST_CASE("all ops of a segment fit, or none", "[sync][G6]") {
  SegmentBuilder builder;
  builder.start(kReplica, 1, {});
  builder.add(op(5, "t", "x", 2));
  constexpr std::size_t kRoom = 1000;
  CHECK(builder.fits_all({op(5, "t", "x", 3), op(6, "t", "x")}, kRoom));
  CHECK(builder.fits_all({}, kRoom));
  CHECK_FALSE(builder.fits_all({op(5, "t", "x", 2), op(6, "t", "x")}, kRoom));
  CHECK_FALSE(builder.fits_all({op(6, "t", "x"), op(7, "t", std::string(kRoom, 'x'))}, kRoom));
  CHECK_FALSE(builder.fits_all(std::vector<Op>(kSegmentOpsMax, op(6, "t", "")), kSegmentBytesSoft));
  const std::string topic(kTopicBytesMax, 't');
  const std::vector<Op> long_topics(kSegmentTopicBytesMax / kTopicBytesMax + 1, op(6, topic, ""));
  CHECK_FALSE(builder.fits_all(long_topics, kSegmentBytesMax));
  std::vector<Op> publishers;
  for (std::size_t i = 1; i < kSegmentPublishersMax; ++i) publishers.push_back(op(5 + i, "t", "", 0, i));
  CHECK(builder.fits_all(publishers, kSegmentBytesSoft));
  publishers.push_back(op(1000, "t", "", 0, kSegmentPublishersMax));
  CHECK_FALSE(builder.fits_all(publishers, kSegmentBytesSoft));
}

TEST_CASE("the chain does not depend on how a segment is cut", "[sync][G5]") {
  security::Sha256 hasher;
  Chain chain(hasher);
  const ChainName name{.channel = "default", .replica = kReplica};
  std::vector<Op> ops;
  for (std::uint64_t i = 0; i < 10; ++i) ops.push_back(op(100 + i, "a/" + std::to_string(i), "v", 0, i % 3));
  Hash256 head{};
  std::vector<Hash256> heads{head};
  for (std::size_t i = 0; i < ops.size(); ++i) heads.push_back(head = chain.next(head, name, 1 + i, ops[i]));
  const Segment whole = decode_segment(encode(ops)).value();
  for (std::size_t first = 1; first <= 10; ++first) {
    const CutSegment cut = recut(chain, name, whole, {.first = first});
    const Segment part = decode_segment(cut.bytes).value();
    CHECK(cut.last_seq == 10);
    CHECK(part.header.first_seq == first);
    CHECK(part.header.predecessor == heads[first - 1]);
    REQUIRE(part.ops.size() == 11 - first);
    CHECK(same(part.ops.front(), ops[first - 1]));
  }
}

TEST_CASE("a cut keeps within its bytes and holds at least one op", "[sync][G6]") {
  security::Sha256 hasher;
  Chain chain(hasher);
  const ChainName name{.channel = "default", .replica = kReplica};
  std::vector<Op> ops;
  for (std::uint64_t i = 0; i < 100; ++i) ops.push_back(op(100 + i, "topic", std::string(100, 'x')));
  const Segment whole = decode_segment(encode(ops)).value();
  const CutSegment some = recut(chain, name, whole, {.first = 20, .bytes_max = 1000});
  CHECK(some.bytes.size() <= 1000);
  CHECK(some.last_seq > 25);
  CHECK(recut(chain, name, whole, {.first = 20, .bytes_max = 0}).last_seq == 20);
}

TEST_CASE("every prefix of a segment is refused, and so is a byte too many", "[sync][G6]") {
  Bytes bytes = encode(three_ops());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto segment = decode_segment(ByteView(bytes).first(size));
    REQUIRE_FALSE(segment);
    CHECK(segment.error().category == Category::kCorrupt);
  }
  bytes.push_back(0);
  CHECK_FALSE(decode_segment(bytes));
}

TEST_CASE("an error of a segment names the op and the field", "[sync]") {
  const Bytes bytes = encode({op(1, "good", "x"), op(2, "bad+", "x")}, 41);
  const auto segment = decode_segment(bytes);
  REQUIRE_FALSE(segment);
  CHECK(segment.error().what.find("op 42: the topic") != std::string::npos);
}

TEST_CASE("a future version is refused with what to do", "[sync]") {
  Bytes bytes = encode(three_ops());
  bytes[0] = 2;
  CHECK(decode_segment(bytes).error().what.find("update") != std::string::npos);
}

TEST_CASE("a few bytes cannot claim many topics of great length", "[sync][G6]") {
  Bytes bytes = encode({op(1, std::string(kTopicBytesMax, 'x'), "")});
  const std::size_t count_at = 1 + 8 + 1;
  REQUIRE(bytes[count_at] == 1);
  bytes[count_at] = 100;
  for (int i = 0; i < 99; ++i) append(bytes, from_hex("050100ffff030000"));
  CHECK(decode_segment(bytes).error().what.find("topics' size") != std::string::npos);
}

TEST_CASE("a stamp beyond the year 9999 is refused", "[sync][G10]") {
  CHECK(decode_segment(encode({op(kStampWallMsMax, "t", "")})));
  CHECK_FALSE(decode_segment(encode({op(kStampWallMsMax + 1, "t", "")})));
  CHECK_FALSE(decode_segment(encode({op(kStampWallMsMax, "t", ""), op(kStampWallMsMax + 1, "t", "")})));
}

TEST_CASE("sequence numbers beyond the bound are refused", "[sync][G6]") {
  CHECK(decode_segment(encode({op(1, "t", "")}, kSeqMax - 1)));
  CHECK_FALSE(decode_segment(encode({op(1, "t", "")}, kSeqMax)));
  CHECK_FALSE(decode_segment(encode({op(1, "t", "")}, ~Seq{0})));
}

TEST_CASE("mutated segments are refused or decode to what encodes again", "[sync][G6]") {
  test::SeededRandom random(test::pick_seed("mutated segments"));
  std::vector<Op> ops = three_ops();
  ops.push_back(op(2000, "orchard/pump/speed", std::string(300, 'y'), 0, 9));
  ops.push_back(full_op(2001));
  ops.back().change = to_bytes("what it changes");
  const Bytes good = encode(ops, 77);
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = good;
    for (std::size_t edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0: bytes[at] = static_cast<std::uint8_t>(random.next()); break;
        case 1: bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << random.below(8))); break;
        case 2: bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at)); break;
        case 3: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), 0xFF); break;
      }
      if (bytes.empty()) bytes.push_back(1);
    }
    const auto segment = decode_segment(bytes);
    if (!segment) continue;
    SegmentBuilder builder;
    builder.start(segment->header.replica, segment->header.first_seq, segment->header.predecessor);
    for (const Op& one : segment->ops) {
      REQUIRE(check_op(one));
      REQUIRE(builder.fits(one));
      builder.add(one);
    }
    const Segment again = decode_segment(builder.finish()).value();
    REQUIRE(again.ops.size() == segment->ops.size());
    for (std::size_t i = 0; i < again.ops.size(); ++i) REQUIRE(same(again.ops[i], segment->ops[i]));
  }
}

TEST_CASE("random bytes after a good header are refused or bounded", "[sync][G6]") {
  test::SeededRandom random(test::pick_seed("random segments"));
  for (int round = 0; round < 5'000; ++round) {
    Bytes bytes = from_hex("0101020304050607080101");
    bytes.resize(bytes.size() + 32);
    for (std::size_t more = random.below(200); more > 0; --more) {
      bytes.push_back(static_cast<std::uint8_t>(random.one_in(3) ? random.next() : random.below(4)));
    }
    const auto segment = decode_segment(bytes);
    if (segment) CHECK(segment->ops.size() == 1);
  }
}

}  // namespace
}  // namespace hedgerow::sync
