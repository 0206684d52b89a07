// QoS 2 through a whole node, both ways: MQTT 5.0 section 4.3.3, over reconnects, restarts and full disks.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Acks = std::vector<AckSeen>;

namespace {

Bytes qos2(std::string payload, unsigned packet_id, bool dup = false) {
  return encode(PublishSent{.topic = "a", .payload = std::move(payload), .qos = 2, .packet_id = packet_id, .dup = dup});
}

struct Qos2Harness : NodeHarness {
  // Has session "s" subscribed to "a" with QoS 2, and leaves it offline.
  void subscribe_offline(const Bytes& more = {}) {
    TestClient client(*this, keeping("s", more));
    client.send(encode_subscribe(1, {{"a", 2}}));
    settle();
    client.drop();
    settle();
  }
  void publish(std::string payload, unsigned qos = 2) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = "a", .payload = std::move(payload), .qos = qos, .packet_id = 1}));
    settle();
    publisher.drop();
  }
  void full_disk() {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
  }
};

}  // namespace

// --- from clients ---

TEST_CASE_METHOD(Qos2Harness, "PUBREC leaves with the commit, PUBCOMP with that of the release", "[node][G1]") {
  TestClient client(*this, keeping("p"));
  client.received();
  client.send(qos2("1", 7));
  CHECK(client.received().empty());
  commit();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0}});
  client.send(encode_pubrel(7));
  CHECK(client.received().empty());
  commit();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubcomp, 7, 0}});
  CHECK(session_store.received.begin()->second.empty());
}

TEST_CASE_METHOD(Qos2Harness, "a publish that is sent again is published once", "[node][MQTT-4.3.3-10]") {
  subscribe_offline();
  TestClient client(*this, keeping("p"));
  client.received();
  client.send(qos2("1", 7));
  client.send(qos2("1", 7, /*dup=*/true));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0}, {PacketType::kPubrec, 7, 0}});
  TestClient subscriber(*this, keeping("s"));
  CHECK(deliveries(subscriber.received()).size() == 1);
}

TEST_CASE_METHOD(Qos2Harness, "a publish that is sent again on a new connection is published once",
                 "[node][MQTT-4.4.0-1]") {
  subscribe_offline();
  TestClient first(*this, keeping("p"));
  first.send(qos2("1", 7));
  first.drop();
  TestClient second(*this, keeping("p"));
  second.received();
  second.send(qos2("1", 7, /*dup=*/true));
  settle();
  CHECK(acks(second.received()) == Acks{{PacketType::kPubrec, 7, 0}});
  TestClient subscriber(*this, keeping("s"));
  CHECK(deliveries(subscriber.received()).size() == 1);
}

TEST_CASE_METHOD(Qos2Harness, "a publish that is sent again after a restart is published once", "[node][G1]") {
  subscribe_offline();
  {
    TestClient client(*this, keeping("p"));
    client.send(qos2("1", 7));
    settle();
  }
  restart();
  TestClient client(*this, keeping("p"));
  client.received();
  client.send(qos2("1", 7, /*dup=*/true));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0}});
  TestClient subscriber(*this, keeping("s"));
  CHECK(deliveries(subscriber.received()).size() == 1);
}

TEST_CASE_METHOD(Qos2Harness, "after PUBREL the identifier is free for another message", "[node][MQTT-4.3.3-12]") {
  subscribe_offline();
  TestClient client(*this, keeping("p"));
  for (const char* payload : {"1", "2"}) {
    client.send(qos2(payload, 7));
    settle();
    client.send(encode_pubrel(7));
    settle();
  }
  TestClient subscriber(*this, keeping("s"));
  CHECK(deliveries(subscriber.received()).size() == 2);
}

TEST_CASE_METHOD(Qos2Harness, "a PUBREL of nothing is answered packet identifier not found", "[node][MQTT-4.3.3-11]") {
  TestClient client(*this, keeping("p"));
  client.received();
  client.send(encode_pubrel(9));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubcomp, 9, 0x92}});
}

