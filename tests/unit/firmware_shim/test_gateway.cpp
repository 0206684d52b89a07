#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "daemon/node/limits.hpp"
#include "firmware-shim/gateway/limits.hpp"
#include "tests/unit/firmware_shim/gateway_harness.hpp"

namespace hedgerow::test {
namespace {

constexpr std::uint8_t kQos1 = 0x20;
constexpr std::uint8_t kQos2 = 0x40;
constexpr std::uint8_t kQosMinus1 = 0x60;

struct Barn {
  GatewayHarness harness;
  TestClient program{harness.node, {.client_id = "program"}};
  RawThing thing{harness};

  Barn() {
    program.send(encode_subscribe(1, {{"#", 1}}));
    harness.settle();
    program.received();
  }
  std::vector<std::string> seen() {
    harness.settle();
    std::vector<std::string> all = program.messages();
    harness.settle();
    return all;
  }
  std::uint16_t registered(std::string_view topic) {
    thing.say(HR_SN_REGISTER, 0, 90, topic);
    REQUIRE(thing.heard() == "REGACK 90 c0");
    return thing.message.topic_id;
  }
  void connect(std::uint8_t flags = HR_SN_CLEAN_SESSION) {
    thing.connect(flags);
    REQUIRE(thing.heard() == "CONNACK c0");
  }
  void connect_with_will() {
    thing.connect(HR_SN_WILL);
    CHECK(thing.heard() == "WILLTOPICREQ");
    thing.say(HR_SN_WILLTOPIC, kQos1, 0, "barn/gone");
    CHECK(thing.heard() == "WILLMSGREQ");
    thing.say(HR_SN_WILLMSG, 0, 0, "thing-1");
    REQUIRE(thing.heard() == "CONNACK c0");
  }
  void subscribe(std::string_view topic) {
    thing.say(HR_SN_SUBSCRIBE, kQos1, 5, topic);
    CHECK(thing.heard() == "SUBACK 5 c0");
  }
  void sleep() {
    hr_sn_message sleep{};
    sleep.type = HR_SN_DISCONNECT;
    sleep.has_body = true;
    sleep.duration = 600;
    thing.say(sleep);
    CHECK(thing.heard() == "DISCONNECT");
  }
  void publish(const PublishSent& publish) {
    program.send(encode(publish));
    harness.settle();
  }
  // Everything that came, in order; topics and messages are acknowledged.
  std::vector<std::string> heard_all() {
    std::vector<std::string> all;
    for (std::string text = thing.heard(); !text.empty(); text = thing.heard()) {
      all.push_back(text);
      if (text.starts_with("REGISTER")) thing.say(HR_SN_REGACK, thing.message.msg_id, thing.message.topic_id);
      if (text.starts_with("PUBLISH q1")) thing.say(HR_SN_PUBACK, thing.message.msg_id);
    }
    return all;
  }
  // Time goes by, and the disk does nothing meanwhile.
  void wait(Duration time) {
    harness.node.advance(time);
    harness.gateway->on_timer(harness.node.now);
    harness.gateway->run(harness.node.now);
  }
};

TEST_CASE("a thing's publish of QoS 1 is acknowledged when it is on disk, not before", "[gateway][G1]") {
  Barn barn;
  barn.connect();
  const std::uint16_t id = barn.registered("barn/temperature");
  barn.thing.say(HR_SN_PUBLISH, kQos1, 7, "21", id, false);
  CHECK(barn.thing.heard().empty());
  CHECK(barn.seen() == std::vector<std::string>{"barn/temperature=21"});
  CHECK(barn.thing.heard() == "PUBACK 7 c0");
}

TEST_CASE("a publish that comes again after its acknowledgement was lost is recognised", "[gateway]") {
  Barn barn;
  barn.connect();
  const std::uint16_t id = barn.registered("barn/temperature");
  barn.thing.say(HR_SN_PUBLISH, kQos1, 7, "21", id);
  CHECK(barn.thing.heard() == "PUBACK 7 c0");
  barn.thing.say(HR_SN_PUBLISH, kQos1 | HR_SN_DUP, 7, "21", id);
  CHECK(barn.thing.heard() == "PUBACK 7 c0");
  CHECK(barn.seen() == std::vector<std::string>{"barn/temperature=21"});
  CHECK(barn.harness.gateway->counters().recognised == 1);
  barn.thing.say(HR_SN_PUBLISH, kQos1 | HR_SN_DUP, 7, "22", id);  // another reading: the thing was reset
  CHECK(barn.seen() == std::vector<std::string>{"barn/temperature=22"});
}

TEST_CASE("a copy that comes late is recognised, also without DUP", "[gateway]") {
  Barn barn;
  barn.connect();
  const std::uint16_t id = barn.registered("barn/temperature");
  barn.thing.say(HR_SN_PUBLISH, kQos1, 7, "21", id);
  barn.thing.say(HR_SN_PUBLISH, kQos1, 8, "21", id);
  CHECK(barn.seen() == std::vector<std::string>{"barn/temperature=21", "barn/temperature=21"});
  barn.thing.say(HR_SN_PUBLISH, kQos1, 7, "21", id);
  CHECK(barn.seen().empty());
}

TEST_CASE("equal readings of a thing that always uses the same id are all stored", "[gateway]") {
  Barn barn;
  barn.connect();
  const std::uint16_t id = barn.registered("barn/temperature");
  for (int n = 0; n < 3; ++n) {
    barn.thing.say(HR_SN_PUBLISH, kQos1, 1, "21", id);
    CHECK(barn.thing.heard() == "PUBACK 1 c0");
    CHECK(barn.seen() == std::vector<std::string>{"barn/temperature=21"});
  }
}

TEST_CASE("a copy of QoS 2 that comes when all is over is recognised, under a new topic id, too", "[gateway]") {
  Barn barn;
  barn.connect(0);
  const std::uint16_t id = barn.registered("barn/door");
  barn.thing.say(HR_SN_PUBLISH, kQos2, 7, "open", id);
  CHECK(barn.thing.heard() == "PUBREC 7");
  barn.thing.say(HR_SN_PUBREL, 7);
  CHECK(barn.thing.heard() == "PUBCOMP 7");
  CHECK(barn.seen() == std::vector<std::string>{"barn/door=open"});
  barn.connect(0);
  const std::uint16_t id_now = barn.registered("barn/door");
  barn.thing.say(HR_SN_PUBLISH, kQos2 | HR_SN_DUP, 7, "open", id_now);
  CHECK(barn.thing.heard() == "PUBREC 7");
  CHECK(barn.seen().empty());
}

TEST_CASE("QoS 2 from a thing is published once, however often it comes", "[gateway]") {
  Barn barn;
  barn.connect(0);
  const std::uint16_t id = barn.registered("barn/door");
  barn.thing.say(HR_SN_PUBLISH, kQos2, 7, "open", id);
  CHECK(barn.thing.heard() == "PUBREC 7");
  barn.thing.say(HR_SN_PUBLISH, kQos2 | HR_SN_DUP, 7, "open", id);
  CHECK(barn.thing.heard() == "PUBREC 7");
  barn.thing.say(HR_SN_PUBREL, 7);
  CHECK(barn.thing.heard() == "PUBCOMP 7");
  barn.thing.say(HR_SN_PUBREL, 7);
  CHECK(barn.thing.heard() == "PUBCOMP 7");
  CHECK(barn.seen() == std::vector<std::string>{"barn/door=open"});
}

TEST_CASE("topics have ids of their own, two characters, or numbers that both sides know", "[gateway]") {
  Barn barn;
  barn.connect();
  barn.thing.say(HR_SN_PUBLISH, kQos1 | HR_SN_TOPIC_PREDEFINED, 1, "a", 1);
  CHECK(barn.thing.heard() == "PUBACK 1 c0");
  barn.thing.say(HR_SN_PUBLISH, kQos1 | HR_SN_TOPIC_SHORT, 2, "b", 0x6862);
  CHECK(barn.thing.heard() == "PUBACK 2 c0");
  CHECK(barn.seen() == std::vector<std::string>{"barn/door=a", "hb=b"});
  barn.thing.say(HR_SN_PUBLISH, kQos1, 3, "c", 77);
  CHECK(barn.thing.heard() == "PUBACK 3 c2");
  barn.thing.say(HR_SN_PUBLISH, kQos1 | HR_SN_TOPIC_PREDEFINED, 3, "c", 2);
  CHECK(barn.thing.heard() == "PUBACK 3 c2");
  CHECK(barn.registered("x") == barn.registered("x"));
}

TEST_CASE("what a topic may not be, or who may not, is answered as not supported", "[gateway]") {
  Barn barn;
  barn.connect();
  barn.thing.say(HR_SN_REGISTER, 0, 5, "a/#");
  CHECK(barn.thing.heard() == "REGACK 5 c3");
  const std::uint16_t id = barn.registered("forbidden");
  barn.thing.say(HR_SN_PUBLISH, kQos1, 6, "x", id);
  CHECK(barn.thing.heard() == "PUBACK 6 c3");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 7, "forbidden");
  CHECK(barn.thing.heard() == "SUBACK 7 c3");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 8, "a/#/b");
  CHECK(barn.thing.heard() == "SUBACK 8 c3");
  CHECK(barn.seen().empty());
}

