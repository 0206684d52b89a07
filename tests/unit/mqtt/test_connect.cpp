// CONNECT and CONNACK: chapters 3.1 and 3.2 of MQTT 5.0. Tags V311-…: clauses of 3.1.1 with another number or meaning.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

#include "tests/unit/mqtt/harness.hpp"

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::concat;
using test::property;

namespace {

constexpr unsigned kCleanStart = 0x02;
constexpr unsigned kWill = 0x04;
constexpr unsigned kWillRetain = 0x20;
constexpr unsigned will_qos(unsigned qos) { return qos << 3U; }

struct WillSent {
  std::string topic = "gone";
  std::string payload = "bye";
  Bytes properties = {};
};

Bytes will_fields(Protocol protocol, const WillSent& will) {
  const Bytes properties = protocol == Protocol::kV5 ? test::with_length(will.properties) : Bytes{};
  return concat(properties, test::text(will.topic), test::text(will.payload));
}

// What a CONNECT led to.
struct Attempt {
  Client client;
  explicit Attempt(const test::ConnectOut& connect, const ConnectionLimits& limits = {}) : client(limits) {
    client.send(test::encode(connect));
  }
  [[nodiscard]] const Lines& lines() const { return client.lines(); }
  // Return code or reason code of the CONNACK; -1 if there is none. All but 0 close.
  int code() {
    const auto packets = client.received();
    REQUIRE(packets.size() <= 1);
    const int code = packets.empty() ? -1 : packets[0].body.at(1);
    if (!packets.empty()) REQUIRE(packets[0].type == PacketType::kConnack);
    CHECK(client.connection.closing() == (code != 0));
    return code;
  }
};

test::ConnectOut with_will(Protocol protocol, unsigned more_flags, const WillSent& will = {}) {
  return {.protocol = protocol, .flags = kCleanStart | kWill | more_flags, .will = will_fields(protocol, will)};
}

// The properties of a CONNACK of 5.0, in hexadecimal.
std::string announced(Client& client) {
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  const std::string body = to_hex(packets[0].body);
  return body.substr(6);  // flags, code, one byte of length
}

}  // namespace

// ---- will

TEST_CASE("a will reaches the handler with everything that was said", "[mqtt][MQTT-3.1.2-9][MQTT-3.1.3-1]") {
  const Bytes user = test::user_property("k", "v");
  const Attempt attempt{with_will(
      Protocol::kV5, kWillRetain | will_qos(2),
      {.properties = concat(property(0x18, test::u32(30)), user, property(0x02, test::u32(60)), property(0x01, {1}))})};
  CHECK(attempt.lines() ==
        Lines{"connect client expiry 0",
              "will gone=bye qos 2 retain delay 30 expiry 60 properties " + to_hex(concat(user, property(0x01, {1})))});
}

TEST_CASE("the fields of CONNECT are taken in their order", "[mqtt][MQTT-3.1.3-1][V311-3.1.3-1]") {
  for (const Protocol protocol : {Protocol::kV5, Protocol::kV311}) {
    test::ConnectOut connect = with_will(protocol, will_qos(1));
    connect.client_id = "id";
    connect.username = "user";
    connect.password = "password";
    connect.flags = *connect.flags | 0xC0U;
    CHECK(Attempt{connect}.lines() ==
          Lines{"connect id expiry 0", "username user", "password password", "will gone=bye qos 1"});
  }
}

TEST_CASE("a will of 3.1.1 has no delay and no properties", "[mqtt][V311-3.1.2-9]") {
  const Attempt attempt{with_will(Protocol::kV311, will_qos(1))};
  CHECK(attempt.lines() == Lines{"connect client expiry 0", "will gone=bye qos 1"});
}

TEST_CASE("a will may have an empty payload", "[mqtt]") {
  const Attempt attempt{with_will(Protocol::kV5, 0, {.payload = ""})};
  CHECK(attempt.lines().back() == "will gone= qos 0");
}

TEST_CASE("the user properties of a will keep their order", "[mqtt][MQTT-3.1.3-10]") {
  const Bytes users =
      concat(test::user_property("b", "1"), test::user_property("a", "2"), test::user_property("b", "3"));
  const Attempt attempt{with_will(Protocol::kV5, 0, {.properties = users})};
  CHECK(attempt.lines().back() == "will gone=bye qos 0 properties " + to_hex(users));
}

TEST_CASE("a will flag without will fields is malformed", "[mqtt][MQTT-3.1.2-9]") {
  CHECK(Attempt{{.flags = kCleanStart | kWill}}.code() == 0x81);
  CHECK(Attempt{{.protocol = Protocol::kV311, .flags = kCleanStart | kWill}}.code() == -1);
}

