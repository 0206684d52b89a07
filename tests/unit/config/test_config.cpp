#include <catch2/catch_test_macros.hpp>

#include "daemon/config/config.hpp"

namespace hedgerow::config {
namespace {

TEST_CASE("the system channel is hedgerow/#, mesh, 24 h and 4 MiB", "[config]") {
  CHECK(system_channel() == Channel{.name = "hedgerow",
                                    .filter = "hedgerow/#",
                                    .scope = Scope::kMesh,
                                    .keep = {.age = std::chrono::hours{24}, .size_bytes = 4'194'304}});
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
  CHECK(describe(config) ==
        "mesh local, node named by its certificate or host name, data in /tmp/data\n"
        "listener listener-1 [::1]:1883 plaintext anonymous\n"
        "peer gw-house.lan:8883\n"
        "channel hedgerow hedgerow/# mesh, keep 1d and 4MiB\n"
        "channel default # mesh, keep 1d and 64MiB\n");
}

}  // namespace
}  // namespace hedgerow::config
