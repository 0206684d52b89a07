// Publishing, retained messages and delivery through a whole node.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/node_harness.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

Bytes subscribe(std::string filter, unsigned options = 1) {
  return encode_subscribe(1, {{std::move(filter), options}});
}

std::size_t count(const std::vector<ServerPacket>& packets, mqtt::PacketType type) {
  std::size_t n = 0;
  for (const ServerPacket& packet : packets) n += packet.type == type ? 1U : 0U;
  return n;
}

}  // namespace

TEST_CASE_METHOD(NodeHarness, "a publish is acknowledged by the commit, not before", "[node][G1]") {
  TestClient client(*this, {});
  client.received();
  client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 7}));
  CHECK(client.received().empty());
  commit();
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].type == mqtt::PacketType::kPuback);
  CHECK(packets[0].body == u16(7));
}

TEST_CASE_METHOD(NodeHarness, "a full disk refuses with quota exceeded and service goes on", "[node][G6]") {
  TestClient client(*this, {});
  client.received();
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 7}));
  commit();
  const auto refused = client.received();
  REQUIRE(count(refused, mqtt::PacketType::kPuback) == 1);
  CHECK(refused[0].body[2] == 0x97);
  CHECK_FALSE(fatal.has_value());
  client.send(encode(PublishSent{.topic = "a", .payload = "2", .qos = 1, .packet_id = 8}));
  commit();
  const auto accepted = client.received();
  REQUIRE(accepted.size() == 1);
  CHECK(accepted[0].body.size() == 2);
}

TEST_CASE_METHOD(NodeHarness, "a full disk is an alarm until messages were stored and none was refused for a while",
                 "[node][G6]") {
  TestClient client(*this, {});
  const auto publish = [&] {
    client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 7}));
    commit();
  };
  const std::size_t lines = log.size();
  for (int i = 0; i < 10; ++i) {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    publish();
  }
  CHECK(log.size() == lines + 1);
  CHECK(node->alarms() == Texts{"the disk is full"});
  publish();
  CHECK(node->alarms().size() == 1);
  advance(node::kRoomSettles);
  submit(node::TrimIntent{});
  commit();
  CHECK(node->alarms().size() == 1);  // an empty turn needs no room
  publish();
  CHECK(node->alarms().empty());
  CHECK(log.size() == lines + 2);
}

TEST_CASE_METHOD(NodeHarness, "what the node says of itself is told live while the disk is full", "[node][G6]") {
  TestClient client(*this, {});
  client.send(subscribe("hedgerow/#"));
  settle();
  client.received();
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 7}));
  commit();
  client.received();
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  node->publish_own("health", "full");
  node->flush();
  commit();
  CHECK(client.messages() == Texts{"hedgerow/orchard/nodes/gw-barn/health=full"});
}

TEST_CASE_METHOD(NodeHarness, "a failed sync acknowledges nothing and ends the daemon", "[node][G1]") {
  TestClient client(*this, {});
  client.received();
  storage.fail_next_commit({Category::kIo, "fdatasync failed"});
  client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 7}));
  commit();
  for (const ServerPacket& packet : client.received()) {
    if (packet.type == mqtt::PacketType::kPuback) CHECK(packet.body[2] >= 0x80);
  }
  REQUIRE(fatal.has_value());
}

TEST_CASE_METHOD(NodeHarness, "subscribers get what is committed, in order", "[node]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("a/#"));
  TestClient publisher(*this, {.client_id = "p"});
  for (unsigned i = 1; i <= 5; ++i) {
    publisher.send(encode(PublishSent{.topic = "a/b", .payload = std::to_string(i), .qos = 1, .packet_id = i}));
  }
  settle();
  CHECK(subscriber.messages() == Texts{"a/b=1", "a/b=2", "a/b=3", "a/b=4", "a/b=5"});
}

TEST_CASE_METHOD(NodeHarness, "a QoS 0 message passes without the store", "[node]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("a"));
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "a", .payload = "now"}));
  CHECK(intents.empty());
  advance(Duration{1});
  CHECK(subscriber.messages() == Texts{"a=now"});
}

