// MQTT 3.1.1, whose only answer to a broken rule is to close: what the other files show for 5.0 alone. Tags V311-…: its
// clauses that have another number or meaning there.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;

namespace {

constexpr Protocol kOld = Protocol::kV311;

// Ended at once, and without a word.
bool closes(const Bytes& bytes) {
  Client client{kOld};
  client.send(bytes);
  return client.connection.closing() && client.received().empty() && client.handler.lines.size() == 1;
}

// Sends a CONNECT of these flags and this payload, and no more.
struct Connecting : Client {
  Connecting(unsigned flags, const Bytes& payload) {
    const Bytes body = concat(test::text("MQTT"), test::u8(4), test::u8(flags), test::u16(0), payload);
    send(test::packet(PacketType::kConnect, 0, body));
  }
};

bool refuses(unsigned flags, const Bytes& payload) {
  Connecting client(flags, payload);
  return client.connection.closing() && client.received().empty();
}

const std::string kBad[] = {"\xFF", "\xED\xA0\x80", std::string("a\0b", 3)};  // ill-formed, a surrogate, U+0000

}  // namespace

// ---- CONNECT

TEST_CASE("a 3.1.1 CONNECT with a field too few or too many closes",
          "[mqtt][V311-3.1.2-9][V311-3.1.2-11][V311-3.1.2-18][V311-3.1.2-19][V311-3.1.2-20][V311-3.1.2-21]") {
  const Bytes id = test::text("id");
  const Bytes field = test::text("x");
  CHECK_FALSE(refuses(0x02, id));
  CHECK(refuses(0x02, {}));
  CHECK(refuses(0x02, concat(id, field)));                // a user name without its flag
  CHECK(refuses(0x02, concat(id, field, field)));         // or a will, or both of these
  CHECK_FALSE(refuses(0x06, concat(id, field, field)));   // the will
  CHECK(refuses(0x06, concat(id, field)));                // without its message
  CHECK_FALSE(refuses(0x82, concat(id, field)));          // the user name
  CHECK(refuses(0x82, id));                               // not there
  CHECK(refuses(0x82, concat(id, field, field)));         // with a password without its flag
  CHECK_FALSE(refuses(0xC2, concat(id, field, field)));   // with its password
  CHECK(refuses(0xC2, concat(id, field)));                // not there
  CHECK(refuses(0xC6, concat(id, field, field, field)));  // not there, behind a will
  CHECK(refuses(0xC6, concat(id, field, field, field, field, field)));
}

TEST_CASE("a 3.1.1 CONNECT with wrong flags closes",
          "[mqtt][V311-3.1.2-3][V311-3.1.2-11][V311-3.1.2-13][V311-3.1.2-14][V311-3.1.2-15]") {
  const Bytes id = test::text("id");
  const Bytes with_will = concat(id, test::text("topic"), test::text("will"));
  CHECK(refuses(0x03, id));         // the reserved one
  CHECK(refuses(0x0A, id));         // will QoS 1 without a will
  CHECK(refuses(0x12, id));         // will QoS 2
  CHECK(refuses(0x22, id));         // will retain
  CHECK(refuses(0x1E, with_will));  // will QoS 3
  CHECK_FALSE(refuses(0x36, with_will));
}

TEST_CASE("ill-formed text in a 3.1.1 CONNECT closes",
          "[mqtt][V311-1.5.3-1][V311-1.5.3-2][V311-3.1.3-4][V311-3.1.3-10][V311-3.1.3-11]") {
  for (const std::string& bad : kBad) {
    CHECK(refuses(0x02, test::text(bad)));
    CHECK(refuses(0x06, concat(test::text("id"), test::text(bad), test::text("will"))));
    CHECK(refuses(0x82, concat(test::text("id"), test::text(bad))));
  }
}

TEST_CASE("a refusing CONNACK of 3.1.1 has no session, and closes", "[mqtt][V311-3.2.2-4][V311-3.2.2-5]") {
  for (const auto& [code, number] :
       {std::pair{ReasonCode::kServerUnavailable, "CONNACK 0003"},
        std::pair{ReasonCode::kBadUserNameOrPassword, "CONNACK 0004"},
        std::pair{ReasonCode::kNotAuthorized, "CONNACK 0005"}, std::pair{ReasonCode::kQuotaExceeded, "CONNACK 0003"}}) {
    Client client;
    client.handler.accepts = false;
    client.send(concat(test::encode(test::ConnectOut{.protocol = kOld, .clean_start = false}),
                       test::encode(test::PublishSent{.protocol = kOld})));
    client.connection.refuse(code, "no");
    client.connection.resume(client.now);
    CHECK(hex(client.received()) == Lines{number});
    CHECK(client.connection.closing());
    CHECK(client.lines().size() == 1);  // what came behind CONNECT was never handled [MQTT-3.1.4-5]
  }
}

