// Messages of QoS 2 that were begun and then went: trimmed, expired, replaced. The client may hold their identifiers.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Acks = std::vector<AckSeen>;

namespace {

const Bytes kTenSeconds = property(0x02, u32(10));

struct LostHarness : NodeHarness {
  void publish(const PublishSent& sent) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(sent));
    settle();
    publisher.drop();
  }
  // Sends session "s" one message of QoS 2, and cuts it off. Returns the identifier.
  unsigned begin(const std::string& filter, bool is_received = false) {
    TestClient client(*this, keeping("s"));
    client.send(encode_subscribe(1, {{filter, 2}}));
    settle();
    publish({.topic = "a", .payload = std::string(500, 'g'), .qos = 2, .packet_id = 1});
    const unsigned id = deliveries(client.received()).at(0).packet_id;
    if (is_received) {
      client.send(encode_pubrec(id));
      settle();
      CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, id, 0}});
    }
    client.drop();
    settle();
    return id;
  }
  // Neither memory nor disk have anything any more.
  void trim() {
    for (int i = 0; i < 5; ++i) {
      publish({.topic = "b", .payload = std::string(600'000, 'x'), .qos = 1, .packet_id = 1});
    }
    advance(std::chrono::hours{48});
    settle();
  }
  // The client gets PUBREL with each connection until it answers, and no PUBLISH; then nothing is left of it.
  void check_released(unsigned id) {
    for (int connection = 0; connection < 3; ++connection) {
      TestClient client(*this, keeping("s"));
      const auto packets = client.received();
      CHECK(deliveries(packets).empty());
      CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
      if (connection == 2) {
        client.send(encode_ack(PacketType::kPubcomp, id, 0x92));
        settle();
        CHECK(client.received().empty());
        advance(std::chrono::seconds{2});
      }
      client.drop();
      settle();
      if (connection == 0) restart();
    }
    TestClient client(*this, keeping("s"));
    CHECK(acks(client.received()).empty());
    for (const auto& [session, releases] : session_store.releases) CHECK(releases.empty());
  }
};

}  // namespace

TEST_CASE_METHOD(LostHarness, "what was sent by QoS 2 and trimmed is released, so that its identifier comes free",
                 "[node][MQTT-4.3.3-1][MQTT-4.4.0-1]") {
  const unsigned id = begin("a");
  trim();
  check_released(id);
}

TEST_CASE_METHOD(LostHarness, "what the client has and was trimmed is released until it is completed",
                 "[node][MQTT-4.3.3-5][MQTT-4.4.0-1]") {
  const unsigned id = begin("a", /*is_received=*/true);
  trim();
  check_released(id);
}

TEST_CASE_METHOD(LostHarness, "what a shared subscription sent by QoS 2, and was trimmed, is released",
                 "[node][MQTT-4.3.3-1][MQTT-4.8.2-4]") {
  const unsigned id = begin("$share/g/a");
  trim();
  check_released(id);
}

TEST_CASE_METHOD(LostHarness, "a retained message of QoS 2 that another replaced while its client was away is released",
                 "[node][MQTT-4.3.3-1]") {
  publish({.topic = "a", .payload = "old", .qos = 2, .packet_id = 1, .retain = true});
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    client.send(encode_subscribe(1, {{"a", 2}}));
    settle();
    id = deliveries(client.received()).at(0).packet_id;
    client.drop();
    settle();
  }
  publish({.topic = "a", .payload = "new", .qos = 1, .packet_id = 1, .retain = true});
  TestClient back(*this, keeping("s"));
  const auto packets = back.received();
  CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
  REQUIRE(deliveries(packets).size() == 1);
  CHECK(deliveries(packets)[0].payload == "new");
}

TEST_CASE_METHOD(LostHarness, "a retained message that was not acknowledged is sent again as a repetition",
                 "[node][MQTT-3.3.1-1][MQTT-4.4.0-1]") {
  for (const unsigned qos : {1U, 2U}) {
    const std::string topic = "a" + std::to_string(qos);
    publish({.topic = topic, .payload = "x", .qos = qos, .packet_id = 1, .retain = true, .properties = kTenSeconds});
    unsigned id = 0;
    {
      TestClient client(*this, keeping("s"));
      client.send(encode_subscribe(1, {{topic, qos}}));
      settle();
      id = deliveries(client.received()).back().packet_id;
      client.drop();
      settle();
    }
    advance(std::chrono::seconds{11});
    TestClient back(*this, keeping("s"));
    const auto again = deliveries(back.received());
    REQUIRE(again.size() == 1);
    CHECK(again[0].dup);
    CHECK(again[0].packet_id == id);
    CHECK(again[0].properties == property(0x02, u32(0)));
    back.send(qos == 1 ? encode_puback(id) : encode_pubrec(id));
    settle();
    back.send(encode_pubcomp(id));
    settle();
  }
}

TEST_CASE_METHOD(LostHarness, "what may have been sent by QoS 2 before a kill, and has expired, is released",
                 "[node][MQTT-4.3.3-1][MQTT-3.3.2-5]") {
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    client.send(encode_subscribe(1, {{"a", 2}}));
    settle();
    publish({.topic = "a", .payload = "gone", .qos = 2, .packet_id = 1, .properties = kTenSeconds});
    id = deliveries(client.received()).at(0).packet_id;
    client.drop();
  }
  restart();
  advance(std::chrono::seconds{11});
  check_released(id);
}

TEST_CASE_METHOD(LostHarness,
                 "what may have been sent by QoS 2 before a kill, and gave way to a newer value, is released",
                 "[node][MQTT-4.3.3-1]") {
  conflate = true;
  restart();
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    client.send(encode_subscribe(1, {{"a", 2}}));
    settle();
    publish({.topic = "a", .payload = "old", .qos = 2, .packet_id = 1, .retain = true});
    id = deliveries(client.received()).at(0).packet_id;
    client.drop();
  }
  publish({.topic = "a", .payload = "new", .qos = 1, .packet_id = 1, .retain = true});
  restart();
  TestClient back(*this, keeping("s"));
  const auto packets = back.received();
  CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
  REQUIRE(deliveries(packets).size() == 1);
  CHECK(deliveries(packets)[0].payload == "new");
}

TEST_CASE_METHOD(LostHarness, "what was sent by QoS 2 and is larger than the client accepts by now is released",
                 "[node][MQTT-3.1.2-25][MQTT-4.3.3-1]") {
  const unsigned id = begin("a");
  TestClient back(*this, keeping("s", property(0x27, u32(200))));
  const auto packets = back.received();
  CHECK(deliveries(packets).empty());
  CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
}

TEST_CASE_METHOD(LostHarness, "what was sent by QoS 1 and trimmed does not hold up its session", "[node][G6]") {
  const ConnectOut narrow = keeping("s", property(0x21, u16(2)));
  {
    TestClient client(*this, narrow);
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    for (int i = 0; i < 2; ++i) publish({.topic = "a", .payload = "gone", .qos = 1, .packet_id = 1});
    CHECK(client.messages(/*acknowledge=*/false).size() == 2);
    client.drop();
    settle();
  }
  trim();
  TestClient back(*this, narrow);
  settle();
  advance(std::chrono::seconds{2});  // the position is saved within a second
  settle();
  for (const char* payload : {"1", "2", "3", "4", "5"}) {
    publish({.topic = "a", .payload = payload, .qos = 1, .packet_id = 1});
    CHECK(back.messages() == std::vector<std::string>{std::string("a=") + payload});
    advance(std::chrono::seconds{2});
    settle();
  }
}
