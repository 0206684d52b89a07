// Broken rules, and what the standard wants to be answered.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;

namespace {

// The answer to these bytes on a connection that is not connected yet.
Lines answer_to_first(const Bytes& bytes) {
  Client client;
  client.handler.accepts = false;
  client.send(bytes);
  CHECK(client.connection.closing());
  REQUIRE(client.lines().size() == 1);
  CHECK(client.lines()[0].starts_with("closed "));
  Lines out = hex(client.received());
  for (std::string& line : out) line.resize(std::min<std::size_t>(line.size(), 12));  // without the reason string
  return out;
}

Lines answer_to(const test::ConnectOut& connect) { return answer_to_first(test::encode(connect)); }

// The reason code of the DISCONNECT that answers these bytes in 5.0; 3.1.1 must close without a word.
unsigned answer_to_v5(const Bytes& bytes) {
  Client client{Protocol::kV5};
  client.send(bytes);
  CHECK(client.connection.closing());
  CHECK(client.connection.held_bytes() == 0);
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  REQUIRE(packets[0].type == PacketType::kDisconnect);
  REQUIRE(client.lines().size() == 1);
  CHECK(client.lines()[0] == "closed " + to_hex(Bytes{packets[0].body[0]}));
  CHECK_FALSE(client.handler.description.empty());
  return packets[0].body[0];
}

bool closes_v311(const Bytes& bytes) {
  Client client{Protocol::kV311};
  client.send(bytes);
  return client.connection.closing() && client.received().empty() && client.lines().size() == 1;
}

}  // namespace

TEST_CASE("an unknown protocol version is answered in a form that its client knows", "[mqtt][MQTT-3.1.2-2]") {
  CHECK(answer_to({.protocol = Protocol::kV311, .level = 3}) == Lines{"CONNACK 0001"});
  CHECK(answer_to({.level = 6}) == Lines{"CONNACK 0001"});
  CHECK(answer_to({.protocol = Protocol::kV311, .level = 0x83}) == Lines{"CONNACK 0001"});
  CHECK(answer_to({.protocol = Protocol::kV311, .protocol_name = "MQIsdp", .level = 3}) == Lines{"CONNACK 0001"});
}

TEST_CASE("another protocol's name is closed without an answer", "[mqtt][MQTT-3.1.2-1]") {
  CHECK(answer_to({.protocol_name = "HTTP"}).empty());
  CHECK(answer_to_first(to_bytes("GET / HTTP/1.1\r\n\r\n")).empty());
}

TEST_CASE("anything before CONNECT is closed without an answer", "[mqtt][MQTT-3.1.0-1]") {
  CHECK(answer_to_first(test::encode_pingreq()).empty());
  CHECK(answer_to_first(test::encode(test::PublishSent{})).empty());
  CHECK(answer_to_first(Bytes{0x00, 0x00}).empty());
}

TEST_CASE("a session without a client identifier is refused in 3.1.1", "[mqtt][V311-3.1.3-8]") {
  CHECK(answer_to({.protocol = Protocol::kV311, .client_id = "", .clean_start = false}) == Lines{"CONNACK 0002"});
}

TEST_CASE("a malformed CONNECT is answered in 5.0 and closed in 3.1.1", "[mqtt][MQTT-3.1.4-1]") {
  for (const unsigned flags : {0x03U, 0x1EU, 0x0AU, 0x22U}) {  // reserved, QoS 3, will QoS and retain without a will
    CAPTURE(flags);
    CHECK(answer_to({.flags = flags}) == Lines{"CONNACK 0081"});
    CHECK(answer_to({.protocol = Protocol::kV311, .flags = flags}).empty());
  }
  CHECK(answer_to({.protocol = Protocol::kV311, .password = "only"}).empty());
  CHECK(answer_to({.client_id = "\xFF"}) == Lines{"CONNACK 0081"});
  CHECK(answer_to({.properties = property(0x21, test::u16(0))}) == Lines{"CONNACK 0082"});
}

