// CONNECT and CONNACK through a whole node: MQTT 5.0 sections 3.1, 3.2 and 4.1. Wills: test_node_wills.cpp.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Texts = std::vector<std::string>;

namespace {

struct ConnectHarness : NodeHarness {
  void publish(std::string payload, unsigned qos = 1) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = "a", .payload = std::move(payload), .qos = qos, .packet_id = 1}));
    settle();
    publisher.drop();
  }
  void subscribe(TestClient& client, unsigned qos = 1) {
    client.send(encode_subscribe(1, {{"a", qos}}));
    settle();
    client.received();
  }
};

bool session_present(TestClient& client) {
  const auto packets = client.received();
  REQUIRE(connack_code(packets) == 0);
  return packets[0].body[0] == 1;
}

// The Assigned Client Identifier in the CONNACK that the client was sent; empty: there is none.
std::string assigned_to(TestClient& client) {
  const auto packets = client.received();
  REQUIRE(connack_code(packets) == 0);
  const std::string body(as_text(packets[0].body));
  const std::size_t at = body.find("hedgerow-");
  if (at == std::string::npos || body[at - 3] != 0x12) return {};
  return body.substr(at, static_cast<unsigned char>(body[at - 1]));
}

}  // namespace

TEST_CASE_METHOD(ConnectHarness, "the client identifier says whose session it is", "[node][MQTT-3.1.3-2]") {
  TestClient one(*this, keeping("1"));
  subscribe(one);
  one.drop();
  TestClient two(*this, keeping("2"));
  CHECK_FALSE(session_present(two));
  publish("for 1");
  CHECK(two.messages().empty());
  TestClient back(*this, keeping("1"));
  CHECK(back.messages() == Texts{"a=for 1"});
}

TEST_CASE_METHOD(ConnectHarness, "an empty client identifier is replaced by one that names the session from then on",
                 "[node][MQTT-3.1.3-6][MQTT-3.1.3-7][MQTT-3.2.2-16]") {
  TestClient first(*this, keeping(""));
  TestClient second(*this, keeping(""));
  const std::string name = assigned_to(first);
  CHECK_FALSE(name.empty());
  CHECK(assigned_to(second) != name);
  CHECK_FALSE(first.stream.closed);
  CHECK(session_store.sessions.size() == 2);
  subscribe(first);
  first.drop();
  publish("1");
  TestClient back(*this, keeping(name));
  CHECK(assigned_to(back).empty());
  back.drop();
  TestClient again(*this, keeping(name));
  CHECK(again.messages() == Texts{"a=1 dup"});
}

TEST_CASE_METHOD(ConnectHarness, "CONNACK says whether there was a session, whatever became of it",
                 "[node][MQTT-3.2.2-2][MQTT-3.2.2-3]") {
  const ConnectOut minute{.client_id = "k", .clean_start = false, .properties = property(0x11, u32(60))};
  const auto connect = [&](bool clean_start) {
    ConnectOut wanted = minute;
    wanted.clean_start = clean_start;
    TestClient client(*this, wanted);
    const bool present = session_present(client);
    client.drop();
    settle();
    return present;
  };
  CHECK_FALSE(connect(/*clean_start=*/false));
  CHECK(connect(false));
  CHECK_FALSE(connect(true));
  CHECK(connect(false));
  advance(std::chrono::seconds{61});
  settle();
  CHECK_FALSE(connect(false));
}

TEST_CASE_METHOD(ConnectHarness, "CONNACK is the first packet, however much waits for the client",
                 "[node][MQTT-3.2.0-1]") {
  {
    TestClient client(*this, keeping("k"));
    subscribe(client, 2);
    publish("1", 2);
    client.send(encode_pubrec(deliveries(client.received()).at(0).packet_id));
    settle();
    client.drop();
  }
  publish("2", 2);
  TestClient back = TestClient::unsettled(*this, with_will(keeping("k"), {}));
  CHECK(back.received().empty());  // its will is not on disk yet
  settle();
  const auto packets = back.received();
  REQUIRE(packets.size() == 3);
  CHECK(connack_code(packets) == 0);
  CHECK(packets[1].type == PacketType::kPubrel);
  CHECK(packets[2].type == PacketType::kPublish);
}

TEST_CASE_METHOD(ConnectHarness, "a session lasts as long as its connection, however short its expiry",
                 "[node][MQTT-4.1.0-1]") {
  const std::uint32_t expiry_s = GENERATE(0U, 2U);
  const ConnectOut brief{.client_id = "k", .clean_start = false, .properties = property(0x11, u32(expiry_s))};
  TestClient(*this, brief).drop();
  advance(std::chrono::seconds{1});
  TestClient client(*this, brief);
  CHECK(session_present(client) == (expiry_s > 0));
  subscribe(client);
  for (int i = 0; i < 10; ++i) {
    advance(std::chrono::hours{1});
    settle();
  }
  CHECK(session_store.sessions.size() == (expiry_s > 0 ? 1U : 0U));
  publish("1");
  CHECK(client.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(ConnectHarness, "SUBACK and UNSUBACK have the identifier of what they answer",
                 "[node][MQTT-2.2.1-6]") {
  const bool persistent = GENERATE(false, true);
  TestClient client(*this, persistent ? keeping("k") : ConnectOut{.client_id = "k"});
  client.received();
  client.send(encode_subscribe(0x1234, {{"a", 1}}));
  client.send(encode_unsubscribe(0xFEDC, {"a"}));
  settle();
  const auto packets = client.received();
  REQUIRE(packets.size() == 2);
  CHECK(packets[0].type == PacketType::kSuback);
  CHECK(packets[0].body == concat(u16(0x1234), u8(0), u8(1)));
  CHECK(packets[1].type == PacketType::kUnsuback);
  CHECK(packets[1].body == concat(u16(0xFEDC), u8(0), u8(0)));
}