TEST_CASE("a publish without a connection reaches the node by a known topic", "[gateway]") {
  Barn barn;
  barn.thing.say(HR_SN_PUBLISH, kQosMinus1 | HR_SN_TOPIC_PREDEFINED, 0, "open", 1);
  barn.thing.say(HR_SN_PUBLISH, kQosMinus1 | HR_SN_TOPIC_SHORT, 0, "1", 0x6862);
  CHECK(barn.seen() == std::vector<std::string>{"barn/door=open", "hb=1"});
  barn.thing.say(HR_SN_PUBLISH, kQosMinus1, 0, "x", 1);
  CHECK(barn.seen().empty());
  CHECK(barn.thing.heard().empty());
  CHECK(barn.harness.gateway->things() == 0);
}

TEST_CASE("a publish without a connection reaches the node after another client took the name of its connection",
          "[gateway]") {
  Barn barn;
  barn.thing.say(HR_SN_PUBLISH, kQosMinus1 | HR_SN_TOPIC_SHORT, 0, "1", 0x6862);
  CHECK(barn.seen() == std::vector<std::string>{"hb=1"});
  node::Arrived arrived;
  arrived.listener = "things";
  arrived.loopback = true;
  TestClient other{barn.harness.node, {.client_id = "things-without-connection"}, arrived};
  const bool is_noticed_before = GENERATE(false, true);
  if (is_noticed_before) barn.harness.advance(std::chrono::seconds{2});
  barn.thing.say(HR_SN_PUBLISH, kQosMinus1 | HR_SN_TOPIC_SHORT, 0, "2", 0x6862);
  barn.harness.advance(std::chrono::seconds{2});
  CHECK(barn.seen() == std::vector<std::string>{"hb=2"});
  CHECK(barn.harness.node.node->clients() == 3);  // the subscriber, the other one, and a new connection
}