TEST_CASE("bytes behind the last field of CONNECT are malformed", "[mqtt]") {
  Bytes connect = test::encode(test::ConnectOut{});
  connect.push_back('x');
  ++connect[1];
  CHECK(answer_to_first(connect) == Lines{"CONNACK 0081"});
}

TEST_CASE("a CONNECT beyond the limit for strangers is closed on its first bytes", "[mqtt][G6]") {
  CHECK(answer_to_first(concat(test::u8(0x10), test::varint(kConnectPacketBytesDefault))).empty());
}

TEST_CASE("a second CONNECT is a protocol error", "[mqtt][MQTT-3.1.0-2]") {
  CHECK(answer_to_v5(test::encode(test::ConnectOut{})) == 0x82);
  CHECK(closes_v311(test::encode(test::ConnectOut{.protocol = Protocol::kV311})));
}

TEST_CASE("what only a server sends is a protocol error", "[mqtt]") {
  for (const PacketType type :
       {PacketType::kConnack, PacketType::kSuback, PacketType::kUnsuback, PacketType::kPingresp}) {
    CHECK(answer_to_v5(test::packet(type, 0, test::u16(1))) == 0x82);
    CHECK(closes_v311(test::packet(type, 0, test::u16(1))));
  }
}

TEST_CASE("reserved flags of the fixed header are malformed", "[mqtt][MQTT-2.1.3-1]") {
  CHECK(answer_to_v5(test::packet(PacketType::kPingreq, 1, {})) == 0x81);
  CHECK(answer_to_v5(test::packet(PacketType::kSubscribe, 0, {})) == 0x81);
  CHECK(answer_to_v5(test::packet(PacketType::kPuback, 2, test::u16(1))) == 0x81);
  CHECK(answer_to_v5(test::packet(PacketType::kPubrel, 0, test::u16(1))) == 0x81);
  CHECK(closes_v311(test::packet(PacketType::kUnsubscribe, 0, {})));
}

TEST_CASE("each packet of a client has the flags of its table, and no others", "[mqtt][MQTT-2.1.3-1]") {
  const auto is_malformed = [](PacketType type, unsigned flags, const Bytes& body) {
    Client client{Protocol::kV5};
    client.send(test::packet(type, flags, body));
    return client.connection.closing() && client.lines() == Lines{"closed 81"};
  };
  const auto others_are_malformed = [&](PacketType type, unsigned right, const Bytes& body) {
    CAPTURE(to_string(type));
    for (unsigned flags = 0; flags < 16; ++flags) CHECK(is_malformed(type, flags, body) == (flags != right));
  };
  others_are_malformed(PacketType::kPuback, 0, test::u16(1));
  others_are_malformed(PacketType::kPubrec, 0, test::u16(1));
  others_are_malformed(PacketType::kPubrel, 2, test::u16(1));
  others_are_malformed(PacketType::kPubcomp, 0, test::u16(1));
  others_are_malformed(PacketType::kSubscribe, 2, concat(test::u16(1), test::u8(0), test::text("a"), test::u8(0)));
  others_are_malformed(PacketType::kUnsubscribe, 2, concat(test::u16(1), test::u8(0), test::text("a")));
  others_are_malformed(PacketType::kPingreq, 0, {});
  others_are_malformed(PacketType::kDisconnect, 0, {});
  Bytes connect = test::encode(test::ConnectOut{});
  for (std::uint8_t flags = 1; flags < 16; ++flags) {
    connect[0] = static_cast<std::uint8_t>(0x10U | flags);
    CHECK(answer_to_first(connect).empty());
  }
}

