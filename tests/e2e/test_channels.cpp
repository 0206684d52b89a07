// What a channel's policy makes of messages that were missed: `conflate`, `late` and `keep`.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/relay.hpp"

namespace hedgerow::test {
namespace {

using std::chrono::milliseconds;

ConnectOut persistent(const std::string& client_id, bool clean_start) {
  return {.client_id = client_id, .clean_start = clean_start, .properties = property(0x11, u32(3600))};
}

// Nothing is late where no clock can be trusted, and test machines often have no time service.
std::map<std::string, std::string> with_synchronised_clock() {
  std::map<std::string, std::string> out = {{"LD_PRELOAD", HEDGEROW_SYNCHRONISED_CLOCK}};
#if defined(__SANITIZE_ADDRESS__)
  const char* options = std::getenv("ASAN_OPTIONS");
  out["ASAN_OPTIONS"] = (options == nullptr ? std::string() : options + std::string(":")) + "verify_asan_link_order=0";
#endif
  return out;
}

class Node {
 public:
  explicit Node(std::string channels) : daemon({.channels = std::move(channels)}) { daemon.start(); }
  // A session that is away from now on.
  void leave_session(const std::vector<FilterSent>& filters) const {
    RawClient reader(daemon.port());
    REQUIRE(reader.connect(persistent("reader", true)).code() == 0);
    reader.subscribe(filters);
  }
  [[nodiscard]] RawClient come_back() const {
    RawClient reader(daemon.port());
    REQUIRE(reader.connect(persistent("reader", false)).session_present);
    return reader;
  }
  Daemon daemon;
};

class Conflated : public Node {
 public:
  Conflated()
      : Node(R"([{ "name": "default", "filter": "#" }, { "name": "cells", "filter": "cell/#", "conflate": true }])") {}
};

class Trimmed : public Node {
 public:
  Trimmed() : Node(R"([{ "name": "default", "filter": "#", "keep": { "size": "64KiB" } }])") {}
};

// Two nodes; the second dials the first through a relay. What rings at a door is late after a second.
class Doors {
 public:
  Doors() {
    authority.enrol(barn);
    authority.enrol(house);
    house.set_peers({wire.port()});
    barn.start();
    house.start();
  }
  void wait_for_links(std::size_t count) {
    REQUIRE(house.wait_for_status([count](const StatusView& status) { return status.links_up() == count; }));
  }

  static constexpr const char* kChannels =
      R"([{ "name": "default", "filter": "#", "late": "never" }, { "name": "doors", "filter": "door/#", "late": "1s" }])";
  Authority authority;
  Daemon barn{{.node = "gw-barn", .channels = kChannels, .environment = with_synchronised_clock()}};
  Daemon house{{.node = "gw-house", .channels = kChannels, .environment = with_synchronised_clock()}};
  Relay wire{barn.tls_port()};
};

// Two nodes; what is published below safe/ waits for both.
class SafeHouse {
 public:
  SafeHouse() {
    authority.enrol(barn);
    authority.enrol(house);
    house.set_peers({barn.tls_port()});
    barn.start();
    house.start();
  }
  void wait_for_links(std::size_t count) {
    REQUIRE(barn.wait_for_status([count](const StatusView& status) { return status.links_up() == count; }));
  }
  static std::optional<Received> publish(RawClient& writer, const std::string& payload) {
    writer.send(encode(PublishSent{.topic = "safe/a", .payload = payload, .qos = 1, .packet_id = 1}));
    return writer.wait_for(mqtt::PacketType::kPuback);
  }