TEST_CASE("what the transport cannot carry is left out, and the next message comes", "[gateway][G6]") {
  Barn barn;
  barn.harness.message_bytes_max = 200;
  barn.connect();
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "ab");
  CHECK(barn.thing.heard() == "SUBACK 5 c0");
  barn.program.send(encode(PublishSent{.topic = "ab", .payload = std::string(200, 'x'), .qos = 1, .packet_id = 1}));
  barn.program.send(encode(PublishSent{.topic = "ab", .payload = "short", .qos = 1, .packet_id = 2}));
  barn.harness.settle();
  barn.harness.advance(std::chrono::seconds{3});
  CHECK(barn.thing.heard() == "PUBLISH q1 short");
}

TEST_CASE("a thing gets what it subscribed to: registered first, one at a time", "[gateway]") {
  Barn barn;
  barn.connect();
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/+");
  CHECK(barn.thing.heard() == "SUBACK 5 c0");
  CHECK(barn.thing.message.topic_id == 0);
  barn.program.send(encode(PublishSent{.topic = "set/a", .payload = "1", .qos = 1, .packet_id = 1}));
  barn.program.send(encode(PublishSent{.topic = "set/a", .payload = "2", .qos = 1, .packet_id = 2}));
  barn.harness.settle();
  CHECK(barn.thing.heard() == "REGISTER set/a");
  const std::uint16_t id = barn.thing.message.topic_id;
  CHECK(barn.thing.heard().empty());
  barn.thing.say(HR_SN_REGACK, barn.thing.message.msg_id, id);
  CHECK(barn.thing.heard() == "PUBLISH q1 1");
  CHECK(barn.thing.message.topic_id == id);
  CHECK(barn.thing.heard().empty());
  barn.thing.say(HR_SN_PUBACK, barn.thing.message.msg_id, id);
  CHECK(barn.thing.heard() == "PUBLISH q1 2");
}

