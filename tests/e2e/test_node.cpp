// One node and the clients that people have.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/e2e/mosquitto.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/mqtt_client.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using std::chrono::steady_clock;

class Node {
 public:
  Node() { daemon.start(); }
  Daemon daemon{{}};
};

Finished run_daemon(const std::vector<std::string>& arguments) {
  return run(Programs::native().command("hedgerowd", arguments));
}

}  // namespace

TEST_CASE_METHOD(Node, "what mosquitto_pub publishes mosquitto_sub receives", "[e2e]") {
  const std::string version = GENERATE("mqttv311", "mqttv5");
  const std::string qos = GENERATE("0", "1");
  MosquittoSub subscriber(daemon.port(), {"barn/temperature"}, {"-V", version, "-q", qos});
  mosquitto_pub(daemon.port(), "barn/temperature", "21.5", {"-V", version, "-q", qos});
  CHECK(subscriber.next() == qos + " 0 barn/temperature 21.5");
}

TEST_CASE_METHOD(Node, "a subscriber gets no more than the QoS that it asked for", "[e2e]") {
  MosquittoSub subscriber(daemon.port(), {"barn/temperature"}, {"-q", "0"});
  mosquitto_pub(daemon.port(), "barn/temperature", "21.5", {"-q", "1"});
  CHECK(subscriber.next() == "0 0 barn/temperature 21.5");
}

TEST_CASE_METHOD(Node, "a retained message waits for later subscribers", "[e2e]") {
  const std::string qos = GENERATE("0", "1", "2");
  mosquitto_pub(daemon.port(), "setpoint/pump", "41", {"-q", qos, "-r"});
  mosquitto_pub(daemon.port(), "setpoint/pump", "42", {"-q", "1", "-r"});
  MosquittoSub subscriber(daemon.port(), {"setpoint/#"}, {"-q", "1"});
  CHECK(subscriber.next() == "1 1 setpoint/pump 42");
}

TEST_CASE_METHOD(Node, "an empty retained message deletes the one before", "[e2e][G4]") {
  mosquitto_pub(daemon.port(), "setpoint/pump", "42", {"-q", "1", "-r"});
  mosquitto_pub(daemon.port(), "setpoint/pump", "", {"-q", "1", "-r"});
  mosquitto_pub(daemon.port(), "setpoint/valve", "1", {"-q", "1", "-r"});
  MosquittoSub subscriber(daemon.port(), {"setpoint/#"}, {"-q", "1"});
  CHECK(subscriber.next() == "1 1 setpoint/valve 1");
}

TEST_CASE_METHOD(Node, "a retained message survives kill -9", "[e2e][G1]") {
  mosquitto_pub(daemon.port(), "setpoint/pump", "42", {"-q", "1", "-r"});
  daemon.restart();
  MosquittoSub subscriber(daemon.port(), {"setpoint/#"}, {"-q", "1"});
  CHECK(subscriber.next() == "1 1 setpoint/pump 42");
}

TEST_CASE_METHOD(Node, "wildcards match by levels", "[e2e]") {
  MosquittoSub one_level(daemon.port(), {"farm/+/temperature"}, {"-q", "1"});
  MosquittoSub all_levels(daemon.port(), {"farm/barn/#"}, {"-q", "1"});
  mosquitto_pub(daemon.port(), "farm/barn/door/front", "open", {"-q", "1"});
  mosquitto_pub(daemon.port(), "farm/house/temperature", "20", {"-q", "1"});
  mosquitto_pub(daemon.port(), "farm/barn/temperature", "8", {"-q", "1"});
  CHECK(one_level.next() == "1 0 farm/house/temperature 20");
  CHECK(one_level.next() == "1 0 farm/barn/temperature 8");
  CHECK(all_levels.next() == "1 0 farm/barn/door/front open");
  CHECK(all_levels.next() == "1 0 farm/barn/temperature 8");
}

