#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/properties.hpp"
#include "tests/support/mqtt_packets.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;
using test::u16;
using test::u32;
using test::u8;

namespace {

Decoded<Properties> decode(const Bytes& properties, PropertyPlace place) {
  const Bytes bytes = test::with_length(properties);
  Reader in{bytes};
  return decode_properties(in, place);
}

ReasonCode fault_of(const Bytes& properties, PropertyPlace place) {
  const Decoded<Properties> decoded = decode(properties, place);
  return decoded ? ReasonCode::kSuccess : decoded.error().code;
}

struct PublishBody {
  Bytes bytes;
  Bytes scratch;
  Decoded<PublishPacket> packet;
  Decoded<PublishRequest> request;
  explicit PublishBody(const test::PublishSent& publish, const DecodeRules& rules = {})
      : bytes(test::split_packets(test::encode(publish))[0].body),
        packet(decode(publish, rules)),
        request(packet.map([](const PublishPacket& whole) { return whole.request; })) {}

 private:
  Decoded<PublishPacket> decode(const test::PublishSent& publish, DecodeRules rules) {
    rules.protocol = publish.protocol;
    const auto flags = static_cast<std::uint8_t>((publish.qos << 1U) | (publish.dup ? 8U : 0U));
    return decode_publish(flags, bytes, rules, scratch);
  }
};

const Bytes kExpiry = property(0x02, u32(60));

}  // namespace

TEST_CASE("a frame is known once its length is complete", "[mqtt]") {
  const Bytes bytes = concat(u8(0x30), u8(0x81), u8(0x01));
  CHECK(decode_frame({}).state == Frame::State::kPartial);
  CHECK(decode_frame(ByteView{bytes}.first(2)).total_bytes == 0);
  CHECK(decode_frame(bytes).total_bytes == 3 + 129);
  CHECK(decode_frame(bytes).state == Frame::State::kPartial);
  CHECK(decode_frame(concat(bytes, Bytes(129))).state == Frame::State::kWhole);
}

TEST_CASE("a length is in its shortest form, of four bytes at most", "[mqtt][MQTT-1.5.5-1]") {
  CHECK(decode_frame(Bytes{0xC0, 0x80, 0x00}).state == Frame::State::kMalformed);
  CHECK(decode_frame(Bytes{0x30, 0xFF, 0xFF, 0xFF, 0x80}).state == Frame::State::kMalformed);
  CHECK(decode_frame(Bytes{0x30, 0xFF, 0xFF, 0xFF, 0x7F}).total_bytes == 268'435'455U + 5);
}

TEST_CASE("lengths and numbers within a packet are in their shortest form, too", "[mqtt][MQTT-1.5.5-1]") {
  const auto is_malformed = [](const Bytes& length) {
    Reader in{length};
    const Decoded<Properties> decoded = decode_properties(in, PropertyPlace::kPublish);
    return !decoded && decoded.error().code == ReasonCode::kMalformedPacket;
  };
  CHECK(is_malformed({0x80, 0x00}));
  CHECK(is_malformed({0x80, 0x80, 0x80, 0x80, 0x01}));
  CHECK(fault_of(property(0x0B, Bytes{0x81, 0x00}), PropertyPlace::kSubscribe) == ReasonCode::kMalformedPacket);
  CHECK(fault_of(property(0x0B, Bytes{0x81, 0x01}), PropertyPlace::kSubscribe) == ReasonCode::kSuccess);
}

