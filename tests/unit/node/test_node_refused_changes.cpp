// SUBSCRIBE and UNSUBSCRIBE that the disk refuses: memory and disk go on as before them. G6.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Texts = std::vector<std::string>;

namespace {

struct SubscribeHarness : NodeHarness {
  // One turn, which the disk refuses.
  void full_disk() {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
  }
  // Every turn, of what waits now and of what it makes room for.
  void full_disk_throughout() {
    while (!intents.empty()) full_disk();
  }
  // What waits now is a turn of its own: the store thread has it, and it is not through yet.
  std::vector<node::Intent> begin_turn() { return std::exchange(intents, {}); }
  void end_turn(std::vector<node::Intent> turn, bool is_full = false) {
    if (is_full) storage.fail_next_commit({Category::kLimit, "the disk is full"});
    node->on_turn(now, store_turn->run(wall, turn));
  }
  void publish(const std::string& topic, const std::string& payload) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = topic, .payload = payload, .qos = 1, .packet_id = 1}));
    settle();
  }
  // "filter options" of each subscription on disk, of the only session.
  Texts stored() {
    Texts out;
    REQUIRE(session_store.sessions.size() == 1);
    for (const auto& subscription : session_store.sessions.begin()->second.subscriptions) {
      out.push_back(subscription.filter + " " + std::to_string(subscription.options));
    }
    return out;
  }
};

// The codes of the packet, a SUBACK or UNSUBACK without properties.
Bytes codes(const std::vector<ServerPacket>& packets) {
  REQUIRE(packets.size() == 1);
  return {packets[0].body.begin() + 3, packets[0].body.end()};
}

}  // namespace

TEST_CASE_METHOD(SubscribeHarness, "a new subscription that the disk refused is none", "[node][G6]") {
  TestClient client(*this, keeping("c"));
  client.received();
  client.send(encode_subscribe(1, {{"a", 1}, {"forbidden", 1}}));
  full_disk();
  CHECK(codes(client.received()) == Bytes{0x97, 0x87});
  publish("a", "1");
  CHECK(client.messages().empty());
  CHECK(stored().empty());
}

TEST_CASE_METHOD(SubscribeHarness, "options that the disk refused leave those that were", "[node][G6]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.received();
  client.send(encode_subscribe(2, {{"a", 0}}));
  full_disk();
  CHECK(codes(client.received()) == Bytes{0x97});
  publish("a", "1");
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].qos == 1);
  CHECK(stored() == Texts{"a 1"});
}

TEST_CASE_METHOD(SubscribeHarness, "an UNSUBSCRIBE that the disk refused changes nothing, and leaves no gap",
                 "[node][G1][G6]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.received();
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 1}));
  auto publishing = begin_turn();
  client.send(encode_unsubscribe(2, {"a", "unknown"}));
  end_turn(std::move(publishing));
  CHECK(client.received().empty());
  full_disk();
  const auto packets = client.received();
  REQUIRE(packets.size() == 2);
  CHECK(codes({packets[0]}) == Bytes{0x80, 0x11});
  CHECK(deliveries(packets).at(0).payload == "1");
  publish("a", "2");
  CHECK(client.messages() == Texts{"a=2"});
  CHECK(stored() == Texts{"a 1"});
}

TEST_CASE_METHOD(SubscribeHarness, "an UNSUBSCRIBE is answered when the disk knows it", "[node][G1]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}, {"$share/g/b", 1}}));
  settle();
  client.received();
  client.send(encode_unsubscribe(2, {"a", "$share/g/b"}));
  CHECK(client.received().empty());
  settle();
  CHECK(codes(client.received()) == Bytes{0, 0});
  publish("a", "1");
  publish("b", "1");
  CHECK(client.messages().empty());
  CHECK(stored().empty());
  CHECK(session_store.groups.empty());
}

