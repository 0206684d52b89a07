// A damaged database in a live mesh: the node says so, ends, and fills up from its peers. G11.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/mqtt_client.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// Three nodes; gw-house, which the others dial, is the one whose disk goes bad.
class Orchard {
 public:
  Orchard() {
    for (Daemon* node : {&barn, &house, &shed}) authority.enrol(*node);
    barn.set_peers({house.tls_port()});
    shed.set_peers({house.tls_port(), barn.tls_port()});
    for (Daemon* node : {&house, &barn, &shed}) node->start();
    REQUIRE(linked());
    CHECK(LoadPublisher({.port = house.port(), .topic = "log/house", .count = 3'000}).finish().size() == 3'000);
    for (int i = 0; i < 20; ++i) {
      mosquitto_pub(barn.port(), "setpoint/" + std::to_string(i), "value " + std::to_string(i), {"-q", "1", "-r"});
    }
    REQUIRE(wait_for_equal_digests({&barn, &house, &shed}));
    // A clean start has everything in the database file, and nothing in its log.
    REQUIRE(house.terminate().code == 0);
    house.start();
    REQUIRE(linked());
  }

  [[nodiscard]] bool linked() const {
    return house.wait_for_status([](const StatusView& status) { return status.links_up() == 2; });
  }
  [[nodiscard]] std::filesystem::path file() const { return house.data() / "hedgerow.db"; }
  // In place, as a bad card would.
  void overwrite(std::uint64_t from, std::uint64_t size) const {
    SeededRandom random(pick_seed("overwritten"));
    std::string rubbish;
    for (std::uint64_t i = 0; i < size; ++i) rubbish.push_back(static_cast<char>(random.below(256)));
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(from));
    out << rubbish;
  }
  [[nodiscard]] std::uint64_t size() const { return std::filesystem::file_size(file()); }
  // Whatever reads it; the daemon may be gone before it answers.
  void read_everything() const {
    MosquittoSub reader(house.port(), {"setpoint/#"}, {"-q", "1"});
    static_cast<void>(reader.next(std::chrono::milliseconds{2'000}));
    static_cast<void>(run({"mosquitto_sub", "-p", std::to_string(house.port()), "-V", "5", "-t", "log/#", "-D",
                           "subscribe", "user-property", "hedgerow-replay", "24h", "-C", "3000", "-W", "5"}));
  }
  void check_refilled() {
    REQUIRE(linked());
    CHECK(wait_for_equal_digests({&barn, &house, &shed}));
    MosquittoSub at_house(house.port(), {"setpoint/7"}, {"-q", "1"});
    CHECK(at_house.next() == "1 1 setpoint/7 value 7");
    mosquitto_pub(house.port(), "setpoint/7", "since", {"-q", "1", "-r"});
    CHECK(wait_for_equal_digests({&barn, &house, &shed}));
  }

  Authority authority;
  Daemon barn{{.node = "gw-barn"}};
  Daemon house{{.node = "gw-house"}};
  Daemon shed{{.node = "gw-shed"}};
};

}  // namespace

TEST_CASE_METHOD(Orchard, "a live node whose database is overwritten ends, says where, and is filled by its peers",
                 "[e2e][G3][G11]") {
  overwrite(4096, size() - 4096);
  read_everything();
  const auto ended = house.process().wait();
  REQUIRE(ended);
  CHECK(ended->code == 1);
  CHECK_THAT(house.log(), ContainsSubstring("hedgerow.db: the page at byte"));
  house.kill();
  house.start();
  CHECK_THAT(house.log(), ContainsSubstring("peers will fill it"));
  CHECK(std::filesystem::exists(house.data() / "hedgerow.db.corrupt-1"));
  check_refilled();
}

TEST_CASE_METHOD(Orchard, "a node that finds its database overwritten at start is filled by its peers",
                 "[e2e][G3][G11]") {
  house.kill();
  overwrite(0, size());
  house.start();
  CHECK_THAT(house.log(), ContainsSubstring("peers will fill it"));
  check_refilled();
}

}  // namespace hedgerow::test