TEST_CASE("a subscription by name tells the id at once, and QoS 2 takes its four steps", "[gateway]") {
  Barn barn;
  barn.connect();
  barn.thing.say(HR_SN_SUBSCRIBE, kQos2, 5, "set/pump");
  CHECK(barn.thing.heard() == "SUBACK 5 c0");
  const std::uint16_t id = barn.thing.message.topic_id;
  CHECK(id != 0);
  barn.program.send(encode(PublishSent{.topic = "set/pump", .payload = "1", .qos = 2, .packet_id = 1}));
  barn.harness.settle();
  CHECK(barn.thing.heard() == "PUBLISH q2 1");
  CHECK(barn.thing.message.topic_id == id);
  const std::uint16_t msg_id = barn.thing.message.msg_id;
  barn.thing.say(HR_SN_PUBREC, msg_id);
  CHECK(barn.thing.heard() == "PUBREL " + std::to_string(msg_id));
  barn.thing.say(HR_SN_PUBCOMP, msg_id);
  CHECK(barn.thing.heard().empty());
  barn.thing.say(HR_SN_UNSUBSCRIBE, 0, 6, "set/pump");
  CHECK(barn.thing.heard() == "UNSUBACK 6");
}

TEST_CASE("what a thing does not answer is sent again with DUP; a thing that stays silent is lost", "[gateway]") {
  Barn barn;
  barn.thing.connect(HR_SN_CLEAN_SESSION | HR_SN_WILL);
  CHECK(barn.thing.heard() == "WILLTOPICREQ");
  barn.thing.say(HR_SN_WILLTOPIC, kQos1, 0, "barn/gone");
  CHECK(barn.thing.heard() == "WILLMSGREQ");
  barn.thing.say(HR_SN_WILLMSG, 0, 0, "yes");
  CHECK(barn.thing.heard() == "CONNACK c0");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/pump");
  barn.thing.heard();
  barn.program.send(encode(PublishSent{.topic = "set/pump", .payload = "1", .qos = 1, .packet_id = 1}));
  barn.harness.settle();
  CHECK(barn.thing.heard() == "PUBLISH q1 1");
  for (unsigned n = 0; n < gateway::kRetries; ++n) {
    barn.harness.advance(gateway::kRetryInterval);
    CHECK(barn.thing.heard() == "PUBLISH q1 dup 1");
  }
  barn.seen();
  barn.harness.advance(gateway::kRetryInterval);
  CHECK(barn.harness.gateway->things() == 0);
  barn.harness.advance(std::chrono::seconds{gateway::kWillDelayS});
  CHECK(barn.seen() == std::vector<std::string>{"barn/gone=yes"});
  barn.thing.say(HR_SN_PINGREQ);
  CHECK(barn.thing.heard() == "DISCONNECT");
}

TEST_CASE("a thing that says nothing for one and a half keep alives is lost, one that pings is not", "[gateway]") {
  Barn barn;
  barn.connect();
  for (unsigned n = 0; n < 5; ++n) {
    barn.harness.advance(std::chrono::seconds{80});
    barn.thing.say(HR_SN_PINGREQ);
    CHECK(barn.thing.heard() == "PINGRESP");
  }
  barn.harness.advance(std::chrono::seconds{90});
  CHECK(barn.harness.gateway->things() == 0);
}

