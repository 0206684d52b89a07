// QoS 2 and flow control as one connection sees them: sections 4.3.3 and 4.9.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;

namespace {

Bytes publish(unsigned qos, unsigned id, Protocol protocol = Protocol::kV5) {
  return test::encode(test::PublishSent{.protocol = protocol, .qos = qos, .packet_id = id});
}

Bytes ack(PacketType type, unsigned id, std::optional<unsigned> reason = {}) {
  const Bytes body = reason ? concat(test::u16(id), test::u8(*reason)) : test::u16(id);
  return test::packet(type, type == PacketType::kPubrel ? 2 : 0, body);
}

}  // namespace

TEST_CASE("a QoS 2 publish is received with PUBREC, PUBREL and PUBCOMP", "[mqtt][MQTT-4.3.3-8][MQTT-4.3.3-11]") {
  for (const Protocol protocol : {Protocol::kV311, Protocol::kV5}) {
    Client client{protocol};
    client.send(publish(2, 7, protocol));
    client.send(ack(PacketType::kPubrel, 7));
    CHECK(client.lines() == Lines{"publish a= once 7", "pubrel 7"});
    CHECK(hex(client.received()) == Lines{"PUBREC 0007", "PUBCOMP 0007"});
  }
}

TEST_CASE("a QoS 2 delivery is sent with PUBREL after PUBREC, and ends with PUBCOMP",
          "[mqtt][MQTT-4.3.3-2][MQTT-4.3.3-4]") {
  for (const Protocol protocol : {Protocol::kV311, Protocol::kV5}) {
    Client client{protocol};
    REQUIRE(client.connection.publish({.topic = "a", .qos = QoS::kExactlyOnce, .packet_id = 3}) ==
            PublishOutcome::kSent);
    client.send(ack(PacketType::kPubrec, 3));
    client.send(ack(PacketType::kPubcomp, 3));
    CHECK(client.lines() == Lines{"pubrec 3", "pubcomp 3"});
    const auto packets = client.received();
    REQUIRE(packets.size() == 2);
    CHECK(packets[0].flags == 4);
    CHECK(packets[1].type == PacketType::kPubrel);
    CHECK(packets[1].body == test::u16(3));
  }
}

TEST_CASE("our PUBREL has the flags 0010", "[mqtt][MQTT-3.6.1-1]") {
  Client client{Protocol::kV5};
  client.connection.pubrel(1);
  CHECK(client.received().at(0).flags == 2);
}

TEST_CASE("the acknowledgements of 5.0 carry reasons both ways", "[mqtt][MQTT-3.5.2-1][MQTT-3.6.2-1][MQTT-3.7.2-1]") {
  Client client{Protocol::kV5};
  client.send(ack(PacketType::kPubrec, 1, 0x97));
  client.send(ack(PacketType::kPubcomp, 2, 0x92));
  client.send(ack(PacketType::kPuback, 3, 0x10));
  CHECK(client.lines() == Lines{"pubrec 1 reason 97", "pubcomp 2 reason 92", "puback 3 reason 10"});
  client.connection.pubcomp(4, ReasonCode::kPacketIdentifierNotFound);
  client.connection.pubrel(5, ReasonCode::kPacketIdentifierNotFound);
  CHECK(hex(client.received()) == Lines{"PUBCOMP 000492", "PUBREL 000592"});
}

TEST_CASE("a failing PUBREC from the client is not released", "[mqtt][MQTT-4.3.3-4]") {
  Client client{Protocol::kV5};
  client.send(ack(PacketType::kPubrec, 1, 0x80));
  CHECK(client.received().empty());
}

TEST_CASE("a publish that is refused is told why", "[mqtt][MQTT-3.4.2-1][MQTT-3.5.2-1]") {
  Client client{Protocol::kV5};
  client.handler.acknowledges = false;
  client.send(concat(publish(1, 1), publish(2, 2)));
  client.connection.puback(1, ReasonCode::kNotAuthorized, "no");
  client.connection.pubrec(2, ReasonCode::kQuotaExceeded, "full");
  CHECK(hex(client.received()) == Lines{"PUBACK 000187051f00026e6f", "PUBREC 000297071f000466756c6c"});
}

