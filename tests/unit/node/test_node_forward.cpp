// What reaches a subscriber of a PUBLISH, and how: MQTT 5.0 section 3.3, through a whole node. A message may go out
// live (QoS 0), with the commit, from the log to a session that was away, or as a retained message.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Texts = std::vector<std::string>;

namespace {

constexpr unsigned kRetainAsPublished = 0x08;
constexpr unsigned kSendRetainedIfNew = 0x10;
constexpr unsigned kDoNotSendRetained = 0x20;

Bytes with_id(unsigned qos, std::uint32_t id, const std::string& filter) {
  return encode_subscribe(1, {{filter, qos}}, mqtt::Protocol::kV5, property(0x0B, varint(id)));
}

std::vector<PacketType> types(const std::vector<ServerPacket>& packets) {
  std::vector<PacketType> out;
  for (const ServerPacket& packet : packets) out.push_back(packet.type);
  return out;
}

struct ForwardHarness : NodeHarness {
  TestClient publisher{*this, {.client_id = "publisher"}};

  // Ends each exchange, so that identifier 1 is free again.
  void publish(PublishSent sent) {
    sent.packet_id = sent.qos > 0 ? 1 : 0;
    publisher.send(encode(sent));
    settle();
    if (sent.qos == 2) publisher.send(encode_pubrel(1));
    settle();
    publisher.received();
  }
  void subscribe(TestClient& client, const std::vector<FilterSent>& filters) {
    client.send(encode_subscribe(1, filters));
    settle();
  }
  // Leaves a session with that subscription, without a connection.
  void subscribe_offline(const std::vector<FilterSent>& filters, const Bytes& more = {}) {
    TestClient client(*this, keeping("away", more));
    subscribe(client, filters);
    client.drop();
    settle();
  }
  std::vector<Delivered> delivered(TestClient& client) {
    settle();
    return deliveries(client.received());
  }
  // What is retained beneath "x", as a new subscriber gets it.
  std::vector<Delivered> retained(const std::string& filter = "x/#") {
    TestClient reader(*this, {.client_id = "reader"});
    reader.received();
    subscribe(reader, {{filter, 2}});
    return delivered(reader);
  }
};

}  // namespace

TEST_CASE_METHOD(ForwardHarness, "each publish is answered as its QoS wants", "[node][MQTT-3.3.4-1]") {
  publisher.received();
  for (unsigned qos = 0; qos <= 2; ++qos) {
    publisher.send(encode(PublishSent{.topic = "x", .payload = "1", .qos = qos, .packet_id = qos}));
  }
  settle();
  const auto packets = publisher.received();
  CHECK(packets.size() == 2);
  CHECK(acks(packets) == std::vector<AckSeen>{{PacketType::kPuback, 1, 0}, {PacketType::kPubrec, 2, 0}});
}

// --- what belongs to the message ---

TEST_CASE_METHOD(ForwardHarness, "properties go unaltered and in order, whichever way a message takes",
                 "[node][MQTT-3.3.2-4][MQTT-3.3.2-15][MQTT-3.3.2-16][MQTT-3.3.2-17][MQTT-3.3.2-18][MQTT-3.3.2-20]") {
  const Bytes properties =
      concat(user_property("b", "1"), property(0x08, text("reply")), property(0x01, {1}), property(0x09, text("id")),
             user_property("a", "2"), property(0x03, text("text/plain")), user_property("b", "1"));
  subscribe_offline({{"x", 1}});
  TestClient live(*this, {.client_id = "live"});
  subscribe(live, {{"x", 1}});
  publish({.topic = "x", .payload = "live", .properties = properties});
  publish({.topic = "x", .payload = "logged", .qos = 1, .retain = true, .properties = properties});
  auto got = delivered(live);
  TestClient back(*this, keeping("away"));
  for (Delivered& message : delivered(back)) got.push_back(std::move(message));
  for (Delivered& message : retained("x")) got.push_back(std::move(message));
  REQUIRE(got.size() == 4);
  for (const Delivered& message : got) CHECK(to_hex(message.properties) == to_hex(properties));
}

TEST_CASE_METHOD(ForwardHarness, "the rest of the expiry goes out, to the second", "[node][MQTT-3.3.2-6]") {
  subscribe_offline({{"x", 1}});
  TestClient live(*this, {.client_id = "live"});
  subscribe(live, {{"x", 1}});
  publish({.topic = "x", .payload = "1", .qos = 1, .retain = true, .properties = property(0x02, u32(60))});
  CHECK(delivered(live).at(0).properties == property(0x02, u32(60)));
  advance(std::chrono::seconds{20});
  TestClient back(*this, keeping("away"));
  CHECK(delivered(back).at(0).properties == property(0x02, u32(40)));
  CHECK(retained("x").at(0).properties == property(0x02, u32(40)));
}

