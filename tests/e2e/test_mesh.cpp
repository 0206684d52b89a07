// Several nodes over TLS, with relays between them.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/mqtt_client.hpp"
#include "tests/support/relay.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

// Long enough for sanitizers and an emulator, for one tenth of a million messages.
constexpr std::chrono::minutes kLongPatience{10};

bool all_linked(const Daemon& node, std::size_t count) {
  return node.wait_for_status([count](const StatusView& status) { return status.links_up() == count; });
}

// Three nodes, each linked to both others. What gw-shed says to the others, and hears, goes through relays.
class Orchard {
 public:
  Orchard() {
    for (Daemon* node : {&barn, &house, &shed}) authority.enrol(*node);
    house.set_peers({barn.tls_port()});
    shed.set_peers({shed_to_barn.port(), shed_to_house.port()});
    barn.start();
    house.start();
    shed.start();
  }
  void wait_until_linked() {
    REQUIRE(all_linked(barn, 2));
    REQUIRE(all_linked(house, 2));
    REQUIRE(all_linked(shed, 2));
  }
  void isolate_shed() {
    shed_to_barn.cut();
    shed_to_house.cut();
  }
  void rejoin_shed() {
    shed_to_barn.resume();
    shed_to_house.resume();
  }

  Authority authority;
  Daemon barn{{.node = "gw-barn"}};
  Daemon house{{.node = "gw-house"}};
  Daemon shed{{.node = "gw-shed"}};
  Relay shed_to_barn{barn.tls_port()};
  Relay shed_to_house{house.tls_port()};
};

// Two nodes; the second dials the first through a relay.
class Pair {
 public:
  Pair() {
    authority.enrol(barn);
    authority.enrol(house);
    house.set_peers({wire.port()});
    barn.start();
    house.start();
  }

  Authority authority;
  Daemon barn{{.node = "gw-barn"}};
  Daemon house{{.node = "gw-house"}};
  Relay wire{barn.tls_port()};
};

std::vector<std::string> tls_options(const Daemon& member, const std::filesystem::path& identity) {
  return {"-h",       "127.0.0.1",
          "-p",       std::to_string(member.tls_port()),
          "--cafile", (member.data() / "identity" / "authority.crt").string(),
          "--cert",   (identity / "node.crt").string(),
          "--key",    (identity / "node.key").string()};
}

}  // namespace

TEST_CASE_METHOD(Orchard, "what is published at one node is seen at every other", "[e2e][G3]") {
  MosquittoSub at_barn(barn.port(), {"setpoint/#"}, {"-q", "1"});
  MosquittoSub at_shed(shed.port(), {"setpoint/#"}, {"-q", "1"});
  mosquitto_pub(house.port(), "setpoint/pump", "42", {"-q", "1", "-r"});
  CHECK(at_barn.next() == "1 0 setpoint/pump 42");
  CHECK(at_shed.next() == "1 0 setpoint/pump 42");
  MosquittoSub late(shed.port(), {"setpoint/#"}, {"-q", "1"});
  CHECK(late.next() == "1 1 setpoint/pump 42");
  CHECK(wait_for_equal_digests({&barn, &house, &shed}));
}

TEST_CASE_METHOD(Orchard, "live messages reach subscribers of other nodes", "[e2e]") {
  wait_until_linked();
  MosquittoSub at_shed(shed.port(), {"live/#"}, {});
  // Interest travels to the other nodes by itself; until it has, live messages go nowhere, by design.
  std::string seen;
  for (int i = 0; i < 100 && seen.empty(); ++i) {
    mosquitto_pub(house.port(), "live/door", "open", {"-q", "0"});
    seen = at_shed.next(std::chrono::milliseconds{200});
  }
  CHECK(seen == "0 0 live/door open");
}

TEST_CASE_METHOD(Orchard, "any node shows the health of the whole fleet", "[e2e]") {
  MosquittoSub at_shed(shed.port(), {"hedgerow/orchard/nodes/gw-house/health"}, {"-q", "1"});
  CHECK_THAT(at_shed.next(), ContainsSubstring("hedgerow/orchard/nodes/gw-house/health {"));
}