TEST_CASE("will QoS without a will is malformed", "[mqtt][MQTT-3.1.2-11]") {
  CHECK(Attempt{{.flags = kCleanStart | will_qos(1)}}.code() == 0x81);
}

TEST_CASE("a will with QoS 3 is malformed", "[mqtt][MQTT-3.1.2-12]") {
  CHECK(Attempt{with_will(Protocol::kV5, will_qos(3))}.code() == 0x81);
}

TEST_CASE("will retain without a will is malformed", "[mqtt][MQTT-3.1.2-13]") {
  CHECK(Attempt{{.flags = kCleanStart | kWillRetain}}.code() == 0x81);
}

TEST_CASE("a will topic that is no topic name is refused", "[mqtt][MQTT-3.1.3-11]") {
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.topic = "a/#"})}.code() == 0x90);
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.topic = ""})}.code() == 0x90);
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.topic = "\xED\xA0\x80"})}.code() == 0x81);
  CHECK(Attempt{with_will(Protocol::kV311, 0, {.topic = "a/#"})}.code() == -1);
}

TEST_CASE("a will with a higher QoS than allowed is refused", "[mqtt][MQTT-3.2.2-12]") {
  const ConnectionLimits limits{.maximum_qos = QoS::kAtLeastOnce};
  Attempt refused{with_will(Protocol::kV5, will_qos(2)), limits};
  CHECK(refused.code() == 0x9B);
  CHECK(refused.client.connection.closing());
  CHECK(Attempt{with_will(Protocol::kV5, will_qos(1)), limits}.code() == 0);
}

TEST_CASE("a will beyond the limit is refused", "[mqtt][G6]") {
  const ConnectionLimits limits{.will_bytes_max = 10};
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.payload = "123456"}), limits}.code() == 0);
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.payload = "1234567"}), limits}.code() == 0x97);
  CHECK(Attempt{with_will(Protocol::kV311, 0, {.payload = "1234567"}), limits}.code() == 3);
}

TEST_CASE("a will topic with too many levels is refused", "[mqtt][G6]") {
  const ConnectionLimits limits{.topic_levels_max = 3};
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.topic = "a/b/c"}), limits}.code() == 0);
  CHECK(Attempt{with_will(Protocol::kV5, 0, {.topic = "a/b/c/d"}), limits}.code() == 0x90);
}

// ---- flags and fields

TEST_CASE("the reserved flag of CONNECT is malformed", "[mqtt][MQTT-3.1.2-3]") {
  CHECK(Attempt{{.flags = kCleanStart | 1U}}.code() == 0x81);
  CHECK(Attempt{{.protocol = Protocol::kV311, .flags = kCleanStart | 1U}}.code() == -1);
}

TEST_CASE("a user name or password without its flag is malformed", "[mqtt][MQTT-3.1.2-16][MQTT-3.1.2-18]") {
  CHECK(Attempt{{.username = "me", .flags = kCleanStart}}.code() == 0x81);
  CHECK(Attempt{{.username = "me", .password = "x", .flags = kCleanStart | 0x80U}}.code() == 0x81);
}

TEST_CASE("a flag without its user name or password is malformed", "[mqtt][MQTT-3.1.2-17][MQTT-3.1.2-19]") {
  CHECK(Attempt{{.flags = kCleanStart | 0x80U}}.code() == 0x81);
  CHECK(Attempt{{.flags = kCleanStart | 0x40U}}.code() == 0x81);
}

TEST_CASE("a password without a user name closes 3.1.1", "[mqtt][V311-3.1.2-22]") {
  CHECK(Attempt{{.protocol = Protocol::kV311, .password = "x"}}.code() == -1);
}

TEST_CASE("a user name that is not UTF-8 is malformed", "[mqtt][MQTT-3.1.3-12]") {
  CHECK(Attempt{{.username = "\xFF"}}.code() == 0x81);
}

TEST_CASE("a CONNECT without a client identifier field is malformed", "[mqtt][MQTT-3.1.3-3]") {
  Client client;
  client.send(test::packet(PacketType::kConnect, 0,
                           concat(test::text("MQTT"), test::u8(5), test::u8(kCleanStart), test::u16(0), test::u8(0))));
  CHECK(hex(client.received()).at(0).starts_with("CONNACK 0081"));
}

TEST_CASE("a client identifier that is not UTF-8 is malformed", "[mqtt][MQTT-3.1.3-4]") {
  CHECK(Attempt{{.client_id = "\xC3("}}.code() == 0x81);
}

TEST_CASE("client identifiers of 1 to 23 letters and digits are taken, and longer ones too", "[mqtt][MQTT-3.1.3-5]") {
  const std::string all = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (std::size_t bytes = 1; bytes <= 23; ++bytes) {
    for (std::size_t at = 0; at < all.size(); at += bytes) {
      CAPTURE(at, bytes);
      const std::string client_id = all.substr(at, bytes);
      Attempt attempt{{.client_id = client_id}};
      CHECK(attempt.lines() == Lines{"connect " + client_id + " expiry 0"});
      CHECK(attempt.code() == 0);
    }
  }
  CHECK(Attempt{{.client_id = std::string(kClientIdBytesMax, 'x')}}.code() == 0);
}

