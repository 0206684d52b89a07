// A barn with one thing, and a program that sees whatever is published. Thread rule: one test, one thread.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/firmware_shim/gateway_harness.hpp"

namespace hedgerow::test {

inline constexpr std::uint8_t kQos1 = 0x20;
inline constexpr std::uint8_t kQos2 = 0x40;
inline constexpr std::uint8_t kQosMinus1 = 0x60;

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

}  // namespace hedgerow::test
