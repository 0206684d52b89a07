// What MQTT 5 gives beyond plain publish and subscribe, seen from outside.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using mqtt::PacketType;
using std::chrono::milliseconds;

constexpr unsigned kSubscriptionIdentifier = 0x0B;
constexpr unsigned kSessionExpiry = 0x11;
constexpr unsigned kAssignedClientIdentifier = 0x12;
constexpr unsigned kTopicAliasMaximum = 0x22;
constexpr unsigned kTopicAlias = 0x23;
constexpr unsigned kMaximumPacketSize = 0x27;

// Subscription options.
constexpr unsigned kNoLocal = 0x04;
constexpr unsigned kRetainAsPublished = 0x08;
constexpr unsigned kSendRetainedIfNew = 0x10;
constexpr unsigned kDoNotSendRetained = 0x20;

class Node {
 public:
  Node() { daemon.start(); }
  RawClient client(const ConnectOut& connect) {
    RawClient out(daemon.port());
    CHECK(out.connect(connect).code() == 0);
    return out;
  }
  // One message that passes after all others that are on their way to it, so that "nothing came" can be seen.
  std::string next_payload(RawClient& reader) {
    const auto message = reader.next_message();
    return message ? message->payload : "nothing";
  }
  Daemon daemon{{}};
};

}  // namespace

TEST_CASE_METHOD(Node, "no local keeps a client's own messages from it", "[e2e][MQTT-3.8.3-3]") {
  RawClient talker = client({.client_id = "talker"});
  talker.subscribe({{"room", 1U | kNoLocal}});
  (void)talker.publish({.topic = "room", .payload = "mine", .qos = 1});
  mosquitto_pub(daemon.port(), "room", "theirs", {"-q", "1"});
  CHECK(next_payload(talker) == "theirs");
}

TEST_CASE_METHOD(Node, "retain as published keeps the flag", "[e2e][MQTT-3.3.1-12][MQTT-3.3.1-13]") {
  RawClient plain = client({.client_id = "plain"});
  plain.subscribe({{"cell", 1}});
  RawClient keeping = client({.client_id = "keeping"});
  keeping.subscribe({{"cell", 1U | kRetainAsPublished}});
  mosquitto_pub(daemon.port(), "cell", "1", {"-q", "1", "-r"});
  const auto at_plain = plain.next_message();
  const auto at_keeping = keeping.next_message();
  REQUIRE((at_plain && at_keeping));
  CHECK_FALSE(at_plain->retain);
  CHECK(at_keeping->retain);
}

TEST_CASE_METHOD(Node, "retain handling says when retained messages are sent",
                 "[e2e][MQTT-3.3.1-9][MQTT-3.3.1-10][MQTT-3.3.1-11]") {
  mosquitto_pub(daemon.port(), "cell", "kept", {"-q", "1", "-r"});
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"cell", 1U | kDoNotSendRetained}});
  CHECK_FALSE(reader.next_message(milliseconds{300}));
  reader.subscribe({{"cell", 1U | kSendRetainedIfNew}});
  CHECK_FALSE(reader.next_message(milliseconds{300}));
  reader.subscribe({{"cell", 1}});
  CHECK(next_payload(reader) == "kept");
  RawClient fresh = client({.client_id = "fresh"});
  fresh.subscribe({{"cell", 1U | kSendRetainedIfNew}});
  CHECK(next_payload(fresh) == "kept");
}

TEST_CASE_METHOD(Node, "retain 0 neither replaces nor removes the retained message", "[e2e][MQTT-3.3.1-8]") {
  mosquitto_pub(daemon.port(), "cell", "kept", {"-q", "1", "-r"});
  mosquitto_pub(daemon.port(), "cell", "passing", {"-q", "1"});
  mosquitto_pub(daemon.port(), "cell", "", {"-q", "1"});
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"cell", 1}});
  CHECK(next_payload(reader) == "kept");
}

