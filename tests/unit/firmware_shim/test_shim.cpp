#include <array>
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/firmware_shim/scripted_port.hpp"

namespace hedgerow {
namespace {

constexpr std::size_t kTemperature = 0;
constexpr std::size_t kShort = 1;
constexpr std::array<const char*, 2> kTopics = {"barn/temperature", "hb"};
constexpr hr_shim_subscription kPump = {.filter = "barn/pump", .qos = 1};
constexpr hr_shim_will kWill = {.topic = "barn/gone", .message = "yes", .qos = 1, .retain = true};
constexpr std::array<std::uint8_t, 2> kOn = {'o', 'n'};
constexpr std::uint16_t kTopicId = 7;
constexpr std::uint16_t kPumpId = 9;

class Thing {
 public:
  explicit Thing(const hr_shim_subscription* subscription = nullptr, const hr_shim_will* will = nullptr) {
    config_.client_id = "thing-1";
    config_.keep_alive_s = 60;
    config_.will = will;
    config_.topics = kTopics.data();
    config_.topic_count = kTopics.size();
    config_.subscriptions = subscription;
    config_.subscription_count = subscription == nullptr ? 0 : 1;
    config_.context = this;
    config_.on_message = [](void* self, hr_sn_view topic, hr_sn_view payload) {
      const auto text = [](hr_sn_view view) {
        return std::string{reinterpret_cast<const char*>(view.data), view.size};
      };
      static_cast<Thing*>(self)->got.push_back(text(topic) + "=" + text(payload));
    };
    hr_shim_init(&shim, &config_, port.get(), store_.data(), store_.size());
  }

  std::uint32_t poll() { return hr_shim_poll(&shim); }
  void pass(std::uint32_t ms) {
    port.now_ms += ms;
    poll();
  }
  // What comes next is of this type.
  SnMessage expect(hr_sn_type type) {
    SnMessage message = port.sent();
    CHECK(message.fields.type == type);
    return message;
  }
  void go_online() {
    poll();
    expect(HR_SN_CONNECT);
    port.say(HR_SN_CONNACK);
    poll();
    if (config_.subscription_count != 0) {
      port.say(HR_SN_SUBACK, expect(HR_SN_SUBSCRIBE).fields.msg_id, kPumpId);
      poll();
    }
    port.say(HR_SN_REGACK, expect(HR_SN_REGISTER).fields.msg_id, kTopicId);
    poll();
    REQUIRE(shim.state == HR_SHIM_ONLINE);
  }
  // The line is dead for as long as it takes to notice.
  void lose_line() {
    while (shim.state != HR_SHIM_OFFLINE) {
      while (!port.quiet()) port.sent();
      pass(HR_SHIM_RETRY_MS);
    }
    while (!port.quiet()) port.sent();
    port.now_ms += HR_SHIM_RECONNECT_MAX_MS;
  }
  hr_sn_message inbound(std::uint8_t flags, std::uint16_t topic_id, std::uint16_t id) {
    hr_sn_message message{};
    message.type = HR_SN_PUBLISH;
    message.flags = flags;
    message.topic_id = topic_id;
    message.msg_id = id;
    message.tail = {.data = kOn.data(), .size = kOn.size()};
    return message;
  }
  hr_shim_result publish(std::string_view text, std::uint8_t qos = 1, std::size_t topic = kTemperature) {
    return hr_shim_publish(&shim, topic, qos, false, text.data(), text.size());
  }

  ScriptedPort port;
  hr_shim shim{};
  std::vector<std::string> got;

