// Random input: never a crash, never beyond the limits, and the same events however the bytes are cut.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/support/seeded_random.hpp"
#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;

namespace {

constexpr std::uint32_t kSmallPacket = 4096;
constexpr std::size_t kReadAtOnce = 1500;
const ConnectionLimits kSmallLimits{.packet_bytes_max = kSmallPacket,
                                    .connect_packet_bytes_max = 1024,
                                    .receive_maximum = 8,
                                    .output_high_water_bytes = 2048};

Bytes random_properties(test::SeededRandom& random) {
  Bytes out;
  if (random.one_in(3)) append(out, test::user_property("key", std::string(random.below(30), 'v')));
  if (random.one_in(3)) append(out, test::property(0x02, test::u32(static_cast<std::uint32_t>(random.next()))));
  if (random.one_in(4)) append(out, test::property(0x08, test::text("reply/to")));
  if (random.one_in(4)) append(out, test::property(0x09, test::text(std::string(random.below(20), 'c'))));
  return out;
}

Bytes random_publish(test::SeededRandom& random, Protocol protocol) {
  test::PublishSent publish{.protocol = protocol,
                            .topic = "some/topic/" + std::to_string(random.below(5)),
                            .payload = std::string(random.below(300), 'p'),
                            .qos = static_cast<unsigned>(random.below(3)),
                            .packet_id = static_cast<unsigned>(1 + random.below(6)),
                            .retain = random.one_in(2),
                            .properties = random_properties(random)};
  if (protocol == Protocol::kV5 && random.one_in(3)) {
    append(publish.properties, test::property(0x23, test::u16(static_cast<unsigned>(1 + random.below(3)))));
    if (random.one_in(2)) publish.topic.clear();  // sometimes an alias that was never set
  }
  return test::encode(publish);
}

Bytes random_packet(test::SeededRandom& random, Protocol protocol) {
  const auto id = static_cast<unsigned>(1 + random.below(6));
  switch (random.below(10)) {
    case 0: return test::encode_pingreq();
    case 1: return test::encode_puback(id);
    case 2: return test::encode_subscribe(id, {{"a/+", 1}, {"$share/g/b/#", 2}}, protocol);
    case 3: return test::encode_unsubscribe(id, {"a/+"}, protocol);
    case 4: return test::packet(PacketType::kPubrel, 2, test::u16(id));
    case 5: return test::packet(PacketType::kPubrec, 0, test::u16(id));
    case 6: return test::packet(PacketType::kPubcomp, 0, test::u16(id));
    default: return random_publish(random, protocol);
  }
}

Bytes random_connect(test::SeededRandom& random, Protocol protocol) {
  test::ConnectOut connect{.protocol = protocol, .keep_alive_s = 30};
  if (protocol == Protocol::kV5 && random.one_in(2)) connect.properties = test::property(0x22, test::u16(2));
  if (random.one_in(2)) {
    Bytes properties = random_properties(random);
    if (random.one_in(2)) append(properties, test::property(0x18, test::u32(60)));
    const Bytes fields = concat(test::text("will/topic"), test::text(std::string(random.below(100), 'w')));
    connect.will = protocol == Protocol::kV5 ? concat(test::with_length(properties), fields) : fields;
    connect.flags = 0x06U | static_cast<unsigned>(random.below(3) << 3U) | (random.one_in(2) ? 0x20U : 0U);
  }
  return test::encode(connect);
}

Bytes random_session(test::SeededRandom& random, std::size_t packets) {
  const Protocol protocol = random.one_in(2) ? Protocol::kV5 : Protocol::kV311;
  Bytes out = random_connect(random, protocol);
  for (std::size_t i = 0; i < packets; ++i) append(out, random_packet(random, protocol));
  if (random.one_in(2)) append(out, test::encode_disconnect());
  return out;
}

void mutate(test::SeededRandom& random, Bytes& bytes) {
  const std::size_t at = random.below(bytes.size());
  const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.below(4)) {
    case 0: bytes[at] = static_cast<std::uint8_t>(random.next()); break;
    case 1: bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1U << random.below(8))); break;
    case 2: bytes.insert(place, static_cast<std::uint8_t>(random.next())); break;
    default: bytes.erase(place); break;
  }
}

