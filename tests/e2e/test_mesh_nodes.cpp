// The mesh's nodes, and the removal of one: `hedgerow node list` and `node remove` on real nodes. DESIGN 5.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <filesystem>
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

// Asks until it is shown.
bool shows(const Daemon& node, const std::vector<std::string>& words, const std::string& what) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (hedgerow(node, words).out.find(what) != std::string::npos) return true;
  }
  return false;
}

std::string entry(const std::string& name, const std::string& replica, const std::string& state) {
  return R"({"name":")" + name + R"(","replica":")" + replica + R"(","state":")" + state + R"("})";
}

bool lists(const Daemon& node, const std::string& what) { return shows(node, {"node", "list", "--json"}, what); }

// The others dial the first.
struct Three {
  Three() {
    for (Daemon* node : {&barn, &house, &shed}) authority.enrol(*node);
    house.set_peers({barn.tls_port()});
    shed.set_peers({barn.tls_port()});
    barn.start();
    house.start();
    shed.start();
    REQUIRE(barn.wait_for_status([](const StatusView& status) { return status.links_up() == 2; }));
    // Each has heard what the others say of themselves.
    for (const Daemon* node : {&barn, &house, &shed}) {
      for (const Daemon* other : {&barn, &house, &shed}) REQUIRE(lists(*node, "\"" + other->status().replica + "\""));
    }
  }
  // The same on both.
  static bool is_level(const Daemon& node, const Daemon& with) {
    return node.wait_for_status([&](const StatusView& status) {
      const StatusView other = with.status();
      const auto here = status.channels.find("default");
      const auto there = other.channels.find("default");
      return here != status.channels.end() && there != other.channels.end() && here->second.behind == 0 &&
             here->second.digest == there->second.digest;
    });
  }

  Authority authority;
  Daemon barn{{.node = "gw-barn"}};
  Daemon house{{.node = "gw-house"}};
  Daemon shed{{.node = "gw-shed"}};
};

}  // namespace

TEST_CASE_METHOD(Three, "the nodes of the mesh are listed with how they are linked here", "[e2e]") {
  CHECK(lists(barn, entry("gw-barn", barn.status().replica, "this node")));
  CHECK(lists(barn, entry("gw-house", house.status().replica, "linked")));
  const std::string replica = shed.status().replica;
  shed.kill();
  CHECK(lists(barn, entry("gw-shed", replica, "not linked")));
  CHECK_THAT(hedgerow(barn, {"node", "list"}).out, ContainsSubstring("gw-shed") && ContainsSubstring("not linked"));
}

TEST_CASE_METHOD(Three, "a node that was removed while it was down stays out, and may come back with an empty database",
                 "[e2e]") {
  mosquitto_pub(shed.port(), "a", "of the shed", {"-q", "1", "-r"});
  REQUIRE(is_level(house, shed));
  const std::string replica = shed.status().replica;
  shed.kill();
  const Finished removal = hedgerow(house, {"node", "remove", "gw-shed"});
  CHECK(removal.status.code == 0);
  CHECK_THAT(removal.out, ContainsSubstring("Node gw-shed is removed from the mesh"));
  REQUIRE(lists(barn, entry("gw-shed", replica, "removed")));
  CHECK_THAT(hedgerow(barn, {"node", "list", "--json"}).out, !ContainsSubstring("not linked"));
  CHECK_THAT(hedgerow(barn, {"get", "a"}).out, ContainsSubstring("of the shed"));

  shed.start();
  CHECK(shows(shed, {"status"}, "was removed from the mesh"));  // why there is no link
  mosquitto_pub(shed.port(), "b", "later", {"-q", "1", "-r"});  // its local work goes on
  mosquitto_pub(barn.port(), "c", "of the barn", {"-q", "1", "-r"});
  REQUIRE(is_level(house, barn));
  CHECK(barn.status().links_up() == 1);
  CHECK(hedgerow(house, {"get", "b"}).out.empty());
  CHECK(hedgerow(shed, {"get", "c"}).out.empty());
  barn.restart();  // it is remembered
  CHECK(shows(shed, {"status"}, "was removed from the mesh"));
  REQUIRE(is_level(house, barn));

  shed.terminate();
  for (const auto& file : std::filesystem::directory_iterator(shed.data())) {
    if (file.path().filename().string().starts_with("hedgerow.db")) std::filesystem::remove(file.path());
  }
  shed.start();
  REQUIRE(barn.wait_for_status([](const StatusView& status) { return status.links_up() == 2; }));
  CHECK(is_level(shed, barn));
  CHECK_THAT(hedgerow(shed, {"get", "a"}).out, ContainsSubstring("of the shed"));
  CHECK(lists(house, entry("gw-shed", shed.status().replica, "not linked")));
}

TEST_CASE_METHOD(Three, "a node that is removed while it is linked hears of it, and says what to do", "[e2e]") {
  REQUIRE(hedgerow(barn, {"node", "remove", "gw-house"}).status.code == 0);
  CHECK(house.wait_for_status([](const StatusView& status) {
    return std::any_of(status.alarms.begin(), status.alarms.end(), [](const std::string& alarm) {
      return alarm.find("this node was removed from mesh") != std::string::npos &&
             alarm.find("move hedgerow.db") != std::string::npos;
    });
  }));
  CHECK(barn.wait_for_status([](const StatusView& status) { return status.links_up() == 1; }));
  mosquitto_pub(house.port(), "b", "local", {"-q", "1", "-r"});
  mosquitto_pub(shed.port(), "d", "of the shed", {"-q", "1", "-r"});
  CHECK(is_level(shed, barn));
  CHECK(hedgerow(barn, {"get", "b"}).out.empty());
}

TEST_CASE_METHOD(Three, "what cannot be removed is refused with what to do", "[e2e]") {
  const auto refused = [&](const char* name) {
    const Finished removal = hedgerow(barn, {"node", "remove", name});
    CHECK(removal.status.code == 1);
    return removal.error;
  };
  CHECK_THAT(refused("gw-barn"), ContainsSubstring("is this node itself: remove it on another node of the mesh"));
  CHECK_THAT(refused("gw-pond"), ContainsSubstring("is not known here: hedgerow node list says which are"));
  shed.kill();
  REQUIRE(hedgerow(barn, {"node", "remove", "gw-shed"}).status.code == 0);
  CHECK_THAT(refused("gw-shed"), ContainsSubstring("is removed already"));
}

}  // namespace hedgerow::test
