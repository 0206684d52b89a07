// What a connection holds of PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT and AUTH: chapters 3.3 to 3.15 of
// MQTT 5.0. Tags V311-…: clauses of 3.1.1 with another number or meaning.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;

namespace {

constexpr int kOpen = -1;    // the connection lives
constexpr int kSilent = -2;  // it ended without a word

// The reason code of the DISCONNECT that these bytes lead to, or one of the above.
int ending(const Bytes& bytes, Protocol protocol = Protocol::kV5, const ConnectionLimits& limits = {}) {
  Client client{protocol, limits};
  client.send(bytes);
  if (!client.connection.closing()) return kOpen;
  const auto packets = client.received();
  if (packets.empty()) return kSilent;
  REQUIRE(packets.size() == 1);
  REQUIRE(packets[0].type == PacketType::kDisconnect);
  return packets[0].body.at(0);
}

int ending_v311(const Bytes& bytes) { return ending(bytes, Protocol::kV311); }

Bytes publish(const test::PublishSent& sent) { return test::encode(sent); }

SubOptions options_of(unsigned byte, const ConnectionLimits& limits = {}, std::string_view filter = "a") {
  Client client{Protocol::kV5, limits};
  client.send(test::encode_subscribe(1, {{std::string(filter), byte}}));
  REQUIRE(client.handler.entries.size() == 1);
  return client.handler.entries[0].options;
}

}  // namespace

// ---- PUBLISH

TEST_CASE("a publish with QoS 3 is malformed", "[mqtt][MQTT-3.3.1-4]") {
  const Bytes bytes = publish({.qos = 3, .packet_id = 1});
  CHECK(ending(bytes) == 0x81);
  CHECK(ending_v311(publish({.protocol = Protocol::kV311, .qos = 3, .packet_id = 1})) == kSilent);
}

TEST_CASE("DUP at QoS 0 is malformed", "[mqtt][MQTT-3.3.1-2]") { CHECK(ending(publish({.dup = true})) == 0x81); }

TEST_CASE("a topic name that is not UTF-8 is malformed", "[mqtt][MQTT-3.3.2-1][MQTT-1.5.4-1][MQTT-1.5.4-2]") {
  CHECK(ending(publish({.topic = "\xED\xA0\x80"})) == 0x81);
  CHECK(ending(publish({.topic = std::string("a\0b", 3)})) == 0x81);
}

TEST_CASE("U+FEFF is kept wherever it stands", "[mqtt][MQTT-1.5.4-3]") {
  const std::string topic = "\xEF\xBB\xBF/a\xEF\xBB\xBF";
  const Bytes user = test::user_property("\xEF\xBB\xBF", "\xEF\xBB\xBFv");
  Client client{Protocol::kV5};
  client.send(publish({.topic = topic, .properties = user}));
  CHECK(client.lines() == Lines{"publish " + topic + "= properties " + to_hex(user)});
  client.send(test::encode_subscribe(1, {{topic, 0}}));
  CHECK(client.handler.parts == Lines{" " + topic});
  client.received();
  REQUIRE(client.connection.publish({.topic = topic, .properties = user}) == PublishOutcome::kSent);
  CHECK(client.received().at(0).body == concat(test::text(topic), test::with_length(user)));
}

TEST_CASE("a topic name with a wildcard is malformed", "[mqtt][MQTT-4.7.0-1][MQTT-3.3.2-2]") {
  CHECK(ending(publish({.topic = "a/+"})) == 0x81);
  CHECK(ending(publish({.topic = "a#"})) == 0x81);
  CHECK(ending_v311(publish({.protocol = Protocol::kV311, .topic = "a/+"})) == kSilent);
}

TEST_CASE("an empty topic name without an alias is a protocol error", "[mqtt][MQTT-4.7.3-1]") {
  CHECK(ending(publish({.topic = ""})) == 0x82);
  CHECK(ending_v311(publish({.protocol = Protocol::kV311, .topic = ""})) == kSilent);
}

TEST_CASE("a topic name of too many levels is refused", "[mqtt][G6]") {
  const ConnectionLimits limits{.topic_levels_max = 3};
  CHECK(ending(publish({.topic = "a/b/c"}), Protocol::kV5, limits) == kOpen);
  CHECK(ending(publish({.topic = "a/b/c/d"}), Protocol::kV5, limits) == 0x90);
}