struct Outcome {
  Lines lines;
  Bytes output;
  bool operator==(const Outcome&) const = default;
};

// Feeds pieces of 1 to piece_max bytes, taking the output out as an adapter would.
Outcome run(const Bytes& bytes, std::size_t piece_max, test::SeededRandom& random, bool& within_limits) {
  Client client{kSmallLimits};
  client.handler.echoes = true;
  Outcome outcome;
  const auto drain = [&] {
    // One answer may follow the one that reached the mark.
    within_limits = within_limits && client.connection.output().size() <= 2 * kSmallLimits.output_high_water_bytes;
    within_limits = within_limits && client.connection.held_bytes() <= kSmallPacket + kReadAtOnce;
    append(outcome.output, std::exchange(client.connection.output(), Bytes{}));
  };
  ByteView rest{bytes};
  while (!rest.empty() && !client.connection.closing()) {
    const std::size_t piece = std::min(rest.size(), 1 + random.below(piece_max));
    client.send(to_bytes(rest.first(piece)));
    rest = rest.subspan(piece);
    drain();
    while (client.connection.wants_input() && client.connection.held_bytes() > 0) {
      const std::size_t before = client.connection.held_bytes();
      client.connection.resume(client.now);
      drain();
      if (client.connection.held_bytes() == before) break;
    }
  }
  outcome.lines = client.lines();
  return outcome;
}

}  // namespace

TEST_CASE("however the bytes are cut, the same happens", "[mqtt]") {
  const std::uint64_t seed = test::pick_seed("connection cuts");
  CAPTURE(seed);
  test::SeededRandom random{seed};
  for (int round = 0; round < 100; ++round) {
    Bytes bytes = random_session(random, 20);
    if (random.one_in(2)) mutate(random, bytes);
    bool within_limits = true;
    const Outcome by_byte = run(bytes, 1, random, within_limits);
    CHECK(run(bytes, 40, random, within_limits) == by_byte);
    CHECK(run(bytes, kReadAtOnce, random, within_limits) == by_byte);
    CHECK(within_limits);
  }
}

TEST_CASE("broken sessions never crash and never exceed a limit", "[mqtt][G6]") {
  const std::uint64_t seed = test::pick_seed("connection mutations");
  CAPTURE(seed);
  test::SeededRandom random{seed};
  bool within_limits = true;
  bool closes_once = true;
  for (int round = 0; round < 3'000; ++round) {
    Bytes bytes = random_session(random, 1 + random.below(6));
    for (std::size_t i = 1 + random.below(4); i > 0; --i) mutate(random, bytes);
    const Outcome outcome = run(bytes, kReadAtOnce, random, within_limits);
    const auto ends = std::ranges::count_if(outcome.lines, [](const std::string& line) {
      return line.starts_with("closed") || line.starts_with("disconnected");
    });
    closes_once = closes_once && ends <= 1;
    test::split_packets(outcome.output);  // throws if we sent no whole packets
  }
  CHECK(within_limits);
  CHECK(closes_once);
}

TEST_CASE("random bytes never crash and never exceed a limit", "[mqtt][G6]") {
  const std::uint64_t seed = test::pick_seed("connection noise");
  CAPTURE(seed);
  test::SeededRandom random{seed};
  bool within_limits = true;
  for (int round = 0; round < 2'000; ++round) {
    // Half of them behind a good CONNECT, and with a plausible length, so that the noise gets somewhere.
    Bytes bytes = random.one_in(2) ? test::encode(test::ConnectOut{}) : Bytes{};
    Bytes noise(1 + random.below(200));
    for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(random.next());
    append(bytes, random.one_in(2) ? noise : concat(test::u8(noise[0]), test::varint(noise.size()), noise));
    const Outcome outcome = run(bytes, kReadAtOnce, random, within_limits);
    test::split_packets(outcome.output);
  }
  CHECK(within_limits);
}