TEST_CASE_METHOD(Qos2Harness, "PUBREL sent again is not answered before the release is on disk", "[node][G1]") {
  TestClient first(*this, keeping("p"));
  first.send(qos2("1", 7));
  settle();
  first.send(encode_pubrel(7));
  first.drop();
  TestClient second = TestClient::unsettled(*this, keeping("p"));
  second.received();
  second.send(encode_pubrel(7));
  CHECK(second.received().empty());
  settle();
  CHECK(acks(second.received()) == Acks{{PacketType::kPubcomp, 7, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "a full disk refuses with PUBREC, and the identifier is free again", "[node][G6]") {
  subscribe_offline();
  TestClient client(*this, keeping("p"));
  client.received();
  client.send(qos2("refused", 7));
  full_disk();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0x97}});
  client.send(qos2("2", 7));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0}});
  TestClient subscriber(*this, keeping("s"));
  const auto got = deliveries(subscriber.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "2");
}

TEST_CASE_METHOD(Qos2Harness, "a repeat in a turn that fails is no refusal of what is on disk", "[node][G1][G6]") {
  subscribe_offline();
  TestClient client(*this, keeping("p"));
  client.send(qos2("1", 7));
  settle();
  client.received();
  client.send(qos2("1", 7, /*dup=*/true));
  full_disk();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrec, 7, 0}});
  client.send(qos2("1", 7, /*dup=*/true));
  settle();
  TestClient subscriber(*this, keeping("s"));
  CHECK(deliveries(subscriber.received()).size() == 1);
}

TEST_CASE_METHOD(Qos2Harness, "PUBCOMP that a full disk held up comes when there is room", "[node][G6]") {
  TestClient client(*this, keeping("p"));
  client.send(qos2("1", 7));
  settle();
  client.received();
  client.send(encode_pubrel(7));
  full_disk();
  CHECK(acks(client.received()).empty());
  advance(std::chrono::seconds{1});
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubcomp, 7, 0}});
}

// --- to clients ---

TEST_CASE_METHOD(Qos2Harness, "PUBREL leaves once the release is on disk", "[node][G1]") {
  subscribe_offline();
  publish("1");
  TestClient client(*this, keeping("s"));
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].qos == 2);
  client.send(encode_pubrec(got[0].packet_id));
  CHECK(client.received().empty());
  commit();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, got[0].packet_id, 0}});
  CHECK(session_store.releases.begin()->second.size() == 1);
}

