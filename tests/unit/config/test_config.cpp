#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/config.hpp"

namespace hedgerow::config {
namespace {

TEST_CASE("the system channel is hedgerow/#, mesh, 24 h, 4 MiB, never late", "[config]") {
  CHECK(system_channel() == Channel{.name = "hedgerow",
                                    .filter = "hedgerow/#",
                                    .scope = Scope::kMesh,
                                    .keep = {.age = std::chrono::hours{24}, .size_bytes = 4'194'304},
                                    .late = kNeverLate});
}

TEST_CASE("without a file one anonymous listener serves the default channel", "[config]") {
  const Expected<Config> config = listen_only({.host = "127.0.0.1", .port = 0}, "/tmp/data");
  REQUIRE(config);
  CHECK(config->mesh == "local");
  CHECK(config->node.empty());
  CHECK(config->data == "/tmp/data");
  REQUIRE(config->listeners.size() == 1);
  CHECK_FALSE(config->listeners[0].tls);
  CHECK(config->listeners[0].auth == Auth::kAnonymous);
  CHECK(config->peers.empty());
  CHECK(config->channels == std::vector{system_channel(), default_channel()});
}

TEST_CASE("without a file only loopback is served", "[config][G7]") {
  const Expected<Config> config = listen_only({.host = "0.0.0.0", .port = 1883}, "/tmp/data");
  REQUIRE_FALSE(config);
  CHECK(config.error().what ==
        "0.0.0.0:1883 is not an address of this board alone: without a configuration file nobody is authenticated, so "
        "--listen takes 127.0.0.1:PORT or [::1]:PORT");
}

TEST_CASE("a configuration describes itself, a line for each thing", "[config]") {
  Config config = *listen_only({.host = "::1", .port = 1883}, "/tmp/data");
  config.peers.push_back({.host = "gw-house.lan", .port = 8883});
  CHECK(
      describe(config) ==
      "mesh local, node named by its certificate or host name, data in /tmp/data\n"
      "listener listener-1 [::1]:1883 plaintext anonymous\n"
      "peer gw-house.lan:8883\n"
      "channel hedgerow hedgerow/# mesh, keep 1d and 4MiB, late never\n"
      "channel default # mesh, keep 1d and 64MiB, late 5m\n"
      "durability synced: what is acknowledged survives a power cut\n"
      "remote_commit 5s: what comes from peers may wait so long for its sync\n"
      "access without rules: on loopback listeners everything; elsewhere everything for nodes and admins, "
      "subscribing for monitors, nothing for others\n"
      "limits of the node: connections 10240, connections_per_address 4096, sessions 10000, queue_bytes 32MiB, "
      "subscription_bytes 64MiB, unfinished_bytes 32MiB, retained_messages 1000000\n"
      "limits of a client: connect_timeout 10s, keep_alive_max never, packet_bytes 1MiB, will_bytes 16KiB, "
      "maximum_qos 2, receive_maximum 1024, in_flight 1000, session_queue_bytes 1MiB, subscriptions_per_session 1000, "
      "topic_levels 200, topic_aliases 32\n");
}

TEST_CASE("what an acknowledgement does not outlive is described", "[config]") {
  Config config = *listen_only({.host = "::1", .port = 1883}, "/tmp/data");
  config.durability = Durability::kProcess;
  CHECK(describe(config).find("durability process: ") != std::string::npos);
}

TEST_CASE("peers' messages that wait for no sync are described as such", "[config]") {
  Config config = *listen_only({.host = "::1", .port = 1883}, "/tmp/data");
  config.remote_commit = {};
  CHECK(describe(config).find("remote_commit 0s: what comes from peers is synced at once\n") != std::string::npos);
}

// The lines of the description that begin with "access".
std::string described_access(const Config& config) {
  const std::string all = describe(config);
  const std::size_t begin = all.find("access");
  return all.substr(begin, all.find("limits of the node") - begin);
}

TEST_CASE("each access rule has its line", "[config]") {
  Config config = *listen_only({.host = "::1", .port = 1883}, "/tmp/data");
  config.access = {{.name = "pump-*", .publish = {"pump/%n/#", "log"}, .subscribe = {"set/#"}},
                   {.user = "alice", .listener = "lan", .subscribe = {"#"}}};
  CHECK(described_access(config) ==
        "access name pump-*: publish pump/%n/#, log; subscribe set/#\n"
        "access user alice on lan: publish nothing; subscribe #\n");
}

TEST_CASE("a listener that nobody can use is noticed", "[config]") {
  Config config = *listen_only({.host = "127.0.0.1", .port = 1883}, "/tmp/data");
  config.listeners.push_back({.name = "lan", .address = {.host = "0.0.0.0", .port = 8884}, .auth = Auth::kPassword});
  config.listeners.push_back({.name = "web", .address = {.host = "0.0.0.0", .port = 8885}, .auth = Auth::kAnonymous});
  config.access = {{.user = "alice", .publish = {"#"}}};
  CHECK(described_access(config) ==
        "access user alice: publish #; subscribe nothing\n"
        "access note: nobody may publish or subscribe on listener web: add a rule with \"anonymous\"\n");
  config.access.clear();
  CHECK(described_access(config).ends_with(
      "access note: nobody may publish or subscribe on listener lan: add a rule with \"user\"\n"
      "access note: nobody may publish or subscribe on listener web: add a rule with \"anonymous\"\n"));
}

TEST_CASE("a WebSocket listener describes itself as one", "[config]") {
  Config config = *listen_only({.host = "127.0.0.1", .port = 9001}, "/tmp/data");
  config.listeners[0].protocol = Protocol::kWebSocket;
  CHECK(describe(config).find("listener listener-1 127.0.0.1:9001 plaintext anonymous websocket\n") !=
        std::string::npos);
}

TEST_CASE("what is spooled is described with its bounds", "[config]") {
  Config config = *listen_only({.host = "::1", .port = 1883}, "/tmp/data");
  config.spool = {.age = std::chrono::hours{1}, .size_bytes = 1U << 20U};
  CHECK(describe(config).find("\nspool 1h and 1MiB of each channel of the mesh that is not above, for other nodes\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace hedgerow::config
