// Definitions of channels are the mesh's: `hedgerow channel apply` and `list` on real nodes. DESIGN 1.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/process.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

Finished hedgerow(const Daemon& node, std::vector<std::string> words) {
  words.insert(words.begin(), {"--data", node.data().string()});
  return run(Programs::native().command("hedgerow", words));
}

Finished apply(const Daemon& node, const std::string& text) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "channels.json";
  std::ofstream(file) << text;
  return hedgerow(node, {"channel", "apply", file.string()});
}

// Asks until the node's list holds.
bool lists(const Daemon& node, const std::function<bool(const std::string& json)>& holds) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (holds(hedgerow(node, {"channel", "list", "--json"}).out)) return true;
  }
  return false;
}

bool lists(const Daemon& node, const std::string& what) {
  return lists(node, [&](const std::string& json) { return json.find(what) != std::string::npos; });
}

// The mesh knows all that the node keeps.
bool has_seeded(const Daemon& node) {
  return lists(node, [](const std::string& json) {
    return !json.empty() && json.find("not yet known to other nodes") == std::string::npos;
  });
}

bool has_alarm(const Daemon& node, const std::string& what) {
  return node.wait_for_status([&](const StatusView& status) {
    return std::any_of(status.alarms.begin(), status.alarms.end(),
                       [&](const std::string& alarm) { return alarm.find(what) != std::string::npos; });
  });
}

// Three nodes; the others dial the first.
class Three {
 public:
  explicit Three(std::string of_barn = {}, std::string of_house = {})
      : barn({.node = "gw-barn", .channels = std::move(of_barn)}),
        house({.node = "gw-house", .channels = std::move(of_house)}) {
    for (Daemon* node : {&barn, &house, &shed}) authority.enrol(*node);
    house.set_peers({barn.tls_port()});
    shed.set_peers({barn.tls_port()});
    barn.start();
    house.start();
    shed.start();
    REQUIRE(barn.wait_for_status([](const StatusView& status) { return status.links_up() == 2; }));
  }
  void restart_all() {
    for (Daemon* node : {&barn, &house, &shed}) node->restart();
    REQUIRE(barn.wait_for_status([](const StatusView& status) { return status.links_up() == 2; }));
  }

  Authority authority;
  Daemon barn;
  Daemon house;
  Daemon shed{{.node = "gw-shed"}};
};

class Contradicting : public Three {
 public:
  Contradicting()
      : Three(R"([{ "name": "doors", "filter": "door/#" }])", R"([{ "name": "doors", "filter": "gate/#" }])") {}
};

constexpr const char* kSensors = R"([{ "name": "sensors", "filter": "sensor/#" }])";
constexpr const char* kAll =
    R"([{ "name": "sensors", "filter": "sensor/#" }, { "name": "video", "filter": "video/#" },
        { "name": "tallies", "filter": "tally/#", "merge": "counter" }])";

// Two ends that keep "video" and "tallies", which the one on the way between them leaves out.
class Line {
 public:
  explicit Line(std::string settings_of_middle = R"("spool": { "age": "24h", "size": "16MiB" })")
      : middle({.node = "gw-middle", .channels = kSensors, .settings = std::move(settings_of_middle)}) {
    for (Daemon* node : {&west, &middle, &east}) authority.enrol(*node);
    west.set_peers({middle.tls_port()});
    east.set_peers({middle.tls_port()});
    west.start();
    middle.start();
    for (const char* told : {"\"name\":\"video\"", "\"name\":\"tallies\""}) REQUIRE(lists(middle, told));
  }
  static bool is_level(const Daemon& node, const Daemon& with, const std::string& channel = "video") {
    return node.wait_for_status([&](const StatusView& status) {
      const StatusView other = with.status();
      const auto here = status.channels.find(channel);
      const auto there = other.channels.find(channel);
      return here != status.channels.end() && there != other.channels.end() && here->second.behind == 0 &&
             here->second.digest == there->second.digest;
    });
  }
  // QoS 1, retained; acknowledged.
  static void publish(const Daemon& node, const std::string& topic, const std::string& payload) {
    mosquitto_pub(node.port(), topic, payload, {"-q", "1", "-r"});
  }

  Authority authority;
  Daemon west{{.node = "gw-west", .channels = kAll}};
  Daemon middle;
  Daemon east{{.node = "gw-east", .channels = kAll}};
};

