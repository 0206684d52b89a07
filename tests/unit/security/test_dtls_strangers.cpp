// Who must not get in, and what must not get through: wrong keys, floods, forgeries, replays.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "security/pki_mbedtls/authority.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/security/dtls_field.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
using hedgerow::test::barn;
using hedgerow::test::DtlsClientOptions;
using hedgerow::test::Field;
using hedgerow::test::kBarnKey;
using hedgerow::test::Thing;

namespace {

constexpr auto kCcm8 = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8;

Identity issue(const std::filesystem::path& directory, const std::string& name, Role role) {
  REQUIRE(issue_node(directory / "authority", name, directory / name, {.role = role}));
  return load_identity(directory / name).value();
}

// The alert that a client got which the board refused.
int alert_of(Field& field, const DtlsClientOptions& options) {
  Thing thing(options);
  field.settle({&thing});
  CHECK_FALSE(thing.client.open());
  CHECK(field.server.sessions() == 0);
  CHECK(field.server.handshakes() == 0);
  return thing.client.alert();
}

// The second ClientHello of a client there, with its cookie.
Bytes hello_with_cookie(Field& field, const std::string& address) {
  Thing thing(barn(), address);
  thing.client.on_time(field.now);
  field.server.on_datagram(field.now, address, thing.client.out.front());
  thing.client.out.clear();
  thing.client.feed(field.now, field.to_things.back().second);
  field.to_things.clear();
  return thing.client.out.front();
}

}  // namespace

TEST_CASE("a wrong key and an unknown thing look the same from outside, and not in the log", "[dtls][G7]") {
  Field field;
  const int wrong = alert_of(field, {.identity = "barn-1", .key = Bytes(16, 9), .cipher = kCcm8});
  CHECK(field.server.last_refusal() ==
        "DTLS from 192.0.2.7:4000: it has another key than the one that thing \"barn-1\" has here: give it the one "
        "that hedgerow thing add printed");
  const int unknown = alert_of(field, {.identity = "barn-9", .key = kBarnKey, .cipher = kCcm8});
  CHECK(field.server.last_refusal() ==
        "DTLS from 192.0.2.7:4000: no thing \"barn-9\" is known here: hedgerow thing add makes its key");
  CHECK(wrong == MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC);
  CHECK(unknown == wrong);
  CHECK(field.server.counters().refused == 2);
}

TEST_CASE("an identity that is no name does not reach the log", "[dtls]") {
  Field field;
  static_cast<void>(alert_of(field, {.identity = "barn\n\"x", .key = kBarnKey, .cipher = kCcm8}));
  CHECK(field.server.last_refusal() == "DTLS from 192.0.2.7:4000: its identity is no name of a thing");
  static_cast<void>(alert_of(field, {.identity = std::string(100, 'a'), .key = kBarnKey, .cipher = kCcm8}));
  CHECK(field.server.last_refusal() == "DTLS from 192.0.2.7:4000: its identity is no name of a thing");
}

TEST_CASE("certificates of others get nothing", "[dtls][G7]") {
  test::TemporaryDirectory orchard;
  test::TemporaryDirectory other;
  REQUIRE(create_authority(orchard.path(), "orchard"));
  REQUIRE(create_authority(other.path(), "orchard"));
  const Identity board = issue(orchard.path(), "gw-barn", Role::kNode);
  const Identity stranger = issue(other.path(), "pump", Role::kApp);
  Field field(&board);
  CHECK(alert_of(field, {.certificate = &stranger}) == MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA);
  CHECK(field.server.last_refusal().find("certificate of another authority") != std::string::npos);
  // None at all, where the cipher wants one.
  static_cast<void>(alert_of(field, {.cipher = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}));
  CHECK(field.server.last_refusal().find("no certificate") != std::string::npos);
}

