// Clients in other languages, through every kind of listener that serves MQTT.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/e2e/mosquitto.hpp"
#include "tests/e2e/scripts.hpp"
#include "tests/support/daemon.hpp"

namespace hedgerow::test {
namespace {

class Node {
 public:
  Node() { daemon.start(); }
  [[nodiscard]] std::string url(const std::string& scheme) const {
    const std::uint16_t port = scheme == "mqtt" ? daemon.port() : daemon.port_of("web");
    return scheme + "://127.0.0.1:" + std::to_string(port);
  }
  Daemon daemon{{.listeners = {{.name = "web", .settings = R"("tls": false, "protocol": "websocket")"}}}};
};

// The same with TLS: browsers and devices that check the server, and show no certificate of their own.
class TlsNode {
 public:
  TlsNode() {
    authority.enrol(daemon);
    daemon.start();
  }
  [[nodiscard]] std::vector<std::string> arguments(const std::string& scenario, const std::string& scheme) const {
    const std::string listener = scheme == "wss" ? "web" : "devices";
    return {scenario, scheme + "://127.0.0.1:" + std::to_string(daemon.port_of(listener)),
            "ca=" + (daemon.data() / "identity" / "authority.crt").string()};
  }
  Authority authority;
  Daemon daemon{{.listeners = {{.name = "web", .settings = R"("protocol": "websocket", "auth": "anonymous")"},
                               {.name = "devices", .settings = R"("auth": "anonymous")"},
                               {.name = "users", .settings = R"("auth": "password")"},
                               {.name = "web-users", .settings = R"("protocol": "websocket", "auth": "password")"}}}};
};

// A foreign client by its name in the tables below; "4" is MQTT 3.1.1. Mosquitto's are programs, not scenarios.
constexpr const char* kMosquitto = "mosquitto";
constexpr const char* kMqttJs = "MQTT.js";
constexpr const char* kPython = "Paho for Python";
constexpr const char* kPahoC = "Paho C";

Process start_client(const std::string& client, const std::string& scenario, std::uint16_t port,
                     std::vector<std::string> pairs, const std::string& scheme = "mqtt") {
  const std::string address = "127.0.0.1:" + std::to_string(port);
  std::vector<std::string> arguments = {scenario, client == kPython ? std::to_string(port) : scheme + "://" + address};
  arguments.insert(arguments.end(), pairs.begin(), pairs.end());
  if (client == kPython) return start_python_script("paho_scenarios.py", arguments);
  if (client == kPahoC) return start_paho_c(arguments);
  return start_node_script("mqttjs_scenarios.js", arguments);
}

}  // namespace

TEST_CASE_METHOD(Node, "mosquitto_pub and mosquitto_sub agree at every QoS", "[e2e]") {
  const std::string version = GENERATE("mqttv311", "mqttv5");
  const std::string qos = GENERATE("0", "1", "2");
  MosquittoSub subscriber(daemon.port(), {"barn/temperature"}, {"-V", version, "-q", "2"});
  mosquitto_pub(daemon.port(), "barn/temperature", "21.5", {"-V", version, "-q", qos});
  CHECK(subscriber.next() == qos + " 0 barn/temperature 21.5");
}

TEST_CASE_METHOD(Node, "mosquitto_sub shares a subscription: each message goes to one member", "[e2e]") {
  MosquittoSub one(daemon.port(), {"$share/workers/job"}, {"-V", "mqttv5", "-q", "1"});
  MosquittoSub other(daemon.port(), {"$share/workers/job"}, {"-V", "mqttv5", "-q", "1"});
  for (int i = 0; i < 10; ++i) mosquitto_pub(daemon.port(), "job", std::to_string(i), {"-q", "1"});
  int count = 0;
  for (int i = 0; i < 10; ++i) {
    if (!one.next(std::chrono::milliseconds{200}).empty()) count += 1;
    if (!other.next(std::chrono::milliseconds{200}).empty()) count += 1;
  }
  CHECK(count == 10);
}

TEST_CASE_METHOD(Node, "mosquitto_rr is answered over the response topic", "[e2e]") {
  MosquittoSub server(daemon.port(), {"ask"}, {"-V", "mqttv5", "-q", "1", "-F", "message %R"});
  Process asking({.arguments = {"mosquitto_rr", "-h", "127.0.0.1", "-p", std::to_string(daemon.port()), "-V", "mqttv5",
                                "-q", "1", "-t", "ask", "-e", "answer", "-m", "how warm?"},
                  .environment = {},
                  .input = {}});
  CHECK(server.next() == "answer");
  mosquitto_pub(daemon.port(), "answer", "21", {"-V", "mqttv5", "-q", "1"});
  CHECK(asking.wait_for_line(Output::kStandard, "21"));
}

TEST_CASE_METHOD(Node, "MQTT.js does its scenarios over TCP and over WebSocket", "[e2e]") {
  const std::string scenario = GENERATE("round-trip", "sizes", "will", "shared", "request-response", "aliases");
  const std::string scheme = GENERATE("mqtt", "ws");
  CAPTURE(scenario, scheme);
  Process script = start_node_script("mqttjs_scenarios.js", {scenario, url(scheme)});
  must_pass(script, daemon.log());
}

TEST_CASE_METHOD(TlsNode, "MQTT.js does its scenarios over TLS and over WebSocket with TLS", "[e2e][G7]") {
  const std::string scenario = GENERATE("round-trip", "sizes", "will");
  const std::string scheme = GENERATE("mqtts", "wss");
  CAPTURE(scenario, scheme);
  Process script = start_node_script("mqttjs_scenarios.js", arguments(scenario, scheme));
  must_pass(script, daemon.log());
}

TEST_CASE_METHOD(Node, "Paho for Python does its scenarios over TCP and over WebSocket", "[e2e]") {
  const std::string scenario = GENERATE("round-trip", "will", "shared", "properties");
  const bool is_web = GENERATE(false, true);
  CAPTURE(scenario, is_web);
  const std::uint16_t port = is_web ? daemon.port_of("web") : daemon.port();
  Process script = start_python_script(
      "paho_scenarios.py", {scenario, std::to_string(port), is_web ? "transport=websockets" : "transport=tcp"});
  must_pass(script, daemon.log());
}

TEST_CASE_METHOD(Node, "Paho C does its scenarios over TCP and over WebSocket", "[e2e]") {
  const auto [scenario, version] =
      GENERATE(table<std::string, std::string>({{"round-trip", "4"}, {"round-trip", "5"}, {"shared", "5"}}));
  const std::string scheme = GENERATE("mqtt", "ws");
  CAPTURE(scenario, version, scheme);
  Process program = start_paho_c({scenario, url(scheme), "version=" + version});
  must_pass(program, daemon.log());
}

TEST_CASE_METHOD(Node, "every client comes back to its session after kill -9 of the daemon, and misses nothing",
                 "[e2e][G1]") {
  const auto [client, version] = GENERATE(table<std::string, std::string>(
      {{kMosquitto, "5"}, {kMqttJs, "5"}, {kPython, "4"}, {kPahoC, "4"}, {kPahoC, "5"}}));
  CAPTURE(client, version);
  const std::vector<std::string> lasting = {"-V", "mqttv5", "-x", "3600", "-q", "2"};
  if (client == kMosquitto) {
    make_session(daemon.port(), "lasting", "queue", lasting);
  } else {
    Process program = start_client(client, "session-begin", daemon.port(), {"version=" + version});
    must_pass(program, daemon.log());
  }
  for (int i = 0; i < 12; ++i) {
    if (i == 6) daemon.restart();
    mosquitto_pub(daemon.port(), "queue", std::to_string(i), {"-q", std::to_string(1 + i % 2)});
  }
  if (client == kMosquitto) {
    std::vector<std::string> options = {"-c", "-i", "lasting"};
    options.insert(options.end(), lasting.begin(), lasting.end());
    MosquittoSub back(daemon.port(), {"queue"}, options);
    std::map<char, std::string> seen;  // in order at each QoS
    for (int i = 0; i < 12; ++i) {
      const std::string line = back.next();
      REQUIRE_FALSE(line.empty());
      seen[line.front()] += line.substr(line.rfind(' '));
    }
    CHECK(seen == std::map<char, std::string>{{'1', " 0 2 4 6 8 10"}, {'2', " 1 3 5 7 9 11"}});
    CHECK(back.next(std::chrono::milliseconds{300}).empty());
  } else {
    Process program = start_client(client, "session-resume", daemon.port(), {"version=" + version});
    must_pass(program, daemon.log());
  }
}

TEST_CASE_METHOD(Node, "the will of every client that is killed is published, and not before its delay", "[e2e]") {
  using std::chrono::steady_clock;
  const auto [client, version, delay] = GENERATE(table<std::string, std::string, int>({{kMosquitto, "5", 1},
                                                                                       {kMqttJs, "4", 0},
                                                                                       {kMqttJs, "5", 1},
                                                                                       {kPython, "4", 0},
                                                                                       {kPython, "5", 1},
                                                                                       {kPahoC, "4", 0},
                                                                                       {kPahoC, "5", 1}}));
  CAPTURE(client, version, delay);
  MosquittoSub watcher(daemon.port(), {"will"}, {"-q", "2"});
  steady_clock::time_point killed;
  if (client == kMosquitto) {
    MosquittoSub dying(daemon.port(), {"any"},
                       {"-V", "mqttv5", "-i", "dying", "-x", "3600", "--will-topic", "will", "--will-payload", "gone",
                        "--will-qos", "2", "-D", "will", "will-delay-interval", std::to_string(delay)});
    killed = steady_clock::now();
    dying.process().signal(SIGKILL);
  } else {
    Process dying =
        start_client(client, "dying", daemon.port(), {"version=" + version, "delay=" + std::to_string(delay)});
    REQUIRE(dying.wait_for_line(Output::kStandard, "connected"));
    killed = steady_clock::now();
    dying.signal(SIGKILL);
  }
  CHECK(watcher.next() == "2 0 will gone");
  CHECK(steady_clock::now() - killed > std::chrono::milliseconds{delay * 1000 - 100});
}

TEST_CASE_METHOD(TlsNode, "clients prove themselves over TLS, by certificate and by password", "[e2e][G7]") {
  const auto [client, proof] = GENERATE(table<std::string, std::string>({{kMosquitto, "certificate"},
                                                                         {kMosquitto, "password"},
                                                                         {kMqttJs, "certificate"},
                                                                         {kMqttJs, "password"},
                                                                         {kMqttJs, "password over WebSocket"},
                                                                         {kPython, "certificate"},
                                                                         {kPython, "password"},
                                                                         {kPython, "password over WebSocket"},
                                                                         {kPahoC, "certificate"},
                                                                         {kPahoC, "password"}}));
  CAPTURE(client, proof);
  const std::string authority_file = (daemon.data() / "identity" / "authority.crt").string();
  const std::filesystem::path identity = daemon.data() / "visitor" / "identity";
  const bool by_certificate = proof == "certificate";
  const bool is_web = proof == "password over WebSocket";
  authority.issue("visitor", daemon.data() / "visitor", "app");
  if (!by_certificate) daemon.add_user("alice", "wonderland");
  const std::uint16_t port = by_certificate ? daemon.tls_port() : daemon.port_of(is_web ? "web-users" : "users");
  if (client == kMosquitto) {
    std::vector<std::string> options = {"--cafile", authority_file, "-q", "2"};
    const std::vector<std::string> more = by_certificate
                                              ? std::vector<std::string>{"--cert", (identity / "node.crt").string(),
                                                                         "--key", (identity / "node.key").string()}
                                              : std::vector<std::string>{"-u", "alice", "-P", "wonderland"};
    options.insert(options.end(), more.begin(), more.end());
    MosquittoSub subscriber(port, {"barn/#"}, options);
    mosquitto_pub(port, "barn/door", "open", options);
    CHECK(subscriber.next() == "2 0 barn/door open");
    return;
  }
  // Paho C has our TLS, which takes a whole identity; by password it shows no certificate.
  std::vector<std::string> pairs = {client == kPahoC ? "identity=" + (daemon.data() / "visitor").string()
                                                     : "ca=" + authority_file};
  if (by_certificate && client != kPahoC) {
    pairs.push_back("cert=" + (identity / "node.crt").string());
    pairs.push_back("key=" + (identity / "node.key").string());
  }
  if (!by_certificate) pairs.insert(pairs.end(), {"user=alice", "password=wonderland"});
  if (client == kPython && is_web) pairs.emplace_back("transport=websockets");
  Process program = start_client(client, "round-trip", port, pairs, is_web ? "wss" : "mqtts");
  must_pass(program, daemon.log());
}

TEST_CASE_METHOD(Node, "mosquitto_sub shows the properties that mosquitto_pub gave", "[e2e]") {
  MosquittoSub subscriber(daemon.port(), {"barn/#"},
                          {"-V", "mqttv5", "-q", "1", "-D", "subscribe", "subscription-identifier", "7", "-F",
                           "message %t %C %D %F %P %R %S %p"});
  mosquitto_pub(daemon.port(), "barn/door", "open",
                {"-V",
                 "mqttv5",
                 "-q",
                 "1",
                 "-D",
                 "publish",
                 "content-type",
                 "text/plain",
                 "-D",
                 "publish",
                 "correlation-data",
                 "c7",
                 "-D",
                 "publish",
                 "payload-format-indicator",
                 "1",
                 "-D",
                 "publish",
                 "user-property",
                 "unit",
                 "C",
                 "-D",
                 "publish",
                 "response-topic",
                 "barn/answer"});
  CHECK(subscriber.next() == "barn/door text/plain c7 1 unit:C barn/answer 7 open");
}

}  // namespace hedgerow::test