TEST_CASE("a code that an acknowledgement does not have becomes its nearest",
          "[mqtt][MQTT-3.4.2-1][MQTT-3.5.2-1][MQTT-3.6.2-1][MQTT-3.7.2-1]") {
  Client client{Protocol::kV5};
  client.handler.acknowledges = false;
  client.send(concat(publish(1, 1), publish(2, 2)));
  client.connection.puback(1, ReasonCode::kServerBusy);
  client.connection.pubrec(2, ReasonCode::kGrantedQos1);
  client.connection.pubrel(3, ReasonCode::kServerBusy);
  client.connection.pubcomp(4, ReasonCode::kQuotaExceeded);
  CHECK(hex(client.received()) == Lines{"PUBACK 000180", "PUBREC 0002", "PUBREL 000392", "PUBCOMP 000492"});
}

TEST_CASE("a reason string that would exceed the client's packet size is left out",
          "[mqtt][MQTT-3.4.2-2][MQTT-3.5.2-2]") {
  Client client{property(0x27, test::u32(20))};
  client.handler.acknowledges = false;
  client.send(concat(publish(1, 1), publish(1, 2), publish(2, 3)));
  client.connection.puback(1, ReasonCode::kNotAuthorized, "0123456789a");  // 20 bytes
  client.connection.puback(2, ReasonCode::kNotAuthorized, "0123456789ab");
  client.connection.pubrec(3, ReasonCode::kNotAuthorized, "0123456789ab");
  const auto packets = client.received();
  REQUIRE(packets.size() == 3);
  CHECK(packets[0].body.size() == 18);
  CHECK(packets[1].body.size() == 3);
  CHECK(packets[2].body.size() == 3);
}

TEST_CASE("request problem information 0 keeps reason strings out of acknowledgements", "[mqtt][MQTT-3.1.2-29]") {
  Client client{property(0x17, test::u8(0))};
  client.handler.acknowledges = false;
  client.send(concat(publish(1, 1), publish(2, 2)));
  client.connection.puback(1, ReasonCode::kNotAuthorized, "no");
  client.connection.pubrec(2, ReasonCode::kNotAuthorized, "no");
  const ReasonCode codes[] = {ReasonCode::kSuccess};
  client.connection.suback(3, codes, "because");
  client.connection.unsuback(4, codes, "because");
  CHECK(hex(client.received()) == Lines{"PUBACK 000187", "PUBREC 000287", "SUBACK 00030000", "UNSUBACK 00040000"});
}

TEST_CASE("a refused QoS 2 publish closes 3.1.1", "[mqtt][V311-3.3.5-2]") {
  Client client{Protocol::kV311};
  client.handler.acknowledges = false;
  client.send(publish(2, 1, Protocol::kV311));
  client.connection.pubrec(1, ReasonCode::kQuotaExceeded);
  CHECK(client.connection.closing());
  CHECK(client.received().empty());
}

TEST_CASE("QoS 1 and 2 count together against the receive maximum", "[mqtt][G6][MQTT-3.3.4-7]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 2}};
  client.handler.acknowledges = false;
  client.send(concat(publish(1, 1), publish(2, 2), publish(1, 3)));
  CHECK(client.lines() == Lines{"publish a= id 1", "publish a= once 2", "closed 93"});
}

TEST_CASE("a QoS 2 publish counts until PUBCOMP, not only until PUBREC", "[mqtt][G6][MQTT-3.3.4-7]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 1}};
  client.send(concat(publish(2, 1), ack(PacketType::kPubrel, 1)));
  client.send(publish(2, 2));
  CHECK_FALSE(client.connection.closing());
  client.send(publish(2, 3));
  CHECK(client.lines().back() == "closed 93");
}

TEST_CASE("a failing PUBREC gives its place back", "[mqtt][MQTT-3.3.4-7]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 1}};
  client.handler.acknowledges = false;
  client.send(publish(2, 1));
  client.connection.pubrec(1, ReasonCode::kQuotaExceeded);
  client.send(publish(2, 2));
  CHECK_FALSE(client.connection.closing());
}

TEST_CASE("a QoS 2 publish that is repeated counts once", "[mqtt][MQTT-4.4.0-1]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 1}};
  client.send(publish(2, 1));
  client.send(publish(2, 1));
  CHECK_FALSE(client.connection.closing());
  CHECK(client.lines() == Lines{"publish a= once 1", "publish a= once 1"});
  CHECK(hex(client.received()) == Lines{"PUBREC 0001", "PUBREC 0001"});
}

TEST_CASE("repeating without waiting for the answers is no way around the receive maximum", "[mqtt][G6]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 2}};
  client.handler.acknowledges = false;
  for (int i = 0; i < 3; ++i) client.send(publish(2, 1));
  CHECK(client.lines().back() == "closed 93");
}