TEST_CASE_METHOD(Node, "replacing a subscription sends retained messages again and loses nothing",
                 "[e2e][MQTT-3.8.4-4]") {
  RawClient writer = client({.client_id = "writer"});
  (void)writer.publish({.topic = "cell", .payload = "kept", .qos = 1, .retain = true});
  RawClient reader = client({.client_id = "reader"});
  int next = 0;
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 0) {
      reader.subscribe({{"cell", 1}, {"count", 1}});
      for (std::string payload = next_payload(reader); payload != "kept"; payload = next_payload(reader)) {
        REQUIRE(payload == std::to_string(next++));
      }
    }
    (void)writer.publish({.topic = "count", .payload = std::to_string(i), .qos = 1});
  }
  while (next < 100) REQUIRE(next_payload(reader) == std::to_string(next++));
}

TEST_CASE_METHOD(Node, "subscription identifiers come with what they matched",
                 "[e2e][MQTT-3.3.4-3][MQTT-3.3.4-4][MQTT-3.3.4-2]") {
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"a/+", 0}}, property(kSubscriptionIdentifier, varint(7)));
  reader.subscribe({{"a/#", 2}}, property(kSubscriptionIdentifier, varint(268'435'455)));
  mosquitto_pub(daemon.port(), "a/b", "x", {"-q", "2"});
  std::vector<std::uint64_t> ids;
  unsigned qos = 0;
  // One message with both, or one for each: the standard allows either.
  while (ids.size() < 2) {
    const auto message = reader.next_message();
    REQUIRE(message);
    qos = std::max(qos, message->qos);
    for (const std::uint64_t id : message->properties.numbers(kSubscriptionIdentifier)) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  CHECK(ids == std::vector<std::uint64_t>{7, 268'435'455});
  CHECK(qos == 2);
}

TEST_CASE_METHOD(Node, "a client's topic aliases are understood", "[e2e][MQTT-3.3.2-12]") {
  RawClient writer(daemon.port());
  const Received connack = writer.connect({.client_id = "writer"});
  REQUIRE(connack.properties.number(kTopicAliasMaximum) >= 1);
  MosquittoSub subscriber(daemon.port(), {"long/topic/#"}, {"-q", "1"});
  (void)writer.publish(
      {.topic = "long/topic/a", .payload = "1", .qos = 1, .properties = property(kTopicAlias, u16(1))});
  (void)writer.publish({.topic = "", .payload = "2", .qos = 1, .properties = property(kTopicAlias, u16(1))});
  (void)writer.publish(
      {.topic = "long/topic/b", .payload = "3", .qos = 1, .properties = property(kTopicAlias, u16(1))});
  (void)writer.publish({.topic = "", .payload = "4", .qos = 1, .properties = property(kTopicAlias, u16(1))});
  for (const char* line : {"1 0 long/topic/a 1", "1 0 long/topic/a 2", "1 0 long/topic/b 3", "1 0 long/topic/b 4"}) {
    CHECK(subscriber.next() == line);
  }
}

TEST_CASE_METHOD(Node, "an alias of none, of zero or above the maximum ends the connection", "[e2e][MQTT-3.3.2-8]") {
  const unsigned alias = GENERATE(1U, 0U, 65'535U);
  RawClient writer = client({.client_id = "writer"});
  writer.send(encode(PublishSent{.topic = "", .properties = property(kTopicAlias, u16(alias))}));
  const auto answer = writer.wait_for(PacketType::kDisconnect);
  REQUIRE(answer);
  CHECK((answer->code() == 0x94 || answer->code() == 0x82));
  CHECK(writer.closed_within());
}

TEST_CASE_METHOD(Node, "the server sends aliases to a client that allows them, within its maximum",
                 "[e2e][MQTT-3.1.2-26][MQTT-3.3.2-11]") {
  RawClient reader = client({.client_id = "reader", .properties = property(kTopicAliasMaximum, u16(2))});
  reader.subscribe({{"long/topic/#", 1}});
  std::map<std::uint64_t, std::string> aliases;
  std::size_t without_name = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string topic = "long/topic/" + std::to_string(i % 2);
    mosquitto_pub(daemon.port(), topic, "x", {"-q", "1"});
    const auto message = reader.next_message();
    REQUIRE(message);
    std::string name = message->topic;
    if (message->properties.has(kTopicAlias)) {
      const std::uint64_t alias = message->properties.number(kTopicAlias);
      REQUIRE(alias >= 1);
      REQUIRE(alias <= 2);
      if (name.empty()) {
        without_name += 1;
        name = aliases[alias];
      } else {
        aliases[alias] = name;
      }
    }
    CHECK(name == topic);
  }
  CHECK(without_name > 0);
}

