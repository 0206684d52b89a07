// Clients in other languages, through every kind of listener that serves MQTT.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
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
            (daemon.data() / "identity" / "authority.crt").string()};
  }
  Authority authority;
  Daemon daemon{{.listeners = {{.name = "web", .settings = R"("protocol": "websocket", "auth": "anonymous")"},
                               {.name = "devices", .settings = R"("auth": "anonymous")"}}}};
};

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
  Process script =
      start_python_script("paho_scenarios.py", {scenario, std::to_string(port), is_web ? "websockets" : "tcp"});
  must_pass(script, daemon.log());
}

}  // namespace hedgerow::test