TEST_CASE("a PUBREL of an earlier connection is completed without a count", "[mqtt][MQTT-4.4.0-1]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 1}};
  client.send(publish(2, 1));
  client.send(ack(PacketType::kPubrel, 9));
  CHECK(hex(client.received()) == Lines{"PUBREC 0001", "PUBCOMP 0009"});
  client.send(publish(2, 2));
  CHECK(client.lines().back() == "closed 93");
}

TEST_CASE("3.1.1 may leave more QoS 2 publishes unreleased than it may leave unanswered", "[mqtt][G6]") {
  Client client{Protocol::kV311, ConnectionLimits{.receive_maximum = 2}};
  for (unsigned id = 1; id <= 5; ++id) client.send(publish(2, id, Protocol::kV311));
  CHECK(client.lines().size() == 5);
  CHECK(client.connection.wants_input());
  CHECK(client.connection.unacknowledged() == 0);
}

TEST_CASE("3.1.1 is made to wait while its QoS 2 publishes are unanswered", "[mqtt][G6]") {
  Client client{Protocol::kV311, ConnectionLimits{.receive_maximum = 2}};
  client.handler.acknowledges = false;
  for (unsigned id = 1; id <= 3; ++id) client.send(publish(2, id, Protocol::kV311));
  CHECK(client.lines().size() == 2);
  CHECK_FALSE(client.connection.wants_input());
  client.connection.pubrec(1, ReasonCode::kSuccess);
  client.connection.resume(client.now);
  CHECK(client.lines().size() == 3);
}

TEST_CASE("acknowledgements are answered under their identifier, in the order they came",
          "[mqtt][MQTT-4.3.2-4][MQTT-2.2.1-5][MQTT-4.6.0-2][MQTT-4.6.0-3]") {
  Client client{Protocol::kV5};
  client.send(concat(publish(1, 9), publish(2, 4), publish(2, 8), publish(1, 2)));
  client.send(concat(ack(PacketType::kPubrel, 8), ack(PacketType::kPubrel, 4)));
  CHECK(hex(client.received()) ==
        Lines{"PUBACK 0009", "PUBREC 0004", "PUBREC 0008", "PUBACK 0002", "PUBCOMP 0008", "PUBCOMP 0004"});
}

TEST_CASE("deliveries are released in the order of their PUBRECs", "[mqtt][MQTT-4.6.0-4]") {
  Client client{Protocol::kV5};
  client.send(concat(ack(PacketType::kPubrec, 8), ack(PacketType::kPubrec, 4)));
  CHECK(hex(client.received()) == Lines{"PUBREL 0008", "PUBREL 0004"});
}

TEST_CASE("at the receive maximum all other packets are still handled", "[mqtt][MQTT-4.9.0-3]") {
  Client client{Protocol::kV5, ConnectionLimits{.receive_maximum = 1}};
  client.send(publish(2, 1));
  client.send(concat(publish(0, 0), test::encode_pingreq(), test::encode_subscribe(9, {{"a", 0}})));
  client.send(ack(PacketType::kPubrel, 1));
  CHECK(hex(client.received()) == Lines{"PUBREC 0001", "PINGRESP ", "SUBACK 00090000", "PUBCOMP 0001"});
}

TEST_CASE("a QoS 0 publish has no identifier and no answer", "[mqtt][MQTT-2.2.1-2][MQTT-4.3.1-1]") {
  Client client{Protocol::kV5};
  client.send(publish(0, 0));
  CHECK(client.lines() == Lines{"publish a="});
  CHECK(client.received().empty());
  REQUIRE(client.connection.publish({.topic = "a", .payload = as_bytes("x")}) == PublishOutcome::kSent);
  CHECK(hex(client.received()) == Lines{"PUBLISH 0001610078"});
}

TEST_CASE("DUP is never set at QoS 0", "[mqtt][MQTT-3.3.1-2]") {
  Client client{Protocol::kV5};
  REQUIRE(client.connection.publish({.topic = "a", .dup = true}) == PublishOutcome::kSent);
  CHECK(client.received().at(0).flags == 0);
}

TEST_CASE("DUP is set where a delivery is repeated", "[mqtt][MQTT-3.3.1-1]") {
  Client client{Protocol::kV5};
  REQUIRE(client.connection.publish({.topic = "a", .qos = QoS::kExactlyOnce, .packet_id = 1, .dup = true}) ==
          PublishOutcome::kSent);
  CHECK(client.received().at(0).flags == 0xC);
}
