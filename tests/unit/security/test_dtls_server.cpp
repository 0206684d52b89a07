// DTLS sessions with things that keep to the rules, on a network that does not.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "security/pki_mbedtls/authority.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/security/dtls_field.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
using hedgerow::test::barn;
using hedgerow::test::Field;
using hedgerow::test::kBarnKey;
using hedgerow::test::Thing;

namespace {

struct Orchard {
  Orchard() {
    REQUIRE(create_authority(directory.path(), "orchard"));
    board = issue("gw-barn", Role::kNode);
    pump = issue("pump", Role::kApp);
  }
  Identity issue(const std::string& name, Role role) {
    REQUIRE(issue_node(directory.path() / "authority", name, directory.path() / name, {.role = role}));
    return load_identity(directory.path() / name).value();
  }
  test::TemporaryDirectory directory;
  Identity board;
  Identity pump;
};

}  // namespace

TEST_CASE("a key opens a session, and messages pass both ways", "[dtls][G7]") {
  const int cipher = GENERATE(as<int>{}, MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, MBEDTLS_TLS_PSK_WITH_AES_128_CCM,
                              MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256,
                              MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256);
  const bool connection_id = GENERATE(false, true);
  Field field;
  Thing thing(barn(connection_id, cipher));
  field.settle({&thing});
  REQUIRE(thing.client.open());
  field.say(thing, "21.5");
  CHECK(field.delivered == std::vector<Field::Delivered>{{"thing:barn-1", "192.0.2.7:4000", "21.5"}});
  CHECK(field.server.send(field.now, "thing:barn-1", as_bytes("lit")));
  field.settle({&thing});
  CHECK(thing.client.messages == std::vector<std::string>{"lit"});
  CHECK(field.server.sessions() == 1);
  CHECK(field.server.handshakes() == 0);
}

TEST_CASE("a thing may give another identity than its name", "[dtls]") {
  Field field;
  field.keys["0011223344556677"] = {"barn-1", kBarnKey};
  Thing thing({.identity = "0011223344556677", .key = kBarnKey});
  field.settle({&thing});
  field.say(thing, "hello");
  REQUIRE(field.delivered.size() == 1);
  CHECK(field.delivered[0].peer == "thing:barn-1");
}

TEST_CASE("of all that both know, a key with forward secrecy is taken", "[dtls][G7]") {
  Field field;
  Thing thing(barn(false, 0));
  field.settle({&thing});
  REQUIRE(thing.client.open());
  CHECK(thing.client.cipher() == "TLS-ECDHE-PSK-WITH-CHACHA20-POLY1305-SHA256");
}

TEST_CASE_METHOD(Orchard, "a certificate of the mesh opens a session under its name", "[dtls][G7]") {
  Field field(&board);
  Thing thing({.certificate = &pump, .connection_id = true});
  field.settle({&thing});
  REQUIRE(thing.client.open());
  field.say(thing, "on");
  REQUIRE(field.delivered.size() == 1);
  CHECK(field.delivered[0].peer == "certificate:pump");
}