TEST_CASE("a 3.1.1 client that is silent for one and a half keep alive intervals is closed", "[mqtt][V311-3.1.2-24]") {
  using namespace std::chrono_literals;
  Client client;
  client.send(test::encode(test::ConnectOut{.protocol = kOld, .keep_alive_s = 10}));
  client.received();
  client.connection.resume(client.now);  // our own time to answer is over
  client.wait(15s - 1ns);
  CHECK_FALSE(client.connection.closing());
  client.wait(1ns);
  CHECK(client.connection.closing());
  CHECK(client.received().empty());
}

// ---- the rest

TEST_CASE("wrong flags of the fixed header close 3.1.1",
          "[mqtt][V311-2.2.2-1][V311-2.2.2-2][V311-3.6.1-1][V311-3.8.1-1][V311-3.10.1-1][V311-3.14.1-1]") {
  const auto check = [](PacketType type, unsigned right, const Bytes& body) {
    for (unsigned flags = 0; flags < 16; ++flags) {
      CAPTURE(type, flags);
      if (flags != right) CHECK(closes(test::packet(type, flags, body)));
    }
  };
  for (const PacketType type : {PacketType::kPuback, PacketType::kPubrec, PacketType::kPubcomp}) {
    check(type, 0, test::u16(1));
  }
  check(PacketType::kPubrel, 2, test::u16(1));
  check(PacketType::kSubscribe, 2, concat(test::u16(1), test::text("a"), test::u8(0)));
  check(PacketType::kUnsubscribe, 2, concat(test::u16(1), test::text("a")));
  check(PacketType::kPingreq, 0, {});
  check(PacketType::kDisconnect, 0, {});
}

TEST_CASE("ill-formed text closes 3.1.1",
          "[mqtt][V311-1.5.3-1][V311-1.5.3-2][V311-3.3.2-1][V311-3.8.3-1][V311-3.10.3-1][V311-4.7.3-2]") {
  for (const std::string& bad : kBad) {
    CHECK(closes(test::encode(test::PublishSent{.protocol = kOld, .topic = bad})));
    CHECK(closes(test::encode_subscribe(1, {{bad, 0}}, kOld)));
    CHECK(closes(test::encode_unsubscribe(1, {bad}, kOld)));
  }
}

TEST_CASE("3.1.1 keeps U+FEFF where it stands", "[mqtt][V311-1.5.3-3][V311-4.7.3-4]") {
  const std::string topic =
      "\xEF\xBB\xBF"
      "a/\xEF\xBB\xBF";
  Client client{kOld};
  client.send(test::encode(test::PublishSent{.protocol = kOld, .topic = topic}));
  client.send(test::encode_subscribe(1, {{topic, 0}}, kOld));
  CHECK(client.lines() == Lines{"publish " + topic + "=", "subscribe 1 " + topic});
}

TEST_CASE("packet identifier 0 closes 3.1.1", "[mqtt][V311-2.3.1-1]") {
  CHECK(closes(test::encode(test::PublishSent{.protocol = kOld, .qos = 1})));
  CHECK(closes(test::encode(test::PublishSent{.protocol = kOld, .qos = 2})));
  CHECK(closes(test::encode_subscribe(0, {{"a", 0}}, kOld)));
  CHECK(closes(test::encode_unsubscribe(0, {"a"}, kOld)));
}

TEST_CASE("a packet without a topic filter closes 3.1.1", "[mqtt][V311-3.8.3-3][V311-3.10.3-2]") {
  CHECK(closes(test::encode_subscribe(1, {}, kOld)));
  CHECK(closes(test::encode_unsubscribe(1, {}, kOld)));
}

TEST_CASE("topic names and filters that break the rules close 3.1.1",
          "[mqtt][V311-4.7.1-1][V311-4.7.1-2][V311-4.7.1-3][V311-4.7.3-1]") {
  for (const char* name : {"", "a/+", "#", "a+"}) {
    CHECK(closes(test::encode(test::PublishSent{.protocol = kOld, .topic = name})));
  }
  for (const char* filter : {"", "a#", "a/#/b", "a+/b", "++"}) {
    CHECK(closes(test::encode_subscribe(1, {{filter, 0}}, kOld)));
    CHECK(closes(test::encode_unsubscribe(1, {filter}, kOld)));
  }
}

TEST_CASE("nothing behind a DISCONNECT of 3.1.1 is handled", "[mqtt][V311-3.14.4-2]") {
  Client client{kOld};
  client.send(concat(test::encode_disconnect(), test::encode(test::PublishSent{.protocol = kOld})));
  CHECK(client.lines() == Lines{"disconnected 00"});
  CHECK(client.connection.closing());
  CHECK(client.received().empty());
}