TEST_CASE_METHOD(Node, "a client that allows no aliases gets none", "[e2e][MQTT-3.1.2-27]") {
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"topic", 1}});
  for (int i = 0; i < 3; ++i) {
    mosquitto_pub(daemon.port(), "topic", "x", {"-q", "1"});
    const auto message = reader.next_message();
    REQUIRE(message);
    CHECK(message->topic == "topic");
    CHECK_FALSE(message->properties.has(kTopicAlias));
  }
}

TEST_CASE_METHOD(Node, "a client without a name is given one of its own", "[e2e][MQTT-3.2.2-16][MQTT-3.1.3-7]") {
  RawClient one(daemon.port());
  RawClient other(daemon.port());
  const std::string first = one.connect({.client_id = ""}).properties.text(kAssignedClientIdentifier);
  const std::string second = other.connect({.client_id = ""}).properties.text(kAssignedClientIdentifier);
  CHECK_FALSE(first.empty());
  CHECK(first != second);
}

TEST_CASE_METHOD(Node, "a packet above the client's maximum is not sent to it", "[e2e][MQTT-3.1.2-24][MQTT-3.1.2-25]") {
  RawClient reader = client({.client_id = "reader", .properties = property(kMaximumPacketSize, u32(100))});
  reader.subscribe({{"topic", 1}});
  mosquitto_pub(daemon.port(), "topic", std::string(200, 'x'), {"-q", "1"});
  mosquitto_pub(daemon.port(), "topic", "small", {"-q", "1"});
  CHECK(next_payload(reader) == "small");
}

TEST_CASE_METHOD(Node, "response information is given to those who ask", "[e2e][MQTT-3.1.2-28]") {
  RawClient quiet(daemon.port());
  CHECK_FALSE(quiet.connect({.client_id = "quiet"}).properties.has(0x1A));
  RawClient asking(daemon.port());
  const Received connack = asking.connect({.client_id = "asking", .properties = property(0x19, u8(1))});
  CHECK_FALSE(connack.properties.text(0x1A).empty());
}

TEST_CASE_METHOD(Node, "an authentication method that nobody knows is refused", "[e2e][MQTT-4.12.0-1]") {
  RawClient asking(daemon.port());
  CHECK(asking.connect({.client_id = "asking", .properties = property(0x15, text("SCRAM-SHA-1"))}).code() == 0x8C);
  CHECK(asking.closed_within());
}

TEST_CASE_METHOD(Node, "shared and plain subscriptions of one client each get the message", "[e2e]") {
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"$share/workers/job", 1}, {"job", 1}});
  mosquitto_pub(daemon.port(), "job", "x", {"-q", "1"});
  CHECK(next_payload(reader) == "x");
  CHECK(next_payload(reader) == "x");
}

TEST_CASE_METHOD(Node, "the work of a member that died goes to the others", "[e2e][MQTT-4.8.2-5]") {
  RawClient lasting = client({.client_id = "lasting"});
  lasting.subscribe({{"$share/workers/job", 1}});
  {
    RawClient dying = client({.client_id = "dying"});
    dying.subscribe({{"$share/workers/job", 1}});
    dying.disconnect();
  }
  for (int i = 0; i < 6; ++i) mosquitto_pub(daemon.port(), "job", std::to_string(i), {"-q", "1"});
  for (int i = 0; i < 6; ++i) CHECK(next_payload(lasting) == std::to_string(i));
}

