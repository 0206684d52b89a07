// What the access rules refuse, through a whole node: the codes, and rules that change.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Acks = std::vector<AckSeen>;

namespace {

Bytes publish(const std::string& topic, unsigned qos, bool retain = false) {
  return encode(
      PublishSent{.topic = topic, .payload = "1", .qos = qos, .packet_id = qos > 0 ? 1U : 0U, .retain = retain});
}

// The codes of the SUBACK.
Bytes granted(NodeHarness& harness, TestClient& client, const std::vector<FilterSent>& filters) {
  client.received();
  client.send(encode_subscribe(1, filters));
  harness.settle();
  const auto packets = client.received();
  REQUIRE_FALSE(packets.empty());
  REQUIRE(packets[0].type == PacketType::kSuback);
  return Bytes(packets[0].body.end() - static_cast<std::ptrdiff_t>(filters.size()), packets[0].body.end());
}

}  // namespace

TEST_CASE_METHOD(NodeHarness, "a wrong name or password is answered 0x86", "[node]") {
  TestClient client(*this, {.client_id = "c", .username = "mallory", .password = "x"});
  CHECK(connack_code(client.received()) == 0x86);
  CHECK(client.stream.closed);
  CHECK(node->counters().refused_access == 1);
}

TEST_CASE_METHOD(NodeHarness, "a name that is refused takes no session over", "[node]") {
  TestClient client(*this, keeping("c"));
  TestClient other(*this, {.client_id = "c", .username = "mallory", .password = "x"});
  CHECK_FALSE(client.stream.closed);
}

TEST_CASE_METHOD(NodeHarness, "a denied publish is answered not authorized, and not delivered", "[node]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(encode_subscribe(1, {{"#", 2}}));
  TestClient client(*this, {.client_id = "c"});
  client.received();
  client.send(publish("forbidden", 1));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPuback, 1, 0x87}});
  client.send(publish("forbidden", 2));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 1, 0x87}});
  client.send(publish("forbidden", 0, /*retain=*/true));
  advance(std::chrono::seconds{2});
  settle();
  CHECK_FALSE(client.stream.closed);
  CHECK(deliveries(subscriber.received()).empty());
  CHECK(node->counters().refused_access == 3);
}

TEST_CASE_METHOD(NodeHarness, "a denied publish closes a 3.1.1 connection", "[node]") {
  TestClient client(*this, {.protocol = mqtt::Protocol::kV311, .client_id = "c"});
  client.send(encode(
      PublishSent{.protocol = mqtt::Protocol::kV311, .topic = "forbidden", .payload = "1", .qos = 1, .packet_id = 1}));
  settle();
  CHECK(client.stream.closed);
}

TEST_CASE_METHOD(NodeHarness, "after a denied QoS 2 publish its identifier is free", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  client.received();
  client.send(publish("forbidden", 2));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 1, 0x87}});
  client.send(publish("allowed", 2));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 1, 0}});
}

TEST_CASE_METHOD(NodeHarness, "a denied filter is answered not authorized, the others are granted", "[node]") {
  TestClient client(*this, keeping("c"));
  CHECK(granted(*this, client, {{"a", 1}, {"forbidden", 1}, {"b", 2}}) == Bytes{1, 0x87, 2});
  CHECK(session_store.sessions.begin()->second.subscriptions.size() == 2);
}

TEST_CASE_METHOD(NodeHarness, "a shared subscription to a denied filter is denied", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  CHECK(granted(*this, client, {{"$share/g/forbidden", 1}}) == Bytes{0x87});
}

TEST_CASE_METHOD(NodeHarness, "a will that may not be published refuses its CONNECT", "[node]") {
  TestClient client(*this, with_will({.client_id = "c"}, {.topic = "forbidden"}));
  CHECK(connack_code(client.received()) == 0x87);
  TestClient reserved(*this, with_will({.client_id = "d"}, {.topic = "$SYS/x"}));
  CHECK(connack_code(reserved.received()) == 0x87);
}

TEST_CASE_METHOD(NodeHarness, "subscriptions that the rules do not allow any more end", "[node]") {
  TestClient client(*this, keeping("c"));
  CHECK(granted(*this, client, {{"a", 1}, {"b", 1}}) == Bytes{1, 1});
  access.forbidden = "a";
  node->enforce_access();
  settle();
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(publish("b", 1));
  settle();
  access.forbidden = "";
  publisher.send(publish("a", 1));
  settle();
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].topic == "b");
  CHECK(session_store.sessions.begin()->second.subscriptions.size() == 1);
}

TEST_CASE_METHOD(NodeHarness, "an offline session loses what is forbidden when it returns", "[node]") {
  {
    TestClient client(*this, keeping("c"));
    CHECK(granted(*this, client, {{"a", 1}, {"$share/g/a", 1}}) == Bytes{1, 1});
  }
  settle();
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(publish("a", 1));
  settle();
  access.forbidden = "a";
  node->enforce_access();
  TestClient back(*this, keeping("c"));
  CHECK(deliveries(back.received()).empty());
  CHECK(session_store.sessions.begin()->second.subscriptions.empty());
}

TEST_CASE_METHOD(NodeHarness, "what is on its way and forbidden now does not come again", "[node]") {
  TestClient client(*this, keeping("c"));
  CHECK(granted(*this, client, {{"a", 1}, {"b", 1}}) == Bytes{1, 1});
  TestClient publisher(*this, {.client_id = "p"});
  for (const char* topic : {"a", "b"}) {
    publisher.send(publish(topic, 1));
    settle();
  }
  CHECK(deliveries(client.received()).size() == 2);  // and not acknowledged
  client.drop();
  access.forbidden = "a";
  TestClient back(*this, keeping("c"));
  const auto got = deliveries(back.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].topic == "b");
  publisher.send(publish("b", 1));
  settle();
  CHECK(deliveries(back.received()).size() == 1);
}