TEST_CASE("a property that stands where it must not, without its value, is malformed", "[mqtt]") {
  CHECK(fault_of(Bytes{0x21}, PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  CHECK(fault_of(Bytes{0x1C, 0}, PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
}

TEST_CASE("a property stands only where the standard allows it", "[mqtt]") {
  CHECK(fault_of(property(0x21, u16(1)), PropertyPlace::kConnect) == ReasonCode::kSuccess);
  CHECK(fault_of(property(0x21, u16(1)), PropertyPlace::kPublish) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x1C, test::text("x")), PropertyPlace::kDisconnect) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x00, {}), PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  CHECK(fault_of(property(0x7F, {}), PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  CHECK(fault_of(Bytes{0xFF, 0x01}, PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
}

TEST_CASE("a subscription identifier from a client's PUBLISH is a protocol error", "[mqtt][MQTT-3.3.4-6]") {
  CHECK(fault_of(property(0x0B, u8(1)), PropertyPlace::kPublish) == ReasonCode::kProtocolError);
}

TEST_CASE("only user properties may occur twice", "[mqtt]") {
  const Bytes user = test::user_property("k", "v");
  CHECK(fault_of(concat(user, user), PropertyPlace::kPublish) == ReasonCode::kSuccess);
  CHECK(fault_of(concat(kExpiry, kExpiry), PropertyPlace::kPublish) == ReasonCode::kProtocolError);
  CHECK(fault_of(concat(property(0x0B, u8(1)), property(0x0B, u8(2))), PropertyPlace::kSubscribe) ==
        ReasonCode::kProtocolError);
}

TEST_CASE("values that the standard forbids are protocol errors", "[mqtt]") {
  CHECK(fault_of(property(0x01, u8(2)), PropertyPlace::kPublish) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x08, test::text("a/+")), PropertyPlace::kPublish) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x0B, u8(0)), PropertyPlace::kSubscribe) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x17, u8(2)), PropertyPlace::kConnect) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x19, u8(2)), PropertyPlace::kConnect) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x21, u16(0)), PropertyPlace::kConnect) == ReasonCode::kProtocolError);
  CHECK(fault_of(property(0x27, u32(0)), PropertyPlace::kConnect) == ReasonCode::kProtocolError);
}

