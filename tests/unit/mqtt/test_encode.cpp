#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/mqtt/encode.hpp"
#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;

namespace {

constexpr std::uint32_t kAnySize = kRemainingLengthMax + 5;

PublishOut message(std::string_view payload) { return {.topic = "a/b", .payload = as_bytes(payload)}; }

}  // namespace

TEST_CASE("the CONNACK of 5.0 announces what the client must know", "[mqtt]") {
  Bytes out;
  REQUIRE(append_connack(out, Protocol::kV5,
                         {.options = {.session_present = true,
                                      .assigned_client_id = "me",
                                      .session_expiry_s = 7,
                                      .response_information = "r/"},
                          .receive_maximum = 16,
                          .packet_bytes_max = 0x10000,
                          .topic_alias_maximum = 8,
                          .maximum_qos = QoS::kAtLeastOnce,
                          .server_keep_alive_s = 60},
                         kAnySize));
  CHECK(to_hex(out) ==
        "2022"        // CONNACK
        "01001f"      // session present, success, 31 bytes of properties
        "210010"      // receive maximum
        "2401"        // maximum QoS
        "2700010000"  // maximum packet size
        "220008"      // topic alias maximum
        "1200026d65"  // assigned client identifier
        "1100000007"  // session expiry
        "13003c"      // server keep alive
        "1a0002722f");
}