class LineWithSmallSpool : public Line {
 public:
  LineWithSmallSpool() : Line(R"("spool": { "size": "64KiB" })") {}
};

class LineWithoutSpool : public Line {
 public:
  LineWithoutSpool() : Line(std::string{}) {}
};

constexpr const char* kTallies =
    R"({ // what is counted
  "channels": [{ "name": "tallies", "filter": "tally/#", "merge": "counter" }] })";

}  // namespace

TEST_CASE_METHOD(Three, "a channel that is applied on one node is on every node after a restart", "[e2e][G3]") {
  const Finished applied = apply(barn, kTallies);
  INFO(applied.error);
  REQUIRE(applied.status == ExitStatus{.code = 0, .signal = 0});
  CHECK_THAT(applied.out, ContainsSubstring("channel tallies: version 1"));
  for (const Daemon* node : {&barn, &house, &shed}) {
    REQUIRE(lists(*node, R"("version":1,"name":"tallies")"));
    REQUIRE(has_alarm(*node, "waits for a restart of this node"));
  }
  CHECK(apply(barn, kTallies).out.empty());
  restart_all();
  for (const Daemon* node : {&barn, &house, &shed}) {
    REQUIRE(node->wait_for_status([](const StatusView& status) { return status.channels.contains("tallies"); }));
    CHECK(node->status().alarms.empty());
    mosquitto_pub(node->port(), "tally/apples", "2", {"-q", "1", "-r"});
  }
  REQUIRE(wait_for_equal_digests({&barn, &house, &shed}));
  CHECK(hedgerow(shed, {"get", "tally/apples"}).out == "6\n");
}

TEST_CASE_METHOD(Contradicting, "files that contradict each other are an alarm where the mesh took the other",
                 "[e2e][G3]") {
  REQUIRE(has_seeded(barn));
  REQUIRE(has_seeded(house));
  const auto contradicts = [](const Daemon& node) {
    const auto alarms = node.status().alarms;
    return std::any_of(alarms.begin(), alarms.end(), [](const std::string& alarm) {
      return alarm.find("the configuration says filter") != std::string::npos;
    });
  };
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (contradicts(barn) == contradicts(house) && std::chrono::steady_clock::now() < end) {
  }
  CHECK(contradicts(barn) != contradicts(house));
}

