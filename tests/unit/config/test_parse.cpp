#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

Config accepted(std::string_view text) {
  auto config = parse(text);
  INFO((config ? std::string{} : format_problems("f", config.error())));
  REQUIRE(config);
  return *config;
}

TEST_CASE("a gateway's whole configuration is read as it stands in the documentation", "[config]") {
  const Config config = accepted(R"({
  "mesh": "orchard", "node": "gw-barn", "data": "/var/lib/hedgerow",
  "listeners": [
    { "address": "127.0.0.1:1883", "tls": false },   // programs on this board
    { "address": "0.0.0.0:8883" }                    // peers, programs elsewhere, monitors: mutual TLS
  ],
  "peers": ["gw-house.lan:8883"],
  "channels": [
    { "name": "default",   "filter": "#", "keep": { "age": "7d", "size": "64MiB" } },
    { "name": "zigbee",    "filter": "zigbee2mqtt/#", "scope": "local" }
  ]
})");
  CHECK(config.mesh == "orchard");
  CHECK(config.node == "gw-barn");
  CHECK(config.data == "/var/lib/hedgerow");
  REQUIRE(config.listeners.size() == 2);
  CHECK(config.listeners[0].name == "listener-1");
  CHECK(config.listeners[0].address == HostPort{"127.0.0.1", 1883});
  CHECK_FALSE(config.listeners[0].tls);
  CHECK(config.listeners[0].auth == Auth::kAnonymous);
  CHECK(config.listeners[1].name == "listener-2");
  CHECK(config.listeners[1].address == HostPort{"0.0.0.0", 8883});
  CHECK(config.listeners[1].tls);
  CHECK(config.listeners[1].auth == Auth::kCertificate);
  CHECK(config.peers == std::vector{HostPort{"gw-house.lan", 8883}});
  REQUIRE(config.channels.size() == 3);
  CHECK(config.channels[0] == system_channel());
  CHECK(config.channels[1] == Channel{.name = "default",
                                      .filter = "#",
                                      .scope = Scope::kMesh,
                                      .keep = {.age = std::chrono::hours{168}, .size_bytes = 67'108'864}});
  CHECK(config.channels[2] ==
        Channel{.name = "zigbee", .filter = "zigbee2mqtt/#", .scope = Scope::kLocal, .keep = Keep{}});
}

TEST_CASE("acknowledgements are synced unless the file says otherwise", "[config]") {
  CHECK(accepted(R"({"mesh":"orchard"})").durability == Durability::kSynced);
  CHECK(accepted(R"({"mesh":"orchard","durability":"process"})").durability == Durability::kProcess);
}

TEST_CASE("the mesh's name is enough", "[config]") {
  const Config config = accepted(R"({"mesh":"orchard"})");
  CHECK(config.node.empty());
  CHECK(config.data == "/var/lib/hedgerow");
  REQUIRE(config.listeners.size() == 1);
  CHECK(config.listeners[0].address == HostPort{"127.0.0.1", 1883});
  CHECK(config.listeners[0].auth == Auth::kAnonymous);
  CHECK(config.peers.empty());
  CHECK(config.channels == std::vector{system_channel(), default_channel()});
}

TEST_CASE("a listener may be named, port 0 any number of times", "[config]") {
  const Config config = accepted(R"({"mesh":"m","listeners":[
      {"name":"local","address":"127.0.0.1:0","tls":false,"auth":"anonymous","protocol":"mqtt"},
      {"address":"127.0.0.1:0","auth":"certificate","tls":true}]})");
  CHECK(config.listeners[0].name == "local");
  CHECK(config.listeners[1].name == "listener-2");
}

TEST_CASE("plaintext beyond the board is served where the file accepts it", "[config][G7]") {
  const Config config =
      accepted(R"({"mesh":"m","listeners":[{"address":"0.0.0.0:1883","tls":false,"plaintext":"accepted"}]})");
  CHECK(config.listeners[0].plaintext_accepted);
  CHECK(config.listeners[0].auth == Auth::kAnonymous);
}

TEST_CASE("plaintext that is accepted on loopback exposes nothing", "[config][G7]") {
  const Config config =
      accepted(R"({"mesh":"m","listeners":[{"address":"127.0.0.1:1883","tls":false,"plaintext":"accepted"}]})");
  CHECK_FALSE(config.listeners[0].plaintext_accepted);
}

TEST_CASE("one port serves two addresses, and both families of wildcards", "[config]") {
  CHECK(accepted(R"({"mesh":"m","listeners":[{"address":"127.0.0.1:1883"},{"address":"[::1]:1883"}]})")
            .listeners.size() == 2);
  CHECK(accepted(R"({"mesh":"m","listeners":[{"address":"0.0.0.0:1883"},{"address":"[::]:1883"}]})").listeners.size() ==
        2);
}