TEST_CASE("a goodbye cancels the will", "[gateway]") {
  Barn barn;
  barn.thing.connect(HR_SN_CLEAN_SESSION | HR_SN_WILL);
  barn.thing.say(HR_SN_WILLTOPIC, kQos1, 0, "barn/gone");
  barn.thing.say(HR_SN_WILLMSG, 0, 0, "yes");
  barn.thing.say(HR_SN_DISCONNECT);
  barn.harness.advance(std::chrono::hours{1});
  CHECK(barn.seen().empty());
}

TEST_CASE("a will can be changed, and the new one is what is published", "[gateway]") {
  Barn barn;
  barn.thing.connect(HR_SN_WILL);
  barn.thing.say(HR_SN_WILLTOPIC, kQos1, 0, "barn/gone");
  barn.thing.say(HR_SN_WILLMSG, 0, 0, "yes");
  for (unsigned n = 0; n < 3; ++n) barn.thing.heard();
  barn.thing.say(HR_SN_WILLMSGUPD, 0, 0, "for good");
  CHECK(barn.thing.heard() == "WILLMSGRESP c0");
  CHECK(barn.seen().empty());
  barn.thing.say(HR_SN_WILLTOPICUPD, kQos1, 0, "barn/lost");
  CHECK(barn.thing.heard() == "WILLTOPICRESP c0");
  barn.harness.advance(std::chrono::seconds{90});
  barn.harness.advance(std::chrono::seconds{gateway::kWillDelayS});
  CHECK(barn.seen() == std::vector<std::string>{"barn/lost=for good"});
}

TEST_CASE("who publishes without a connection does so with his own rights, and takes nobody's place", "[gateway][G7]") {
  Barn barn;
  for (int round = 0; round < 3; ++round) {
    barn.harness.say("line 1", Bytes{8, HR_SN_PUBLISH, 0x62, 'h', 'a', 0, 0, '1'});
    barn.harness.say("line 2", Bytes{8, HR_SN_PUBLISH, 0x62, 'h', 'b', 0, 0, '2'}, "pump");
    barn.harness.say("line 3", Bytes{8, HR_SN_PUBLISH, 0x62, 'h', 'c', 0, 0, '3'}, "door");
    barn.harness.settle();
  }
  const std::vector<std::string> seen = barn.seen();
  CHECK(std::count(seen.begin(), seen.end(), "ha=1") == 3);
  CHECK(std::count(seen.begin(), seen.end(), "hb=2") == 3);
  CHECK(std::count(seen.begin(), seen.end(), "hc=3") == 3);
  CHECK(barn.harness.node.node->counters().connects == 4);  // the subscriber's, and one for each of the three
}

TEST_CASE("what comes for a sleeping thing waits in its session; live messages collapse to the latest", "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/pump");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 6, "set/fan");
  barn.thing.heard();
  barn.thing.heard();
  hr_sn_message sleep{};
  sleep.type = HR_SN_DISCONNECT;
  sleep.has_body = true;
  sleep.duration = 600;
  barn.thing.say(sleep);
  CHECK(barn.thing.heard() == "DISCONNECT");
  for (unsigned n = 1; n <= 3; ++n) {
    barn.program.send(encode(PublishSent{.topic = "set/fan", .payload = std::to_string(n)}));
    barn.program.send(encode(PublishSent{.topic = "set/pump", .payload = std::to_string(n), .qos = 1, .packet_id = n}));
    barn.harness.settle();
  }
  barn.harness.advance(std::chrono::seconds{800});
  CHECK(barn.thing.heard().empty());
  CHECK(barn.harness.gateway->things() == 1);
  const std::string_view id = "thing-1";
  barn.thing.say(HR_SN_PINGREQ, 0, 0, id);
  std::vector<std::string> got;
  for (std::string text = barn.thing.heard(); !text.empty(); text = barn.thing.heard()) {
    got.push_back(text);
    if (text.starts_with("PUBLISH q1")) barn.thing.say(HR_SN_PUBACK, barn.thing.message.msg_id);
  }
  CHECK(std::count(got.begin(), got.end(), "PUBLISH q0 3") == 1);
  CHECK(std::erase_if(got, [](const std::string& text) { return text.starts_with("PUBLISH q0"); }) == 1);
  CHECK(got == std::vector<std::string>{"PUBLISH q1 1", "PUBLISH q1 2", "PUBLISH q1 3"});
  barn.harness.advance(gateway::kMailGrace);
  CHECK(barn.thing.heard() == "PINGRESP");
  barn.harness.advance(std::chrono::seconds{901});
  CHECK(barn.harness.gateway->things() == 0);
}