TEST_CASE_METHOD(Orchard, "a node that was cut off catches up, and the others with it", "[e2e][G3]") {
  wait_until_linked();
  isolate_shed();
  REQUIRE(all_linked(shed, 0));
  mosquitto_pub(barn.port(), "setpoint/pump", "from the barn", {"-q", "1", "-r"});
  mosquitto_pub(shed.port(), "setpoint/valve", "from the shed", {"-q", "1", "-r"});
  for (int i = 0; i < 20; ++i) mosquitto_pub(house.port(), "log/house", std::to_string(i), {"-q", "1"});
  CHECK(shed.status().digests() != barn.status().digests());
  rejoin_shed();
  CHECK(wait_for_equal_digests({&barn, &house, &shed}));
  MosquittoSub at_shed(shed.port(), {"setpoint/pump"}, {"-q", "1"});
  MosquittoSub at_barn(barn.port(), {"setpoint/valve"}, {"-q", "1"});
  CHECK(at_shed.next() == "1 1 setpoint/pump from the barn");
  CHECK(at_barn.next() == "1 1 setpoint/valve from the shed");
}

// As from an image of the whole card: same board, same file system, same inode.
TEST_CASE_METHOD(Pair, "a node restored from an older image gets back what its peer has, and keeps what it takes since",
                 "[e2e][G3][G5]") {
  REQUIRE(all_linked(house, 1));
  mosquitto_pub(house.port(), "setpoint/pump", "old", {"-q", "1", "-r"});
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  REQUIRE(house.terminate().code == 0);
  std::ifstream file(house.data() / "hedgerow.db", std::ios::binary);
  const std::string image{std::istreambuf_iterator<char>(file), {}};
  house.start();
  REQUIRE(all_linked(house, 1));
  mosquitto_pub(house.port(), "setpoint/pump", "new", {"-q", "1", "-r"});
  mosquitto_pub(house.port(), "setpoint/valve", "new", {"-q", "1", "-r"});
  REQUIRE(wait_for_equal_digests({&barn, &house}));

  house.kill();
  std::filesystem::remove(house.data() / "hedgerow.db-wal");
  std::ofstream(house.data() / "hedgerow.db", std::ios::binary | std::ios::trunc) << image;
  wire.cut();
  house.start();
  mosquitto_pub(house.port(), "setpoint/lamp", "since", {"-q", "1", "-r"});
  wire.resume();

  CHECK(wait_for_equal_digests({&barn, &house}));
  MosquittoSub at_barn(barn.port(), {"setpoint/lamp"}, {"-q", "1"});
  CHECK(at_barn.next() == "1 1 setpoint/lamp since");
  MosquittoSub at_house(house.port(), {"setpoint/valve"}, {"-q", "1"});
  CHECK(at_house.next() == "1 1 setpoint/valve new");
  CHECK_THAT(house.log(), ContainsSubstring("rolled back"));
}