TEST_CASE("a node may list itself among the peers", "[config]") {
  CHECK(accepted(R"({"mesh":"m","node":"gw-barn","peers":["gw-barn.lan:8883","gw-house.lan:8883"]})").peers.size() ==
        2);
}

TEST_CASE("what this version does may be spelt out", "[config]") {
  const Config config = accepted(
      R"({"mesh":"m","channels":[{"name":"a","filter":"a/+/#","merge":"last-write","ack":"local","keep":{}}]})");
  CHECK(config.channels[1].keep == Keep{});
}

TEST_CASE("a channel says how its retained messages merge", "[config]") {
  const auto config = parse(R"({"mesh":"m","channels":[{"name":"a","filter":"a"},
      {"name":"b","filter":"b","merge":"document"},{"name":"c","filter":"c","merge":"counter"}]})");
  REQUIRE(config);
  CHECK(config->channels[1].merge == sync::MergeKind::kLastWrite);
  CHECK(config->channels[2].merge == sync::MergeKind::kDocument);
  CHECK(config->channels[3].merge == sync::MergeKind::kCounter);
  const std::string described = describe(*config);
  CHECK(described.find(", late 5m, merge document\n") != std::string::npos);
  CHECK(described.find("last-write") == std::string::npos);
}

TEST_CASE("a listener may take passwords, with TLS, on loopback, or declared plaintext", "[config][G7]") {
  const Config config = accepted(R"({"mesh":"m","listeners":[
      {"address":"0.0.0.0:8884","auth":"password"},
      {"address":"127.0.0.1:1883","tls":false,"auth":"password"},
      {"address":"0.0.0.0:1884","tls":false,"auth":"password","plaintext":"accepted"}]})");
  for (const Listener& listener : config.listeners) CHECK(listener.auth == Auth::kPassword);
  CHECK(config.listeners[0].tls);
  CHECK_FALSE(config.listeners[1].plaintext_accepted);
  CHECK(config.listeners[2].plaintext_accepted);
}

TEST_CASE("with TLS, clients may be anonymous", "[config]") {
  const Config config = accepted(R"({"mesh":"m","listeners":[{"address":"0.0.0.0:8884","auth":"anonymous"}]})");
  CHECK(config.listeners[0].tls);
  CHECK(config.listeners[0].auth == Auth::kAnonymous);
}

TEST_CASE("a listener speaks MQTT unless it says WebSocket", "[config]") {
  const Config config = accepted(R"({"mesh":"m","listeners":[
      {"address":"127.0.0.1:1"}, {"address":"127.0.0.1:2","protocol":"websocket"}]})");
  CHECK(config.listeners[0].protocol == Protocol::kMqtt);
  CHECK(config.listeners[1].protocol == Protocol::kWebSocket);
}

TEST_CASE("a channel says what is late and whether it is conflated", "[config]") {
  const Config config = accepted(R"({"mesh":"m","channels":[
      {"name":"a","filter":"a/#","late":"1h","conflate":true}, {"name":"b","filter":"b/#","late":"never"},
      {"name":"c","filter":"c/#"}]})");
  CHECK(config.channels[1].late == std::chrono::hours{1});
  CHECK(config.channels[1].conflate);
  CHECK(config.channels[2].late == kNeverLate);
  CHECK(config.channels[3].late == std::chrono::minutes{5});
  CHECK_FALSE(config.channels[3].conflate);
}

TEST_CASE("part of keep may be left out", "[config]") {
  const Config config = accepted(R"({"mesh":"m","channels":[{"name":"a","filter":"#","keep":{"age":"1h"}}]})");
  CHECK(config.channels[1].keep == Keep{.age = std::chrono::hours{1}, .size_bytes = 67'108'864});
}

TEST_CASE("nothing is spooled unless the file says so", "[config]") {
  CHECK_FALSE(accepted(R"({"mesh":"m","channels":[{"name":"a","filter":"a/#"}]})").spool);
}

TEST_CASE("the spool has the bounds of the file, whichever stands first", "[config]") {
  const Config config =
      accepted(R"({"mesh":"m","spool":{"age":"1h","size":"1MiB"},"channels":[{"name":"a","filter":"a/#"}]})");
  CHECK(config.spool == Keep{.age = std::chrono::hours{1}, .size_bytes = 1'048'576});
  CHECK(accepted(R"({"mesh":"m","channels":[{"name":"a","filter":"a/#"}],"spool":{}})").spool == Keep{});
}

}  // namespace
}  // namespace hedgerow::config