TEST_CASE_METHOD(Node, "a persistent session gets what it missed, in order, across a restart", "[e2e][G1]") {
  const std::string version = GENERATE("mqttv311", "mqttv5");
  std::vector<std::string> options = {"-V", version};
  if (version == "mqttv5") options.insert(options.end(), {"-x", "3600"});
  make_session(daemon.port(), "house", "barn/#", options);
  for (int i = 0; i < 10; ++i) mosquitto_pub(daemon.port(), "barn/count", std::to_string(i), {"-q", "1"});
  daemon.restart();
  for (int i = 10; i < 20; ++i) mosquitto_pub(daemon.port(), "barn/count", std::to_string(i), {"-q", "1"});
  options.insert(options.end(), {"-c", "-i", "house", "-q", "1"});
  MosquittoSub subscriber(daemon.port(), {"barn/#"}, options);
  for (int i = 0; i < 20; ++i) CHECK(subscriber.next() == "1 0 barn/count " + std::to_string(i));
}

TEST_CASE_METHOD(Node, "a clean start forgets the session", "[e2e]") {
  make_session(daemon.port(), "house", "barn/#");
  mosquitto_pub(daemon.port(), "barn/count", "missed", {"-q", "1"});
  MosquittoSub subscriber(daemon.port(), {"barn/#"}, {"-i", "house", "-q", "1"});
  mosquitto_pub(daemon.port(), "barn/count", "seen", {"-q", "1"});
  CHECK(subscriber.next() == "1 0 barn/count seen");
}

TEST_CASE_METHOD(Node, "the node's own topics are closed to clients", "[e2e]") {
  const Finished finished = run({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(daemon.port()), "-V",
                                 "mqttv5", "-q", "1", "-t", "hedgerow/orchard/nodes/gw-barn/health", "-m", "forged"});
  CHECK_THAT(finished.out + finished.error, ContainsSubstring("Not authorized"));
}

TEST_CASE_METHOD(Node, "any client sees the health of the node", "[e2e]") {
  MosquittoSub subscriber(daemon.port(), {"hedgerow/orchard/nodes/gw-barn/health"}, {"-q", "1"});
  CHECK_THAT(subscriber.next(), ContainsSubstring("hedgerow/orchard/nodes/gw-barn/health {"));
}

TEST_CASE_METHOD(Node, "a port in use is said to be, with its holder", "[e2e]") {
  const TemporaryDirectory other;
  const Finished finished = run_daemon(
      {"--listen", "127.0.0.1:" + std::to_string(daemon.port()), "--data", (other.path() / "data").string()});
  CHECK(finished.status == ExitStatus{.code = 1, .signal = 0});
  CHECK_THAT(finished.error, ContainsSubstring("127.0.0.1:" + std::to_string(daemon.port()) + " is in use, held by") &&
                                 ContainsSubstring("(pid " + std::to_string(daemon.process().pid()) + ")"));
}

TEST_CASE_METHOD(Node, "a second daemon on the same data is refused", "[e2e]") {
  const Finished finished = run_daemon({"--listen", "127.0.0.1:0", "--data", daemon.data().string()});
  CHECK(finished.status == ExitStatus{.code = 1, .signal = 0});
  CHECK_FALSE(finished.error.empty());
}

TEST_CASE("the option --listen serves without a configuration file, and says where", "[e2e]") {
  const TemporaryDirectory directory;
  Process process({.arguments = Programs::native().command(
                       "hedgerowd", {"--listen", "127.0.0.1:0", "--data", (directory.path() / "data").string()}),
                   .environment = {},
                   .input = {}});
  const auto line = process.wait_for_line(Output::kError, "listening ");
  REQUIRE(line);
  const int port = std::atoi(line->substr(line->rfind(':') + 1).c_str());
  REQUIRE(port > 0);
  mosquitto_pub(static_cast<std::uint16_t>(port), "any/topic", "hello", {"-q", "1"});
}

TEST_CASE("the option --listen on an address that others reach is refused", "[e2e][G7]") {
  const TemporaryDirectory directory;
  const Finished finished = run_daemon({"--listen", "0.0.0.0:0", "--data", directory.path().string()});
  CHECK(finished.status == ExitStatus{.code = 2, .signal = 0});
}

TEST_CASE("the option --check tells what is wrong with a configuration, and where", "[e2e]") {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "hedgerow.json").string();
  std::ofstream(file) << "{\n  \"mesh\": \"orchard\", // a comment\n  \"lisetners\": [],\n}\n";
  const Finished finished = run_daemon({"--config", file, "--check"});
  CHECK(finished.status == ExitStatus{.code = 2, .signal = 0});
  CHECK_THAT(finished.error,
             ContainsSubstring(file + ":3") && ContainsSubstring("lisetners") && ContainsSubstring("listeners"));
}

