#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "daemon/node/limits.hpp"
#include "firmware-shim/gateway/limits.hpp"
#include "tests/unit/firmware_shim/barn.hpp"

namespace hedgerow::test {
namespace {

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
