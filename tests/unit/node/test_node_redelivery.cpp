// What is sent again, and what is not: MQTT 5.0 sections 2.2.1, 4.3 and 4.4, through a whole node.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <set>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Acks = std::vector<AckSeen>;

namespace {

const Bytes kTenSeconds = property(0x02, u32(10));

struct RedeliveryHarness : NodeHarness {
  // A session of QoS 2, offline.
  RedeliveryHarness() {
    TestClient client(*this, keeping("s"));
    client.send(encode_subscribe(1, {{"a", 2}}));
    settle();
    client.drop();
    settle();
  }
  void publish(std::string payload, unsigned qos, const Bytes& properties = {}) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{
        .topic = "a", .payload = std::move(payload), .qos = qos, .packet_id = 1, .properties = properties}));
    settle();
    publisher.drop();
  }
  // As if so many messages had come and gone before.
  void set_arrival(sync::Arrival last) {
    const auto state = storage.load();
    REQUIRE(state);
    REQUIRE(storage.begin());
    REQUIRE(storage.put_clock(last, state->last_stamp));
    REQUIRE(storage.commit());
    restart();
  }
};

}  // namespace

TEST_CASE_METHOD(RedeliveryHarness, "a message is first sent with DUP 0, under an identifier of its own",
                 "[node][MQTT-2.2.1-4][MQTT-4.3.2-1][MQTT-4.3.2-2][MQTT-4.3.3-1][MQTT-4.3.3-2]") {
  TestClient client(*this, keeping("s"));
  for (const unsigned qos : {1U, 2U, 1U, 2U}) publish("x", qos);
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 4);
  std::set<unsigned> ids;
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i].qos == (i % 2 == 0 ? 1U : 2U));
    CHECK_FALSE(got[i].dup);
    CHECK(got[i].packet_id != 0);
    ids.insert(got[i].packet_id);
  }
  CHECK(ids.size() == 4);
}

TEST_CASE_METHOD(RedeliveryHarness, "an identifier in use is not given to another message, also 65,535 messages on",
                 "[node][MQTT-2.2.1-4][MQTT-4.3.2-1][MQTT-4.3.3-1]") {
  const unsigned qos = GENERATE(1U, 2U);
  publish("old", qos);
  set_arrival(engine->last_arrival() + 65'534);
  TestClient client(*this, keeping("s"));
  publish("new", qos);
  const auto old = deliveries(client.received());
  REQUIRE(old.size() == 1);
  CHECK(old[0].payload == "old");
  const unsigned id = old[0].packet_id;
  client.send(qos == 1 ? encode_puback(id) : encode_pubrec(id));
  settle();
  if (qos == 2) {
    CHECK(deliveries(client.received()).empty());
    client.send(encode_pubcomp(id));
  }
  advance(std::chrono::seconds{2});  // the position is saved, and the release forgotten
  settle();
  const auto next = deliveries(client.received());
  REQUIRE(next.size() == 1);
  CHECK(next[0].payload == "new");
  CHECK(next[0].packet_id == id);
}

TEST_CASE_METHOD(RedeliveryHarness, "until it is acknowledged a message comes again with each connection",
                 "[node][MQTT-4.3.2-3][MQTT-4.3.3-3][MQTT-4.4.0-1][MQTT-3.3.1-1]") {
  const unsigned qos = GENERATE(1U, 2U);
  publish("1", qos);
  unsigned id = 0;
  for (int connection = 0; connection < 3; ++connection) {
    TestClient client(*this, keeping("s"));
    const auto got = deliveries(client.received());
    REQUIRE(got.size() == 1);
    CHECK(got[0].qos == qos);
    CHECK(got[0].dup == (connection > 0));
    if (connection > 0) CHECK(got[0].packet_id == id);
    id = got[0].packet_id;
    client.drop();
    settle();
  }
}

TEST_CASE_METHOD(RedeliveryHarness, "until it is completed a release comes again with each connection, and no PUBLISH",
                 "[node][MQTT-4.3.3-5][MQTT-4.3.3-6][MQTT-4.4.0-1]") {
  publish("1", 2);
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    id = deliveries(client.received()).at(0).packet_id;
    client.send(encode_pubrec(id));
    settle();
  }
  for (int connection = 0; connection < 3; ++connection) {
    TestClient client(*this, keeping("s"));
    const auto packets = client.received();
    CHECK(deliveries(packets).empty());
    CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
    client.drop();
    settle();
  }
}