TEST_CASE("packet identifier 0 is a protocol error", "[mqtt][MQTT-2.2.1-3]") {
  CHECK(ending(publish({.qos = 1, .packet_id = 0})) == 0x82);
  CHECK(ending(publish({.qos = 2, .packet_id = 0})) == 0x82);
  CHECK(ending(test::encode_subscribe(0, {{"a", 0}})) == 0x82);
  CHECK(ending(test::encode_unsubscribe(0, {"a"})) == 0x82);
  CHECK(ending(test::encode_puback(0)) == 0x82);
}

TEST_CASE("a publish above the announced maximum QoS is refused", "[mqtt][MQTT-3.2.2-11]") {
  const ConnectionLimits limits{.maximum_qos = QoS::kAtLeastOnce};
  CHECK(ending(publish({.qos = 1, .packet_id = 1}), Protocol::kV5, limits) == kOpen);
  CHECK(ending(publish({.qos = 2, .packet_id = 1}), Protocol::kV5, limits) == 0x9B);
}

TEST_CASE("a subscription identifier from a client is a protocol error", "[mqtt][MQTT-3.3.4-6]") {
  CHECK(ending(publish({.properties = property(0x0B, {1})})) == 0x82);
}

TEST_CASE("a response topic with a wildcard is a protocol error", "[mqtt][MQTT-3.3.2-13][MQTT-3.3.2-14]") {
  CHECK(ending(publish({.properties = property(0x08, test::text("a/+"))})) == 0x82);
  CHECK(ending(publish({.properties = property(0x08, test::text("\xFF"))})) == 0x81);
  CHECK(ending(publish({.properties = property(0x08, test::text("a/b"))})) == kOpen);
}

TEST_CASE("a content type that is not UTF-8 is malformed", "[mqtt][MQTT-3.3.2-19]") {
  CHECK(ending(publish({.properties = property(0x03, test::text("\xFF"))})) == 0x81);
}

TEST_CASE("what is forwarded is forwarded unaltered and in order",
          "[mqtt][MQTT-3.3.2-4][MQTT-3.3.2-15][MQTT-3.3.2-16][MQTT-3.3.2-17][MQTT-3.3.2-18][MQTT-3.3.2-20]") {
  const Bytes properties = concat(test::user_property("b", "1"), property(0x08, test::text("reply")),
                                  property(0x01, {1}), property(0x09, test::text("id")), test::user_property("a", "2"),
                                  property(0x03, test::text("text/plain")), test::user_property("b", "1"));
  Client client{Protocol::kV5};
  client.send(publish({.properties = properties}));
  CHECK(client.lines() == Lines{"publish a= properties " + to_hex(properties)});
  REQUIRE(client.connection.publish({.topic = "a", .properties = properties}) == PublishOutcome::kSent);
  CHECK(to_hex(client.received().at(0).body) == to_hex(concat(test::text("a"), test::with_length(properties))));
}

TEST_CASE("a user property is a pair of UTF-8 strings", "[mqtt][MQTT-1.5.7-1]") {
  CHECK(ending(publish({.properties = test::user_property("k", "\xFF")})) == 0x81);
  CHECK(ending(publish({.properties = test::user_property("\xFF", "v")})) == 0x81);
  CHECK(ending(publish({.properties = concat(test::u8(0x26), test::text("k"))})) == 0x81);
}

TEST_CASE("strings with control characters are malformed", "[mqtt][MQTT-1.5.4-2]") {
  CHECK(ending(publish({.topic = "a\nb"})) == 0x81);
  CHECK(ending(publish({.topic = "a\x7F"})) == 0x81);
  CHECK(ending(publish({.topic = "a\xC2\x9F"})) == 0x81);
}

// ---- SUBSCRIBE

TEST_CASE("a SUBSCRIBE with other flags than 0010 is malformed", "[mqtt][MQTT-3.8.1-1]") {
  const Bytes body = concat(test::u16(1), test::u8(0), test::text("a"), test::u8(0));
  for (const unsigned flags : {0U, 1U, 3U, 6U, 10U})
    CHECK(ending(test::packet(PacketType::kSubscribe, flags, body)) == 0x81);
}