TEST_CASE("properties that end too early or hold bad text are malformed", "[mqtt]") {
  CHECK(fault_of(Bytes{0x02, 0, 0}, PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  CHECK(fault_of(property(0x03, test::text("\xFF")), PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  CHECK(fault_of(test::user_property("k", "\xED\xA0\x80"), PropertyPlace::kPublish) == ReasonCode::kMalformedPacket);
  const Bytes longer_than_packet = {5, 0x01};
  Reader in{longer_than_packet};
  CHECK_FALSE(decode_properties(in, PropertyPlace::kPublish));
}

TEST_CASE("forwardable properties hold neither expiry nor alias", "[mqtt]") {
  CHECK(are_forwardable_properties({}));
  CHECK(are_forwardable_properties(concat(property(0x01, u8(1)), test::user_property("k", "v"))));
  CHECK_FALSE(are_forwardable_properties(kExpiry));
  CHECK_FALSE(are_forwardable_properties(property(0x23, u16(1))));
  CHECK_FALSE(are_forwardable_properties(property(0x21, u16(1))));
  CHECK_FALSE(are_forwardable_properties(Bytes{0x26}));
}

TEST_CASE("a publish is decoded in place", "[mqtt]") {
  const PublishBody publish{{.topic = "a/b", .payload = "42", .qos = 1, .packet_id = 7}};
  REQUIRE(publish.request);
  CHECK(publish.request->topic == "a/b");
  CHECK(as_text(publish.request->payload) == "42");
  CHECK(publish.request->packet_id == 7);
  CHECK(publish.request->payload.data() + 2 == publish.bytes.data() + publish.bytes.size());
}

TEST_CASE("the expiry is taken out of the properties, whose order stays", "[mqtt]") {
  const Bytes first = test::user_property("k", "1");
  const Bytes last = property(0x03, test::text("text/plain"));
  for (const Bytes& properties : {concat(kExpiry, first, last), concat(first, kExpiry, last),
                                  concat(first, last, kExpiry), concat(first, last)}) {
    const PublishBody publish{{.properties = properties}};
    REQUIRE(publish.request);
    CHECK(to_hex(publish.request->properties) == to_hex(concat(first, last)));
    CHECK(publish.request->expiry_s.has_value() == (properties.size() > first.size() + last.size()));
  }
}

TEST_CASE("the payload of 3.1.1 begins where 5.0 has properties", "[mqtt]") {
  const PublishBody publish{{.protocol = Protocol::kV311, .payload = "\x05xyz"}};
  REQUIRE(publish.request);
  CHECK(as_text(publish.request->payload) == "\x05xyz");
}

TEST_CASE("a publish that breaks a rule names the code for it", "[mqtt]") {
  const auto code = [](const test::PublishSent& publish) { return PublishBody{publish}.request.error().code; };
  CHECK(code({.topic = "a/#"}) == ReasonCode::kMalformedPacket);
  CHECK(code({.topic = ""}) == ReasonCode::kProtocolError);
  CHECK(code({.topic = std::string(kTopicLevelsMax, '/')}) == ReasonCode::kTopicNameInvalid);
  CHECK(code({.topic = "\xFF"}) == ReasonCode::kMalformedPacket);
  CHECK(code({.qos = 1, .packet_id = 0}) == ReasonCode::kProtocolError);
  CHECK(code({.qos = 3, .packet_id = 1}) == ReasonCode::kMalformedPacket);
  CHECK(code({.dup = true}) == ReasonCode::kMalformedPacket);
  CHECK(code({.properties = property(0x23, u16(0))}) == ReasonCode::kTopicAliasInvalid);
}

TEST_CASE("a topic of the most levels allowed is taken", "[mqtt][G6]") {
  CHECK(PublishBody{{.topic = std::string(kTopicLevelsMax - 1, '/')}}.request);
}

TEST_CASE("subscription options are decoded, and QoS 2 is granted", "[mqtt]") {
  const Bytes body = concat(u16(9), test::with_length(property(0x0B, test::varint(300))), test::text("a/#"), u8(0x2E));
  std::vector<SubscribeEntry> scratch;
  const Decoded<SubscribeRequest> request = decode_subscribe(body, {}, scratch);
  REQUIRE(request);
  CHECK(request->packet_id == 9);
  REQUIRE(request->entries.size() == 1);
  const SubOptions expected{.subscription_identifier = 300,
                            .qos = QoS::kExactlyOnce,
                            .no_local = true,
                            .retain_as_published = true,
                            .retain_handling = RetainHandling::kDoNotSend};
  CHECK(request->entries[0].options == expected);
  CHECK(request->entries[0].verdict == ReasonCode::kGrantedQos2);
}

TEST_CASE("a filter beyond the levels is refused, the others are not", "[mqtt]") {
  const std::string deep(kTopicLevelsMax, '/');
  const Bytes body =
      concat(u16(1), u8(0), test::text("$share/g/a"), u8(0), test::text("a"), u8(0), test::text(deep), u8(0));
  std::vector<SubscribeEntry> scratch;
  const Decoded<SubscribeRequest> request = decode_subscribe(body, {}, scratch);
  REQUIRE(request);
  CHECK(request->entries[0].verdict == ReasonCode::kSuccess);
  CHECK(request->entries[1].verdict == ReasonCode::kSuccess);
  CHECK(request->entries[2].verdict == ReasonCode::kTopicFilterInvalid);
}

TEST_CASE("a subscribe that breaks a rule names the code for it", "[mqtt]") {
  std::vector<SubscribeEntry> scratch;
  const auto code = [&](const Bytes& body, Protocol protocol = Protocol::kV5) {
    return decode_subscribe(body, {.protocol = protocol}, scratch).error().code;
  };
  const auto one = [](std::string_view filter, unsigned options) {
    return concat(u16(1), u8(0), test::text(filter), u8(options));
  };
  CHECK(code(concat(u16(0), u8(0), test::text("a"), u8(0))) == ReasonCode::kProtocolError);
  CHECK(code(concat(u16(1), u8(0))) == ReasonCode::kProtocolError);
  CHECK(code(one("a#", 0)) == ReasonCode::kMalformedPacket);
  CHECK(code(one("", 0)) == ReasonCode::kMalformedPacket);
  CHECK(code(one("a", 0x03)) == ReasonCode::kProtocolError);
  CHECK(code(one("a", 0x30)) == ReasonCode::kProtocolError);
  CHECK(code(one("a", 0x40)) == ReasonCode::kMalformedPacket);
  CHECK(code(one("$share/g/a", 0x04)) == ReasonCode::kProtocolError);
  CHECK(code(concat(u16(1), test::text("a"), u8(4)), Protocol::kV311) == ReasonCode::kMalformedPacket);
  CHECK(code(concat(u16(1), u8(0), test::text("a"))) == ReasonCode::kMalformedPacket);
}

TEST_CASE("a packet with more filters than the limit is refused", "[mqtt][G6]") {
  Bytes body = concat(u16(1), u8(0));
  for (std::size_t i = 0; i < kFiltersPerPacketMax; ++i) append(body, concat(test::text("a"), u8(0)));
  std::vector<SubscribeEntry> scratch;
  CHECK(decode_subscribe(body, {}, scratch));
  append(body, concat(test::text("a"), u8(0)));
  CHECK(decode_subscribe(body, {}, scratch).error().code == ReasonCode::kQuotaExceeded);
}

TEST_CASE("an unsubscribe names at least one filter", "[mqtt][MQTT-3.10.3-2]") {
  std::vector<std::string_view> scratch;
  const Bytes good = concat(u16(3), u8(0), test::text("a"), test::text("b/#"));
  REQUIRE(decode_unsubscribe(good, Protocol::kV5, scratch));
  CHECK(decode_unsubscribe(good, Protocol::kV5, scratch)->filters.size() == 2);
  CHECK_FALSE(decode_unsubscribe(concat(u16(3), u8(0)), Protocol::kV5, scratch));
  CHECK_FALSE(decode_unsubscribe(concat(u16(3), u8(0), test::text("#a")), Protocol::kV5, scratch));
}

TEST_CASE("a PUBACK may leave out reason and properties", "[mqtt]") {
  CHECK(decode_ack(PacketType::kPuback, u16(5), Protocol::kV5)->packet_id == 5);
  CHECK(decode_ack(PacketType::kPuback, concat(u16(5), u8(0x10)), Protocol::kV5)->reason ==
        ReasonCode::kNoMatchingSubscribers);
  CHECK(decode_ack(PacketType::kPuback, concat(u16(5), u8(0x97), u8(0)), Protocol::kV5)->reason ==
        ReasonCode::kQuotaExceeded);
}

TEST_CASE("a PUBACK with a wrong identifier, code or length is refused", "[mqtt]") {
  CHECK_FALSE(decode_ack(PacketType::kPuback, u16(0), Protocol::kV5));
  CHECK_FALSE(decode_ack(PacketType::kPuback, u8(1), Protocol::kV5));
  CHECK_FALSE(decode_ack(PacketType::kPuback, concat(u16(5), u8(0x01)), Protocol::kV5));
  CHECK_FALSE(decode_ack(PacketType::kPuback, concat(u16(5), u8(0), u8(0), u8(0)), Protocol::kV5));
  CHECK_FALSE(decode_ack(PacketType::kPuback, concat(u16(5), u8(0)), Protocol::kV311));
}

TEST_CASE("a DISCONNECT may change the session expiry", "[mqtt]") {
  CHECK(decode_disconnect({}, Protocol::kV5)->reason == ReasonCode::kSuccess);
  const Bytes body = concat(u8(0x04), test::with_length(property(0x11, u32(30))));
  const Decoded<DisconnectPacket> packet = decode_disconnect(body, Protocol::kV5);
  REQUIRE(packet);
  CHECK(packet->reason == ReasonCode::kDisconnectWithWill);
  CHECK(packet->session_expiry_s == 30);
  CHECK_FALSE(decode_disconnect(u8(0x8E), Protocol::kV5));  // only a server says so
  CHECK_FALSE(decode_disconnect(u8(0), Protocol::kV311));
}