TEST_CASE_METHOD(ForwardHarness, "what expired while its session was away is not delivered", "[node][MQTT-3.3.2-5]") {
  const unsigned qos = GENERATE(1U, 2U);
  subscribe_offline({{"x", 2}});
  publish({.topic = "x", .payload = "brief", .qos = qos, .properties = property(0x02, u32(10))});
  publish({.topic = "x", .payload = "lasting", .qos = qos});
  advance(std::chrono::seconds{11});
  TestClient back(*this, keeping("away"));
  const auto got = delivered(back);
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "lasting");
}

TEST_CASE_METHOD(ForwardHarness, "the DUP flag of a publish is not handed on", "[node][MQTT-3.3.1-3]") {
  const unsigned qos = GENERATE(1U, 2U);
  subscribe_offline({{"x", 2}});
  TestClient live(*this, {.client_id = "live"});
  subscribe(live, {{"x", 2}});
  publish({.topic = "x", .payload = "1", .qos = qos, .dup = true});
  const auto at_once = delivered(live);
  REQUIRE(at_once.size() == 1);
  CHECK_FALSE(at_once[0].dup);
  TestClient back(*this, keeping("away"));
  const auto later = delivered(back);
  REQUIRE(later.size() == 1);
  CHECK_FALSE(later[0].dup);
}

TEST_CASE_METHOD(ForwardHarness, "after PUBACK the identifier is another message's, also with DUP",
                 "[node][MQTT-4.3.2-5]") {
  TestClient live(*this, {.client_id = "live"});
  subscribe(live, {{"x", 1}});
  publish({.topic = "x", .payload = "1", .qos = 1});
  publish({.topic = "x", .payload = "2", .qos = 1, .dup = true});
  CHECK(live.messages() == Texts{"x=1", "x=2"});
}

// --- retained messages ---

TEST_CASE_METHOD(ForwardHarness, "retain 1 replaces the retained message", "[node][MQTT-3.3.1-5]") {
  for (unsigned qos = 3; qos-- > 0;) {
    publish({.topic = "x/1", .payload = "QoS " + std::to_string(qos), .qos = qos, .retain = true});
    const auto got = retained();
    REQUIRE(got.size() == 1);
    CHECK(got[0].payload == "QoS " + std::to_string(qos));
    CHECK(got[0].qos == qos);
    CHECK(got[0].retain);
  }
}

TEST_CASE_METHOD(ForwardHarness, "an empty retained message is delivered, removes, and is not kept",
                 "[node][MQTT-3.3.1-6][MQTT-3.3.1-7]") {
  const unsigned qos = GENERATE(0U, 1U, 2U);
  publish({.topic = "x/1", .payload = "kept", .qos = 1, .retain = true});
  TestClient live(*this, {.client_id = "live"});
  subscribe(live, {{"x/#", 2U | kDoNotSendRetained}});
  publish({.topic = "x/1", .payload = "", .qos = qos, .retain = true});
  publish({.topic = "x/never set", .payload = "", .qos = qos, .retain = true});
  const auto got = delivered(live);
  REQUIRE(got.size() == 2);
  CHECK(got[0].topic == "x/1");
  CHECK(got[0].payload.empty());
  CHECK(retained().empty());
}

TEST_CASE_METHOD(ForwardHarness, "retain 0 neither sets, replaces nor removes a retained message",
                 "[node][MQTT-3.3.1-8]") {
  publish({.topic = "x/1", .payload = "kept", .qos = 1, .retain = true});
  for (unsigned qos = 0; qos <= 2; ++qos) {
    for (const char* topic : {"x/1", "x/2"}) {
      publish({.topic = topic, .payload = "passing", .qos = qos});
      publish({.topic = topic, .payload = "", .qos = qos});
    }
  }
  const auto got = retained();
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "kept");
}

TEST_CASE_METHOD(ForwardHarness, "retain handling says when retained messages are sent",
                 "[node][MQTT-3.3.1-9][MQTT-3.3.1-10][MQTT-3.3.1-11]") {
  publish({.topic = "x/1", .payload = "1", .qos = 1, .retain = true});
  publish({.topic = "x/2", .payload = "2", .qos = 1, .retain = true});
  publish({.topic = "other", .payload = "3", .qos = 1, .retain = true});
  const Texts all = {"x/1=1 retained", "x/2=2 retained"};
  TestClient reader(*this, {.client_id = "reader"});
  subscribe(reader, {{"x/#", 1U | kDoNotSendRetained}});
  CHECK(reader.messages().empty());
  subscribe(reader, {{"x/#", 1U | kSendRetainedIfNew}});
  CHECK(reader.messages().empty());
  subscribe(reader, {{"x/#", 1}});
  CHECK(reader.messages() == all);
  reader.send(encode_unsubscribe(2, {"x/#"}));
  subscribe(reader, {{"x/#", 1U | kSendRetainedIfNew}});
  CHECK(reader.messages() == all);
}