TEST_CASE("each packet of ours has the flags of its table", "[mqtt][MQTT-2.1.3-1]") {
  Client client;
  client.handler.acknowledges = false;
  client.send(test::encode(test::ConnectOut{}));
  client.send(concat(test::encode_pingreq(), test::encode_subscribe(1, {{"a", 0}}), test::encode_unsubscribe(2, {"a"}),
                     test::encode(test::PublishSent{.qos = 1, .packet_id = 3}),
                     test::encode(test::PublishSent{.qos = 2, .packet_id = 4})));
  client.connection.puback(3, ReasonCode::kSuccess);
  client.connection.pubrec(4, ReasonCode::kSuccess);
  client.connection.pubcomp(4);
  client.connection.pubrel(5);
  client.connection.disconnect(ReasonCode::kServerShuttingDown);
  const auto packets = client.received();
  CHECK(packets.size() == 9);
  for (const test::ServerPacket& packet : packets) {
    CAPTURE(to_string(packet.type));
    CHECK(packet.flags == (packet.type == PacketType::kPubrel ? 2U : 0U));
  }
}

TEST_CASE("a PINGREQ has no body", "[mqtt]") {
  CHECK(answer_to_v5(test::packet(PacketType::kPingreq, 0, {1})) == 0x81);
}

TEST_CASE("an overlong length is malformed", "[mqtt][MQTT-1.5.5-1]") {
  CHECK(answer_to_v5(Bytes{0xC0, 0x80, 0x00}) == 0x81);
  CHECK(closes_v311(Bytes{0xC0, 0x80, 0x80, 0x80, 0x80}));
}

TEST_CASE("a packet beyond the maximum is refused on its first bytes", "[mqtt][MQTT-3.2.2-15][G6]") {
  CHECK(answer_to_v5(concat(test::u8(0x30), test::varint(kPacketBytesDefault))) == 0x95);
  CHECK(closes_v311(concat(test::u8(0x30), test::varint(kPacketBytesDefault))));
}

TEST_CASE("a publish that breaks a rule is answered with its code", "[mqtt]") {
  CHECK(answer_to_v5(test::encode(test::PublishSent{.topic = "a/+"})) == 0x81);
  CHECK(answer_to_v5(test::encode(test::PublishSent{.topic = ""})) == 0x82);
}

TEST_CASE("more publishes than the receive maximum are refused in 5.0", "[mqtt][MQTT-3.3.4-7][G6]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 2}};
  client.handler.acknowledges = false;
  for (unsigned id = 1; id <= 3; ++id) client.send(test::encode(test::PublishSent{.qos = 1, .packet_id = id}));
  CHECK(client.lines() == Lines{"publish a= id 1", "publish a= id 2", "closed 93"});
}

TEST_CASE("QoS 0 does not count against the receive maximum", "[mqtt][MQTT-3.3.4-7]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 1}};
  client.handler.acknowledges = false;
  client.send(test::encode(test::PublishSent{.qos = 1, .packet_id = 1}));
  client.send(test::encode(test::PublishSent{}));
  CHECK_FALSE(client.connection.closing());
}

TEST_CASE("a DISCONNECT cannot ask for a session that CONNECT did not ask for", "[mqtt]") {
  const Bytes raise = concat(test::u8(0), test::with_length(property(0x11, test::u32(5))));
  CHECK(answer_to_v5(test::encode_disconnect(raise)) == 0x82);
}

TEST_CASE("a SUBACK larger than the client accepts ends the connection", "[mqtt][MQTT-3.1.2-24]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.properties = property(0x27, test::u32(30))}));
  REQUIRE(client.received().size() == 1);
  client.send(test::encode_subscribe(1, std::vector<test::FilterSent>(30, {"a", 0})));
  CHECK(hex(client.received()) == Lines{"DISCONNECT 95"});
  CHECK(client.connection.closing());
}

TEST_CASE("packets behind a broken one are not handled", "[mqtt]") {
  Client client{Protocol::kV5};
  client.send(concat(test::packet(PacketType::kReserved, 0, {}), test::encode(test::PublishSent{})));
  CHECK(client.lines() == Lines{"closed 82"});
}

TEST_CASE("packets behind a DISCONNECT are not handled", "[mqtt][MQTT-3.14.4-1]") {
  Client client{Protocol::kV5};
  client.send(concat(test::encode_disconnect(), test::encode(test::PublishSent{})));
  CHECK(client.lines() == Lines{"disconnected 00"});
}