TEST_CASE("what is not limited is not announced", "[mqtt]") {
  Bytes out;
  REQUIRE(
      append_connack(out, Protocol::kV5, {.options = {}, .receive_maximum = 65'535, .packet_bytes_max = 1}, kAnySize));
  CHECK(to_hex(out) ==
        "2008000005"
        "2700000001");
}

TEST_CASE("a refusal has no session and announces nothing", "[mqtt][MQTT-3.2.2-6]") {
  Bytes out;
  REQUIRE(append_connack(out, Protocol::kV5,
                         {.options = {.session_present = true, .reason = "no"}, .code = ReasonCode::kNotAuthorized},
                         kAnySize));
  CHECK(to_hex(out) == "20080087051f00026e6f");
}

TEST_CASE("the CONNACK of 3.1.1 has its own return codes", "[mqtt][V311-3.2.2-4]") {
  const auto code = [](ReasonCode reason) {
    Bytes out;
    REQUIRE(append_connack(out, Protocol::kV311, {.options = {}, .code = reason}, kAnySize));
    return to_hex(out);
  };
  CHECK(code(ReasonCode::kSuccess) == "20020000");
  CHECK(code(ReasonCode::kUnsupportedProtocolVersion) == "20020001");
  CHECK(code(ReasonCode::kClientIdentifierNotValid) == "20020002");
  CHECK(code(ReasonCode::kServerUnavailable) == "20020003");
  CHECK(code(ReasonCode::kBadUserNameOrPassword) == "20020004");
  CHECK(code(ReasonCode::kNotAuthorized) == "20020005");
}

TEST_CASE("a publish carries expiry, identifiers and the message's own properties",
          "[mqtt][MQTT-3.3.4-3][MQTT-3.3.2-6]") {
  Bytes out;
  const std::uint32_t ids[] = {1, 300};
  const Bytes user = test::user_property("k", "v");
  REQUIRE(append_publish(out, Protocol::kV5,
                         {.topic = "a/b",
                          .properties = user,
                          .payload = as_bytes("42"),
                          .qos = QoS::kAtLeastOnce,
                          .packet_id = 258,
                          .dup = true,
                          .retain = true,
                          .expiry_left_s = 9,
                          .subscription_ids = ids},
                         kAnySize));
  CHECK(to_hex(out) ==
        "3b1b0003612f620102"
        "11"
        "0200000009"
        "0b01"
        "0bac02"
        "2600016b000176"
        "3432");
}

TEST_CASE("a publish to 3.1.1 has no properties", "[mqtt]") {
  Bytes out;
  const Bytes user = test::user_property("k", "v");
  const std::uint32_t ids[] = {1};
  REQUIRE(append_publish(
      out, Protocol::kV311,
      {.topic = "a/b", .properties = user, .payload = as_bytes("42"), .expiry_left_s = 9, .subscription_ids = ids},
      kAnySize));
  CHECK(to_hex(out) == "30070003612f623432");
}

TEST_CASE("a publish above the client's packet size is not sent", "[mqtt][MQTT-3.1.2-24]") {
  Bytes out;
  CHECK_FALSE(append_publish(out, Protocol::kV311, message("42"), 8));
  CHECK(out.empty());
  CHECK(append_publish(out, Protocol::kV311, message("42"), 9));
}

TEST_CASE("lengths take as few bytes as they can", "[mqtt][MQTT-1.5.5-1]") {
  for (const std::size_t payload : {0U, 122U, 123U, 124U, 16'378U, 16'379U, 16'380U, 2'000'000U, 2'097'152U}) {
    Bytes out;
    const std::string text(payload, 'x');
    REQUIRE(append_publish(out, Protocol::kV311, message(text), kAnySize));
    const auto packets = test::split_packets(out);
    REQUIRE(packets.size() == 1);
    CHECK(packets[0].body.size() == 5 + payload);
    CHECK(out.size() == 1 + test::varint(5 + payload).size() + 5 + payload);
  }
}

TEST_CASE("lengths of properties take as few bytes as they can", "[mqtt][MQTT-1.5.5-1]") {
  for (const std::size_t bytes : {127U, 128U, 16'383U, 16'384U}) {
    const Bytes user = test::user_property("k", std::string(bytes - 6, 'x'));
    REQUIRE(user.size() == bytes);
    Bytes out;
    REQUIRE(append_publish(out, Protocol::kV5, {.topic = "a/b", .properties = user}, kAnySize));
    CHECK(test::split_packets(out).at(0).body == test::concat(test::text("a/b"), test::with_length(user)));
  }
}

TEST_CASE("a PUBACK names its reason only where it says more than success", "[mqtt][MQTT-3.4.2-1]") {
  Bytes out;
  append_ack(out, Protocol::kV5, {PacketType::kPuback, 1, ReasonCode::kSuccess}, kAnySize);
  append_ack(out, Protocol::kV5, {PacketType::kPuback, 2, ReasonCode::kNoMatchingSubscribers}, kAnySize);
  append_ack(out, Protocol::kV311, {PacketType::kPuback, 3, ReasonCode::kNoMatchingSubscribers}, kAnySize);
  CHECK(to_hex(out) ==
        "40020001"
        "4003000210"
        "40020003");
}

TEST_CASE("SUBACK and UNSUBACK answer filter by filter", "[mqtt]") {
  const ReasonCode codes[] = {ReasonCode::kGrantedQos1, ReasonCode::kNotAuthorized};
  const ReasonCode unsubscribed[] = {ReasonCode::kNoSubscriptionExisted, ReasonCode::kNotAuthorized};
  Bytes out;
  REQUIRE(append_filter_ack(out, Protocol::kV5, {PacketType::kSuback, 7, codes}, kAnySize));
  REQUIRE(append_filter_ack(out, Protocol::kV311, {PacketType::kSuback, 7, codes}, kAnySize));
  REQUIRE(append_filter_ack(out, Protocol::kV5, {PacketType::kUnsuback, 7, unsubscribed}, kAnySize));
  REQUIRE(append_filter_ack(out, Protocol::kV311, {PacketType::kUnsuback, 7, unsubscribed}, kAnySize));
  CHECK(to_hex(out) ==
        "90050007000187"
        "900400070180"
        "b0050007001187"
        "b0020007");
}

TEST_CASE("a DISCONNECT drops its reason string where the packet would be too large", "[mqtt][MQTT-3.14.2-3]") {
  Bytes out;
  append_disconnect(out, ReasonCode::kProtocolError, "why", kAnySize);
  append_disconnect(out, ReasonCode::kProtocolError, "why", 9);
  append_disconnect(out, ReasonCode::kProtocolError, "why", 2);
  CHECK(to_hex(out) ==
        "e00882061f0003776879"
        "e00182");
}