TEST_CASE_METHOD(Node, "the option --check passes what the daemon runs with", "[e2e]") {
  const Finished finished = run_daemon({"--config", daemon.config_file().string(), "--check"});
  CHECK(finished.status == ExitStatus{.code = 0, .signal = 0});
}

TEST_CASE("the configuration of a gateway starts a node as it stands", "[e2e]") {
  const TemporaryDirectory directory;
  const PortLease local;
  const PortLease mesh;
  const std::filesystem::path data = directory.path() / "hedgerow";
  const Authority authority("orchard");
  authority.issue("gw-barn", data);
  const std::string file = (directory.path() / "hedgerow.json").string();
  std::ofstream(file) << R"({
  "mesh": "orchard", "node": "gw-barn", "data": ")"
                      << data.string() << R"(",
  "listeners": [
    { "address": "127.0.0.1:)"
                      << local.port() << R"(", "tls": false },   // programs on this board
    { "address": "0.0.0.0:)"
                      << mesh.port() << R"(" }                    // peers, programs elsewhere, monitors: mutual TLS
  ],
  "peers": ["gw-house.lan:8883"],
  "channels": [
    { "name": "default",   "filter": "#", "keep": { "age": "7d", "size": "64MiB" } },
    { "name": "zigbee",    "filter": "zigbee2mqtt/#", "scope": "local" }
  ]
}
)";
  Process process(
      {.arguments = Programs::native().command("hedgerowd", {"--config", file}), .environment = {}, .input = {}});
  const auto first = process.wait_for_line(Output::kError, "listening ");
  INFO(process.text(Output::kError));
  REQUIRE(first);
  REQUIRE(process.wait_for_line(Output::kError, "listening "));
  MosquittoSub subscriber(local.port(), {"zigbee2mqtt/#"}, {"-q", "1"});
  mosquitto_pub(local.port(), "zigbee2mqtt/lamp", "on", {"-q", "1"});
  CHECK(subscriber.next() == "1 0 zigbee2mqtt/lamp on");
}

TEST_CASE_METHOD(Node, "SIGTERM under load ends within a second, and keeps what was acknowledged", "[e2e][G1]") {
  Collector collector({.port = daemon.port()});
  collector.disconnect();
  LoadPublisher publisher({.port = daemon.port(), .count = 10'000'000});
  REQUIRE(publisher.wait_for_acknowledged(2'000));
  const auto before = steady_clock::now();
  const ExitStatus status = daemon.terminate();
  const auto took = steady_clock::now() - before;
  const std::vector<std::uint64_t> acknowledged = publisher.finish();
  INFO(daemon.log());
  CHECK(status == ExitStatus{.code = 0, .signal = 0});
  CHECK(took < std::chrono::seconds{1});
  daemon.start();
  REQUIRE(collector.resume());
  REQUIRE(collector.wait_for_payload(numbered_payload("reading", acknowledged.back())));
  const Sequence sequence = inspect(collector.payloads(), acknowledged);
  CHECK(sequence.missing == 0);
  CHECK(sequence.disorder == 0);
}

TEST_CASE_METHOD(Node, "an idle node ends at once on SIGTERM", "[e2e]") {
  const auto before = steady_clock::now();
  CHECK(daemon.terminate() == ExitStatus{.code = 0, .signal = 0});
  CHECK(steady_clock::now() - before < std::chrono::seconds{1});
}

TEST_CASE("what was acknowledged without a sync survives the process, under a new name", "[e2e][G5]") {
  Daemon daemon({.settings = R"("durability": "process")"});
  daemon.start();
  mosquitto_pub(daemon.port(), "a/b", "kept", {"-q", "1", "-r"});
  const std::string first = daemon.status().replica;
  daemon.restart();
  const std::string second = daemon.status().replica;
  CHECK(second != first);
  CHECK_THAT(daemon.log(), ContainsSubstring("committed without syncs"));
  MosquittoSub reader(daemon.port(), {"a/b"}, {"-q", "1"});
  CHECK(reader.next() == "1 1 a/b kept");
  REQUIRE(daemon.terminate().code == 0);
  daemon.start();
  CHECK(daemon.status().replica == second);
}

}  // namespace hedgerow::test