TEST_CASE_METHOD(NodeHarness, "who proves nothing has sessions with its own listener only", "[node]") {
  const auto from = [](std::string listener) {
    node::Arrived arrived;
    arrived.listener = std::move(listener);
    arrived.address = "192.0.2.7";
    return arrived;
  };
  const auto has_session = [&](TestClient& client) { return client.received().at(0).body[0] == 1; };
  {
    TestClient program(*this, keeping("c"));
    CHECK(granted(*this, program, {{"a", 1}}) == Bytes{1});
  }
  access.forbidden = "a";
  TestClient stranger(*this, keeping("c"), from("open"));
  CHECK_FALSE(has_session(stranger));
  stranger.drop();
  CHECK_FALSE(has_session(*std::make_unique<TestClient>(*this, keeping("c"), from("other"))));
  CHECK(has_session(*std::make_unique<TestClient>(*this, keeping("c"), from("open"))));
  access.forbidden = {};
  TestClient program(*this, keeping("c"));
  CHECK(has_session(program));
  CHECK(session_store.sessions.size() == 3);
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(publish("a", 1));
  settle();
  CHECK(deliveries(program.received()).size() == 1);
}

TEST_CASE_METHOD(NodeHarness, "a user that is no more is disconnected", "[node]") {
  TestClient alice(*this, {.client_id = "1", .username = "alice", .password = "x"});
  TestClient bob(*this, {.client_id = "2", .username = "bob", .password = "x"});
  alice.received();
  access.removed = "alice";
  node->enforce_access();
  const auto farewell = alice.received();
  REQUIRE(farewell.size() == 1);
  CHECK(farewell[0].type == PacketType::kDisconnect);
  CHECK(farewell[0].body[0] == 0x87);
  CHECK(alice.stream.closed);
  CHECK_FALSE(bob.stream.closed);
}

TEST_CASE_METHOD(NodeHarness, "a will that its owner may no longer publish is not published, and counted",
                 "[node][MQTT-3.1.2-8][G6]") {
  TestClient watcher(*this, {.client_id = "w"});
  watcher.send(encode_subscribe(1, {{"+", 1}}));
  settle();
  watcher.received();
  TestClient armed(*this, with_will({.client_id = "c"}, {}));
  TestClient(*this, with_will(keeping("d"), {.delay_s = 10})).drop();
  settle();
  access.forbidden = "will";
  node->enforce_access();
  armed.drop();
  advance(std::chrono::seconds{10});
  settle();
  CHECK(watcher.messages().empty());
  CHECK(node->counters().refused_access == 2);
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(NodeHarness, "a will that may be published again when its time comes is published", "[node]") {
  TestClient watcher(*this, {.client_id = "w"});
  watcher.send(encode_subscribe(1, {{"+", 1}}));
  settle();
  watcher.received();
  TestClient(*this, with_will(keeping("d"), {.delay_s = 10})).drop();
  settle();
  access.forbidden = "will";
  node->enforce_access();
  access.forbidden = "";
  node->enforce_access();
  advance(std::chrono::seconds{10});
  settle();
  CHECK(watcher.messages() == std::vector<std::string>{"will=gone"});
}

TEST_CASE_METHOD(NodeHarness, "the will of a user that is no more is not published, also not after a restart",
                 "[node]") {
  TestClient alice(*this, with_will({.client_id = "1", .username = "alice", .password = "x"}, {}));
  CHECK(session_store.wills.size() == 1);
  access.removed = "alice";
  node->enforce_access();
  alice.drop();
  restart();
  advance(std::chrono::seconds{1});
  settle();
  CHECK(engine->last_arrival() == 0);
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(NodeHarness, "a connection that waits for the disk is refused when its user is no more", "[node]") {
  TestClient alice =
      TestClient::unsettled(*this, with_will({.client_id = "1", .username = "alice", .password = "x"}, {}));
  access.removed = "alice";
  node->enforce_access();
  CHECK(connack_code(alice.received()) == 0x87);
  alice.drop();
  settle();
  CHECK(engine->last_arrival() == 0);
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(NodeHarness, "a connection that waits for the disk is refused when its will is forbidden", "[node]") {
  TestClient client = TestClient::unsettled(*this, with_will(keeping("c"), {}));
  access.forbidden = "will";
  node->enforce_access();
  CHECK(connack_code(client.received()) == 0x87);
  CHECK(node->counters().refused_access == 1);
  settle();
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(NodeHarness, "response topics name the user and the client", "[node]") {
  TestClient client(*this,
                    {.client_id = "c1", .username = "alice", .password = "x", .properties = property(0x19, u8(1))});
  const auto packets = client.received();
  CHECK(std::string(as_text(packets.at(0).body)).find("alice/c1") != std::string::npos);
}

TEST_CASE_METHOD(NodeHarness, "a Mosquitto bridge that tells its state is let in, and told nobody", "[node]") {
  TestClient watcher(*this, {.client_id = "w"});
  watcher.send(encode_subscribe(1, {{"$SYS/#", 1}}));
  settle();
  watcher.received();
  TestClient bridge(
      *this, with_will({.client_id = "bridge"}, {.topic = "$SYS/broker/connection/b/state", .payload = "0", .qos = 1}));
  CHECK(bridge.received().size() == 1);
  bridge.send(encode(PublishSent{.topic = "$SYS/broker/connection/b/state", .payload = "1", .qos = 1, .packet_id = 1}));
  settle();
  const auto answer = bridge.received();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].type == mqtt::PacketType::kPuback);
  CHECK(answer[0].body.size() == 2);  // success
  CHECK(watcher.messages().empty());
}
