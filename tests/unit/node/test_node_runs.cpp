// Retained messages and replays that a lost connection or a restart cut off go on where they were. DESIGN 1.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Texts = std::vector<std::string>;

namespace {

// A persistent session "s", whose client takes three messages at once.
struct RunHarness : NodeHarness {
  std::unique_ptr<TestClient> client;
  std::map<std::string, unsigned> ids;  // packet identifiers by payload, as they came

  // t/0 to t/7 with payloads 0 to 7.
  void publish(unsigned qos, bool retain) {
    TestClient publisher(*this, {.client_id = "publisher"});
    for (unsigned i = 0; i < 8; ++i) {
      publisher.send(encode(PublishSent{.topic = "t/" + std::to_string(i),
                                        .payload = std::to_string(i),
                                        .qos = qos,
                                        .packet_id = i + 1,
                                        .retain = retain}));
    }
    settle();
  }
  void connect() { client = std::make_unique<TestClient>(*this, keeping("s", property(0x21, u16(3)))); }
  void subscribe(unsigned qos, const Bytes& properties = {}) {
    client->send(encode_subscribe(1, {{"t/#", qos}}, mqtt::Protocol::kV5, properties));
    settle();
  }
  void lose_connection() {
    client.reset();
    settle();
  }
  void kill() {
    client.reset();
    restart();
  }
  // Payloads that came since the last call. What is released is completed.
  Texts got() {
    Texts out;
    for (bool has_completed = true; has_completed && out.empty();) {
      settle();
      has_completed = false;
      const auto packets = client->received();
      for (const AckSeen& ack : acks(packets)) {
        if (ack.type != PacketType::kPubrel) continue;
        client->send(encode_pubcomp(ack.packet_id));
        has_completed = true;
      }
      for (const Delivered& message : deliveries(packets)) {
        ids[message.payload] = message.packet_id;
        out.push_back(message.payload);
      }
    }
    return out;
  }
  void receive(const std::string& payload) {
    client->send(encode_pubrec(ids.at(payload)));
    settle();
  }
  void complete(const std::string& payload) {
    receive(payload);
    client->send(encode_pubcomp(ids.at(payload)));
  }
  // All that comes, completed as it comes.
  Texts rest() {
    Texts out;
    for (Texts more = got(); !more.empty(); more = got()) {
      for (const std::string& payload : more) complete(payload);
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }
  const node::StoredSubscription& stored() { return session_store.sessions.begin()->second.subscriptions.at(0); }
  void pass(Duration time) {
    advance(time);
    settle();
  }
};

const Bytes kReplay = user_property("hedgerow-replay", "1h");

}  // namespace

TEST_CASE_METHOD(RunHarness, "retained messages go on behind those that were completed", "[node][MQTT-4.3.3-1]") {
  publish(2, true);
  connect();
  subscribe(2);
  CHECK(got() == Texts{"0", "1", "2"});
  complete("0");
  complete("1");
  CHECK(got() == Texts{"3", "4"});
  SECTION("after a lost connection") { lose_connection(); }
  SECTION("after a kill") { kill(); }
  SECTION("after a kill, once the position was saved") {
    pass(std::chrono::seconds{2});
    kill();
  }
  connect();
  CHECK(rest() == Texts{"2", "3", "4", "5", "6", "7"});
}

TEST_CASE_METHOD(RunHarness, "what a saved position has passed leaves nothing else on disk", "[node][G6]") {
  publish(2, true);
  connect();
  subscribe(2);
  CHECK(got() == Texts{"0", "1", "2"});
  for (const char* payload : {"2", "1", "0"}) complete(payload);
  pass(std::chrono::seconds{2});
  CHECK(stored().retained_due);
  CHECK(stored().retained_topic == "t/2");
  CHECK(session_store.releases.begin()->second.empty());
  kill();
  connect();
  CHECK(rest() == Texts{"3", "4", "5", "6", "7"});
}

TEST_CASE_METHOD(RunHarness, "a retained message that was completed before its neighbours does not come again",
                 "[node][MQTT-4.3.3-1]") {
  publish(2, true);
  connect();
  subscribe(2);
  CHECK(got() == Texts{"0", "1", "2"});
  complete("1");
  CHECK(got() == Texts{"3"});
  pass(std::chrono::seconds{2});
  SECTION("after a lost connection") { lose_connection(); }
  SECTION("after two") {
    lose_connection();
    connect();
    CHECK(got() == Texts{"0", "2", "3"});
    pass(std::chrono::seconds{2});
    lose_connection();
  }
  SECTION("after a kill") { kill(); }
  connect();
  CHECK(rest() == Texts{"0", "2", "3", "4", "5", "6", "7"});
}

TEST_CASE_METHOD(RunHarness, "a retained message that the client has is released, and not sent again",
                 "[node][MQTT-4.4.0-1]") {
  publish(2, true);
  connect();
  subscribe(2);
  CHECK(got().size() == 3);
  receive("0");
  SECTION("after a lost connection") { lose_connection(); }
  SECTION("after a kill") { kill(); }
  connect();
  settle();
  const auto packets = client->received();
  const std::vector<AckSeen> released = {{PacketType::kPubrel, ids.at("0"), 0}};
  CHECK(acks(packets) == released);
  for (const Delivered& message : deliveries(packets)) {
    CHECK(message.payload != "0");
    ids[message.payload] = message.packet_id;
    complete(message.payload);
  }
  client->send(encode_pubcomp(ids.at("0")));
  const Texts later = rest();
  CHECK(std::count(later.begin(), later.end(), "0") == 0);
  CHECK(later.back() == "7");
  pass(std::chrono::seconds{2});
  CHECK_FALSE(stored().retained_due);
  CHECK(session_store.releases.begin()->second.empty());
}

TEST_CASE_METHOD(RunHarness, "retained messages of QoS 1 that were acknowledged in order do not come again", "[node]") {
  publish(1, true);
  connect();
  subscribe(1);
  CHECK(got() == Texts{"0", "1", "2"});
  for (const char* payload : {"0", "1", "2"}) client->send(encode_puback(ids.at(payload)));
  CHECK(got() == Texts{"3", "4", "5"});
  lose_connection();
  connect();
  CHECK(got() == Texts{"3", "4", "5"});
}

TEST_CASE_METHOD(RunHarness, "retained messages that were all acknowledged are not due any more", "[node][G1]") {
  publish(2, true);
  connect();
  subscribe(2);
  CHECK(stored().retained_due);
  CHECK(rest().size() == 8);
  pass(std::chrono::seconds{2});
  CHECK_FALSE(stored().retained_due);
  kill();
  connect();
  CHECK(got().empty());
}

TEST_CASE_METHOD(RunHarness, "a progress that a full disk refused is saved later", "[node][G6]") {
  publish(2, true);
  connect();
  subscribe(2);
  CHECK(rest().size() == 8);
  advance(std::chrono::seconds{1});
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  settle();
  for (int i = 0; i < 4; ++i) pass(std::chrono::seconds{1});
  CHECK_FALSE(stored().retained_due);
  CHECK(session_store.releases.begin()->second.empty());
}

TEST_CASE_METHOD(RunHarness, "a replay goes on where it was cut off", "[node]") {
  publish(2, false);
  connect();
  subscribe(2, kReplay);
  CHECK(got() == Texts{"0", "1", "2"});
  complete("0");
  complete("1");
  CHECK(got() == Texts{"3", "4"});
  complete("4");
  CHECK(got() == Texts{"5"});
  SECTION("by a lost connection") { lose_connection(); }
  SECTION("by a kill") { kill(); }
  SECTION("by a kill, once the position was saved") {
    pass(std::chrono::seconds{2});
    kill();
  }
  {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = "t/new", .payload = "new", .qos = 2, .packet_id = 1}));
    settle();
  }
  connect();
  CHECK(rest() == Texts{"2", "3", "5", "6", "7", "new"});
  pass(std::chrono::seconds{2});
  CHECK_FALSE(stored().replay);
  kill();
  connect();
  CHECK(got().empty());
}