// It wrote more since than was lost: nobody's count is behind, only the chains differ.
TEST_CASE_METHOD(Pair, "what a restored node wrote on under a name that was taken lives beside what it had written",
                 "[e2e][G3][G5]") {
  REQUIRE(all_linked(house, 1));
  mosquitto_pub(house.port(), "setpoint/pump", "old", {"-q", "1", "-r"});
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  REQUIRE(house.terminate().code == 0);
  std::ifstream file(house.data() / "hedgerow.db", std::ios::binary);
  const std::string image{std::istreambuf_iterator<char>(file), {}};
  house.start();
  REQUIRE(all_linked(house, 1));
  mosquitto_pub(house.port(), "setpoint/valve", "lost", {"-q", "1", "-r"});
  REQUIRE(wait_for_equal_digests({&barn, &house}));

  house.kill();
  std::filesystem::remove(house.data() / "hedgerow.db-wal");
  std::ofstream(house.data() / "hedgerow.db", std::ios::binary | std::ios::trunc) << image;
  wire.cut();
  house.start();
  constexpr int kSince = 20;
  for (int i = 0; i < kSince; ++i) {
    mosquitto_pub(house.port(), "setpoint/lamp/" + std::to_string(i), "since", {"-q", "1", "-r"});
  }
  wire.resume();

  CHECK(wait_for_equal_digests({&barn, &house}));
  MosquittoSub at_house(house.port(), {"setpoint/valve"}, {"-q", "1"});
  CHECK(at_house.next() == "1 1 setpoint/valve lost");
  MosquittoSub at_barn(barn.port(), {"setpoint/lamp/+"}, {"-q", "1"});
  for (int i = 0; i < kSince; ++i) CHECK_THAT(at_barn.next(), ContainsSubstring("1 1 setpoint/lamp/"));
  CHECK_THAT(house.log(), ContainsSubstring("two boards wrote under one name"));
  mosquitto_pub(house.port(), "setpoint/pump", "under the new name", {"-q", "1", "-r"});
  CHECK(wait_for_equal_digests({&barn, &house}));
}

TEST_CASE_METHOD(Orchard, "a killed node catches up, and its sessions with it", "[e2e][G1][G3]") {
  wait_until_linked();
  make_session(shed.port(), "display", "log/#");
  shed.kill();
  for (int i = 0; i < 20; ++i) mosquitto_pub(house.port(), "log/house", std::to_string(i), {"-q", "1"});
  shed.start();
  MosquittoSub display(shed.port(), {"log/#"}, {"-c", "-i", "display", "-q", "1"});
  for (int i = 0; i < 20; ++i) CHECK(display.next() == "1 0 log/house " + std::to_string(i));
  CHECK(wait_for_equal_digests({&barn, &house, &shed}));
}

TEST_CASE("what a node had delivered before it was synced comes again after a kill", "[e2e][G1][G3]") {
  const Authority authority;
  Daemon barn{{.node = "gw-barn"}};
  Daemon house{{.node = "gw-house", .settings = R"("remote_commit": "60s")"}};
  authority.enrol(barn);
  authority.enrol(house);
  house.set_peers({barn.tls_port()});
  barn.start();
  house.start();
  REQUIRE(all_linked(barn, 1));
  REQUIRE(all_linked(house, 1));
  MosquittoSub at_house(house.port(), {"log/#"}, {"-q", "1"});
  for (int i = 0; i < 20; ++i) {
    mosquitto_pub(barn.port(), "log/barn", std::to_string(i), {"-q", "1"});
    CHECK(at_house.next() == "1 0 log/barn " + std::to_string(i));
  }
  house.kill();
  house.start();
  CHECK(wait_for_equal_digests({&barn, &house}));
  make_session(house.port(), "display", "log/#");
  mosquitto_pub(barn.port(), "log/barn", "20", {"-q", "1"});
  MosquittoSub display(house.port(), {"log/#"}, {"-c", "-i", "display", "-q", "1"});
  CHECK(display.next() == "1 0 log/barn 20");
}

TEST_CASE_METHOD(Orchard, "what two nodes had while the third was away is told by either", "[e2e][G3]") {
  wait_until_linked();
  shed.kill();
  for (int i = 0; i < 20; ++i) mosquitto_pub(house.port(), "log/house", std::to_string(i), {"-q", "1"});
  REQUIRE(wait_for_equal_digests({&barn, &house}));
  house.kill();
  shed.start();
  CHECK(wait_for_equal_digests({&barn, &shed}));
}

TEST_CASE_METHOD(Orchard, "channels of scope local stay at home", "[e2e]") {
  Daemon loner({.node = "gw-loner", .peers = {barn.tls_port()}, .channels = R"([{ "name": "default", "filter": "#" },
                               { "name": "zigbee", "filter": "zigbee2mqtt/#", "scope": "local" }])"});
  authority.enrol(loner);
  loner.start();
  MosquittoSub at_barn(barn.port(), {"zigbee2mqtt/#", "lamp/#"}, {"-q", "1"});
  mosquitto_pub(loner.port(), "zigbee2mqtt/lamp", "on", {"-q", "1", "-r"});
  mosquitto_pub(loner.port(), "lamp/count", "1", {"-q", "1"});
  CHECK(at_barn.next() == "1 0 lamp/count 1");
}

