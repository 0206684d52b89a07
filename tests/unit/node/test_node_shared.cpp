// Shared subscriptions through a whole node: MQTT 5.0 section 4.8.2.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <map>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using Texts = std::vector<std::string>;

namespace {

struct SharedHarness : NodeHarness {
  void publish(std::string payload, unsigned qos = 1, bool retain = false) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{
        .topic = "a", .payload = std::move(payload), .qos = qos, .packet_id = qos > 0 ? 1U : 0U, .retain = retain}));
    settle();
    publisher.drop();
  }
  void join(TestClient& client, unsigned options = 1, const std::string& filter = "$share/g/a") {
    client.send(encode_subscribe(1, {{filter, options}}));
    settle();
    client.received();
  }
};

}  // namespace

TEST_CASE_METHOD(SharedHarness, "members take turns", "[node][MQTT-4.8.2-3]") {
  TestClient one(*this, {.client_id = "1"});
  TestClient two(*this, {.client_id = "2"});
  join(one);
  join(two);
  for (const char* payload : {"1", "2", "3", "4"}) publish(payload);
  CHECK(one.messages() == Texts{"a=1", "a=3"});
  CHECK(two.messages() == Texts{"a=2", "a=4"});
}

TEST_CASE_METHOD(SharedHarness, "QoS 0 messages go to one member each", "[node]") {
  TestClient one(*this, {.client_id = "1"});
  TestClient two(*this, {.client_id = "2"});
  join(one);
  join(two);
  publish("1", 0);
  publish("2", 0);
  CHECK(one.messages().size() == 1);
  CHECK(two.messages().size() == 1);
}