TEST_CASE_METHOD(RunHarness, "retained messages that come with a replay do not come twice when both are cut off",
                 "[node]") {
  publish(2, true);
  connect();
  subscribe(2, kReplay);
  CHECK(got() == Texts{"0", "1", "2"});
  complete("0");
  lose_connection();
  connect();
  CHECK(rest() == Texts{"1", "2", "3", "4", "5", "6", "7"});
}

TEST_CASE_METHOD(RunHarness, "retained messages whose identifiers clash wait for each other, and no longer",
                 "[node][MQTT-2.2.1-4][G6]") {
  const auto write = [&](const std::string& topic, bool cell) {
    auto message = std::make_shared<sync::Message>();
    message->topic = topic;
    message->payload = to_bytes(topic);
    submit(node::PublishIntent{.write = {.channel = node->channels().owner_of(topic)->number,
                                         .kind = {.record = true, .cell = cell, .qos = 2},
                                         .publisher = 0,
                                         .message = std::move(message)},
                               .ack = {}});
  };
  write("t/a", true);
  for (int i = 0; i < 65'534; ++i) write("x", false);
  write("t/b", true);
  settle();
  connect();
  subscribe(2);
  CHECK(got() == Texts{"t/a"});
  complete("t/a");
  pass(std::chrono::seconds{1});
  pass(std::chrono::seconds{1});
  CHECK(rest() == Texts{"t/b"});
}

TEST_CASE_METHOD(RunHarness, "the end of a subscription ends what it was still to get", "[node][G6]") {
  publish(2, true);
  connect();
  subscribe(2, kReplay);
  CHECK(got().size() == 3);
  complete("1");
  CHECK(got() == Texts{"3"});
  client->send(encode_unsubscribe(2, {"t/#"}));
  settle();
  for (const char* payload : {"0", "2", "3"}) complete(payload);
  CHECK(got().empty());
  pass(std::chrono::seconds{2});
  CHECK(session_store.releases.begin()->second.empty());
  lose_connection();
  connect();
  CHECK(got().empty());
}