  static constexpr const char* kChannels =
      R"([{ "name": "default", "filter": "#" }, { "name": "safe", "filter": "safe/#", "ack": "peer" }])";
  Authority authority;
  Daemon barn{{.node = "gw-barn", .channels = kChannels}};
  Daemon house{{.node = "gw-house", .channels = kChannels}};
};

}  // namespace

TEST_CASE_METHOD(Conflated,
                 "a session that was away gets only the latest value of each cell of a channel that conflates",
                 "[e2e]") {
  const bool killed = GENERATE(false, true);
  leave_session({{"cell/#", 1}, {"log/#", 1}});
  RawClient writer(daemon.port());
  REQUIRE(writer.connect({.client_id = "writer"}).code() == 0);
  const auto publish = [&](const std::string& topic, const std::string& payload, bool retain) {
    CHECK(writer.publish({.topic = topic, .payload = payload, .qos = 1, .retain = retain}) < 0x80);
  };
  for (const char* payload : {"1", "2", "3"}) {
    publish("cell/a", payload, true);
    publish("cell/b", payload, true);
    publish("log/c", payload, true);  // of a channel that does not
    publish("cell/event", payload, false);
  }
  publish("cell/b", "", true);  // a value that is gone is the latest, too
  if (killed) daemon.restart();
  RawClient reader = come_back();
  std::map<std::string, std::string> seen;
  while (seen["cell/b"] != "(empty)") {
    const auto message = reader.next_message();
    REQUIRE(message);
    seen[message->topic] += message->payload.empty() ? "(empty)" : message->payload;
  }
  CHECK(seen == std::map<std::string, std::string>{
                    {"cell/a", "3"}, {"cell/b", "(empty)"}, {"log/c", "123"}, {"cell/event", "123"}});
  CHECK_FALSE(reader.next_message(milliseconds{300}));
}

TEST_CASE_METHOD(Conflated, "a session that is there gets every value of a channel that conflates", "[e2e]") {
  MosquittoSub reader(daemon.port(), {"cell/#"}, {"-q", "1", "-c", "-i", "reader"});
  for (const char* payload : {"1", "2", "3"}) {
    mosquitto_pub(daemon.port(), "cell/a", payload, {"-q", "1", "-r"});
    CHECK(reader.next() == std::string("1 0 cell/a ") + payload);
  }
}

TEST_CASE_METHOD(Trimmed, "a session that was away gets what keep has left, without a hole in it", "[e2e][G6]") {
  constexpr int kCount = 200;
  leave_session({{"log", 1}});
  RawClient writer(daemon.port());
  REQUIRE(writer.connect({.client_id = "writer"}).code() == 0);
  for (int i = 0; i < kCount; ++i) {
    const std::string payload = std::to_string(i) + std::string(1000, '.');
    CHECK(writer.publish({.topic = "log", .payload = payload, .qos = 1}) < 0x80);
  }
  daemon.restart();  // looks at keep soon after its start, else every ten seconds
  const auto oldest = [&] {
    RawClient looker(daemon.port());
    REQUIRE(looker.connect({.client_id = "looker"}).code() == 0);
    looker.subscribe({{"log", 1}}, user_property("hedgerow-replay", "1h"));
    const auto message = looker.next_message();
    REQUIRE(message);
    return std::stoi(message->payload);
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  constexpr int kLeft = 80;  // at most: 64 KiB are some sixty of them
  while (oldest() < kCount - kLeft && std::chrono::steady_clock::now() < deadline) {
  }
  RawClient reader = come_back();
  auto message = reader.next_message();
  REQUIRE(message);
  int next = std::stoi(message->payload);
  CHECK(next >= kCount - kLeft);
  while (++next < kCount) {
    message = reader.next_message();
    REQUIRE(message);
    CHECK(std::stoi(message->payload) == next);
  }
  CHECK_FALSE(reader.next_message(milliseconds{300}));
}

TEST_CASE_METHOD(Doors,
                 "what comes late from another node goes to sessions that last, to replays and into the cell only",
                 "[e2e][slow]") {
  MosquittoSub passing(house.port(), {"door/#", "marker"}, {"-q", "1"});
  MosquittoSub lasting(house.port(), {"door/#", "marker"}, {"-q", "1", "-c", "-i", "display"});
  wait_for_links(1);
  wire.cut();
  wait_for_links(0);
  mosquitto_pub(barn.port(), "door/bell", "rung", {"-q", "1"});
  mosquitto_pub(barn.port(), "door/state", "open", {"-q", "1", "-r"});
  // When something came is known to within five seconds (node/arrival_times.hpp): wait longer than that.
  MosquittoSub at_barn(barn.port(), {"nothing"});
  CHECK(at_barn.next(milliseconds{7000}).empty());
  wire.resume();
  mosquitto_pub(barn.port(), "marker", "1", {"-q", "1"});
  CHECK(passing.next() == "1 0 marker 1");
  std::set<std::string> seen;
  for (int i = 0; i < 3; ++i) seen.insert(lasting.next());
  CHECK(seen == std::set<std::string>{"1 0 door/bell rung", "1 0 door/state open", "1 0 marker 1"});
  MosquittoSub cell(house.port(), {"door/state"}, {"-q", "1"});
  CHECK(cell.next() == "1 1 door/state open");
  MosquittoSub replay(house.port(), {"door/bell"},
                      {"-V", "mqttv5", "-q", "1", "-D", "subscribe", "user-property", "hedgerow-replay", "1h"});
  CHECK(replay.next() == "1 0 door/bell rung");
  // In time, it comes to everybody; and before it, nothing else has.
  mosquitto_pub(barn.port(), "door/bell", "rung again", {"-q", "1"});
  CHECK(passing.next() == "1 0 door/bell rung again");
}

TEST_CASE_METHOD(SafeHouse, "with ack peer a publish waits for another node's disk, and says so when none came",
                 "[e2e][G1]") {
  wait_for_links(1);
  RawClient writer(barn.port());
  REQUIRE(writer.connect({.client_id = "writer"}).code() == 0);
  for (int i = 0; i < 20; ++i) {
    const auto ack = publish(writer, std::to_string(i));
    REQUIRE(ack);
    CHECK(ack->properties.user().empty());
  }
  house.kill();  // it has them all
  const auto alone = publish(writer, "alone");
  REQUIRE(alone);
  CHECK(alone->code() == 0);
  CHECK(alone->properties.user() == std::vector{std::pair<std::string, std::string>{"hedgerow-ack", "local"}});
  barn.kill();
  house.start();
  RawClient reader(house.port());
  REQUIRE(reader.connect({.client_id = "reader"}).code() == 0);
  reader.subscribe({{"safe/#", 1}}, user_property("hedgerow-replay", "1h"));
  for (int i = 0; i < 20; ++i) {
    const auto message = reader.next_message();
    REQUIRE(message);
    CHECK(message->payload == std::to_string(i));
  }
}

}  // namespace hedgerow::test