TEST_CASE_METHOD(NodeHarness, "retained messages come first, marked, before what is new", "[node]") {
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "set/x", .payload = "old", .qos = 1, .packet_id = 1, .retain = true}));
  settle();
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("set/#"));
  publisher.send(encode(PublishSent{.topic = "set/y", .payload = "new", .qos = 1, .packet_id = 2}));
  settle();
  CHECK(subscriber.messages() == Texts{"set/x=old retained", "set/y=new"});
}

TEST_CASE_METHOD(NodeHarness, "an empty retained message deletes", "[node][G4]") {
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "x", .payload = "1", .qos = 1, .packet_id = 1, .retain = true}));
  publisher.send(encode(PublishSent{.topic = "x", .payload = "", .qos = 1, .packet_id = 2, .retain = true}));
  settle();
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("x"));
  settle();
  CHECK(subscriber.messages().empty());
}

TEST_CASE_METHOD(NodeHarness, "a retained QoS 0 message is stored a moment later, the newest only", "[node]") {
  TestClient publisher(*this, {.client_id = "p"});
  for (const char* value : {"1", "2", "3"}) {
    publisher.send(encode(PublishSent{.topic = "x", .payload = value, .retain = true}));
  }
  CHECK(intents.empty());
  advance(std::chrono::seconds{2});
  std::size_t publishes = 0;
  for (const node::Intent& intent : intents) publishes += std::holds_alternative<node::PublishIntent>(intent) ? 1U : 0U;
  CHECK(publishes == 1);
  settle();
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("x"));
  settle();
  CHECK(subscriber.messages() == Texts{"x=3 retained"});
}

TEST_CASE_METHOD(NodeHarness, "the node's own topics are refused to clients", "[node]") {
  TestClient client(*this, {});
  client.received();
  client.send(encode(PublishSent{.topic = "hedgerow/orchard/x", .qos = 1, .packet_id = 1}));
  client.send(encode(PublishSent{.topic = "$SYS/x", .qos = 1, .packet_id = 2}));
  settle();
  const auto packets = client.received();
  REQUIRE(packets.size() == 2);
  CHECK(packets[0].body[2] == 0x87);
  CHECK(packets[1].body[2] == 0x87);
}

TEST_CASE_METHOD(NodeHarness, "what the node says of itself is a retained message", "[node]") {
  node->publish_own("health", "{}");
  settle();
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("hedgerow/orchard/nodes/+/health"));
  settle();
  CHECK(subscriber.messages() == Texts{"hedgerow/orchard/nodes/gw-barn/health={} retained"});
}

TEST_CASE_METHOD(NodeHarness, "no local holds live and from the log", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(subscribe("a", 1 | 4));
  settle();
  client.send(encode(PublishSent{.topic = "a", .payload = "mine", .qos = 1, .packet_id = 1}));
  settle();
  CHECK(client.messages().empty());
  client.stream.queued = 10 << 20;  // it does not keep up
  TestClient other(*this, {.client_id = "o"});
  other.send(encode(PublishSent{.topic = "a", .payload = "theirs", .qos = 1, .packet_id = 1}));
  client.send(encode(PublishSent{.topic = "a", .payload = "mine", .qos = 1, .packet_id = 2}));
  settle();
  CHECK(client.messages().empty());
  client.drained();
  settle();
  CHECK(client.messages() == Texts{"a=theirs"});
}

TEST_CASE_METHOD(NodeHarness, "overlapping subscriptions deliver once, at the greatest QoS", "[node]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(encode_subscribe(1, {{"a/#", 0}, {"a/b", 1}}));
  settle();
  subscriber.received();
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "a/b", .payload = "1", .qos = 1, .packet_id = 1}));
  settle();
  const auto packets = subscriber.received();
  REQUIRE(count(packets, mqtt::PacketType::kPublish) == 1);
  CHECK((packets[0].flags & 6U) == 2U);
}

TEST_CASE_METHOD(NodeHarness, "receive maximum 1 holds the second message until the first is acknowledged",
                 "[node][G6]") {
  TestClient subscriber(*this, {.client_id = "s", .properties = property(0x21, u16(1))});
  subscriber.send(subscribe("a"));
  TestClient publisher(*this, {.client_id = "p"});
  for (unsigned i = 1; i <= 3; ++i) {
    publisher.send(encode(PublishSent{.topic = "a", .payload = std::to_string(i), .qos = 1, .packet_id = i}));
  }
  settle();
  CHECK(subscriber.messages() == Texts{"a=1"});
  CHECK(subscriber.messages() == Texts{"a=2"});
  CHECK(subscriber.messages() == Texts{"a=3"});
}