TEST_CASE_METHOD(Pair, "the wire between two nodes shows no payload", "[e2e][G7]") {
  const std::string marker = "THE-WORDS-THAT-NOBODY-MAY-READ";
  wire.watch_for(marker);
  Relay plain(barn.port());
  plain.watch_for(marker);
  MosquittoSub at_house(house.port(), {"secret/#"}, {"-q", "1"});
  mosquitto_pub(plain.port(), "secret/plan", marker, {"-q", "1"});
  CHECK(at_house.next() == "1 0 secret/plan " + marker);
  CHECK(plain.has_seen_marker());  // the relay does find it where it may be seen
  CHECK_FALSE(wire.has_seen_marker());
}

TEST_CASE_METHOD(Pair, "a client with a certificate of the mesh is served over a foreign TLS", "[e2e][G7]") {
  authority.issue("gw-visitor", barn.data() / "visitor");
  std::vector<std::string> arguments = {"mosquitto_pub", "-q", "1", "-t", "any/topic", "-m", "hello"};
  const std::vector<std::string> tls = tls_options(barn, barn.data() / "visitor" / "identity");
  arguments.insert(arguments.end(), tls.begin(), tls.end());
  const Finished finished = run(arguments);
  INFO(finished.out << finished.error << barn.log());
  CHECK(finished.status == ExitStatus{.code = 0, .signal = 0});
}

TEST_CASE_METHOD(Pair, "a client of another authority gets nothing", "[e2e][G7]") {
  const Authority stranger("orchard");
  stranger.issue("gw-visitor", barn.data() / "stranger");
  std::vector<std::string> arguments = {"mosquitto_sub", "-q", "1", "-t", "#", "-E"};
  const std::vector<std::string> tls = tls_options(barn, barn.data() / "stranger" / "identity");
  arguments.insert(arguments.end(), tls.begin(), tls.end());
  const Finished finished = run(arguments);
  CHECK(finished.status != ExitStatus{.code = 0, .signal = 0});
}

TEST_CASE_METHOD(Pair, "a client without a certificate gets nothing", "[e2e][G7]") {
  const Finished finished = run({"mosquitto_sub", "-h", "127.0.0.1", "-p", std::to_string(barn.tls_port()), "--cafile",
                                 (barn.data() / "identity" / "authority.crt").string(), "-q", "1", "-t", "#", "-E"});
  CHECK(finished.status != ExitStatus{.code = 0, .signal = 0});
}

TEST_CASE_METHOD(Pair, "a client without TLS gets nothing from a TLS listener", "[e2e][G7]") {
  const Finished finished = run({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(barn.tls_port()), "-q", "1",
                                 "-t", "any/topic", "-m", "hello"});
  CHECK(finished.status != ExitStatus{.code = 0, .signal = 0});
}

TEST_CASE_METHOD(Pair, "a node of another authority gets nothing, whatever it calls its mesh", "[e2e][G7]") {
  const Authority other("orchard");
  Relay wire_to_barn(barn.tls_port());
  Daemon stranger({.node = "gw-stranger", .peers = {wire_to_barn.port()}});
  other.enrol(stranger);
  mosquitto_pub(barn.port(), "setpoint/pump", "42", {"-q", "1", "-r"});
  stranger.start();
  // It was refused once it tries again.
  REQUIRE(stranger.wait_for_status([&](const StatusView&) { return wire_to_barn.connections() >= 2; }));
  CHECK(stranger.status().links_up() == 0);
  CHECK(barn.status().link_states.count("gw-stranger") == 0);
  MosquittoSub at_stranger(stranger.port(), {"setpoint/#"}, {"-q", "1"});
  mosquitto_pub(stranger.port(), "setpoint/end", "of the test", {"-q", "1"});
  CHECK(at_stranger.next() == "1 0 setpoint/end of the test");
}