TEST_CASE_METHOD(Node, "a shared subscription gets no retained messages and no no local", "[e2e][MQTT-3.8.3-4]") {
  mosquitto_pub(daemon.port(), "job", "kept", {"-q", "1", "-r"});
  RawClient member = client({.client_id = "member"});
  member.subscribe({{"$share/workers/job", 1}});
  CHECK_FALSE(member.next_message(milliseconds{300}));
  member.send(encode_subscribe(77, {{"$share/workers/job", 1U | kNoLocal}}));
  const auto answer = member.wait_for(PacketType::kDisconnect);
  REQUIRE(answer);
  CHECK(answer->code() == 0x82);
}

TEST_CASE_METHOD(Node, "a member of a group gets no more than its QoS", "[e2e][MQTT-4.8.2-3]") {
  RawClient member = client({.client_id = "member"});
  member.subscribe({{"$share/workers/job", 0}});
  mosquitto_pub(daemon.port(), "job", "x", {"-q", "2"});
  const auto message = member.next_message();
  REQUIRE(message);
  CHECK(message->qos == 0);
}

TEST_CASE_METHOD(Node, "what a member began at QoS 2 is completed with it when it is back", "[e2e][MQTT-4.8.2-4]") {
  const Bytes lasting = property(kSessionExpiry, u32(3600));
  RawClient member = client({.client_id = "member", .clean_start = true, .properties = lasting});
  member.subscribe({{"$share/workers/job", 2}});
  mosquitto_pub(daemon.port(), "job", "x", {"-q", "2"});
  const auto begun = member.wait_for(PacketType::kPublish);
  REQUIRE(begun);
  RawClient other = client({.client_id = "other"});
  other.subscribe({{"$share/workers/job", 2}});
  member.close();
  CHECK_FALSE(other.next_message(milliseconds{500}));
  RawClient back(daemon.port());
  CHECK(back.connect({.client_id = "member", .clean_start = false, .properties = lasting}).session_present);
  const auto again = back.next_message();
  REQUIRE(again);
  CHECK(again->payload == "x");
  CHECK(again->packet_id == begun->packet_id);
  CHECK(again->dup);
}

TEST_CASE_METHOD(Node, "what a member began at QoS 2 goes to nobody else when its session ends",
                 "[e2e][MQTT-4.8.2-5]") {
  RawClient member = client({.client_id = "member"});
  member.subscribe({{"$share/workers/job", 2}});
  mosquitto_pub(daemon.port(), "job", "x", {"-q", "2"});
  REQUIRE(member.wait_for(PacketType::kPublish));
  RawClient other = client({.client_id = "other"});
  other.subscribe({{"$share/workers/job", 2}});
  member.disconnect();
  mosquitto_pub(daemon.port(), "job", "y", {"-q", "2"});
  CHECK(next_payload(other) == "y");
}

TEST_CASE_METHOD(Node, "what a member of a group refuses is gone", "[e2e][MQTT-4.8.2-6]") {
  RawClient member = client({.client_id = "member"});
  member.subscribe({{"$share/workers/job", 1}});
  mosquitto_pub(daemon.port(), "job", "x", {"-q", "1"});
  const auto message = member.wait_for(PacketType::kPublish);
  REQUIRE(message);
  RawClient other = client({.client_id = "other"});
  other.subscribe({{"$share/workers/job", 1}});
  member.send(encode_ack(PacketType::kPuback, message->packet_id, u8(0x80)));
  member.disconnect();
  mosquitto_pub(daemon.port(), "job", "y", {"-q", "1"});
  CHECK(next_payload(other) == "y");
}

TEST_CASE_METHOD(Node, "a persistent member's group goes on where it was after a restart", "[e2e][G1]") {
  const Bytes lasting = property(kSessionExpiry, u32(3600));
  RawClient member = client({.client_id = "member", .clean_start = true, .properties = lasting});
  member.subscribe({{"$share/workers/job", 1}});
  member.close();
  for (int i = 0; i < 5; ++i) mosquitto_pub(daemon.port(), "job", std::to_string(i), {"-q", "1"});
  daemon.restart();
  RawClient back(daemon.port());
  CHECK(back.connect({.client_id = "member", .clean_start = false, .properties = lasting}).session_present);
  for (int i = 0; i < 5; ++i) CHECK(next_payload(back) == std::to_string(i));
}