TEST_CASE_METHOD(Orchard, "a thing and a certificate of one name are two", "[dtls]") {
  const Identity same = issue("barn-1", Role::kApp);
  Field field(&board);
  Thing by_key(barn());
  Thing by_certificate({.certificate = &same}, "192.0.2.8:4000");
  field.settle({&by_key, &by_certificate});
  field.say(by_key, "a");
  field.say(by_certificate, "b");
  CHECK(field.server.sessions() == 2);
  CHECK(field.texts() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a thing gets its session through loss, doubles and disorder", "[dtls]") {
  const std::uint64_t seed = test::pick_seed("dtls handshake");
  for (std::uint64_t run = 0; run < 200; ++run) {
    INFO("seed " << seed << ", run " << run);
    test::SeededRandom random(seed + run);
    Field field;
    // One handshake in a thousand loses all that is sent in its minute: then the thing makes another.
    for (int handshakes = 0; field.delivered.empty(); ++handshakes) {
      REQUIRE(handshakes < 5);
      Thing thing(barn(run % 2 == 0, run % 4 < 2 ? 0 : MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8));
      std::vector<std::pair<bool, Bytes>> wire;  // true: to the board
      std::size_t said = 0;
      for (int tick = 0; tick < 3'000 && field.delivered.empty(); ++tick) {
        field.now += std::chrono::milliseconds{20};
        thing.client.on_time(field.now);
        field.server.on_timer(field.now);
        if (thing.client.open() && tick % 20 == 0 && said++ < 50) thing.client.send_message(field.now, "here");
        for (; !thing.client.out.empty(); thing.client.out.pop_front()) {
          wire.emplace_back(true, thing.client.out.front());
        }
        for (; !field.to_things.empty(); field.to_things.pop_front()) {
          wire.emplace_back(false, field.to_things.front().second);
        }
        while (!wire.empty() && !random.one_in(3)) {
          const auto at = wire.begin() + static_cast<std::ptrdiff_t>(random.below(wire.size()));
          const auto [up, datagram] = *at;
          if (!random.one_in(8)) wire.erase(at);  // else it comes again
          if (random.one_in(5)) continue;         // lost
          if (up) {
            field.server.on_datagram(field.now, thing.address, datagram);
          } else {
            thing.client.feed(field.now, datagram);
          }
        }
      }
      REQUIRE(thing.client.failure == 0);
    }
    CHECK(field.server.sessions() == 1);
  }
}

TEST_CASE("a double of the hello that comes late harms no session", "[dtls][G6]") {
  const bool connection_id = GENERATE(false, true);
  Field field;
  Thing thing(barn(connection_id));
  Bytes hello;  // with the cookie
  while (field.server.sessions() == 0) {
    thing.client.on_time(field.now);
    for (; !thing.client.out.empty(); thing.client.out.pop_front()) {
      const Bytes datagram = thing.client.out.front();
      const std::size_t handshakes = field.server.handshakes();
      field.server.on_datagram(field.now, thing.address, datagram);
      if (field.server.handshakes() > handshakes) hello = datagram;
    }
    if (field.server.sessions() == 1) break;
    for (const auto& [address, datagram] : std::exchange(field.to_things, {})) thing.client.feed(field.now, datagram);
  }
  field.to_things.clear();  // our last flight is lost
  field.server.on_datagram(field.now, thing.address, hello);
  CHECK(field.server.handshakes() == 0);
  CHECK(field.to_things.empty());
  CHECK(field.server.counters().dropped == 1);

  field.now += std::chrono::seconds{2};
  field.settle({&thing});
  REQUIRE(thing.client.open());
  field.say(thing, "here");
  CHECK(field.texts() == std::vector<std::string>{"here"});
}

TEST_CASE("the last flight is sent again to a thing that did not get it", "[dtls]") {
  const bool connection_id = GENERATE(false, true);
  Field field;
  Thing thing(barn(connection_id));
  for (int rounds = 0; field.server.sessions() == 0; ++rounds) {
    REQUIRE(rounds < 10);
    thing.client.on_time(field.now);
    for (; !thing.client.out.empty(); thing.client.out.pop_front()) {
      field.server.on_datagram(field.now, thing.address, thing.client.out.front());
    }
    if (field.server.sessions() == 1) break;
    for (const auto& [address, datagram] : std::exchange(field.to_things, {})) thing.client.feed(field.now, datagram);
  }
  field.to_things.clear();
  REQUIRE_FALSE(thing.client.open());
  field.now += std::chrono::seconds{2};
  field.settle({&thing});
  CHECK(thing.client.open());
}

TEST_CASE("our flight is sent again while nothing comes, and after a minute it is over", "[dtls][G6]") {
  Field field;
  Thing thing(barn());
  thing.client.on_time(field.now);
  field.server.on_datagram(field.now, thing.address, thing.client.out.front());
  thing.client.feed(field.now, field.to_things.front().second);
  thing.client.out.pop_front();
  field.server.on_datagram(field.now, thing.address, thing.client.out.front());
  REQUIRE(field.server.handshakes() == 1);
  const Instant begun = field.now;
  std::size_t again = 0;
  field.to_things.clear();
  while (field.server.handshakes() == 1) {
    REQUIRE(field.server.next_deadline() > field.now);
    field.now = field.server.next_deadline();
    field.server.on_timer(field.now);
    again += std::exchange(field.to_things, {}).empty() ? 0U : 1U;
  }
  CHECK(again == 5);  // after 1, 3, 7, 15 and 31 s
  CHECK(field.now - begun == kDtlsHandshakeMax);
  CHECK(field.server.last_refusal() ==
        "DTLS from 192.0.2.7:4000: its handshake was not done in time: datagrams are lost on the way");
}

TEST_CASE("messages that come in disorder are all delivered, each once", "[dtls]") {
  Field field;
  Thing thing(barn());
  field.settle({&thing});
  const Bytes first = field.seal(thing, "1");
  const Bytes second = field.seal(thing, "2");
  const Bytes third = field.seal(thing, "3");
  for (const Bytes* datagram : {&third, &first, &second, &first, &third, &second}) {
    field.server.on_datagram(field.now, thing.address, *datagram);
  }
  CHECK(field.texts() == std::vector<std::string>{"3", "1", "2"});
}

TEST_CASE("several records in one datagram are all taken", "[dtls]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  Bytes both = field.seal(thing, "1");
  append(both, field.seal(thing, "2"));
  field.server.on_datagram(field.now, thing.address, both);
  CHECK(field.texts() == std::vector<std::string>{"1", "2"});
}

TEST_CASE("16 KiB are a message, one byte more is refused", "[dtls][G6]") {
  Field field;
  Thing thing(barn());
  field.settle({&thing});
  const std::string most(kDtlsMessageBytesMax, 'x');
  field.say(thing, most);
  CHECK(field.texts() == std::vector<std::string>{most});
  CHECK(field.server.send(field.now, "thing:barn-1", as_bytes(most)));
  field.settle({&thing});
  CHECK(thing.client.messages == std::vector<std::string>{most});
  CHECK_FALSE(field.server.send(field.now, "thing:barn-1", as_bytes(most + "x")));
  CHECK(field.server.send(field.now, "thing:barn-1", as_bytes("and on")));
}

TEST_CASE("with a connection id a session follows its thing to another address", "[dtls]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  thing.address = "198.51.100.1:61000";
  field.say(thing, "still me");
  CHECK(field.delivered == std::vector<Field::Delivered>{{"thing:barn-1", "198.51.100.1:61000", "still me"}});
  CHECK(field.server.counters().moved == 1);
  CHECK(field.server.send(field.now, "thing:barn-1", as_bytes("found you")));
  REQUIRE(field.to_things.size() == 1);
  CHECK(field.to_things[0].first == "198.51.100.1:61000");
  field.settle({&thing});
  CHECK(thing.client.messages == std::vector<std::string>{"found you"});
}

TEST_CASE("without a connection id another address is a stranger's", "[dtls]") {
  Field field;
  Thing thing(barn(false));
  field.settle({&thing});
  thing.address = "198.51.100.1:61000";
  field.say(thing, "me?");
  CHECK(field.delivered.empty());
  CHECK(field.server.counters().dropped == 1);
}

TEST_CASE("a later handshake of a thing takes the place of its session, once it is done", "[dtls]") {
  const bool same_address = GENERATE(true, false);
  const bool connection_id = GENERATE(false, true);
  Field field;
  Thing before(barn(connection_id));
  field.settle({&before});
  Thing after(barn(connection_id), same_address ? before.address : "192.0.2.8:4000");
  after.client.on_time(field.now);
  field.server.on_datagram(field.now, after.address, after.client.out.front());
  after.client.out.clear();
  const Bytes verify = field.to_things.front().second;
  field.to_things.clear();
  after.client.feed(field.now, verify);
  field.server.on_datagram(field.now, after.address, after.client.out.front());
  after.client.out.clear();
  const auto flight = std::exchange(field.to_things, {});
  field.server.on_datagram(field.now, before.address, field.seal(before, "not yet gone"));
  CHECK(field.texts() == std::vector<std::string>{"not yet gone"});
  for (const auto& [address, datagram] : flight) after.client.feed(field.now, datagram);
  field.settle({&after});
  REQUIRE(after.client.open());
  field.say(after, "I am new");
  field.server.on_datagram(field.now, before.address, field.seal(before, "gone"));
  CHECK(field.texts() == std::vector<std::string>{"not yet gone", "I am new"});
  CHECK(field.server.sessions() == 1);
}

TEST_CASE("a thing that begins anew in the middle of a handshake is served", "[dtls]") {
  Field field;
  {
    Thing reset(barn());
    reset.client.on_time(field.now);
    field.server.on_datagram(field.now, reset.address, reset.client.out.front());
    reset.client.feed(field.now, field.to_things.front().second);
    field.server.on_datagram(field.now, reset.address, reset.client.out.back());
    field.to_things.clear();
  }
  REQUIRE(field.server.handshakes() == 1);
  Thing thing(barn());
  field.settle({&thing});
  CHECK(thing.client.open());
  CHECK(field.server.handshakes() == 0);
}

TEST_CASE("two things behind one address after another are told apart", "[dtls]") {
  Field field;
  field.keys["barn-2"] = {"barn-2", Bytes(16, 8)};
  Thing first(barn());
  field.settle({&first});
  Thing second({.identity = "barn-2", .key = Bytes(16, 8)}, first.address);
  field.settle({&second});
  REQUIRE(second.client.open());
  field.say(second, "mine now");
  field.server.on_datagram(field.now, first.address, field.seal(first, "mine?"));
  CHECK(field.texts() == std::vector<std::string>{"mine now"});
  CHECK(field.server.sessions() == 1);
}

TEST_CASE("a thing that says goodbye is gone", "[dtls]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  field.say(thing, "bye");
  thing.client.say_goodbye();
  field.server.on_datagram(field.now, thing.address, thing.client.out.front());
  CHECK(field.server.sessions() == 0);
  CHECK_FALSE(field.server.send(field.now, "thing:barn-1", as_bytes("wait")));
}

TEST_CASE("a revoked key ends its session, and opens none", "[dtls][G8]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  CHECK(field.server.check_keys(field.now).empty());
  field.keys.clear();
  CHECK(field.server.check_keys(field.now) == std::vector<std::string>{"barn-1"});
  CHECK(field.server.sessions() == 0);
  field.say(thing, "still here");
  CHECK(field.delivered.empty());
  CHECK(thing.client.failure == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
  Thing again(barn(true));
  field.settle({&again});
  CHECK_FALSE(again.client.open());
}

TEST_CASE("a thing that was given another key is shut out until it has it", "[dtls][G8]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  field.keys["barn-1"].key = Bytes(16, 9);
  CHECK(field.server.check_keys(field.now) == std::vector<std::string>{"barn-1"});
  CHECK(field.server.sessions() == 0);
}

TEST_CASE("a session outlives the longest sleep, and not two days of silence", "[dtls][G6]") {
  Field field;
  Thing thing(barn(true));
  field.settle({&thing});
  field.now += std::chrono::hours{47};
  field.server.on_timer(field.now);
  field.say(thing, "slept well");
  CHECK(field.texts() == std::vector<std::string>{"slept well"});
  field.now += std::chrono::hours{47};
  field.server.on_timer(field.now);
  CHECK(field.server.sessions() == 1);
  field.now += std::chrono::hours{2};
  field.server.on_timer(field.now);
  CHECK(field.server.sessions() == 0);
}