TEST_CASE_METHOD(Contradicting, "apply settles what files contradict each other in", "[e2e][G3]") {
  REQUIRE(has_seeded(house));
  REQUIRE(apply(house, R"({ "channels": [{ "name": "doors", "filter": "door/#" }] })").status ==
          ExitStatus{.code = 0, .signal = 0});
  REQUIRE(has_alarm(house, "the configuration says filter \"gate/#\", but version 1"));
  REQUIRE(lists(barn, R"("version":1,"name":"doors","filter":"door/#")"));
  restart_all();
  mosquitto_pub(house.port(), "door/front", "open", {"-q", "1", "-r"});
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  CHECK(hedgerow(barn, {"get", "door/front"}).out == "open\n");
}

TEST_CASE_METHOD(Three, "apply refuses what cannot be, and says where and why", "[e2e]") {
  const Finished wrong = apply(barn, "{ \"channels\": [{ \"name\": \"a\" }] }");
  CHECK(wrong.status == ExitStatus{.code = 1, .signal = 0});
  CHECK_THAT(wrong.error, ContainsSubstring("channels.json:1:"));
  const Finished merge = apply(barn, R"({ "channels": [{ "name": "default", "filter": "#", "merge": "counter" }] })");
  CHECK(merge.status == ExitStatus{.code = 1, .signal = 0});
  CHECK_THAT(merge.error, ContainsSubstring("give the channel another name"));
  CHECK_THAT(hedgerow(barn, {"channel", "list"}).out, ContainsSubstring("default"));
}

TEST_CASE_METHOD(Line, "a node on the way passes on what it does not keep, while the next one is away", "[e2e][G3]") {
  REQUIRE(has_alarm(middle, "channel \"video\": the mesh's definition (filter \"video/#\") waits for a restart"));
  middle.restart();
  REQUIRE(lists(middle, "\"here\":\"spooled for other nodes\""));
  CHECK(middle.status().alarms.empty());
  publish(west, "video/door", "1");
  REQUIRE(is_level(middle, west));
  west.kill();
  middle.restart();
  east.start();
  REQUIRE(is_level(east, middle));
  CHECK(hedgerow(east, {"get", "video/door"}).out == "1\n");
  CHECK(hedgerow(middle, {"get", "video/#"}).out.empty());
  CHECK(hedgerow(middle, {"history", "video/#"}).out.empty());
  CHECK_THAT(hedgerow(middle, {"status"}).out, ContainsSubstring("mesh, spooled"));
}

TEST_CASE_METHOD(Line, "what a node passes on comes to the next one's clients and to none of its own", "[e2e][G3]") {
  middle.restart();
  east.start();
  REQUIRE(middle.wait_for_status([](const StatusView& status) { return status.links_up() == 2; }));
  MosquittoSub of_east(east.port(), {"video/#", "sensor/#"}, {"-q", "1"});
  MosquittoSub of_middle(middle.port(), {"video/#", "sensor/#"}, {"-q", "1"});
  mosquitto_pub(west.port(), "video/door", "1", {"-q", "1"});
  CHECK(of_east.next() == "1 0 video/door 1");
  mosquitto_pub(west.port(), "sensor/door", "2", {"-q", "1"});
  CHECK(of_east.next() == "1 0 sensor/door 2");
  CHECK(of_middle.next() == "1 0 sensor/door 2");
}

TEST_CASE_METHOD(Line, "a channel that was spooled is there when it is kept, and is spooled again", "[e2e][G3]") {
  middle.restart();
  east.start();
  publish(west, "tally/apples", "2");
  publish(east, "tally/apples", "3");
  REQUIRE(is_level(east, west, "tallies"));
  REQUIRE(is_level(middle, east, "tallies"));
  for (const Daemon* node : {&west, &east}) CHECK(hedgerow(*node, {"get", "tally/apples"}).out == "5\n");
  CHECK(hedgerow(middle, {"get", "tally/apples"}).out.empty());
  middle.set_channels(kAll);
  middle.restart();
  CHECK(hedgerow(middle, {"get", "tally/apples"}).out == "5\n");
  publish(middle, "tally/apples", "1");
  middle.set_channels(kSensors);
  middle.restart();
  CHECK(hedgerow(middle, {"get", "tally/apples"}).out.empty());
  REQUIRE(is_level(east, middle, "tallies"));
  CHECK(hedgerow(east, {"get", "tally/apples"}).out == "6\n");
}

TEST_CASE_METHOD(LineWithSmallSpool, "what outgrew the spool is a gap where it is missing, but for retained messages",
                 "[e2e][G6][slow]") {
  middle.restart();
  publish(west, "video/door", "1");
  mosquitto_pub(west.port(), "video/clip", std::string(4096, 'x'), {"-q", "1", "--repeat", "100"});
  REQUIRE(is_level(middle, west));
  const auto has_gaps = [&] { return !hedgerow(middle, {"gaps", "video/#", "--json"}).out.empty(); };
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!has_gaps() && std::chrono::steady_clock::now() < end) {
  }
  REQUIRE(has_gaps());
  west.kill();
  east.start();
  REQUIRE(is_level(east, middle));
  CHECK_THAT(hedgerow(east, {"gaps", "--json"}).out,
             ContainsSubstring("\"channel\":\"video\"") && ContainsSubstring("trimmed elsewhere"));
  CHECK(hedgerow(east, {"get", "video/door"}).out == "1\n");
}

TEST_CASE_METHOD(LineWithoutSpool, "a node without a spool passes on nothing that it does not keep", "[e2e]") {
  middle.restart();
  east.start();
  CHECK(lists(middle, "\"here\":\"left out\""));
  CHECK(middle.status().alarms.empty());
  publish(west, "video/door", "1");
  publish(west, "sensor/door", "2");
  REQUIRE(east.wait_for_status([&](const StatusView& status) {
    const auto sensors = status.channels.find("sensors");
    return sensors != status.channels.end() && sensors->second.digest == west.status().channels.at("sensors").digest;
  }));
  CHECK(hedgerow(east, {"get", "sensor/door"}).out == "2\n");
  CHECK(hedgerow(east, {"get", "video/door"}).out.empty());
}

}  // namespace hedgerow::test
