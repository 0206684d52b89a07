// Documents and counters on real nodes, with Mosquitto's clients. DESIGN 1; G3, G4.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/process.hpp"
#include "tests/support/relay.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// As DESIGN 1 has it, and a counter.
constexpr const char* kChannels = R"([
    { "name": "default",   "filter": "#", "keep": { "age": "7d", "size": "64MiB" } },
    { "name": "setpoints", "filter": "setpoint/#", "merge": "document" },
    { "name": "counters",  "filter": "count/#", "merge": "counter" },
    { "name": "zigbee",    "filter": "zigbee2mqtt/#", "scope": "local" }
  ])";

bool is_linked(const Daemon& node, std::size_t count) {
  return node.wait_for_status([count](const StatusView& status) { return status.links_up() == count; });
}

// Two nodes; the second dials the first through a relay.
class MergingPair {
 public:
  explicit MergingPair(std::string channels_of_house = kChannels)
      : house({.node = "gw-house", .channels = std::move(channels_of_house)}) {
    authority.enrol(barn);
    authority.enrol(house);
    house.set_peers({wire.port()});
    barn.start();
    house.start();
    REQUIRE(is_linked(house, 1));
  }
  void part() {
    wire.cut();
    REQUIRE(is_linked(house, 0));
  }
  void meet() {
    wire.resume();
    REQUIRE(wait_for_equal_digests({&barn, &house}));
  }

  Authority authority;
  Daemon barn{{.node = "gw-barn", .channels = kChannels}};
  Relay wire{barn.tls_port()};
  Daemon house;
};

void set(const Daemon& node, const std::string& topic, const std::string& payload) {
  mosquitto_pub(node.port(), topic, payload, {"-q", "1", "-r"});
}

// The retained message, as a new subscriber gets it: without the QoS and the flag.
std::string retained(const Daemon& node, const std::string& topic) {
  MosquittoSub fresh(node.port(), {topic}, {"-q", "1"});
  const std::string got = fresh.next();
  const std::string prefix = "1 1 " + topic + " ";
  return got.starts_with(prefix) ? got.substr(prefix.size()) : got;
}

std::string get(const Daemon& node, const std::string& topic) {
  const Finished finished = run(Programs::native().command("hedgerow", {"--data", node.data().string(), "get", topic}));
  INFO(finished.error);
  REQUIRE(finished.status == ExitStatus{.code = 0, .signal = 0});
  return finished.out;
}

class AsItShouldBe : public MergingPair {};

class Contradicting : public MergingPair {
 public:
  Contradicting()
      : MergingPair(R"([{ "name": "default", "filter": "#" },
                        { "name": "setpoints", "filter": "setpoint/#", "merge": "counter" },
                        { "name": "counters", "filter": "count/+", "merge": "counter" }])") {}
};

}  // namespace

TEST_CASE_METHOD(AsItShouldBe, "members that two nodes changed while they were apart are all there",
                 "[e2e][document][G3]") {
  set(barn, "setpoint/barn", R"({"target":21,"mode":"heat","fan":{"speed":1}})");
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  part();
  set(barn, "setpoint/barn", R"({"target":22})");
  set(house, "setpoint/barn", R"({"fan":{"night":true}})");
  set(house, "setpoint/barn", R"({"mode":null})");
  meet();
  const std::string merged = R"({"fan":{"night":true,"speed":1},"target":22})";
  CHECK(retained(barn, "setpoint/barn") == merged);
  CHECK(retained(house, "setpoint/barn") == merged);
  CHECK_THAT(get(house, "setpoint/barn"), ContainsSubstring(merged));
}

TEST_CASE_METHOD(AsItShouldBe, "subscribers see the document that each change leads to", "[e2e][document]") {
  MosquittoSub here(barn.port(), {"setpoint/#"}, {"-q", "1"});
  MosquittoSub there(house.port(), {"setpoint/#"}, {"-q", "1"});
  set(barn, "setpoint/a", R"({"x":1})");
  CHECK(here.next() == R"(1 0 setpoint/a {"x":1})");
  CHECK(there.next() == R"(1 0 setpoint/a {"x":1})");
  set(house, "setpoint/a", R"({"y":2})");
  CHECK(there.next() == R"(1 0 setpoint/a {"x":1,"y":2})");
  CHECK(here.next() == R"(1 0 setpoint/a {"x":1,"y":2})");
  mosquitto_pub(barn.port(), "setpoint/a", "", {"-q", "1", "-r"});
  CHECK(there.next() == "1 0 setpoint/a ");
}

TEST_CASE_METHOD(AsItShouldBe, "a counter counts each publish once, over kills and a cut wire",
                 "[e2e][counter][G1][G3]") {
  int sum = 0;
  const auto add = [&](const Daemon& node, int amount) {
    set(node, "count/gate", std::to_string(amount));
    sum += amount;
  };
  for (int i = 0; i < 5; ++i) {
    add(barn, 1);
    add(house, 10);
  }
  barn.restart();
  part();
  for (int i = 0; i < 5; ++i) {
    add(barn, 1);
    add(house, 10);
    if (i == 2) house.restart();
  }
  barn.restart();
  meet();
  CHECK(retained(barn, "count/gate") == std::to_string(sum));
  CHECK(retained(house, "count/gate") == std::to_string(sum));
  mosquitto_pub(house.port(), "count/gate", "", {"-q", "1", "-r"});
  add(house, 3);
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  CHECK(retained(barn, "count/gate") == "3");
}

TEST_CASE_METHOD(AsItShouldBe, "a publish that does not merge is refused", "[e2e][document][counter]") {
  for (const auto& [topic, payload] :
       std::vector<std::pair<std::string, std::string>>{{"setpoint/a", "{"}, {"count/a", "many"}}) {
    const Finished finished = run({"mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", std::to_string(barn.port()),
                                   "-q", "1", "-r", "-t", topic, "-m", payload});
    CHECK_THAT(finished.out + finished.error, ContainsSubstring("Payload format invalid"));
    const Finished told =
        run(Programs::native().command("hedgerow", {"--data", barn.data().string(), "set", topic, payload}));
    CHECK(told.status == ExitStatus{.code = 1, .signal = 0});
    CHECK_THAT(told.error, ContainsSubstring(topic == "count/a" ? "decimal integer" : "at byte"));
  }
}

TEST_CASE_METHOD(Contradicting, "a channel that two nodes merge otherwise is an alarm on both, and kept apart",
                 "[e2e][document][counter][G3]") {
  const auto is_told = [](const StatusView& status) {
    std::string all;
    for (const std::string& alarm : status.alarms) all += alarm + "\n";
    return all.find("\"setpoints\" has merge") != std::string::npos &&
           all.find("\"counters\" has filter") != std::string::npos;
  };
  CHECK(barn.wait_for_status(is_told));
  CHECK(house.wait_for_status(is_told));
  set(barn, "setpoint/a", R"({"x":1})");
  set(house, "setpoint/a", "5");
  set(barn, "count/a", "2");
  set(house, "other", "x");
  MosquittoSub at_barn(barn.port(), {"other"}, {"-q", "1"});
  CHECK(at_barn.next() == "1 1 other x");
  CHECK(house.wait_for_status([&](const StatusView& status) {
    return status.channels.at("counters").digest == barn.status().channels.at("counters").digest;
  }));
  CHECK(retained(barn, "setpoint/a") == R"({"x":1})");
  CHECK(retained(house, "setpoint/a") == "5");
}

}  // namespace hedgerow::test