TEST_CASE("a topic filter that is not UTF-8 is malformed", "[mqtt][MQTT-3.8.3-1]") {
  CHECK(ending(test::encode_subscribe(1, {{"\xFF", 0}})) == 0x81);
  CHECK(ending(test::encode_subscribe(1, {{std::string("a\0b", 3), 0}})) == 0x81);
}

TEST_CASE("a SUBSCRIBE without a filter is a protocol error", "[mqtt][MQTT-3.8.3-2]") {
  CHECK(ending(test::encode_subscribe(1, {})) == 0x82);
  CHECK(ending_v311(test::encode_subscribe(1, {}, Protocol::kV311)) == kSilent);
}

TEST_CASE("wildcards in the wrong place are malformed", "[mqtt][MQTT-4.7.1-1][MQTT-4.7.1-2]") {
  for (const char* filter : {"a/#/b", "a#", "a+", "+a"})
    CHECK(ending(test::encode_subscribe(1, {{filter, 0}})) == 0x81);
}

TEST_CASE("an empty topic filter is malformed", "[mqtt][MQTT-4.7.3-1]") {
  CHECK(ending(test::encode_subscribe(1, {{"", 0}})) == 0x81);
}

TEST_CASE("a shared subscription names a group and a filter", "[mqtt][MQTT-4.8.2-1][MQTT-4.8.2-2]") {
  for (const char* filter : {"$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a"}) {
    CAPTURE(filter);
    CHECK(ending(test::encode_subscribe(1, {{filter, 0}})) == 0x82);
  }
  CHECK(ending(test::encode_subscribe(1, {{"$share/g/a#", 0}})) == 0x81);
}

TEST_CASE("a shared subscription is taken apart", "[mqtt][MQTT-4.8.2-1]") {
  Client client{Protocol::kV5};
  const Bytes bytes = test::encode_subscribe(1, {{"$share/group/a/+", 1}, {"b", 0}});
  client.send(bytes);
  REQUIRE(client.handler.parts.size() == 2);
  CHECK(client.handler.parts[0] == "group a/+");
  CHECK(client.handler.parts[1] == " b");
}

TEST_CASE("no local on a shared subscription is a protocol error", "[mqtt][MQTT-3.8.3-4]") {
  CHECK(ending(test::encode_subscribe(1, {{"$share/g/a", 0x04}})) == 0x82);
}

TEST_CASE("the options of a subscription are told", "[mqtt]") {
  CHECK(options_of(0x00) == SubOptions{});
  CHECK(options_of(0x02).qos == QoS::kExactlyOnce);
  CHECK(options_of(0x04).no_local);
  CHECK(options_of(0x08).retain_as_published);
  CHECK(options_of(0x10).retain_handling == RetainHandling::kSendIfNew);
  CHECK(options_of(0x20).retain_handling == RetainHandling::kDoNotSend);
}

TEST_CASE("reserved bits of subscription options are malformed", "[mqtt][MQTT-3.8.3-5]") {
  CHECK(ending(test::encode_subscribe(1, {{"a", 0x40}})) == 0x81);
  CHECK(ending(test::encode_subscribe(1, {{"a", 0x80}})) == 0x81);
  for (const unsigned byte : {3U, 4U, 8U, 0x10U, 0x80U}) {
    CHECK(ending_v311(test::encode_subscribe(1, {{"a", byte}}, Protocol::kV311)) == kSilent);
  }
}

TEST_CASE("QoS 3 and retain handling 3 of a subscription are protocol errors", "[mqtt]") {
  CHECK(ending(test::encode_subscribe(1, {{"a", 0x03}})) == 0x82);
  CHECK(ending(test::encode_subscribe(1, {{"a", 0x30}})) == 0x82);
}

TEST_CASE("a subscription is granted at most the maximum QoS", "[mqtt][MQTT-3.2.2-10][MQTT-3.8.4-7]") {
  CHECK(options_of(2, {.maximum_qos = QoS::kAtLeastOnce}).qos == QoS::kAtLeastOnce);
  CHECK(options_of(1, {.maximum_qos = QoS::kAtMostOnce}).qos == QoS::kAtMostOnce);
}