TEST_CASE("an empty client identifier is taken", "[mqtt][MQTT-3.1.3-6]") {
  CHECK(Attempt{{.client_id = ""}}.code() == 0);
  CHECK(Attempt{{.protocol = Protocol::kV311, .client_id = ""}}.code() == 0);
}

TEST_CASE("a client identifier beyond the limit gets 0x85", "[mqtt][G6][MQTT-3.1.3-8]") {
  for (const Protocol protocol : {Protocol::kV5, Protocol::kV311}) {
    Attempt attempt{{.protocol = protocol, .client_id = std::string(kClientIdBytesMax + 1, 'x')}};
    CHECK(attempt.code() == (protocol == Protocol::kV5 ? 0x85 : 2));
    CHECK(attempt.client.connection.closing());
  }
}

TEST_CASE("a bridge of Mosquitto is known by its protocol level", "[mqtt]") {
  Attempt attempt{{.protocol = Protocol::kV311, .level = 0x84}};
  CHECK(attempt.lines() == Lines{"connect client expiry 0", "bridge"});
  CHECK(attempt.code() == 0);
}

TEST_CASE("a bridge of MQTT 3.1 is refused, so that it tries again without its bit", "[mqtt][V311-3.1.2-2]") {
  Attempt attempt{{.protocol = Protocol::kV311, .protocol_name = "MQIsdp", .level = 0x83}};
  CHECK(attempt.code() == 1);
  CHECK(attempt.client.connection.closing());
}

TEST_CASE("a CONNECT may ask for response information", "[mqtt][MQTT-3.1.2-28]") {
  Client asks;
  asks.handler.connack.response_information = "answers/1";
  asks.send(test::encode(test::ConnectOut{.properties = property(0x19, {1})}));
  CHECK(announced(asks).find(to_hex(property(0x1A, test::text("answers/1")))) != std::string::npos);
  Client does_not;
  does_not.handler.connack.response_information = "answers/1";
  does_not.send(test::encode(test::ConnectOut{}));
  CHECK(announced(does_not).find("1a") == std::string::npos);
}

TEST_CASE("enhanced authentication is answered with 0x8C", "[mqtt][MQTT-4.12.0-1]") {
  const Bytes method = property(0x15, test::text("SCRAM-SHA-1"));
  CHECK(Attempt{{.properties = method}}.code() == 0x8C);
  CHECK(Attempt{{.properties = concat(method, property(0x16, test::text("data")))}}.code() == 0x8C);
}

TEST_CASE("authentication data without a method is a protocol error", "[mqtt]") {
  CHECK(Attempt{{.properties = property(0x16, test::text("data"))}}.code() == 0x82);
}

TEST_CASE("a malformed CONNECT is found before its method is looked at", "[mqtt][MQTT-3.1.4-1]") {
  CHECK(Attempt{{.properties = property(0x15, test::text("x")), .flags = 1U}}.code() == 0x81);
}

// ---- CONNACK

TEST_CASE("a CONNECT is answered with one CONNACK", "[mqtt][MQTT-3.1.4-5][MQTT-3.2.0-1][MQTT-3.2.0-2]") {
  Client client;
  client.send(concat(test::encode(test::ConnectOut{}), test::encode_pingreq()));
  const auto packets = client.received();
  REQUIRE(packets.size() == 2);
  CHECK(packets[0].type == PacketType::kConnack);
  CHECK(packets[0].body.at(1) == 0);
  CHECK(packets[1].type == PacketType::kPingresp);
}

TEST_CASE("a CONNACK says whether a session is present", "[mqtt][MQTT-3.2.2-1][MQTT-3.2.2-3]") {
  for (const bool present : {false, true}) {
    Client client;
    client.handler.connack.session_present = present;
    client.send(test::encode(test::ConnectOut{}));
    CHECK(client.received().at(0).body.at(0) == (present ? 1 : 0));
  }
}

TEST_CASE("a refusing CONNACK has no session and closes", "[mqtt][MQTT-3.1.4-2][MQTT-3.2.2-6][MQTT-3.2.2-7]") {
  Client client;
  client.handler.accepts = false;
  client.send(test::encode(test::ConnectOut{}));
  client.connection.refuse(ReasonCode::kBanned);
  CHECK(hex(client.received()) == Lines{"CONNACK 008a00"});
  CHECK(client.connection.closing());
}

