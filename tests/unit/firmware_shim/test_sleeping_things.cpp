// Things that sleep: section 6.14 of MQTT-SN 1.2. Their mail, their wills, and what is no news any more.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "daemon/node/limits.hpp"
#include "firmware-shim/gateway/limits.hpp"
#include "tests/unit/firmware_shim/barn.hpp"

namespace hedgerow::test {
namespace {

void subscribe_to_both_and_sleep(Barn& barn) {
  barn.connect(0);
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 5, "set/pump");
  barn.thing.say(HR_SN_SUBSCRIBE, kQos1, 6, "set/fan");
  barn.thing.heard();
  barn.thing.heard();
  barn.sleep();
}

TEST_CASE("what comes for a sleeping thing waits in its session; live messages collapse to the latest", "[gateway]") {
  Barn barn;
  subscribe_to_both_and_sleep(barn);
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
  subscribe_to_both_and_sleep(barn);
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

}  // namespace
}  // namespace hedgerow::test