TEST_CASE("of retained messages that a sleeping thing missed the newest of each topic comes, of others all",
          "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/pump");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 6, "set/fan");
  barn.thing.heard();
  barn.thing.heard();
  hr_sn_message sleep{};
  sleep.type = HR_SN_DISCONNECT;
  sleep.has_body = true;
  sleep.duration = 600;
  barn.thing.say(sleep);
  barn.thing.heard();
  const auto publish = [&](const char* topic, const std::string& payload, unsigned id, bool retain) {
    barn.program.send(
        encode(PublishSent{.topic = topic, .payload = payload, .qos = 1, .packet_id = id, .retain = retain}));
    barn.harness.settle();
  };
  for (unsigned n = 1; n <= 50; ++n) {
    publish("set/pump", "pump " + std::to_string(n), 2 * n, true);
    if (n <= 3) publish("set/fan", "fan " + std::to_string(n), 2 * n + 1, false);
  }
  enum class Wakes : std::uint8_t { kPing, kConnect, kConnectWithWill };
  switch (GENERATE(Wakes::kPing, Wakes::kConnect, Wakes::kConnectWithWill)) {
    case Wakes::kPing: barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1"); break;
    case Wakes::kConnect: barn.connect(0); break;
    case Wakes::kConnectWithWill: barn.connect_with_will(); break;
  }
  std::vector<std::string> got;
  for (std::string text = barn.thing.heard(); !text.empty(); text = barn.thing.heard()) {
    if (text.starts_with("REGISTER"))
      barn.thing.say(HR_SN_REGACK, barn.thing.message.msg_id, barn.thing.message.topic_id);
    if (text.starts_with("PUBLISH")) got.push_back(text);
    if (text.starts_with("PUBLISH q1")) barn.thing.say(HR_SN_PUBACK, barn.thing.message.msg_id);
  }
  // The first one had been sent by the node before, which completes it.
  CHECK(got == std::vector<std::string>{"PUBLISH q1 pump 1", "PUBLISH q1 fan 1", "PUBLISH q1 fan 2", "PUBLISH q1 fan 3",
                                        "PUBLISH q1 pump 50"});
}

TEST_CASE("the will of a thing that fetched its mail is still published when it is lost", "[gateway]") {
  Barn barn;
  barn.thing.connect(HR_SN_WILL, 60);
  barn.thing.say(HR_SN_WILLTOPIC, kQos1, 0, "barn/gone");
  barn.thing.say(HR_SN_WILLMSG, 0, 0, "thing-1");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/pump");
  hr_sn_message sleep{};
  sleep.type = HR_SN_DISCONNECT;
  sleep.has_body = true;
  sleep.duration = 600;
  barn.thing.say(sleep);
  barn.program.send(encode(PublishSent{.topic = "set/pump", .payload = "on", .qos = 1, .packet_id = 1}));
  barn.harness.settle();
  barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1");
  std::size_t messages = 0;
  for (std::string text = barn.thing.heard(); !text.empty(); text = barn.thing.heard()) {
    if (text.starts_with("PUBLISH q1")) barn.thing.say(HR_SN_PUBACK, barn.thing.message.msg_id);
    messages += text == "PUBLISH q1 on" ? 1U : 0U;
  }
  CHECK(messages == 1);
  barn.harness.advance(gateway::kMailGrace);
  barn.program.received();
  barn.harness.advance(std::chrono::seconds{901});
  barn.harness.advance(std::chrono::seconds{gateway::kWillDelayS});
  CHECK(barn.program.messages() == std::vector<std::string>{"barn/gone=thing-1"});
}