TEST_CASE("SUBACK has the identifier, and a code for each filter in order",
          "[mqtt][MQTT-3.8.4-5][MQTT-2.2.1-6][MQTT-3.8.4-1][MQTT-3.8.4-2][MQTT-3.8.4-6][MQTT-3.9.3-1]") {
  Client client{Protocol::kV5};
  client.send(test::encode_subscribe(0x1234, {{"a", 2}, {"b", 0}, {std::string(kTopicLevelsMax, '/'), 1}, {"c", 1}}));
  CHECK(hex(client.received()) == Lines{"SUBACK 12340002008f01"});
}

TEST_CASE("a SUBACK has only codes that it may have", "[mqtt][MQTT-3.9.3-2][V311-3.9.3-2]") {
  const ReasonCode codes[] = {ReasonCode::kServerBusy, ReasonCode::kNotAuthorized, ReasonCode::kGrantedQos2};
  Client client{Protocol::kV5};
  client.connection.suback(1, codes);
  CHECK(hex(client.received()) == Lines{"SUBACK 000100808702"});
  Client old{Protocol::kV311};
  old.connection.suback(1, codes);
  CHECK(hex(old.received()) == Lines{"SUBACK 0001808002"});
}

TEST_CASE("a reason string in SUBACK and UNSUBACK is left out where there is no room",
          "[mqtt][MQTT-3.9.2-1][MQTT-3.11.2-1]") {
  Client client{property(0x27, test::u32(20))};
  const ReasonCode codes[] = {ReasonCode::kNotAuthorized};
  client.connection.suback(1, codes, "0123456789a");
  client.connection.suback(1, codes, "0123456789ab");
  client.connection.unsuback(1, codes, "0123456789a");
  client.connection.unsuback(1, codes, "0123456789ab");
  const auto packets = client.received();
  REQUIRE(packets.size() == 4);
  CHECK(packets[0].body.size() == 18);
  CHECK(packets[1].body.size() == 4);
  CHECK(packets[2].body.size() == 18);
  CHECK(packets[3].body.size() == 4);
}

TEST_CASE("the user properties of SUBSCRIBE and UNSUBSCRIBE can be looked up", "[mqtt]") {
  Client client{Protocol::kV5};
  const Bytes properties = concat(property(0x0B, {7}), test::user_property("hedgerow-replay", "24h"));
  client.send(test::encode_subscribe(1, {{"a", 0}}, Protocol::kV5, properties));
  CHECK(client.handler.replay == "24h");
  CHECK(client.handler.entries.at(0).options.subscription_identifier == 7);
}

TEST_CASE("subscription identifier 0 is a protocol error", "[mqtt]") {
  CHECK(ending(test::encode_subscribe(1, {{"a", 0}}, Protocol::kV5, property(0x0B, {0}))) == 0x82);
}

TEST_CASE("the subscriptions of a bridge have no local and retain as published", "[mqtt]") {
  Client client;
  client.send(test::encode(test::ConnectOut{.protocol = Protocol::kV311, .level = 0x84}));
  client.send(test::encode_subscribe(1, {{"a/#", 1}, {"$share/g/a", 1}}, Protocol::kV311));
  REQUIRE(client.handler.entries.size() == 2);
  CHECK(client.handler.entries[0].options.no_local);
  CHECK(client.handler.entries[0].options.retain_as_published);
  CHECK_FALSE(client.handler.entries[1].options.no_local);
}

// ---- UNSUBSCRIBE

TEST_CASE("an UNSUBSCRIBE with other flags than 0010 is malformed", "[mqtt][MQTT-3.10.1-1]") {
  const Bytes body = concat(test::u16(1), test::u8(0), test::text("a"));
  for (const unsigned flags : {0U, 1U, 3U, 6U, 10U})
    CHECK(ending(test::packet(PacketType::kUnsubscribe, flags, body)) == 0x81);
}

TEST_CASE("the filters of an UNSUBSCRIBE are UTF-8", "[mqtt][MQTT-3.10.3-1]") {
  CHECK(ending(test::encode_unsubscribe(1, {"\xFF"})) == 0x81);
}

TEST_CASE("an UNSUBSCRIBE without a filter is a protocol error", "[mqtt][MQTT-3.10.3-2]") {
  CHECK(ending(test::encode_unsubscribe(1, {})) == 0x82);
}