TEST_CASE_METHOD(ForwardHarness, "the retain flag is 0, or as published where the subscription wants it",
                 "[node][MQTT-3.3.1-12][MQTT-3.3.1-13]") {
  const bool as_published = GENERATE(false, true);
  const unsigned options = 1U | kDoNotSendRetained | (as_published ? kRetainAsPublished : 0U);
  subscribe_offline({{"x", options}});
  TestClient live(*this, {.client_id = "live"});
  subscribe(live, {{"x", options}});
  for (const unsigned qos : {0U, 1U}) {
    for (const bool retain : {true, false}) {
      publish({.topic = "x", .payload = retain ? "kept" : "passing", .qos = qos, .retain = retain});
    }
  }
  const auto at_once = delivered(live);
  CHECK(at_once.size() == 4);
  for (const Delivered& message : at_once) CHECK(message.retain == (as_published && message.payload == "kept"));
  TestClient back(*this, keeping("away"));
  const auto later = delivered(back);
  CHECK(later.size() == 2);
  for (const Delivered& message : later) CHECK(message.retain == (as_published && message.payload == "kept"));
}

// --- subscriptions ---

TEST_CASE_METHOD(ForwardHarness, "one copy carries the identifiers of all subscriptions that match",
                 "[node][MQTT-3.3.4-3][MQTT-3.3.4-4]") {
  const auto subscribe_thrice = [this](TestClient& client) {
    client.send(with_id(0, 7, "x/+"));
    client.send(with_id(2, 268'435'455, "x/#"));
    client.send(with_id(1, 8, "other"));
    subscribe(client, {{"#", 1}});
  };
  const Bytes seven = property(0x0B, varint(7));
  const Bytes longest = property(0x0B, varint(268'435'455));
  TestClient live(*this, {.client_id = "live"});
  subscribe_thrice(live);
  {
    TestClient away(*this, keeping("away"));
    subscribe_thrice(away);
    away.drop();
    settle();
  }
  publish({.topic = "x/1", .payload = "live"});
  publish({.topic = "x/1", .payload = "logged", .qos = 2});
  auto got = delivered(live);
  TestClient back(*this, keeping("away"));
  for (Delivered& message : delivered(back)) got.push_back(std::move(message));
  REQUIRE(got.size() == 3);
  for (const Delivered& message : got) {
    CHECK((message.properties == concat(seven, longest) || message.properties == concat(longest, seven)));
  }
}

TEST_CASE_METHOD(ForwardHarness, "copies of one message carry the identifier of their own subscription",
                 "[node][MQTT-3.3.4-5]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(with_id(1, 7, "x"));
  client.send(with_id(1, 9, "$share/g/x"));
  settle();
  client.received();
  const unsigned qos = GENERATE(0U, 1U);
  publish({.topic = "x", .payload = "1", .qos = qos});
  std::vector<Bytes> ids;
  for (auto got = delivered(client); !got.empty(); got = delivered(client)) {
    for (const Delivered& message : got) {
      ids.push_back(message.properties);
      if (qos > 0) client.send(encode_puback(message.packet_id));
    }
  }
  std::ranges::sort(ids);
  CHECK(ids == std::vector<Bytes>{property(0x0B, varint(7)), property(0x0B, varint(9))});
}

// --- what a client can take ---

TEST_CASE_METHOD(ForwardHarness, "a message too large for its subscriber counts as delivered",
                 "[node][MQTT-3.1.2-25]") {
  const unsigned qos = GENERATE(0U, 1U, 2U);
  const Bytes narrow = concat(property(0x21, u16(1)), property(0x27, u32(100)));
  subscribe_offline({{"x", qos}}, narrow);
  const std::string large(100, 'x');
  TestClient live(*this, {.client_id = "live", .properties = narrow});
  subscribe(live, {{"x", qos}});
  publish({.topic = "x", .payload = large, .qos = qos});
  publish({.topic = "x", .payload = "small", .qos = qos});
  auto got = delivered(live);
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "small");
  if (qos == 0) return;
  TestClient back(*this, keeping("away", narrow));
  advance(std::chrono::seconds{2});  // its position is saved within a second
  got = delivered(back);
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "small");
}

