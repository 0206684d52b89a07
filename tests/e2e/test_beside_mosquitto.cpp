// A stock Mosquitto with a `connection` stanza that dials hedgerowd, as README.md shows it: both ways, no loops.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/ports.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::test {
namespace {

using std::chrono::milliseconds;

// Mosquitto on a port of its own, bridged to a node.
class Bridge {
 public:
  // `version`: bridge_protocol_version. `topics`: the stanza's topic lines.
  void start(const std::string& version, const std::string& topics) {
    daemon.start();
    const std::string file = (directory.path() / "mosquitto.conf").string();
    std::ofstream(file) << "listener " << lease.port() << " 127.0.0.1\nallow_anonymous true\n"
                        << "connection hedgerow\naddress 127.0.0.1:" << daemon.port() << "\nbridge_protocol_version "
                        << version << "\ncleansession false\nrestart_timeout 1\n"
                        << topics;
    mosquitto.emplace(
        Process::Options{.arguments = {"/usr/sbin/mosquitto", "-c", file, "-v"}, .environment = {}, .input = {}});
    INFO(mosquitto->text(Output::kError));
    REQUIRE(mosquitto->wait_for_line(Output::kError, "Received SUBACK from local."));
  }

  Daemon daemon{{}};
  TemporaryDirectory directory;
  PortLease lease;
  std::optional<Process> mosquitto;
};

}  // namespace

TEST_CASE_METHOD(Bridge, "a Mosquitto that dials a node carries messages both ways, each once", "[e2e]") {
  const std::string version = GENERATE("mqttv311", "mqttv50");
  start(version, "topic # both 1\n");
  MosquittoSub at_node(daemon.port(), {"farm/#"}, {"-q", "1"});
  MosquittoSub at_mosquitto(lease.port(), {"farm/#"}, {"-q", "1"});
  mosquitto_pub(lease.port(), "farm/from-mosquitto", "1", {"-q", "1"});
  CHECK(at_node.next() == "1 0 farm/from-mosquitto 1");
  CHECK(at_mosquitto.next() == "1 0 farm/from-mosquitto 1");
  mosquitto_pub(daemon.port(), "farm/from-node", "2", {"-q", "1"});
  CHECK(at_mosquitto.next() == "1 0 farm/from-node 2");
  CHECK(at_node.next() == "1 0 farm/from-node 2");
  // A loop would show the messages again.
  CHECK(at_node.next(milliseconds{500}).empty());
  CHECK(at_mosquitto.next(milliseconds{500}).empty());
}

TEST_CASE_METHOD(Bridge, "retained messages cross a Mosquitto bridge as retained ones", "[e2e]") {
  const std::string version = GENERATE("mqttv311", "mqttv50");
  start(version, "topic # both 1\n");
  MosquittoSub crossed(lease.port(), {"cell"}, {"-q", "1"});
  mosquitto_pub(daemon.port(), "cell", "kept", {"-q", "1", "-r"});
  CHECK(crossed.next() == "1 0 cell kept");
  MosquittoSub late(lease.port(), {"cell"}, {"-q", "1"});
  CHECK(late.next() == "1 1 cell kept");
}

TEST_CASE_METHOD(Bridge, "a bridge gets what it missed while the node was killed", "[e2e][G1]") {
  start("mqttv311", "topic # both 1\n");
  MosquittoSub at_mosquitto(lease.port(), {"log"}, {"-q", "1"});
  mosquitto_pub(daemon.port(), "log", "before", {"-q", "1"});
  CHECK(at_mosquitto.next() == "1 0 log before");
  daemon.restart();
  mosquitto_pub(daemon.port(), "log", "after", {"-q", "1"});
  // What was not known to be acknowledged may come again at QoS 1.
  std::string next = at_mosquitto.next();
  while (next == "1 0 log before") next = at_mosquitto.next();
  CHECK(next == "1 0 log after");
}

TEST_CASE_METHOD(Bridge, "what is larger than a node takes does not keep a bridge of 3.1.1 from the rest",
                 "[e2e][G6]") {
  start("mqttv311", "topic # both 2\n");
  MosquittoSub at_node(daemon.port(), {"farm/#"}, {"-q", "1"});
  const std::string file = (directory.path() / "picture").string();
  std::ofstream(file) << std::string(3'000'000, 'x');
  for (const char* qos : {"1", "2"}) {
    const Finished finished = run({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(lease.port()), "-t",
                                   "farm/camera", "-q", qos, "-f", file});
    INFO(finished.error);
    REQUIRE(finished.status == ExitStatus{.code = 0, .signal = 0});
  }
  mosquitto_pub(lease.port(), "farm/reading", "1", {"-q", "1"});
  CHECK(at_node.next() == "1 0 farm/reading 1");
  CHECK(daemon.log().find("dropped, and acknowledged") != std::string::npos);
  CHECK(daemon.log().find("a publish to \"farm/camera\"") != std::string::npos);
}

}  // namespace hedgerow::test