TEST_CASE("UNSUBACK has the identifier, and a code for each filter in order",
          "[mqtt][MQTT-3.10.4-4][MQTT-3.10.4-5][MQTT-3.10.4-6][MQTT-3.11.3-1]") {
  Client client{Protocol::kV5};
  const ReasonCode codes[] = {ReasonCode::kNoSubscriptionExisted, ReasonCode::kSuccess};
  client.connection.unsuback(0x1234, codes);
  CHECK(hex(client.received()) == Lines{"UNSUBACK 1234001100"});
}

TEST_CASE("the UNSUBACK of 3.1.1 has only an identifier", "[mqtt][V311-3.10.4-4]") {
  Client client{Protocol::kV311};
  client.send(test::encode_unsubscribe(3, {"a", "b"}, Protocol::kV311));
  CHECK(hex(client.received()) == Lines{"UNSUBACK 0003"});
}

TEST_CASE("an UNSUBACK has only codes that it may have", "[mqtt][MQTT-3.11.3-2]") {
  Client client{Protocol::kV5};
  const ReasonCode codes[] = {ReasonCode::kGrantedQos1, ReasonCode::kQuotaExceeded};
  client.connection.unsuback(1, codes);
  CHECK(hex(client.received()) == Lines{"UNSUBACK 0001000080"});
}

// ---- the rest

TEST_CASE("a PUBREL with other flags than 0010 is malformed", "[mqtt][MQTT-3.6.1-1]") {
  for (const unsigned flags : {0U, 1U, 3U, 6U, 10U}) {
    CHECK(ending(test::packet(PacketType::kPubrel, flags, test::u16(1))) == 0x81);
    CHECK(ending_v311(test::packet(PacketType::kPubrel, flags, test::u16(1))) == kSilent);
  }
}

TEST_CASE("a reason code that an acknowledgement does not have is a protocol error",
          "[mqtt][MQTT-3.4.2-1][MQTT-3.5.2-1][MQTT-3.6.2-1][MQTT-3.7.2-1]") {
  const auto with = [](PacketType type, unsigned code) {
    return ending(test::packet(type, type == PacketType::kPubrel ? 2 : 0, concat(test::u16(1), test::u8(code))));
  };
  CHECK(with(PacketType::kPuback, 0x01) == 0x82);
  CHECK(with(PacketType::kPubrec, 0x92) == 0x82);
  CHECK(with(PacketType::kPubrel, 0x80) == 0x82);
  CHECK(with(PacketType::kPubcomp, 0x10) == 0x82);
  CHECK(with(PacketType::kPubcomp, 0x92) == kOpen);
}

TEST_CASE("the acknowledgements of 3.1.1 have two bytes", "[mqtt]") {
  CHECK(ending_v311(test::packet(PacketType::kPubcomp, 0, concat(test::u16(1), test::u8(0)))) == kSilent);
  CHECK(ending_v311(test::packet(PacketType::kPubcomp, 0, test::u16(1))) == kOpen);
}

TEST_CASE("reserved flags of DISCONNECT are malformed", "[mqtt][MQTT-3.14.1-1]") {
  for (const unsigned flags : {1U, 2U, 4U, 8U}) {
    CHECK(ending(test::packet(PacketType::kDisconnect, flags, {})) == 0x81);
    CHECK(ending_v311(test::packet(PacketType::kDisconnect, flags, {})) == kSilent);
  }
}

TEST_CASE("a DISCONNECT has only the codes of a client", "[mqtt][MQTT-3.14.2-1]") {
  CHECK(ending(test::encode_disconnect({0x8E})) == 0x82);
  CHECK(ending(test::encode_disconnect({0x04})) == kSilent);
}

TEST_CASE("a DISCONNECT tells whether the will is wanted", "[mqtt][MQTT-3.14.4-3]") {
  for (const std::uint8_t code : {std::uint8_t{0x00}, std::uint8_t{0x04}, std::uint8_t{0x80}}) {
    Client client{Protocol::kV5};
    client.send(test::encode_disconnect({code}));
    CHECK(client.lines() == Lines{"disconnected " + to_hex(Bytes{code})});
    CHECK(client.handler.last_closed.by_client);
  }
}