TEST_CASE_METHOD(ForwardHarness, "a retained message too large for its subscriber counts as delivered",
                 "[node][MQTT-3.1.2-25]") {
  publish({.topic = "x/1", .payload = std::string(100, 'x'), .qos = 1, .retain = true});
  publish({.topic = "x/2", .payload = "small", .qos = 1, .retain = true});
  TestClient reader(*this, {.client_id = "c", .properties = concat(property(0x21, u16(1)), property(0x27, u32(100)))});
  subscribe(reader, {{"x/#", 1}});
  CHECK(reader.messages() == Texts{"x/2=small retained"});
}

TEST_CASE_METHOD(ForwardHarness, "a client that acknowledges nothing is answered all the same",
                 "[node][MQTT-3.3.4-10][MQTT-4.9.0-3]") {
  TestClient client(*this, {.client_id = "c", .properties = property(0x21, u16(1))});
  subscribe(client, {{"x", 2}});
  publish({.topic = "x", .payload = "1", .qos = 1});
  publish({.topic = "x", .payload = "2", .qos = 1});
  CHECK(delivered(client).size() == 1);
  client.send(encode_pingreq());
  client.send(encode_subscribe(2, {{"y", 1}}));
  client.send(encode_unsubscribe(3, {"y"}));
  client.send(encode(PublishSent{.topic = "y", .qos = 1, .packet_id = 4}));
  client.send(encode(PublishSent{.topic = "y", .qos = 2, .packet_id = 5}));
  settle();
  client.send(encode_pubrel(5));
  settle();
  CHECK(types(client.received()) == std::vector{PacketType::kPingresp, PacketType::kSuback, PacketType::kUnsuback,
                                                PacketType::kPuback, PacketType::kPubrec, PacketType::kPubcomp});
}

// --- topic aliases ---

TEST_CASE_METHOD(ForwardHarness, "our aliases end with the connection, also where the session goes on",
                 "[node][MQTT-3.3.2-7]") {
  const ConnectOut allows = keeping("k", property(0x22, u16(5)));
  const Bytes alias = property(0x23, u16(1));
  for (const bool is_first : {true, false}) {
    TestClient client(*this, allows);
    if (is_first) subscribe(client, {{"a/long/topic", 0}});
    client.received();
    for (int i = 0; i < 2; ++i) publish({.topic = "a/long/topic"});
    const auto got = delivered(client);
    REQUIRE(got.size() == 2);
    CHECK(got[0].topic == "a/long/topic");
    CHECK(got[0].properties == alias);
    CHECK(got[1].topic.empty());
    CHECK(got[1].properties == alias);
    client.drop();
    settle();
  }
}

TEST_CASE_METHOD(ForwardHarness, "a client's aliases end with the connection, also where the session goes on",
                 "[node][MQTT-3.3.2-7]") {
  const Bytes alias = property(0x23, u16(1));
  TestClient first(*this, keeping("k"));
  first.send(encode(PublishSent{.topic = "x", .properties = alias}));
  first.send(encode(PublishSent{.topic = "", .properties = alias}));
  CHECK_FALSE(first.stream.closed);
  first.drop();
  TestClient second(*this, keeping("k"));
  second.received();
  second.send(encode(PublishSent{.topic = "", .properties = alias}));
  const auto packets = second.received();
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].type == PacketType::kDisconnect);
  CHECK(packets[0].body.at(0) == 0x82);
}

TEST_CASE_METHOD(NodeHarness,
                 "a client is read from until its queue's own limit is passed twice, and then is not silent",
                 "[node][MQTT-3.1.2-22][G6]") {
  limits.client_queue_bytes_max = 64 * node::kClientQueueBytesMax;
  limits.all_queues_bytes_max = 2 * limits.client_queue_bytes_max;
  restart();
  TestClient client(*this, {.client_id = "slow", .keep_alive_s = 2});
  client.stream.queued = 2 * limits.client_queue_bytes_max;
  client.send(encode_pingreq());
  CHECK_FALSE(client.stream.paused);
  client.stream.queued += 10;
  client.send(encode_pingreq());
  CHECK(client.stream.paused);
  for (int i = 0; i < 8; ++i) {
    --client.stream.queued;
    advance(std::chrono::seconds{2});
  }
  CHECK_FALSE(client.stream.closed);
  CHECK(client.stream.paused);
  for (int i = 0; i < 4; ++i) advance(std::chrono::seconds{2});
  CHECK(client.stream.closed);
}