TEST_CASE_METHOD(NodeHarness, "a subscriber that fell far behind reads on from the disk", "[node][G6]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("a"));
  settle();
  subscriber.received();
  subscriber.stream.queued = 10 << 20;
  TestClient publisher(*this, {.client_id = "p"});
  Texts expected;
  const std::string filler(20'000, '.');
  for (unsigned i = 1; i <= 400; ++i) {  // more than the recent log holds
    publisher.send(encode(PublishSent{.topic = "a", .payload = std::to_string(i) + filler, .qos = 1, .packet_id = i}));
    expected.push_back("a=" + std::to_string(i) + filler);
    settle();
  }
  CHECK(subscriber.messages().empty());
  subscriber.drained();
  settle();
  Texts got;
  for (Texts more = subscriber.messages(); !more.empty(); more = subscriber.messages()) {
    got.insert(got.end(), more.begin(), more.end());
    settle();
  }
  CHECK(got == expected);
}

TEST_CASE_METHOD(NodeHarness, "a message that expired while it waited is not delivered", "[node]") {
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "x",
                                    .payload = "late",
                                    .qos = 1,
                                    .packet_id = 1,
                                    .retain = true,
                                    .properties = property(0x02, u32(60))}));
  settle();
  advance(std::chrono::seconds{61});
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("x"));
  settle();
  CHECK(subscriber.messages().empty());
}

TEST_CASE_METHOD(NodeHarness, "clients wait while the store is behind", "[node][G6]") {
  TestClient client(*this, {});
  pending = 64 << 20;
  client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 1}));
  CHECK(client.stream.paused);
  pending = 0;
  commit();
  CHECK_FALSE(client.stream.paused);
}

TEST_CASE_METHOD(NodeHarness, "a refused publish is answered after those before it", "[node]") {
  TestClient client(*this, {});
  client.received();
  client.send(encode(PublishSent{.topic = "a", .qos = 1, .packet_id = 1}));
  client.send(encode(PublishSent{.topic = "$SYS/x", .qos = 1, .packet_id = 2}));
  CHECK(client.received().empty());
  settle();
  const auto packets = client.received();
  REQUIRE(packets.size() == 2);
  CHECK(packets[0].body[1] == 1);
  CHECK(packets[1].body[1] == 2);
}

TEST_CASE_METHOD(NodeHarness, "a retained QoS 0 message is there for whoever subscribes next", "[node]") {
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "x", .payload = "1", .retain = true}));
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("x"));
  settle();
  CHECK(subscriber.messages() == Texts{"x=1 retained"});
}

TEST_CASE_METHOD(NodeHarness, "what a snapshot merged is read from the disk, wherever it stands in its turn",
                 "[node][G2]") {
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("a"));
  TestClient publisher(*this, {.client_id = "p"});
  settle();
  subscriber.received();
  // The store commits; what the turn reports is that of a merge followed by an ordinary write.
  publisher.send(encode(PublishSent{.topic = "a", .payload = "merged", .qos = 1, .packet_id = 1}));
  publisher.send(encode(PublishSent{.topic = "a", .payload = "written", .qos = 1, .packet_id = 2}));
  std::vector<node::Intent> turn;
  turn.swap(intents);
  node::TurnResult result = store_turn->run(wall, turn);
  REQUIRE(result.committed.segments.size() == 1);
  result.committed.merged = {result.committed.segments[0].channel};
  result.committed.segments.clear();
  node->on_turn(now, std::move(result));
  answer_reads();
  CHECK(subscriber.messages() == Texts{"a=merged", "a=written"});
}

TEST_CASE_METHOD(NodeHarness, "a read that fails is tried again", "[node]") {
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "x", .payload = "1", .qos = 1, .packet_id = 1, .retain = true}));
  settle();
  TestClient subscriber(*this, {.client_id = "s"});
  subscriber.send(subscribe("x"));
  REQUIRE(reads.size() == 1);
  reads.front().failed(now, {Category::kIo, "no snapshot"});
  reads.clear();
  CHECK(log.back() == "no snapshot");
  advance(std::chrono::seconds{2});
  settle();
  CHECK(subscriber.messages() == Texts{"x=1 retained"});
}