TEST_CASE("nothing is sent or handled after a DISCONNECT of the client", "[mqtt][MQTT-3.14.4-1][MQTT-3.14.4-2]") {
  Client client{Protocol::kV5};
  client.send(concat(test::encode_disconnect(), test::encode_pingreq()));
  CHECK(client.received().empty());
  CHECK(client.connection.closing());
}

TEST_CASE("our DISCONNECT has only codes that it may have, and no session expiry",
          "[mqtt][MQTT-3.14.2-1][MQTT-3.14.2-2]") {
  Client client{Protocol::kV5};
  client.connection.disconnect(ReasonCode::kServerUnavailable);
  CHECK(hex(client.received()) == Lines{"DISCONNECT 89"});
}

TEST_CASE("AUTH without an authentication method is a protocol error", "[mqtt][MQTT-4.12.0-7]") {
  CHECK(ending(test::packet(PacketType::kAuth, 0, {})) == 0x82);
  for (const unsigned code : {0x18U, 0x19U}) {  // a step of it, and once more
    CHECK(ending(test::packet(PacketType::kAuth, 0,
                              concat(test::u8(code), test::with_length(property(0x15, test::text("x")))))) == 0x82);
  }
}

TEST_CASE("a malformed AUTH is malformed", "[mqtt][MQTT-3.15.1-1][MQTT-3.15.2-1]") {
  for (const unsigned flags : {1U, 2U, 4U, 8U}) CHECK(ending(test::packet(PacketType::kAuth, flags, {})) == 0x81);
  CHECK(ending(test::packet(PacketType::kAuth, 0, {0x18, 0x05})) == 0x81);
}

TEST_CASE("a refusal carries no user property, and a PUBREL or PUBCOMP no reason string",
          "[mqtt][MQTT-3.2.2-20][MQTT-3.6.2-2][MQTT-3.6.2-3][MQTT-3.7.2-2][MQTT-3.7.2-3]"
          "[MQTT-3.9.2-2][MQTT-3.11.2-2][MQTT-3.14.2-4]") {
  Client client{Protocol::kV5};
  client.handler.acknowledges = false;
  const ReasonCode codes[] = {ReasonCode::kNotAuthorized};
  client.send(concat(publish({.qos = 1, .packet_id = 1}), publish({.qos = 2, .packet_id = 2})));
  client.connection.puback(1, ReasonCode::kNotAuthorized, "x");
  client.connection.pubrec(2, ReasonCode::kNotAuthorized, "x");
  client.connection.pubrel(3, ReasonCode::kPacketIdentifierNotFound);
  client.connection.pubcomp(4, ReasonCode::kPacketIdentifierNotFound);
  client.connection.suback(5, codes, "x");
  client.connection.unsuback(6, codes, "x");
  client.connection.disconnect(ReasonCode::kServerBusy, "x");
  CHECK(hex(client.received()) == Lines{"PUBACK 000187041f000178", "PUBREC 000287041f000178", "PUBREL 000392",
                                        "PUBCOMP 000492", "SUBACK 0005041f00017887", "UNSUBACK 0006041f00017887",
                                        "DISCONNECT 89041f000178"});
}

TEST_CASE("3.1.1 has no AUTH", "[mqtt]") { CHECK(ending_v311(test::packet(PacketType::kAuth, 0, {})) == kSilent); }

TEST_CASE("what a client never sends is a protocol error", "[mqtt]") {
  for (const unsigned flags : {0U, 1U, 15U}) {
    CHECK(ending(test::packet(PacketType::kReserved, flags, {})) == 0x82);
    CHECK(ending(test::packet(PacketType::kConnack, flags, {0, 0, 0})) == 0x82);
  }
}

TEST_CASE("what is malformed comes before what is wrong otherwise", "[mqtt][MQTT-4.13.1-1]") {
  CHECK(ending(publish({.properties = concat(property(0x21, test::u16(1)), test::u8(0x7F))})) == 0x81);
}

TEST_CASE("the fault is told to the client before the connection ends", "[mqtt][MQTT-4.13.1-1][MQTT-4.13.2-1]") {
  Client client{Protocol::kV5};
  client.send(publish({.topic = "a/+"}));
  CHECK(client.connection.closing());
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  CHECK(as_text(packets[0].body).find("PUBLISH: the topic name has a wildcard") != std::string_view::npos);
}