TEST_CASE_METHOD(Node, "history is replayed to a subscriber that asks for it, then what is new", "[e2e]") {
  for (int i = 0; i < 5; ++i) mosquitto_pub(daemon.port(), "log/barn", std::to_string(i), {"-q", "1"});
  RawClient reader = client({.client_id = "reader"});
  const std::string since = GENERATE("24h", "2001-01-01T00:00:00Z");
  const Received suback = reader.subscribe({{"log/#", 1}}, user_property("hedgerow-replay", since));
  CHECK(suback.code() == 1);
  for (int i = 5; i < 8; ++i) mosquitto_pub(daemon.port(), "log/barn", std::to_string(i), {"-q", "1"});
  for (int i = 0; i < 8; ++i) CHECK(next_payload(reader) == std::to_string(i));
  CHECK_FALSE(reader.next_message(milliseconds{300}));
}

TEST_CASE_METHOD(Node, "history is replayed without gap or double while others publish", "[e2e][slow]") {
  constexpr int kCount = 5000;
  RawClient writer = client({.client_id = "writer"});
  for (int i = 0; i < kCount / 2; ++i) (void)writer.publish({.topic = "log", .payload = std::to_string(i), .qos = 1});
  RawClient reader = client({.client_id = "reader"});
  reader.send(encode_subscribe(1, {{"log", 1}}, mqtt::Protocol::kV5, user_property("hedgerow-replay", "1h")));
  for (int i = kCount / 2; i < kCount; ++i)
    (void)writer.publish({.topic = "log", .payload = std::to_string(i), .qos = 1});
  for (int i = 0; i < kCount; ++i) REQUIRE(next_payload(reader) == std::to_string(i));
  CHECK_FALSE(reader.next_message(milliseconds{300}));
}

TEST_CASE_METHOD(Node, "a replay from no time is refused with a sentence", "[e2e]") {
  RawClient reader = client({.client_id = "reader"});
  const Received suback = reader.subscribe({{"log", 1}}, user_property("hedgerow-replay", "yesterday"));
  CHECK(suback.code() >= 0x80);
  CHECK_THAT(suback.properties.text(0x1F), ContainsSubstring("yesterday"));
}

TEST_CASE_METHOD(Node, "the broker's own topics have the names that dashboards know", "[e2e]") {
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"$SYS/broker/#", 0}});
  std::set<std::string> missing = {"$SYS/broker/version",
                                   "$SYS/broker/uptime",
                                   "$SYS/broker/clients/total",
                                   "$SYS/broker/clients/connected",
                                   "$SYS/broker/messages/received",
                                   "$SYS/broker/messages/sent",
                                   "$SYS/broker/bytes/received",
                                   "$SYS/broker/bytes/sent",
                                   "$SYS/broker/subscriptions/count",
                                   "$SYS/broker/retained messages/count"};
  while (!missing.empty()) {
    const auto message = reader.next_message(std::chrono::seconds{15});
    if (!message) break;
    CHECK_FALSE(message->payload.empty());
    missing.erase(message->topic);
  }
  CHECK(missing == std::set<std::string>{});
}

TEST_CASE_METHOD(Node, "a plain wildcard does not show the broker's own topics", "[e2e][MQTT-4.7.2-1]") {
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"#", 0}, {"+/broker/version", 0}});
  while (const auto message = reader.next_message(milliseconds{500})) CHECK_FALSE(message->topic.starts_with("$"));
}

TEST_CASE_METHOD(Node, "nobody but the broker writes its topics", "[e2e]") {
  RawClient writer = client({.client_id = "writer"});
  CHECK(writer.publish({.topic = "$SYS/broker/version", .payload = "forged", .qos = 1}) == 0x87);
}

}  // namespace hedgerow::test
