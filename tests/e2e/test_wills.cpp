// Wills: published when the connection dies, cancelled when the client says goodbye or comes back, kept on disk.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"

namespace hedgerow::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr unsigned kSessionExpiry = 0x11;
constexpr unsigned kWillDelay = 0x18;

Bytes session_expiry(std::uint32_t time_s) { return property(kSessionExpiry, u32(time_s)); }
Bytes will_delay(std::uint32_t time_s) { return property(kWillDelay, u32(time_s)); }

class Node {
 public:
  Node() {
    daemon.start();
    watcher.emplace(daemon.port());
    watcher->connect({.client_id = "watcher", .clean_start = true, .properties = session_expiry(3600)});
    watcher->subscribe({{"will", 2}, {"marker", 2}});
  }
  // What comes first: the will, or a marker that is published after `before`.
  std::string first_after_marker() {
    mosquitto_pub(daemon.port(), "marker", "marker", {"-q", "1"});
    const auto message = watcher->next_message();
    return message ? message->payload : "nothing";
  }
  // A connected client that will die.
  RawClient client(const WillSent& will, const Bytes& properties = {}, bool clean_start = true,
                   mqtt::Protocol protocol = mqtt::Protocol::kV5) {
    RawClient out(daemon.port());
    const Received connack = out.connect(with_will(
        {.protocol = protocol, .client_id = "dying", .clean_start = clean_start, .properties = properties}, will));
    CHECK(connack.code() == 0);
    return out;
  }
  // After kill -9: the watcher comes back to its session.
  void restart() {
    daemon.kill();
    daemon.start();
    watcher.emplace(daemon.port());
    CHECK(watcher->connect({.client_id = "watcher", .clean_start = false, .properties = session_expiry(3600)})
              .session_present);
  }

  Daemon daemon{{}};
  std::optional<RawClient> watcher;
};

}  // namespace

TEST_CASE_METHOD(Node, "the will of a client that died is published", "[e2e][MQTT-3.1.2-8]") {
  const auto protocol = GENERATE(mqtt::Protocol::kV311, mqtt::Protocol::kV5);
  const unsigned qos = GENERATE(0U, 1U, 2U);
  RawClient dying = client({.qos = qos}, {}, true, protocol);
  dying.close();
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(message->topic == "will");
  CHECK(message->payload == "gone");
  CHECK(message->qos == qos);
}

TEST_CASE_METHOD(Node, "the will of a program ended by kill -9 is published", "[e2e][MQTT-3.1.2-8]") {
  MosquittoSub dying(daemon.port(), {"any"},
                     {"--will-topic", "will", "--will-payload", "killed", "--will-qos", "1", "-V", "mqttv5"});
  dying.process().signal(SIGKILL);
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(message->payload == "killed");
}

TEST_CASE_METHOD(Node, "a client that says goodbye takes its will along", "[e2e][MQTT-3.14.4-3][MQTT-3.1.2-10]") {
  const auto protocol = GENERATE(mqtt::Protocol::kV311, mqtt::Protocol::kV5);
  RawClient dying = client({}, {}, true, protocol);
  dying.disconnect();
  CHECK(first_after_marker() == "marker");
}

TEST_CASE_METHOD(Node, "a client that has no will leaves none", "[e2e][MQTT-3.1.2-12]") {
  RawClient dying(daemon.port());
  dying.connect({.client_id = "dying"});
  dying.close();
  CHECK(first_after_marker() == "marker");
}

TEST_CASE_METHOD(Node, "a client may ask for its will at goodbye", "[e2e][MQTT-3.1.2-8]") {
  RawClient dying = client({});
  dying.disconnect(u8(0x04));
  CHECK(first_after_marker() == "gone");
}

TEST_CASE_METHOD(Node, "a client that is silent for one and a half keep alives dies, and its will is published",
                 "[e2e][MQTT-3.1.2-22]") {
  RawClient silent(daemon.port());
  silent.connect(with_will({.client_id = "silent", .keep_alive_s = 1}, {}));
  const auto before = steady_clock::now();
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(steady_clock::now() - before > milliseconds{1400});
  CHECK(silent.closed_within());
}

TEST_CASE_METHOD(Node, "a protocol error ends the connection, and its will is published", "[e2e][MQTT-3.1.2-8]") {
  RawClient dying = client({});
  dying.send(encode(ConnectOut{.client_id = "dying"}));  // a second CONNECT [MQTT-3.1.0-2]
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(message->payload == "gone");
}