TEST_CASE("a board without an identity takes keys only", "[dtls]") {
  Field field;
  CHECK(alert_of(field, {.cipher = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}) ==
        MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
  CHECK(field.server.last_refusal().find("shares no cipher") != std::string::npos);
}

TEST_CASE("a flood of ClientHellos without cookies leaves nothing behind", "[dtls][G6]") {
  Field field;
  Thing thing(barn());
  thing.client.on_time(field.now);
  const Bytes hello = thing.client.out.front();
  for (int n = 0; n < 20'000; ++n) {
    const std::string address = "192.0.2." + std::to_string(n % 250) + ":" + std::to_string(1024 + n);
    field.server.on_datagram(field.now, address, hello);
    REQUIRE(field.to_things.size() == 1);
    CHECK(field.to_things.front().second.size() < hello.size());
    field.to_things.clear();
  }
  CHECK(field.server.handshakes() == 0);
  CHECK(field.server.next_deadline() == Instant::max());
}

TEST_CASE("handshakes are bounded in number and in rate, and an old one makes room", "[dtls][G6]") {
  Field field;
  const auto knock = [&](int n) {
    const std::string address = "192.0.2.1:" + std::to_string(1024 + n);
    field.server.on_datagram(field.now, address, hello_with_cookie(field, address));
    field.to_things.clear();
  };
  for (int n = 0; n < 200; ++n) knock(n);
  CHECK(field.server.handshakes() == kDtlsHandshakesPerSecondMax);
  CHECK(field.server.last_refusal().find("too many handshakes at once") != std::string::npos);
  for (int n = 200; n < 500; ++n) {
    field.now += std::chrono::milliseconds{10};
    knock(n);
    REQUIRE(field.server.handshakes() <= kDtlsHandshakesMax);
  }
  CHECK(field.server.handshakes() == kDtlsHandshakesMax);
  field.now += kDtlsHandshakeTurn;
  Thing thing(barn());
  field.settle({&thing});
  CHECK(thing.client.open());
}

TEST_CASE("a cookie of another address begins no handshake", "[dtls][G6]") {
  Field field;
  const Bytes hello = hello_with_cookie(field, "192.0.2.1:4000");
  field.server.on_datagram(field.now, "192.0.2.2:4000", hello);
  CHECK(field.server.handshakes() == 0);
  field.server.on_datagram(field.now, "192.0.2.1:4000", hello);
  CHECK(field.server.handshakes() == 1);
}

TEST_CASE("an old record from elsewhere moves no session", "[dtls][G7]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  const Bytes old = field.seal(thing, "1");
  const Bytes held_back = field.seal(thing, "2");
  const Bytes latest = field.seal(thing, "3");
  field.server.on_datagram(field.now, thing.address, old);
  field.server.on_datagram(field.now, thing.address, latest);
  field.server.on_datagram(field.now, "203.0.113.66:666", latest);     // seen
  field.server.on_datagram(field.now, "203.0.113.66:666", old);        // seen, and old
  field.server.on_datagram(field.now, "203.0.113.66:666", held_back);  // not seen, but old
  CHECK(field.texts() == std::vector<std::string>{"1", "3"});
  CHECK(field.server.counters().moved == 0);
  CHECK(field.server.send(field.now, "thing:barn-1", as_bytes("secret")));
  CHECK(field.to_things.back().first == thing.address);
}

TEST_CASE("a forged record from elsewhere moves no session", "[dtls][G7]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  const Bytes good = field.seal(thing, "1");
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes forged = good;
    forged[at] = static_cast<std::uint8_t>(forged[at] ^ 0x40U);
    field.server.on_datagram(field.now, "203.0.113.66:666", forged);
    field.server.on_datagram(field.now, "203.0.113.66:666", ByteView{good}.first(at));
  }
  CHECK(field.delivered.empty());
  CHECK(field.server.counters().moved == 0);
  field.server.on_datagram(field.now, thing.address, good);
  CHECK(field.texts() == std::vector<std::string>{"1"});
}

TEST_CASE("a forged head does not lend its datagram's tail a new address", "[dtls][G7]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  Bytes old = field.seal(thing, "1");
  field.server.on_datagram(field.now, thing.address, old);
  Bytes newer_head = old;  // as if it had a later number
  newer_head[10] = 0xFF;
  append(newer_head, old);
  field.server.on_datagram(field.now, "203.0.113.66:666", newer_head);
  CHECK(field.server.counters().moved == 0);
}