TEST_CASE_METHOD(SubscribeHarness, "a 3.1.1 client hears of an UNSUBSCRIBE that the disk refused by a close",
                 "[node][G6]") {
  TestClient client(*this, {.protocol = mqtt::Protocol::kV311, .client_id = "c", .clean_start = false});
  client.send(encode_subscribe(1, {{"a", 1}}, mqtt::Protocol::kV311));
  settle();
  client.received();
  client.send(encode_unsubscribe(2, {"a"}, mqtt::Protocol::kV311));
  full_disk();
  CHECK(client.received().empty());
  CHECK(client.stream.closed);
  CHECK(stored() == Texts{"a 1"});
}

TEST_CASE_METHOD(SubscribeHarness, "what was refused does not reach the disk with a change that follows it",
                 "[node][G6]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  auto first = begin_turn();
  client.send(encode_subscribe(2, {{"b", 1}}));
  auto second = begin_turn();
  end_turn(std::move(first), /*is_full=*/true);
  end_turn(std::move(second));
  settle();
  CHECK(stored() == Texts{"b 1"});
  publish("a", "1");
  publish("b", "2");
  CHECK(client.messages() == Texts{"b=2"});
}

TEST_CASE_METHOD(SubscribeHarness, "of two refused changes to one filter the older knows how it was", "[node][G6]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.received();
  SECTION("options") {
    client.send(encode_subscribe(2, {{"a", 0}}));
    client.send(encode_subscribe(3, {{"a", 2}}));
  }
  SECTION("gone and back") {
    client.send(encode_unsubscribe(2, {"a"}));
    client.send(encode_subscribe(3, {{"a", 0}}));
  }
  SECTION("in one packet") { client.send(encode_subscribe(2, {{"a", 0}, {"a", 2}})); }
  full_disk_throughout();
  settle();
  client.received();
  publish("a", "1");
  CHECK(deliveries(client.received()).at(0).qos == 1);
  CHECK(stored() == Texts{"a 1"});
}

TEST_CASE_METHOD(SubscribeHarness, "an UNSUBSCRIBE that succeeds is not undone by a refused SUBSCRIBE after it",
                 "[node][G6]") {
  TestClient client(*this, keeping("c"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.send(encode_unsubscribe(2, {"a"}));
  auto first = begin_turn();
  client.send(encode_subscribe(3, {{"a", 1}}));
  end_turn(std::move(first));
  full_disk();
  settle();
  client.received();
  publish("a", "1");
  CHECK(client.messages().empty());
  CHECK(stored().empty());
}

TEST_CASE_METHOD(SubscribeHarness, "a member whose UNSUBSCRIBE was refused keeps its place in its group",
                 "[node][G6][MQTT-4.8.2-4]") {
  const Bytes one_at_a_time = property(0x21, u16(1));
  TestClient client(*this, keeping("c", one_at_a_time));
  client.send(encode_subscribe(1, {{"$share/g/a", 1}}));
  settle();
  client.received();
  publish("a", "1");
  publish("a", "2");  // waits for room
  client.send(encode_unsubscribe(2, {"$share/g/a"}));
  full_disk();
  settle();
  CHECK(client.messages() == Texts{"a=1"});
  CHECK(client.messages() == Texts{"a=2"});
  CHECK(stored() == Texts{"$share/g/a 1"});
}

TEST_CASE_METHOD(SubscribeHarness, "a change that is refused once its client has gone is put back too", "[node][G6]") {
  {
    TestClient client(*this, keeping("c"));
    client.send(encode_subscribe(1, {{"a", 1}, {"b", 1}}));
    settle();
    client.send(encode_subscribe(2, {{"a", 0}}));
    client.send(encode_unsubscribe(3, {"b"}));
    client.drop();
  }
  full_disk_throughout();
  settle();
  publish("a", "1");
  publish("b", "2");
  TestClient back(*this, keeping("c"));
  CHECK(back.messages() == Texts{"a=1", "b=2"});
  CHECK(stored() == Texts{"a 1", "b 1"});
}