 private:
  hr_shim_config config_{};
  std::array<std::uint8_t, 64> store_{};
};

TEST_CASE("it connects with its will, subscribes and registers, one message at a time", "[shim]") {
  Thing thing{&kPump, &kWill};
  thing.poll();
  const SnMessage connect = thing.expect(HR_SN_CONNECT);
  CHECK(connect.fields.flags == HR_SN_WILL);
  CHECK(connect.fields.duration == 60);
  CHECK(as_text(connect.tail) == "thing-1");
  thing.port.say(HR_SN_WILLTOPICREQ);
  thing.poll();
  const SnMessage topic = thing.expect(HR_SN_WILLTOPIC);
  CHECK(as_text(topic.tail) == "barn/gone");
  CHECK(topic.fields.flags == (0x20U | HR_SN_RETAIN));
  thing.port.say(HR_SN_WILLMSGREQ);
  thing.poll();
  CHECK(as_text(thing.expect(HR_SN_WILLMSG).tail) == "yes");
  CHECK(thing.port.quiet());
  thing.port.say(HR_SN_CONNACK);
  thing.poll();
  CHECK(as_text(thing.expect(HR_SN_SUBSCRIBE).tail) == "barn/pump");
  CHECK(thing.port.quiet());
}

TEST_CASE("a publish waits until the gateway has it, and only then the next one goes", "[shim][G1]") {
  Thing thing;
  thing.go_online();
  CHECK(thing.publish("1") == HR_SHIM_DONE);
  CHECK(thing.publish("2") == HR_SHIM_DONE);
  thing.poll();
  const SnMessage first = thing.expect(HR_SN_PUBLISH);
  CHECK(as_text(first.tail) == "1");
  CHECK(first.fields.topic_id == kTopicId);
  CHECK(thing.port.quiet());
  thing.port.say(HR_SN_PUBACK, static_cast<std::uint16_t>(first.fields.msg_id + 1U), kTopicId);  // somebody else's
  thing.poll();
  CHECK(thing.port.quiet());
  thing.port.say(HR_SN_PUBACK, first.fields.msg_id, kTopicId);
  thing.poll();
  CHECK(as_text(thing.expect(HR_SN_PUBLISH).tail) == "2");
  CHECK(thing.shim.counts.acknowledged == 1);
}

TEST_CASE("what is not answered is sent again with DUP and the same id, also after a new connection", "[shim]") {
  Thing thing;
  thing.go_online();
  thing.publish("1");
  thing.poll();
  const std::uint16_t id = thing.expect(HR_SN_PUBLISH).fields.msg_id;
  for (unsigned n = 0; n < HR_SHIM_RETRIES; ++n) {
    thing.pass(HR_SHIM_RETRY_MS - 1);
    CHECK(thing.port.quiet());
    thing.pass(1);
    const SnMessage again = thing.expect(HR_SN_PUBLISH);
    CHECK(again.fields.msg_id == id);
    CHECK((again.fields.flags & HR_SN_DUP) != 0);
  }
  thing.lose_line();
  thing.go_online();
  const SnMessage again = thing.expect(HR_SN_PUBLISH);
  CHECK(again.fields.msg_id == id);
  CHECK((again.fields.flags & HR_SN_DUP) != 0);
}

TEST_CASE("QoS 2: once the gateway has it, only the release is repeated", "[shim]") {
  Thing thing;
  thing.go_online();
  thing.publish("1", 2);
  thing.poll();
  const std::uint16_t id = thing.expect(HR_SN_PUBLISH).fields.msg_id;
  thing.port.say(HR_SN_PUBREC, id);
  thing.poll();
  CHECK(thing.expect(HR_SN_PUBREL).fields.msg_id == id);
  thing.lose_line();
  thing.go_online();
  CHECK(thing.expect(HR_SN_PUBREL).fields.msg_id == id);
  CHECK(thing.shim.counts.acknowledged == 0);
  thing.port.say(HR_SN_PUBCOMP, id);
  thing.poll();
  CHECK(thing.shim.counts.acknowledged == 1);
  CHECK(hr_shim_waiting(&thing.shim) == 0);
}

TEST_CASE("a gateway that forgot a topic is told again, and gets the same message", "[shim]") {
  Thing thing;
  thing.go_online();
  thing.publish("1");
  thing.poll();
  const std::uint16_t id = thing.expect(HR_SN_PUBLISH).fields.msg_id;
  thing.port.say(HR_SN_PUBACK, id, kTopicId, HR_SN_INVALID_TOPIC_ID);
  thing.poll();
  thing.port.say(HR_SN_REGACK, thing.expect(HR_SN_REGISTER).fields.msg_id, 8);
  thing.poll();
  const SnMessage again = thing.expect(HR_SN_PUBLISH);
  CHECK(again.fields.topic_id == 8);
  CHECK(again.fields.msg_id == id);
}

TEST_CASE("a congested gateway gets the same message later, as often as it takes", "[shim]") {
  Thing thing;
  thing.go_online();
  thing.publish("1");
  thing.poll();
  for (unsigned n = 0; n < 3 * HR_SHIM_RETRIES; ++n) {
    thing.port.say(HR_SN_PUBACK, thing.expect(HR_SN_PUBLISH).fields.msg_id, kTopicId, HR_SN_CONGESTION);
    thing.poll();
    CHECK(thing.port.quiet());
    thing.pass(HR_SHIM_RETRY_MS);
  }
  CHECK(thing.shim.state == HR_SHIM_ONLINE);
}

TEST_CASE("what the gateway refuses for good is dropped and counted, and blocks nothing", "[shim][G6]") {
  Thing thing;
  thing.go_online();
  thing.publish("1");
  thing.publish("2", 1, kShort);
  thing.poll();
  thing.port.say(HR_SN_PUBACK, thing.expect(HR_SN_PUBLISH).fields.msg_id, kTopicId, HR_SN_NOT_SUPPORTED);
  thing.poll();
  CHECK(thing.shim.counts.refused == 1);
  const SnMessage second = thing.expect(HR_SN_PUBLISH);
  CHECK((second.fields.flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_SHORT);
  CHECK(second.fields.topic_id == 0x6862);
}

TEST_CASE("a topic that the gateway refuses takes its messages with it, no others", "[shim][G6]") {
  Thing thing;
  thing.publish("1");
  thing.publish("2", 1, kShort);
  thing.poll();
  thing.expect(HR_SN_CONNECT);
  thing.port.say(HR_SN_CONNACK);
  thing.poll();
  thing.port.say(HR_SN_REGACK, thing.expect(HR_SN_REGISTER).fields.msg_id, 0, HR_SN_NOT_SUPPORTED);
  thing.poll();
  CHECK(as_text(thing.expect(HR_SN_PUBLISH).tail) == "2");
  CHECK(thing.shim.counts.refused == 1);
}

TEST_CASE("a full store refuses, and loses nothing that it took", "[shim][G6]") {
  Thing thing;
  unsigned taken = 0;
  while (thing.publish("0123456789") == HR_SHIM_DONE) ++taken;
  CHECK(taken == 4);
  CHECK(thing.publish("0123456789") == HR_SHIM_FULL);
  thing.go_online();
  for (unsigned n = 0; n < taken; ++n) {
    thing.port.say(HR_SN_PUBACK, thing.expect(HR_SN_PUBLISH).fields.msg_id, kTopicId);
    thing.poll();
  }
  CHECK(thing.shim.counts.acknowledged == taken);
  CHECK(hr_shim_waiting(&thing.shim) == 0);
}

TEST_CASE("what cannot be sent at all is refused at once", "[shim]") {
  Thing thing;
  CHECK(thing.publish("1", 3) == HR_SHIM_INVALID);
  CHECK(thing.publish("1", 1, kTopics.size()) == HR_SHIM_INVALID);
  CHECK(thing.publish(std::string(HR_SHIM_FRAME_MAX - 8, 'x')) == HR_SHIM_INVALID);
}

TEST_CASE("a message of QoS 1 is delivered and answered, one of QoS 2 is delivered once", "[shim]") {
  Thing thing{&kPump};
  thing.go_online();
  thing.port.say(thing.inbound(0x20, kPumpId, 3));
  thing.poll();
  CHECK(thing.got == std::vector<std::string>{"barn/pump=on"});
  CHECK(thing.expect(HR_SN_PUBACK).fields.code == HR_SN_ACCEPTED);
  for (unsigned n = 0; n < 2; ++n) {
    thing.port.say(thing.inbound(0x40, kPumpId, 4));
    thing.poll();
    CHECK(thing.expect(HR_SN_PUBREC).fields.msg_id == 4);
  }
  CHECK(thing.got.size() == 2);
  thing.port.say(HR_SN_PUBREL, 4);
  thing.poll();
  CHECK(thing.expect(HR_SN_PUBCOMP).fields.msg_id == 4);
  thing.port.say(thing.inbound(0x40, kPumpId, 4));  // the id is free again
  thing.poll();
  CHECK(thing.got.size() == 3);
}

TEST_CASE("a topic that the gateway registers is known by its name; an unknown one is answered as such", "[shim]") {
  Thing thing{&kPump};
  thing.go_online();
  thing.port.say(thing.inbound(0x20, 55, 3));
  thing.poll();
  CHECK(thing.expect(HR_SN_PUBACK).fields.code == HR_SN_INVALID_TOPIC_ID);
  hr_sn_message name{};
  name.type = HR_SN_REGISTER;
  name.topic_id = 55;
  name.msg_id = 4;
  const ByteView text = as_bytes("barn/fan");
  name.tail = {.data = text.data(), .size = text.size()};
  thing.port.say(name);
  thing.poll();
  CHECK(thing.expect(HR_SN_REGACK).fields.code == HR_SN_ACCEPTED);
  thing.port.say(thing.inbound(0x20, 55, 5));
  thing.poll();
  CHECK(thing.got == std::vector<std::string>{"barn/fan=on"});
}

TEST_CASE("it pings in time, and comes back when nobody answers", "[shim]") {
  Thing thing;
  thing.go_online();
  const std::uint32_t wait = thing.poll();
  CHECK(wait <= 60'000);
  CHECK(wait >= 30'000);
  thing.pass(wait);
  thing.expect(HR_SN_PINGREQ);
  thing.port.say(HR_SN_PINGRESP);
  thing.poll();
  CHECK(thing.poll() >= 30'000);
  thing.lose_line();
  thing.go_online();
  CHECK(thing.shim.counts.connects == 2);
}

TEST_CASE("a gateway that says goodbye is connected to anew", "[shim]") {
  Thing thing;
  thing.go_online();
  thing.port.say(HR_SN_DISCONNECT);
  thing.poll();
  CHECK(thing.shim.state == HR_SHIM_OFFLINE);
  thing.port.now_ms += HR_SHIM_RECONNECT_MAX_MS;
  thing.go_online();
}

TEST_CASE("it sleeps once all is acknowledged, fetches its mail asleep, and a publish wakes it", "[shim]") {
  Thing thing{&kPump};
  thing.go_online();
  thing.publish("1");
  hr_shim_sleep(&thing.shim, 600);
  thing.poll();
  thing.port.say(HR_SN_PUBACK, thing.expect(HR_SN_PUBLISH).fields.msg_id, kTopicId);
  thing.poll();
  const SnMessage goodbye = thing.expect(HR_SN_DISCONNECT);
  CHECK(goodbye.fields.duration == 600);
  thing.port.say(HR_SN_DISCONNECT);
  CHECK(thing.poll() == HR_SHIM_NEVER);
  CHECK(thing.shim.state == HR_SHIM_ASLEEP);

  hr_shim_check_mail(&thing.shim);
  thing.poll();
  CHECK(as_text(thing.expect(HR_SN_PINGREQ).tail) == "thing-1");
  thing.port.say(thing.inbound(0x20, kPumpId, 3));
  thing.port.say(HR_SN_PINGRESP);
  thing.poll();
  CHECK(thing.got.size() == 1);
  thing.expect(HR_SN_PUBACK);
  CHECK(thing.shim.state == HR_SHIM_ASLEEP);

  thing.publish("2");
  thing.go_online();
  CHECK(as_text(thing.expect(HR_SN_PUBLISH).tail) == "2");
}

TEST_CASE("rubbish on the line is passed over", "[shim]") {
  Thing thing;
  thing.port.say_raw({0xFF, 0x00, 0x12});
  thing.port.say_raw({0x02});
  thing.go_online();
}

}  // namespace
}  // namespace hedgerow