TEST_CASE("the will of a thing that wakes is not published because the disk is slow", "[gateway]") {
  Barn barn;
  barn.connect_with_will();
  barn.subscribe("set/pump");
  barn.sleep();
  barn.publish({.topic = "set/pump", .payload = "on", .qos = 1, .packet_id = 1});
  barn.program.received();
  SECTION("to write the new connection's will") {
    barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1", 0, false);
    barn.wait(std::chrono::seconds{2});
  }
  SECTION("so that nobody is read from") {
    barn.harness.node.pending = node::kStorePendingBytesMax + 1;
    barn.program.send({0xC0, 0x00});
    barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1");
    barn.harness.advance(std::chrono::seconds{gateway::kWillDelayS + 1});
    CHECK(barn.thing.heard().empty());
    barn.harness.node.pending = 0;
    barn.harness.advance(std::chrono::seconds{1});
  }
  barn.harness.settle();
  CHECK(barn.heard_all() == std::vector<std::string>{"PUBLISH q1 on"});
  barn.harness.advance(gateway::kMailGrace);
  CHECK(barn.thing.heard() == "PINGRESP");
  barn.harness.advance(std::chrono::seconds{gateway::kWillDelayS});
  CHECK(barn.seen().empty());
  // It is still set.
  barn.harness.advance(std::chrono::seconds{901});
  barn.harness.advance(std::chrono::seconds{gateway::kWillDelayS});
  CHECK(barn.seen() == std::vector<std::string>{"barn/gone=thing-1"});
}

TEST_CASE("the will of a thing that the node does not let wake is not published", "[gateway]") {
  Barn barn;
  barn.connect_with_will();
  barn.subscribe("set/pump");
  barn.sleep();
  barn.publish({.topic = "set/pump", .payload = "on", .qos = 1, .packet_id = 1});
  barn.program.received();
  barn.harness.node.access.forbidden = "barn/gone";
  barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1");
  CHECK(barn.thing.heard() == "DISCONNECT");
  CHECK(barn.harness.gateway->things() == 0);
  barn.harness.node.access.forbidden.clear();
  barn.harness.advance(std::chrono::hours{1});
  CHECK(barn.seen().empty());
}

TEST_CASE("a thing that fetches its mail is not sent back to sleep before the disk was read", "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.subscribe("set/pump");
  barn.sleep();
  barn.publish({.topic = "set/pump", .payload = "on", .qos = 1, .packet_id = 1});
  barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1", 0, false);
  barn.harness.node.commit();
  barn.harness.gateway->run(barn.harness.node.now);
  barn.wait(gateway::kMailGrace);
  barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1", 0, false);
  CHECK(barn.thing.heard().empty());
  barn.harness.settle();
  CHECK(barn.heard_all() == std::vector<std::string>{"PUBLISH q1 on"});
  barn.harness.advance(gateway::kMailGrace);
  CHECK(barn.thing.heard() == "PINGRESP");
}

TEST_CASE("a message that expired before a sleeping thing heard of it does not come", "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.subscribe("set/pump");
  barn.sleep();
  barn.publish({.topic = "set/pump", .payload = "now", .qos = 1, .packet_id = 1, .properties = {0x02, 0, 0, 0, 10}});
  const bool is_followed = GENERATE(false, true);
  if (is_followed) barn.publish({.topic = "set/pump", .payload = "later", .qos = 1, .packet_id = 2});
  barn.harness.advance(std::chrono::seconds{60});
  barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1");
  CHECK(barn.heard_all() == (is_followed ? std::vector<std::string>{"PUBLISH q1 later"} : std::vector<std::string>{}));
  barn.harness.advance(gateway::kMailGrace);
  CHECK(barn.thing.heard() == "PINGRESP");
  barn.thing.say(HR_SN_PINGREQ, 0, 0, "thing-1");
  barn.harness.advance(gateway::kMailGrace);
  CHECK(barn.heard_all() == std::vector<std::string>{"PINGRESP"});
}

TEST_CASE("a change of a will that is not there leaves the next CONNECT its answer", "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.thing.say(HR_SN_WILLMSGUPD, 0, 0, "for good");
  CHECK(barn.thing.heard() == "WILLMSGRESP c3");
  barn.connect(0);
}

TEST_CASE("live messages that waited for a sleeping thing come when it connects with a will", "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.subscribe("set/pump");
  barn.sleep();
  barn.publish({.topic = "set/pump", .payload = "on"});
  barn.connect_with_will();
  CHECK(barn.heard_all() == std::vector<std::string>{"REGISTER set/pump", "PUBLISH q0 on"});
}