TEST_CASE_METHOD(Qos2Harness, "a session that ends with its connection needs no disk for PUBREL", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(encode_subscribe(1, {{"a", 2}}));
  settle();
  client.received();
  publish("1");
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 1);
  client.send(encode_pubrec(got[0].packet_id));
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, got[0].packet_id, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "PUBRELs keep the order of their PUBRECs", "[node][MQTT-4.6.0-4]") {
  subscribe_offline();
  publish("1");
  publish("2");
  TestClient client(*this, keeping("s"));
  const auto got = deliveries(client.received());
  REQUIRE(got.size() == 2);
  client.send(encode_pubrec(got[0].packet_id));
  client.send(encode_pubrec(got[1].packet_id));
  settle();
  CHECK(acks(client.received()) ==
        Acks{{PacketType::kPubrel, got[0].packet_id, 0}, {PacketType::kPubrel, got[1].packet_id, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "after a reconnect the client is sent PUBREL for what it has, and no PUBLISH",
                 "[node][MQTT-4.4.0-1]") {
  subscribe_offline();
  publish("1");
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    id = deliveries(client.received()).at(0).packet_id;
    client.send(encode_pubrec(id));
    settle();
    client.drop();
  }
  TestClient back(*this, keeping("s"));
  const auto packets = back.received();
  CHECK(deliveries(packets).empty());
  CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "after a restart the client is sent PUBREL for what it has, and no PUBLISH",
                 "[node][G1]") {
  subscribe_offline();
  publish("1");
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    id = deliveries(client.received()).at(0).packet_id;
    client.send(encode_pubrec(id));
    settle();
  }
  restart();
  TestClient back(*this, keeping("s"));
  const auto packets = back.received();
  CHECK(deliveries(packets).empty());
  CHECK(acks(packets) == Acks{{PacketType::kPubrel, id, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "PUBCOMP before the restarted daemon has read that far brings no second copy",
                 "[node][G1]") {
  subscribe_offline();
  publish("1");
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    id = deliveries(client.received()).at(0).packet_id;
    client.send(encode_pubrec(id));
    settle();
  }
  restart();
  TestClient back = TestClient::unsettled(*this, keeping("s"));
  back.send(encode_pubcomp(id));  // the page from the disk is still on its way
  settle();
  CHECK(deliveries(back.received()).empty());
}

TEST_CASE_METHOD(Qos2Harness, "what was completed ahead of an older message is not sent again after a restart",
                 "[node][G1]") {
  subscribe_offline();
  publish("older", 1);
  publish("completed", 2);
  {
    TestClient client(*this, keeping("s"));
    const auto got = deliveries(client.received());
    REQUIRE(got.size() == 2);
    client.send(encode_pubrec(got[1].packet_id));
    settle();
    client.send(encode_pubcomp(got[1].packet_id));
    advance(std::chrono::seconds{2});
    settle();
  }
  restart();
  TestClient back(*this, keeping("s"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == 1);
  CHECK(again[0].payload == "older");
}

TEST_CASE_METHOD(Qos2Harness, "a completed exchange leaves no release on disk", "[node][G6]") {
  subscribe_offline();
  publish("1");
  TestClient client(*this, keeping("s"));
  const unsigned id = deliveries(client.received()).at(0).packet_id;
  client.send(encode_pubrec(id));
  settle();
  client.send(encode_pubcomp(id));
  advance(std::chrono::seconds{2});
  settle();
  CHECK(session_store.releases.begin()->second.empty());
}

TEST_CASE_METHOD(Qos2Harness, "a PUBREC that refuses ends the exchange", "[node][MQTT-4.3.3-4]") {
  subscribe_offline();
  publish("1");
  TestClient client(*this, keeping("s", property(0x21, u16(1))));
  const unsigned id = deliveries(client.received()).at(0).packet_id;
  client.send(encode_pubrec(id, 0x99));
  settle();
  CHECK(acks(client.received()).empty());
  publish("2");
  settle();
  CHECK(deliveries(client.received()).at(0).payload == "2");
}

TEST_CASE_METHOD(Qos2Harness, "a PUBREC of nothing is answered packet identifier not found", "[node][MQTT-4.3.3-5]") {
  TestClient client(*this, keeping("s"));
  client.received();
  client.send(encode_pubrec(5));
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, 5, 0x92}});
}

TEST_CASE_METHOD(Qos2Harness, "receive maximum 1 holds the next message until PUBCOMP", "[node][MQTT-3.3.4-9]") {
  subscribe_offline();
  publish("1");
  publish("2");
  TestClient client(*this, keeping("s", property(0x21, u16(1))));
  const auto first = deliveries(client.received());
  REQUIRE(first.size() == 1);
  client.send(encode_pubrec(first[0].packet_id));
  settle();
  CHECK(deliveries(client.received()).empty());
  client.send(encode_pubcomp(first[0].packet_id));
  settle();
  CHECK(deliveries(client.received()).at(0).payload == "2");
}

TEST_CASE_METHOD(Qos2Harness, "a release that waits for the disk during a take-over reaches the new connection",
                 "[node]") {
  subscribe_offline();
  publish("1");
  TestClient first(*this, keeping("s"));
  const unsigned id = deliveries(first.received()).at(0).packet_id;
  first.send(encode_pubrec(id));
  TestClient second = TestClient::unsettled(*this, keeping("s"));  // before the commit
  settle();
  CHECK(acks(first.received()).empty());
  CHECK(acks(second.received()) == Acks{{PacketType::kPubrel, id, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "a release that a full disk refused leaves later", "[node][G6]") {
  subscribe_offline();
  publish("1");
  TestClient client(*this, keeping("s"));
  const unsigned id = deliveries(client.received()).at(0).packet_id;
  client.send(encode_pubrec(id));
  full_disk();
  CHECK(acks(client.received()).empty());
  advance(std::chrono::seconds{1});
  settle();
  CHECK(acks(client.received()) == Acks{{PacketType::kPubrel, id, 0}});
}

TEST_CASE_METHOD(Qos2Harness, "what was begun is completed although it was unsubscribed meanwhile",
                 "[node][MQTT-3.10.4-3]") {
  subscribe_offline();
  publish("1");
  {
    TestClient client(*this, keeping("s"));
    CHECK(deliveries(client.received()).size() == 1);
    client.send(encode_unsubscribe(2, {"a"}));
    settle();
    client.drop();
  }
  TestClient back(*this, keeping("s"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == 1);
  CHECK(again[0].dup);
  CHECK(again[0].qos == 2);
}

TEST_CASE_METHOD(Qos2Harness, "what is sent again keeps its QoS although the subscription has another",
                 "[node][MQTT-4.4.0-1]") {
  publish("0");
  unsigned id = 0;
  {
    TestClient client(*this, keeping("s"));
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    publish("1");
    id = deliveries(client.received()).at(0).packet_id;
    client.send(encode_subscribe(2, {{"a", 2}}));
    settle();
    client.drop();
  }
  TestClient back(*this, keeping("s"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == 1);
  CHECK(again[0].qos == 1);
  CHECK(again[0].packet_id == id);
}

TEST_CASE_METHOD(Qos2Harness, "a position that a full disk refused does not come back over a newer one", "[node][G6]") {
  subscribe_offline();
  publish("1");
  publish("2");
  {
    TestClient client(*this, keeping("s"));
    for (const Delivered& message : deliveries(client.received())) {
      client.send(encode_pubrec(message.packet_id));
      settle();
      client.send(encode_pubcomp(message.packet_id));
      advance(std::chrono::seconds{1});
      if (message.payload == "1") {
        full_disk();
      } else {
        settle();
      }
    }
    advance(std::chrono::seconds{3});
    settle();
  }
  CHECK(session_store.sessions.begin()->second.position >= 2);
  restart();
  TestClient back(*this, keeping("s"));
  CHECK(deliveries(back.received()).empty());
}

// --- answers that do not fit ---

TEST_CASE_METHOD(Qos2Harness, "PUBACK for a QoS 2 message is a protocol error", "[node][MQTT-4.3.3-3]") {
  subscribe_offline();
  publish("1");
  TestClient client(*this, keeping("s"));
  settle();
  const auto sent = deliveries(client.received());
  REQUIRE(sent.size() == 1);
  client.send(encode_puback(sent[0].packet_id));
  const auto answer = client.received();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].type == PacketType::kDisconnect);
  CHECK(answer[0].body[0] == 0x82);
  CHECK(client.stream.closed);
}

TEST_CASE_METHOD(Qos2Harness, "PUBREC for a QoS 1 message is a protocol error", "[node][MQTT-4.3.2-3]") {
  subscribe_offline();
  publish("1", 1);
  TestClient client(*this, keeping("s"));
  settle();
  const auto sent = deliveries(client.received());
  REQUIRE(sent.size() == 1);
  client.send(encode_pubrec(sent[0].packet_id));
  const auto answer = client.received();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].type == PacketType::kDisconnect);
  CHECK(answer[0].body[0] == 0x82);
}