TEST_CASE("a CONNACK has only codes that it may have", "[mqtt][MQTT-3.2.2-8]") {
  const auto refused_with = [](ReasonCode code) {
    Client client;
    client.handler.accepts = false;
    client.send(test::encode(test::ConnectOut{}));
    client.connection.refuse(code);
    return unsigned{client.received().at(0).body.at(1)};
  };
  CHECK(refused_with(ReasonCode::kServerShuttingDown) == 0x88);
  CHECK(refused_with(ReasonCode::kSessionTakenOver) == 0x89);
  // Table 3-1, but for success.
  const std::set<unsigned> table = {0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A,
                                    0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F};
  for (unsigned code = 0x80; code <= 0xFF; ++code) {
    CAPTURE(code);
    const unsigned sent = refused_with(static_cast<ReasonCode>(code));
    CHECK(table.contains(sent));
    if (table.contains(code)) CHECK(sent == code);
  }
}

TEST_CASE("without limits CONNACK announces only what is bounded", "[mqtt]") {
  Client client;
  client.send(test::encode(test::ConnectOut{}));
  CHECK(announced(client) == "2104002700100000220020");
}

TEST_CASE("a lower maximum QoS is announced", "[mqtt][MQTT-3.2.2-9]") {
  Client client{ConnectionLimits{.maximum_qos = QoS::kAtMostOnce}};
  client.send(test::encode(test::ConnectOut{}));
  CHECK(announced(client).find("2400") != std::string::npos);
}

TEST_CASE("a reason in CONNACK is left out where there is no room", "[mqtt][MQTT-3.2.2-19]") {
  const auto with_room_for = [](std::uint32_t bytes) {
    Client client;
    client.handler.connack.reason = "welcome";
    client.send(test::encode(test::ConnectOut{.properties = property(0x27, test::u32(bytes))}));
    return announced(client);
  };
  const std::string reason = to_hex(property(0x1F, test::text("welcome")));
  CHECK(with_room_for(26).ends_with(reason));
  CHECK_FALSE(with_room_for(25).ends_with(reason));
}

TEST_CASE("the reason of a refusal is left out where there is no room", "[mqtt][MQTT-3.2.2-19][MQTT-3.1.2-24]") {
  Client client;
  client.handler.accepts = false;
  client.send(test::encode(test::ConnectOut{.properties = property(0x27, test::u32(10))}));
  client.connection.refuse(ReasonCode::kNotAuthorized, "who are you");
  CHECK(hex(client.received()) == Lines{"CONNACK 008700"});
}

TEST_CASE("an assigned client identifier is announced", "[mqtt][MQTT-3.1.3-7][MQTT-3.2.2-16]") {
  Client client;
  client.handler.connack.assigned_client_id = "auto-1";
  client.send(test::encode(test::ConnectOut{.client_id = ""}));
  CHECK(announced(client).find(to_hex(property(0x12, test::text("auto-1")))) != std::string::npos);
}

TEST_CASE("a server keep alive holds instead of the client's", "[mqtt][MQTT-3.1.2-21][MQTT-3.2.2-21][MQTT-3.2.2-22]") {
  using namespace std::chrono_literals;
  Client longer{ConnectionLimits{.keep_alive_max_s = 60}};
  longer.send(test::encode(test::ConnectOut{.keep_alive_s = 61}));
  CHECK(announced(longer).ends_with("13003c"));
  CHECK(longer.connection.next_deadline() == longer.now + 90s);
  Client shorter{ConnectionLimits{.keep_alive_max_s = 60}};
  shorter.send(test::encode(test::ConnectOut{.keep_alive_s = 59}));
  CHECK(announced(shorter).find("13003") == std::string::npos);
  CHECK(shorter.connection.next_deadline() == shorter.now + 88500ms);
}

TEST_CASE("no DISCONNECT comes before CONNACK", "[mqtt][MQTT-3.14.0-1]") {
  Client client;
  client.handler.accepts = false;
  client.send(test::encode(test::ConnectOut{}));
  client.connection.disconnect(ReasonCode::kServerShuttingDown);
  CHECK(client.received().empty());
  CHECK(client.connection.closing());
}

// ---- properties

TEST_CASE("the properties of CONNECT have their ranges", "[mqtt]") {
  const auto code = [](const Bytes& properties) { return Attempt{{.properties = properties}}.code(); };
  CHECK(code(property(0x21, test::u16(0))) == 0x82);
  CHECK(code(property(0x27, test::u32(0))) == 0x82);
  CHECK(code(property(0x17, {2})) == 0x82);
  CHECK(code(property(0x19, {2})) == 0x82);
  CHECK(code(concat(property(0x11, test::u32(1)), property(0x11, test::u32(1)))) == 0x82);
  CHECK(code(concat(property(0x11, test::u32(0xFFFF'FFFF)), property(0x22, test::u16(65'535)))) == 0);
}