TEST_CASE_METHOD(SharedHarness, "groups of different names, and plain subscriptions, get copies of their own",
                 "[node]") {
  TestClient one(*this, {.client_id = "1"});
  TestClient two(*this, {.client_id = "2"});
  TestClient plain(*this, {.client_id = "3"});
  join(one);
  join(two, 1, "$share/h/a");
  join(plain, 1, "a");
  publish("1");
  CHECK(one.messages() == Texts{"a=1"});
  CHECK(two.messages() == Texts{"a=1"});
  CHECK(plain.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SharedHarness, "what a member that left had not acknowledged goes to another, for its first time",
                 "[node][MQTT-3.3.1-2]") {
  TestClient one(*this, {.client_id = "1"});
  TestClient two(*this, {.client_id = "2"});
  join(one);
  publish("1");
  CHECK(one.messages(/*acknowledge=*/false) == Texts{"a=1"});
  join(two);
  one.drop();
  settle();
  CHECK(two.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SharedHarness, "what comes back to the same member is marked", "[node][MQTT-3.3.1-1]") {
  {
    TestClient one(*this, keeping("1"));
    join(one);
    publish("1");
    CHECK(one.messages(/*acknowledge=*/false) == Texts{"a=1"});
    one.drop();
  }
  TestClient back(*this, keeping("1"));
  CHECK(back.messages() == Texts{"a=1 dup"});
}

TEST_CASE_METHOD(SharedHarness, "what was acknowledged goes to nobody again", "[node]") {
  TestClient one(*this, {.client_id = "1"});
  TestClient two(*this, {.client_id = "2"});
  join(one);
  publish("1");
  CHECK(one.messages() == Texts{"a=1"});
  join(two);
  one.drop();
  settle();
  CHECK(two.messages().empty());
}

TEST_CASE_METHOD(SharedHarness, "a member without room is passed over", "[node][G6]") {
  TestClient narrow(*this, {.client_id = "1", .properties = property(0x21, u16(1))});
  TestClient wide(*this, {.client_id = "2"});
  join(narrow);
  join(wide);
  for (const char* payload : {"1", "2", "3", "4"}) publish(payload);
  CHECK(narrow.messages(/*acknowledge=*/false) == Texts{"a=1"});
  CHECK(wide.messages() == Texts{"a=2", "a=3", "a=4"});
}

TEST_CASE_METHOD(SharedHarness, "a plain and a shared copy of one message share an identifier: one follows the other",
                 "[node][MQTT-2.2.1-4]") {
  const unsigned qos = GENERATE(1U, 2U);
  const unsigned window = GENERATE(1U, 3U, 100U);
  TestClient client(*this, {.client_id = "1", .properties = property(0x21, u16(window))});
  join(client, qos, "a");
  join(client, qos);
  std::map<std::string, int> copies;
  unsigned turns = 0;
  for (const char* payload : {"1", "2", "3", "4", "5"}) publish(payload, qos);
  for (auto packets = client.received(); !packets.empty(); packets = client.received()) {
    const auto got = deliveries(packets);
    CHECK(got.size() <= window);
    turns += got.empty() ? 0U : 1U;
    for (const Delivered& message : got) {
      ++copies[message.payload];
      client.send(qos == 1 ? encode_puback(message.packet_id) : encode_pubrec(message.packet_id));
      settle();
      if (qos == 2) client.send(encode_pubcomp(message.packet_id));
      settle();
    }
  }
  CHECK(copies == std::map<std::string, int>{{"1", 2}, {"2", 2}, {"3", 2}, {"4", 2}, {"5", 2}});
  if (window == 100) CHECK(turns <= 3);  // as many as the window holds are on their way at once
}

TEST_CASE_METHOD(SharedHarness, "messages wait while no member has room, and go on", "[node][G6]") {
  TestClient narrow(*this, {.client_id = "1", .properties = property(0x21, u16(1))});
  join(narrow);
  for (const char* payload : {"1", "2", "3"}) publish(payload);
  CHECK(narrow.messages() == Texts{"a=1"});
  CHECK(narrow.messages() == Texts{"a=2"});
  CHECK(narrow.messages() == Texts{"a=3"});
}

TEST_CASE_METHOD(SharedHarness, "a QoS 2 message that was begun waits for its member, and holds nobody up",
                 "[node][MQTT-4.8.2-4]") {
  TestClient two(*this, {.client_id = "2"});
  unsigned id = 0;
  {
    TestClient one(*this, keeping("1"));
    join(one, 2);
    publish("1", 2);
    id = deliveries(one.received()).at(0).packet_id;
    join(two, 2);
    one.drop();
    settle();
  }
  CHECK(deliveries(two.received()).empty());
  publish("2", 2);
  CHECK(deliveries(two.received()).at(0).payload == "2");
  TestClient back(*this, keeping("1"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == 1);
  CHECK(again[0].payload == "1");
  CHECK(again[0].packet_id == id);
  CHECK(again[0].dup);
}

namespace {

// Member 1 has "1" of the group, begun by QoS 2, and comes back with a window that "x" fills.
struct Backlog : SharedHarness {
  std::unique_ptr<TestClient> one;
  TestClient two{*this, {.client_id = "2"}};
  unsigned id = 0;        // of "1"
  unsigned plain_id = 0;  // of "x"

  Backlog() {
    {
      TestClient begun(*this, keeping("1"));
      begun.send(encode_subscribe(2, {{"plain", 1}}));
      join(begun, 2);
      publish("1", 2);
      TestClient publisher(*this, {.client_id = "publisher"});
      publisher.send(encode(PublishSent{.topic = "plain", .payload = "x", .qos = 1, .packet_id = 1}));
      settle();
      const auto got = deliveries(begun.received());
      REQUIRE(got.size() == 2);
      id = got[0].packet_id;
      plain_id = got[1].packet_id;
      join(two, 2);
      begun.drop();
      settle();
    }
    one = std::make_unique<TestClient>(*this, keeping("1", property(0x21, u16(1))));
    CHECK(one->messages(/*acknowledge=*/false) == Texts{"plain=x dup"});
  }
};

}  // namespace

TEST_CASE_METHOD(Backlog, "a QoS 2 message whose member has no room holds nobody up", "[node][MQTT-4.8.2-4][G6]") {
  publish("2", 2);
  publish("3", 2);
  const auto others = deliveries(two.received());
  REQUIRE(others.size() == 2);
  CHECK(others[0].payload == "2");
  CHECK(others[1].payload == "3");
  one->send(encode_puback(plain_id));
  settle();
  const auto again = deliveries(one->received());
  REQUIRE(again.size() == 1);
  CHECK(again[0].payload == "1");
  CHECK(again[0].packet_id == id);
  CHECK(again[0].dup);
}

TEST_CASE_METHOD(Backlog, "a member that has caught up takes its turns again", "[node][MQTT-4.8.2-3]") {
  one->send(encode_puback(plain_id));
  settle();
  CHECK(deliveries(one->received()).size() == 1);
  one->send(encode_pubrec(id));
  settle();
  one->send(encode_pubcomp(id));
  settle();
  publish("2", 2);
  publish("3", 2);
  CHECK(deliveries(one->received()).size() == 1);
  CHECK(deliveries(two.received()).size() == 1);
}

TEST_CASE_METHOD(Backlog, "a backlog that its member loses again waits on for it", "[node][MQTT-4.8.2-4]") {
  one.reset();
  settle();
  publish("2", 2);
  CHECK(deliveries(two.received()).size() == 1);
  TestClient back(*this, keeping("1"));
  const auto again = deliveries(back.received());
  REQUIRE(again.size() == 2);
  CHECK(again[0].payload == "1");
  CHECK(again[1].payload == "x");
}

TEST_CASE_METHOD(SharedHarness, "a QoS 2 message that was begun ends with its member's session",
                 "[node][MQTT-4.8.2-5]") {
  TestClient one(*this, {.client_id = "1"});
  TestClient two(*this, {.client_id = "2"});
  join(one, 2);
  publish("1", 2);
  CHECK(deliveries(one.received()).size() == 1);
  join(two, 2);
  one.drop();
  settle();
  CHECK(deliveries(two.received()).empty());
}

TEST_CASE_METHOD(SharedHarness, "a QoS 2 message that was begun ends when its member's session expires",
                 "[node][MQTT-4.8.2-5]") {
  TestClient two(*this, {.client_id = "2"});
  {
    TestClient one(*this, {.client_id = "1", .clean_start = false, .properties = property(0x11, u32(60))});
    join(one, 2);
    publish("1", 2);
    CHECK(deliveries(one.received()).size() == 1);
    join(two, 2);
  }
  advance(std::chrono::seconds{61});
  settle();
  advance(std::chrono::seconds{1});
  settle();
  publish("2", 2);
  const auto got = deliveries(two.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "2");
}

TEST_CASE_METHOD(SharedHarness, "a member gets no more than its granted QoS", "[node][MQTT-4.8.2-3]") {
  TestClient one(*this, {.client_id = "1"});
  for (unsigned granted = 0; granted <= 2; ++granted) {
    join(one, granted);
    for (unsigned published = 0; published <= 2; ++published) {
      publish("x", published);
      const auto got = deliveries(one.received());
      REQUIRE(got.size() == 1);
      CHECK(got[0].qos == std::min(granted, published));
    }
  }
}

TEST_CASE_METHOD(SharedHarness, "what a member refuses goes to nobody else", "[node][MQTT-4.8.2-6]") {
  TestClient two(*this, {.client_id = "2"});
  {
    TestClient one(*this, keeping("1"));
    join(one, 2);
    publish("1", 1);
    publish("2", 2);
    join(two, 2);
    for (const Delivered& message : deliveries(one.received())) {
      one.send(encode_ack(message.qos == 1 ? PacketType::kPuback : PacketType::kPubrec, message.packet_id, 0x80));
    }
    settle();
    one.send(encode_unsubscribe(2, {"$share/g/a"}));
    settle();
  }
  advance(std::chrono::seconds{1});
  settle();
  publish("3");
  CHECK(two.messages() == Texts{"a=3"});
}

TEST_CASE_METHOD(SharedHarness, "a member that left with a QoS 2 message does not pin the group's position",
                 "[node][G6]") {
  TestClient two(*this, keeping("2"));
  join(two, 2);
  {
    TestClient one(*this, keeping("1"));
    join(one, 2);
    publish("1", 2);
    publish("2", 2);
    CHECK(deliveries(one.received()).size() == 1);
    one.send(encode_unsubscribe(2, {"$share/g/a"}));
    settle();
    one.drop();
  }
  for (const Delivered& message : deliveries(two.received())) {
    two.send(encode_pubrec(message.packet_id));
    settle();
    two.send(encode_pubcomp(message.packet_id));
  }
  advance(std::chrono::seconds{1});
  settle();
  REQUIRE(session_store.groups.size() == 1);
  CHECK(session_store.groups.begin()->second == 2);
}

TEST_CASE_METHOD(SharedHarness, "messages wait while all persistent members are away", "[node]") {
  {
    TestClient one(*this, keeping("1"));
    join(one);
    one.drop();
  }
  publish("1");
  TestClient back(*this, keeping("1"));
  CHECK(back.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SharedHarness, "an offline member leaves the messages to those that are there", "[node]") {
  TestClient two(*this, {.client_id = "2"});
  {
    TestClient one(*this, keeping("1"));
    join(one);
    one.drop();
  }
  join(two);
  publish("1");
  publish("2");
  CHECK(two.messages() == Texts{"a=1", "a=2"});
}

TEST_CASE_METHOD(SharedHarness, "a group's position survives a restart", "[node][G1]") {
  {
    TestClient one(*this, keeping("1"));
    join(one);
    publish("1");
    CHECK(one.messages() == Texts{"a=1"});
    advance(std::chrono::seconds{1});
    settle();
    one.drop();
    settle();
  }
  publish("2");
  restart();
  publish("3");
  TestClient back(*this, keeping("1"));
  CHECK(back.messages() == Texts{"a=2", "a=3"});
}

TEST_CASE_METHOD(SharedHarness, "a group's position is saved when the daemon ends", "[node][G1]") {
  TestClient one(*this, keeping("1"));
  join(one);
  publish("1");
  CHECK(one.messages() == Texts{"a=1"});
  node->stop_taking(now);
  settle();
  node->say_goodbye(now);
  settle();
  one.drop();
  restart();
  publish("2");
  TestClient back(*this, keeping("1"));
  CHECK(back.messages() == Texts{"a=2"});
}

TEST_CASE_METHOD(SharedHarness, "after a kill less comes again than half of what a member takes at once",
                 "[node][G1]") {
  {
    TestClient one(*this, keeping("1", property(0x21, u16(10))));
    join(one);
    for (unsigned i = 1; i <= 12; ++i) publish(std::to_string(i));
    CHECK(one.messages().size() == 10);
    settle();
    CHECK(one.messages().size() == 2);
    settle();
    one.drop();
  }
  restart();
  TestClient back(*this, keeping("1"));
  CHECK(back.messages().size() <= 4);
}

TEST_CASE_METHOD(SharedHarness, "a group is on disk before its subscription is granted", "[node][G1]") {
  {
    TestClient one(*this, keeping("1"));
    join(one);
    one.drop();
    publish("1");
  }
  restart();  // within the second after which positions are saved
  TestClient back(*this, keeping("1"));
  CHECK(back.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SharedHarness, "a member that has a QoS 2 message keeps it from the others after a restart",
                 "[node][G1]") {
  {
    TestClient one(*this, keeping("1"));
    TestClient two(*this, keeping("2"));
    join(one, 2);
    publish("1", 2);
    join(two, 2);
    one.send(encode_pubrec(deliveries(one.received()).at(0).packet_id));
    settle();
  }
  restart();
  TestClient two(*this, keeping("2"));
  TestClient one(*this, keeping("1"));
  CHECK(deliveries(two.received()).empty());
  CHECK(deliveries(one.received()).empty());
}

TEST_CASE_METHOD(SharedHarness, "an exchange is not forgotten before its group's position is on disk",
                 "[node][MQTT-4.3.3-10]") {
  {
    TestClient one(*this, keeping("1"));
    join(one, 2);
    publish("1", 2);
    const unsigned id = deliveries(one.received()).at(0).packet_id;
    one.send(encode_pubrec(id));
    settle();
    one.send(encode_pubcomp(id));
    settle();
    const auto is_position = [](const node::Intent& each) {
      return std::holds_alternative<node::PutGroupIntent>(each);
    };
    // The turn with the group's position finds the disk full. The kill comes before it is tried again, but behind what
    // the loop had submitted first.
    advance(std::chrono::seconds{1});
    REQUIRE(std::any_of(intents.begin(), intents.end(), is_position));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
    advance(std::chrono::seconds{1});
    intents.erase(std::find_if(intents.begin(), intents.end(), is_position), intents.end());
    commit();
    one.drop();
  }
  restart();
  TestClient back(*this, keeping("1"));
  settle();
  CHECK(deliveries(back.received()).empty());
}

TEST_CASE_METHOD(SharedHarness, "the last member's end leaves nothing on disk", "[node][G6]") {
  TestClient one(*this, keeping("1"));
  join(one);
  CHECK(session_store.groups.size() == 1);
  one.send(encode_unsubscribe(2, {"$share/g/a"}));
  settle();
  CHECK(session_store.groups.empty());
}

TEST_CASE_METHOD(SharedHarness, "a position without a member is forgotten at the start", "[node][G6]") {
  session_store.groups[{"g", "a"}] = 0;
  publish("long ago");
  restart();
  settle();
  CHECK(session_store.groups.empty());
  TestClient one(*this, {.client_id = "1"});
  join(one);
  CHECK(one.messages().empty());
}

TEST_CASE_METHOD(SharedHarness, "traffic that does not match costs a group no commit", "[node]") {
  TestClient one(*this, keeping("1"));
  join(one, 1, "$share/g/other");
  advance(std::chrono::seconds{1});
  settle();
  publish("1");
  advance(std::chrono::milliseconds{1000});
  for (const node::Intent& intent : intents) CHECK_FALSE(std::holds_alternative<node::PutGroupIntent>(intent));
}

TEST_CASE_METHOD(SharedHarness, "a shared subscription brings no retained messages", "[node]") {
  publish("1", 1, /*retain=*/true);
  TestClient one(*this, {.client_id = "1"});
  join(one);
  settle();
  CHECK(one.messages().empty());
}