TEST_CASE_METHOD(RedeliveryHarness, "nothing is sent again while the connection lasts", "[node][MQTT-4.4.0-1]") {
  TestClient client(*this, keeping("s"));
  publish("1", 1);
  publish("2", 2);
  publish("3", 2);
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 3);
  client.send(encode_pubrec(got[2].packet_id));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, got[2].packet_id, 0}});
  for (int i = 0; i < 10; ++i) {
    advance(std::chrono::minutes{10});
    settle();
  }
  client.stream.queued = 10 << 20;  // it falls behind, and reads on from the log
  publish("4", 1);
  client.drained();
  settle();
  const auto later = client.received();
  REQUIRE(later.size() == 1);
  CHECK(deliveries(later).at(0).payload == "4");
}

TEST_CASE_METHOD(RedeliveryHarness, "what the client refused is not sent again", "[node][MQTT-4.4.0-2]") {
  const unsigned qos = GENERATE(1U, 2U);
  publish("1", qos);
  {
    TestClient client(*this, keeping("s"));
    const unsigned id = deliveries(client.received()).at(0).packet_id;
    client.send(encode_ack(qos == 1 ? PacketType::kPuback : PacketType::kPubrec, id, 0x83));
    settle();
    CHECK(client.received().empty());
    client.drop();
    settle();
  }
  restart();
  TestClient back(*this, keeping("s"));
  CHECK(back.received().size() == 1);  // CONNACK
}

TEST_CASE_METHOD(RedeliveryHarness, "a QoS 2 message that was sent does not expire", "[node][MQTT-4.3.3-7]") {
  publish("received", 2, kTenSeconds);
  publish("lost", 2, kTenSeconds);
  unsigned received_id = 0;
  unsigned lost_id = 0;
  {
    TestClient client(*this, keeping("s"));
    const auto got = deliveries(client.received());
    REQUIRE(got.size() == 2);
    received_id = got[0].packet_id;
    lost_id = got[1].packet_id;
    advance(std::chrono::seconds{11});
    client.send(encode_pubrec(received_id));
    settle();
    CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, received_id, 0}});
    client.drop();
    settle();
  }
  TestClient back(*this, keeping("s"));
  const auto packets = back.received();
  CHECK(acks(packets) == Acks{{PacketType::kPubrel, received_id, 0}});
  const auto again = deliveries(packets);
  REQUIRE(again.size() == 1);
  CHECK(again[0].payload == "lost");
  CHECK(again[0].packet_id == lost_id);
  CHECK(again[0].properties == property(0x02, u32(0)));  // [MQTT-3.3.2-6]: nothing is left
}

TEST_CASE_METHOD(RedeliveryHarness, "a QoS 1 message that was sent does not expire, one that was not does",
                 "[node][MQTT-4.4.0-1][MQTT-3.3.2-5]") {
  publish("sent", 1, kTenSeconds);
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    id = deliveries(client.received()).at(0).packet_id;
    client.drop();
    settle();
  }
  publish("not sent", 1, kTenSeconds);
  advance(std::chrono::seconds{11});
  TestClient back(*this, keeping("s"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == 1);
  CHECK(again[0].payload == "sent");
  CHECK(again[0].dup);
  CHECK(again[0].packet_id == id);
  CHECK(again[0].properties == property(0x02, u32(0)));  // [MQTT-3.3.2-6]: nothing is left
}

TEST_CASE_METHOD(RedeliveryHarness, "a publisher's exchange goes on although its message expired",
                 "[node][MQTT-4.3.3-13]") {
  TestClient client(*this, keeping("p"));
  client.received();
  for (const bool expires_before_commit : {false, true}) {
    client.send(encode(PublishSent{.topic = "a", .payload = "x", .qos = 2, .packet_id = 7, .properties = kTenSeconds}));
    if (expires_before_commit) advance(std::chrono::seconds{11});
    settle();
    CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0}});
    advance(std::chrono::seconds{11});
    client.send(encode_pubrel(7));
    settle();
    CHECK(acks(client.received()) == Acks{{PacketType::kPubcomp, 7, 0}});
  }
}

TEST_CASE_METHOD(NodeHarness, "after a kill all that may have been sent is marked, however many may be on their way",
                 "[node][MQTT-3.3.1-1]") {
  constexpr unsigned kMessages = 3 * node::kInFlightMax / 2;
  limits.in_flight_max = 2 * node::kInFlightMax;
  restart();
  TestClient client(*this, keeping("s"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.received();
  {
    TestClient publisher(*this, {.client_id = "publisher"});
    for (unsigned i = 1; i <= kMessages; ++i) {
      publisher.send(encode(PublishSent{.topic = "a", .qos = 1, .packet_id = i}));
      if (i % 500 == 0) settle();
    }
  }
  REQUIRE(deliveries(client.received()).size() == kMessages);
  client.drop();
  restart();
  TestClient back(*this, keeping("s"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == kMessages);
  CHECK(std::count_if(again.begin(), again.end(), [](const Delivered& got) { return got.dup; }) == kMessages);
}