TEST_CASE_METHOD(Pair,
                 "200,000 publishes at one node arrive at a subscriber of another without gap, double or disorder",
                 "[e2e][slow][G2][G7]") {
  constexpr std::uint64_t kCount = 200'000;
  wire.watch_for("reading-unseen");
  Collector collector({.port = house.port(), .receive_maximum = 1000});
  LoadPublisher publisher({.port = barn.port(), .marker = "reading-unseen", .count = kCount, .window = 1000});
  const std::size_t acknowledged = publisher.finish(kLongPatience).size();
  INFO(publisher.trouble());
  REQUIRE(acknowledged == kCount);
  CHECK(collector.wait_for(kCount, kLongPatience));
  const Sequence sequence = inspect(collector.payloads(), numbers_up_to(kCount));
  CHECK(sequence.missing == 0);
  CHECK(sequence.duplicates == 0);
  CHECK(sequence.disorder == 0);
  CHECK_FALSE(wire.has_seen_marker());
  CHECK(wire.bytes() > kCount);
}

TEST_CASE_METHOD(Pair, "while the receiving daemon is killed and restarted, its persistent session misses nothing",
                 "[e2e][slow][G1][G2]") {
  constexpr std::uint64_t kCount = 200'000;
  constexpr std::uint16_t kReceiveMaximum = 50;
  constexpr std::uint64_t kCrashes = 5;
  Collector collector({.port = house.port(), .receive_maximum = kReceiveMaximum});
  LoadPublisher publisher({.port = barn.port(), .count = kCount, .window = 1000});
  for (std::uint64_t crash = 1; crash <= kCrashes; ++crash) {
    REQUIRE(collector.wait_for(kCount / (kCrashes + 1) * crash, kLongPatience));
    house.kill();
    REQUIRE(collector.wait_until_lost());
    house.start();
    REQUIRE(collector.resume());
  }
  const std::size_t acknowledged = publisher.finish(kLongPatience).size();
  INFO(publisher.trouble());
  REQUIRE(acknowledged == kCount);
  CHECK(collector.wait_for_payload(numbered_payload("reading", kCount - 1), kLongPatience));
  const Sequence sequence = inspect(collector.payloads(), numbers_up_to(kCount));
  CHECK(sequence.missing == 0);
  CHECK(sequence.disorder == 0);
  CHECK(sequence.duplicates <= kReceiveMaximum * kCrashes);
}

TEST_CASE("an arm64 node joins a mesh with amd64 ones", "[e2e][arm64]") {
  const std::optional<Programs> arm64 = Programs::arm64();
  if (!arm64) {
    SKIP("HEDGEROW_ARM64_BIN_DIR and HEDGEROW_QEMU_ARM64 name no arm64 programs and no emulator; tests/run.sh does");
  }
  const Authority authority;
  Daemon barn({.node = "gw-barn"});
  Daemon house({.node = "gw-house", .peers = {barn.tls_port()}});
  Daemon board({.node = "gw-board", .peers = {barn.tls_port(), house.tls_port()}, .programs = *arm64});
  for (Daemon* node : {&barn, &house, &board}) {
    authority.enrol(*node);
    node->start();
  }
  MosquittoSub at_board(board.port(), {"setpoint/#"}, {"-q", "1"});
  MosquittoSub at_barn(barn.port(), {"reading/#"}, {"-q", "1"});
  mosquitto_pub(house.port(), "setpoint/pump", "42", {"-q", "1", "-r"});
  CHECK(at_board.next() == "1 0 setpoint/pump 42");
  mosquitto_pub(board.port(), "reading/board", "7", {"-q", "1", "-r"});
  CHECK(at_barn.next() == "1 0 reading/board 7");
  CHECK(wait_for_equal_digests({&barn, &house, &board}));
}

}  // namespace hedgerow::test