TEST_CASE("a thing may sleep for longer than the keep alive that clients are held to", "[gateway]") {
  GatewayHarness harness;
  NodeHarness& board = harness.node;
  config::Config config;
  config.channels = {config::system_channel(), config::default_channel()};
  auto state = node::load_state(*board.engine, board.session_store, board.wall);
  REQUIRE(state);
  harness.gateway.reset();
  std::uint64_t random = 0;
  board.node =
      std::make_unique<node::Node>(board.now,
                                   node::NodeSettings{.mesh = "orchard",
                                                      .name = "gw-barn",
                                                      .version = "test",
                                                      .connection_limits = {.keep_alive_max_s = 5},
                                                      .limits = {}},
                                   node::NodePorts{.store = board,
                                                   .access = board.access,
                                                   .read_hasher = board.read_hasher,
                                                   .compressor = board.compressor,
                                                   .wall_clock = [&] { return board.wall; },
                                                   .random = [&] { return ++random; },
                                                   .log = [](const std::string&) {},
                                                   .on_deadline = [] {},
                                                   .on_fatal = [](const Error&) {}},
                                   node::ChannelTable(config.channels, board.engine->channels()), std::move(*state));
  harness.start();
  RawThing thing{harness};
  thing.connect(0);
  REQUIRE(thing.heard() == "CONNACK c0");
  hr_sn_message sleep{};
  sleep.type = HR_SN_DISCONNECT;
  sleep.has_body = true;
  sleep.duration = 600;
  thing.say(sleep);
  CHECK(thing.heard() == "DISCONNECT");
  harness.advance(std::chrono::seconds{60});
  CHECK(harness.gateway->things() == 1);
  CHECK(thing.heard().empty());
}

TEST_CASE("a thing behind a forwarder is answered through it", "[gateway]") {
  Barn barn;
  const Bytes header = {0x05, 0xFE, 0x01, 0xAB, 0xCD};
  Bytes connect = header;
  append(connect, Bytes{0x0A, 0x04, 0x04, 0x01, 0x00, 0x3C, 'p', 'u', 'm', 'p'});
  barn.harness.say("10.0.0.9:1", connect);
  barn.harness.settle();
  Bytes expected = header;
  append(expected, Bytes{0x03, 0x05, 0x00});
  REQUIRE(barn.harness.sent["10.0.0.9:1"].size() == 1);
  CHECK(barn.harness.sent["10.0.0.9:1"].front() == expected);
}

TEST_CASE("gateways are found, and say so", "[gateway]") {
  Barn barn;
  barn.thing.say(HR_SN_SEARCHGW);
  CHECK(barn.thing.heard() == "GWINFO c1");
  barn.harness.advance(std::chrono::seconds{1});
  REQUIRE(barn.harness.broadcast.size() == 1);
  CHECK(to_hex(barn.harness.broadcast.front()) == "0500010384");
}

TEST_CASE("strangers are told to connect, rubbish is counted", "[gateway]") {
  Barn barn;
  barn.thing.say(HR_SN_PUBLISH, kQos1, 1, "x", 1);
  CHECK(barn.thing.heard() == "DISCONNECT");
  barn.harness.say("10.0.0.7:4000", Bytes{1, 2, 3});
  CHECK(barn.harness.gateway->malformed() == 1);
  CHECK(barn.thing.heard().empty());
}

TEST_CASE("a thing that connects from another place takes its session with it", "[gateway]") {
  Barn barn;
  barn.connect(0);
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/pump");
  barn.thing.heard();
  RawThing moved{barn.harness, "10.0.0.8:4000"};
  moved.connect(0);
  CHECK(moved.heard() == "CONNACK c0");
  CHECK(barn.thing.heard() == "DISCONNECT");
  barn.program.send(encode(PublishSent{.topic = "set/pump", .payload = "1", .qos = 1, .packet_id = 1}));
  barn.harness.settle();
  CHECK(moved.heard() == "REGISTER set/pump");
}

}  // namespace
}  // namespace hedgerow::test
