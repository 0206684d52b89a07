// What MQTT 3.1.1 says in other words than 5.0, through a whole node: sessions and refusals. Tags V311-…: its clauses
// that have another number or meaning there.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using mqtt::Protocol;
using Texts = std::vector<std::string>;

namespace {

ConnectOut old(std::string id, bool clean_session) {
  return {.protocol = Protocol::kV311, .client_id = std::move(id), .clean_start = clean_session};
}

struct V311Harness : NodeHarness {
  void publish(const std::string& topic, const std::string& payload, unsigned qos) {
    TestClient publisher(*this, old("publisher", true));
    publisher.send(encode(PublishSent{
        .protocol = Protocol::kV311, .topic = topic, .payload = payload, .qos = qos, .packet_id = qos > 0 ? 1U : 0U}));
    settle();
  }
  void subscribe(TestClient& client, const std::string& topic) {
    client.send(encode_subscribe(1, {{topic, 2}}, Protocol::kV311));
    settle();
    client.received();
  }
  // The body of CONNACK as hexadecimal, and then what came behind it.
  Texts greeting(TestClient& client) {
    const auto packets = client.received();
    REQUIRE_FALSE(packets.empty());
    REQUIRE(packets[0].type == PacketType::kConnack);
    Texts out = {to_hex(packets[0].body)};
    for (const Delivered& message : deliveries(packets, Protocol::kV311)) {
      out.push_back(message.payload + " qos " + std::to_string(message.qos) + (message.dup ? " dup" : ""));
    }
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(V311Harness, "a 3.1.1 session that is not clean gathers QoS 1 and 2, and goes on",
                 "[node][V311-3.1.2-4][V311-3.1.2-5][V311-3.2.2-2][V311-3.2.2-3]") {
  {
    TestClient client(*this, old("k", false));
    CHECK(greeting(client) == Texts{"0000"});
    subscribe(client, "a");
  }
  publish("a", "1", 1);
  publish("a", "2", 2);
  restart();
  advance(std::chrono::hours{20});
  publish("a", "3", 1);
  publish("elsewhere", "x", 1);
  TestClient back(*this, old("k", false));
  CHECK(greeting(back) == Texts{"0100", "1 qos 1 dup", "2 qos 2 dup", "3 qos 1"});
}

TEST_CASE_METHOD(V311Harness, "a clean 3.1.1 session ends the one before, and its own with the connection",
                 "[node][V311-3.1.2-6][V311-3.1.4-3][V311-3.2.2-1][V311-3.2.2-3]") {
  {
    TestClient client(*this, old("k", false));
    subscribe(client, "a");
  }
  publish("a", "1", 1);
  {
    TestClient clean(*this, old("k", true));
    CHECK(greeting(clean) == Texts{"0000"});
    CHECK(session_store.sessions.empty());
    publish("a", "2", 1);
    CHECK(clean.received().empty());
    subscribe(clean, "a");
  }
  publish("a", "3", 1);
  TestClient after(*this, old("k", false));
  CHECK(greeting(after) == Texts{"0000"});
  publish("a", "4", 1);
  CHECK(after.received().empty());
}

TEST_CASE_METHOD(V311Harness, "an older 3.1.1 connection of the same client is closed without a word",
                 "[node][V311-3.1.4-2]") {
  for (const bool clean : {false, true}) {
    TestClient first(*this, old("k", clean));
    first.received();
    TestClient other(*this, old("other", clean));
    TestClient second(*this, old("k", clean));
    CHECK(first.stream.closed);
    CHECK(first.received().empty());
    CHECK_FALSE(other.stream.closed);
    CHECK_FALSE(second.stream.closed);
  }
}

TEST_CASE_METHOD(V311Harness, "3.1.1 clients without an identifier have sessions of their own",
                 "[node][V311-3.1.3-6]") {
  TestClient one(*this, old("", true));
  TestClient two(*this, old("", true));
  CHECK(greeting(one) == Texts{"0000"});
  CHECK(greeting(two) == Texts{"0000"});
  CHECK_FALSE(one.stream.closed);
  subscribe(one, "a");
  publish("a", "1", 1);
  CHECK(deliveries(one.received(), Protocol::kV311).size() == 1);
  CHECK(two.received().empty());
}

TEST_CASE_METHOD(V311Harness, "after reconnecting a 3.1.1 client is sent again what it did not acknowledge",
                 "[node][V311-4.4.0-1][V311-4.6.0-1]") {
  std::vector<Delivered> before;
  {
    TestClient client(*this, old("k", false));
    subscribe(client, "a");
    publish("a", "1", 1);
    publish("a", "2", 2);
    publish("a", "3", 2);
    publish("a", "4", 1);
    before = deliveries(client.received(), Protocol::kV311);
    REQUIRE(before.size() == 4);
    client.send(encode_pubrec(before[2].packet_id));
    settle();
  }
  TestClient back(*this, old("k", false));
  const auto packets = back.received();
  const auto again = deliveries(packets, Protocol::kV311);
  REQUIRE(again.size() == 3);
  for (const std::size_t i : {0U, 1U, 2U}) {
    const Delivered& first = before[i < 2 ? i : 3];
    CHECK(again[i].payload == first.payload);
    CHECK(again[i].packet_id == first.packet_id);
    CHECK(again[i].qos == first.qos);
    CHECK_FALSE(first.dup);
    CHECK(again[i].dup);
  }
  CHECK(acks(packets) == std::vector<AckSeen>{{PacketType::kPubrel, before[2].packet_id, 0}});
}

TEST_CASE_METHOD(V311Harness, "a publish that 3.1.1 may not do reaches nobody, and closes above QoS 0",
                 "[node][V311-3.3.5-2]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(encode_subscribe(1, {{"#", 2}}));
  settle();
  subscriber.received();
  for (const unsigned qos : {0U, 1U, 2U}) {
    TestClient client(*this, old("c", true));
    client.received();
    client.send(encode(PublishSent{.protocol = Protocol::kV311, .topic = "forbidden", .qos = qos, .packet_id = qos}));
    settle();
    CHECK(client.stream.closed == (qos > 0));
    CHECK(client.received().empty());
  }
  CHECK(subscriber.received().empty());
}

TEST_CASE_METHOD(V311Harness, "a bridge's publish that is larger than a packet may be is passed over, and it is logged",
                 "[node][V311-4.3.2-2][G6]") {
  TestClient watcher(*this, old("watcher", true));
  subscribe(watcher, "#");
  TestClient bridge(*this, {.protocol = Protocol::kV311, .client_id = "bridge", .level = 0x84U});
  bridge.received();
  for (const unsigned qos : {1U, 2U, 2U, 0U}) {  // the one of QoS 2 is repeated
    bridge.send(encode(PublishSent{.protocol = Protocol::kV311,
                                   .topic = "camera/barn",
                                   .payload = std::string(2'000'000, 'x'),
                                   .qos = qos,
                                   .packet_id = qos}));
    settle();
    const auto answer = bridge.received();
    REQUIRE(answer.size() == (qos == 0 ? 0 : 1));
    if (qos > 0) CHECK(answer[0].type == (qos == 1 ? PacketType::kPuback : PacketType::kPubrec));
  }
  bridge.send(encode_pubrel(2));
  settle();
  CHECK(bridge.received().size() == 1);
  publish("camera/barn", "small", 1);
  CHECK(watcher.messages() == Texts{"camera/barn=small"});
  CHECK_FALSE(bridge.stream.closed);
  CHECK(node->counters().refused == 4);
  REQUIRE(log.size() == 1);
  CHECK(log[0].starts_with("dropped, and acknowledged"));
  CHECK(log[0].find("a publish to \"camera/barn\" of client \"bridge\"") != std::string::npos);
  CHECK(log[0].find("\"packet_bytes\" under \"limits\"") != std::string::npos);
}

TEST_CASE_METHOD(V311Harness, "another client of 3.1.1 is not told that what is too large was stored",
                 "[node][V311-4.8.0-1]") {
  TestClient client(*this, old("client", true));
  client.received();
  client.send(encode(PublishSent{.protocol = Protocol::kV311,
                                 .topic = "camera/barn",
                                 .payload = std::string(2'000'000, 'x'),
                                 .qos = 1,
                                 .packet_id = 1}));
  settle();
  CHECK(client.received().empty());
  CHECK(client.stream.closed);
}