TEST_CASE("an open session survives whatever a stranger sends from its address", "[dtls]") {
  const std::uint64_t seed = test::pick_seed("dtls hostile datagrams");
  test::SeededRandom random(seed);
  const bool connection_id = GENERATE(false, true);
  Field field;
  Thing thing(barn(connection_id));
  field.settle({&thing});
  const Bytes sample = field.seal(thing, "sample");
  const Bytes hello = hello_with_cookie(field, "192.0.2.99:1");
  for (int n = 0; n < 5'000; ++n) {
    Bytes datagram = random.one_in(2) ? sample : hello;
    if (random.one_in(4)) {
      datagram.resize(random.below(80));
      for (std::uint8_t& byte : datagram) byte = static_cast<std::uint8_t>(random.next());
    }
    for (std::size_t changes = 1 + random.below(3); changes != 0 && !datagram.empty(); --changes) {
      datagram[random.below(datagram.size())] = static_cast<std::uint8_t>(random.next());
    }
    if (random.one_in(3)) datagram.resize(random.below(datagram.size() + 1));
    if (datagram == sample) continue;
    field.now += std::chrono::milliseconds{1};
    field.server.on_datagram(field.now, thing.address, datagram);
    field.to_things.clear();
  }
  CHECK(field.delivered.empty());
  field.say(thing, "still here");
  CHECK(field.texts() == std::vector<std::string>{"still here"});
}

TEST_CASE("a datagram that ends within a record's head does no harm", "[dtls]") {
  Field field;
  Thing thing(barn());
  field.settle({&thing});
  Bytes datagram = field.seal(thing, "whole");
  datagram.insert(datagram.begin(), {22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0xAA});  // of a handshake long past
  append(datagram, Bytes{23, 0xFE, 0xFD});
  field.server.on_datagram(field.now, thing.address, datagram);
  CHECK(field.server.sessions() == 1);
  CHECK(field.texts() == std::vector<std::string>{"whole"});
}

TEST_CASE("a handshake amid hostile datagrams is done or ends, and the next one is done", "[dtls]") {
  const std::uint64_t seed = test::pick_seed("dtls hostile handshake");
  for (std::uint64_t run = 0; run < 50; ++run) {
    INFO("seed " << seed << ", run " << run);
    test::SeededRandom random(seed + run);
    Field field;
    for (int tries = 0; field.server.sessions() == 0; ++tries) {
      REQUIRE(tries < 3);
      Thing thing(barn(run % 2 == 0));
      for (int round = 0; round < 8; ++round) {
        thing.client.on_time(field.now);
        for (const Bytes& datagram : std::exchange(thing.client.out, {})) {
          Bytes damaged = datagram;
          damaged[random.below(damaged.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
          if (tries == 0) field.server.on_datagram(field.now, thing.address, damaged);
          if (tries == 0) {
            field.server.on_datagram(field.now, thing.address, ByteView{datagram}.first(random.below(datagram.size())));
          }
          field.server.on_datagram(field.now, thing.address, datagram);
        }
        for (const auto& [address, datagram] : std::exchange(field.to_things, {})) {
          thing.client.feed(field.now, datagram);
        }
      }
      field.now += kDtlsHandshakeMax;
      field.server.on_timer(field.now);
      REQUIRE(field.server.handshakes() == 0);
    }
  }
}

TEST_CASE("sessions are bounded in number", "[dtls][G6]") {
  Field field;
  std::vector<std::unique_ptr<Thing>> things;
  for (std::size_t n = 0; n <= kDtlsSessionsMax; ++n) {
    const std::string name = "thing-" + std::to_string(n);
    field.keys[name] = {name, kBarnKey};
    const DtlsClientOptions options{.identity = name, .key = kBarnKey, .cipher = kCcm8};
    things.push_back(std::make_unique<Thing>(options, "192.0.2.1:" + std::to_string(1024 + n)));
    field.settle({things.back().get()});
    field.now += std::chrono::milliseconds{60};
  }
  CHECK(field.server.sessions() == kDtlsSessionsMax);
  CHECK(field.server.last_refusal().find("1000 sessions are open") != std::string::npos);
  field.say(*things.front(), "the first is served");
  CHECK(field.texts() == std::vector<std::string>{"the first is served"});
}