TEST_CASE_METHOD(Node, "a retained will is a retained message", "[e2e][MQTT-3.1.2-15]") {
  RawClient dying = client({.retain = true});
  dying.close();
  REQUIRE(watcher->next_message());
  MosquittoSub late(daemon.port(), {"will"}, {"-q", "1"});
  CHECK(late.next() == "1 1 will gone");
}

TEST_CASE_METHOD(Node, "a will goes out with its properties", "[e2e][MQTT-3.1.3-10]") {
  RawClient dying = client({.properties = concat(property(0x02, u32(100)), property(0x03, text("text/plain")),
                                                 user_property("b", "1"), user_property("a", "2"))});
  dying.close();
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(message->properties.text(0x03) == "text/plain");
  CHECK(message->properties.number(0x02) <= 100);
  CHECK(message->properties.user() == std::vector<std::pair<std::string, std::string>>{{"b", "1"}, {"a", "2"}});
}

TEST_CASE_METHOD(Node, "a will waits for its delay", "[e2e][MQTT-3.1.2-8]") {
  RawClient dying = client({.properties = will_delay(2)}, session_expiry(60));
  const auto before = steady_clock::now();
  dying.close();
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(message->payload == "gone");
  CHECK(steady_clock::now() - before > milliseconds{1900});
}

TEST_CASE_METHOD(Node, "a will waits no longer than its session lives", "[e2e][MQTT-3.1.2-8]") {
  RawClient dying = client({.properties = will_delay(3600)}, session_expiry(1));
  dying.close();
  CHECK(watcher->next_message(seconds{10}));
}

TEST_CASE_METHOD(Node, "a client that is back before the delay is over cancels its will", "[e2e][MQTT-3.1.3-9]") {
  RawClient dying = client({.properties = will_delay(2)}, session_expiry(60));
  dying.close();
  RawClient back(daemon.port());
  CHECK(back.connect({.client_id = "dying", .clean_start = false, .properties = session_expiry(60)}).session_present);
  CHECK_FALSE(watcher->next_message(seconds{4}));
}

TEST_CASE_METHOD(Node, "a take-over publishes a will without delay", "[e2e][MQTT-3.1.4-3]") {
  RawClient old = client({}, session_expiry(60));
  RawClient young(daemon.port());
  CHECK(young.connect({.client_id = "dying", .clean_start = false, .properties = session_expiry(60)}).session_present);
  const auto goodbye = old.wait_for(mqtt::PacketType::kDisconnect);
  REQUIRE(goodbye);
  CHECK(goodbye->code() == 0x8E);
  CHECK(old.closed_within());
  CHECK(first_after_marker() == "gone");
}

TEST_CASE_METHOD(Node, "a take-over that resumes the session leaves a delayed will unpublished",
                 "[e2e][MQTT-3.1.3-9]") {
  RawClient old = client({.properties = will_delay(1)}, session_expiry(60));
  RawClient young(daemon.port());
  CHECK(young.connect({.client_id = "dying", .clean_start = false, .properties = session_expiry(60)}).session_present);
  CHECK_FALSE(watcher->next_message(seconds{3}));
}

TEST_CASE_METHOD(Node, "a take-over with clean start ends the session, so that even a delayed will is published",
                 "[e2e][MQTT-3.1.4-3]") {
  RawClient old = client({.properties = will_delay(3600)}, session_expiry(3600));
  RawClient young(daemon.port());
  CHECK_FALSE(young.connect({.client_id = "dying", .clean_start = true}).session_present);
  CHECK(first_after_marker() == "gone");
}

TEST_CASE_METHOD(Node, "the wills of those who were connected are published after kill -9 of the daemon", "[e2e][G1]") {
  RawClient dying = client({.qos = 2});
  restart();
  const auto message = watcher->next_message();
  REQUIRE(message);
  CHECK(message->payload == "gone");
}

TEST_CASE_METHOD(Node, "a delayed will survives kill -9 of the daemon", "[e2e][G1]") {
  RawClient dying = client({.properties = will_delay(3)}, session_expiry(60));
  dying.close();
  restart();
  CHECK(watcher->next_message(seconds{15}));
}

TEST_CASE_METHOD(Node, "a will that was cancelled stays so after kill -9 of the daemon", "[e2e][G4]") {
  RawClient dying = client({});
  dying.disconnect();
  CHECK(first_after_marker() == "marker");
  restart();
  CHECK(first_after_marker() == "marker");
}

}  // namespace hedgerow::test
