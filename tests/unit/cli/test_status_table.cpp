#include <catch2/catch_test_macros.hpp>

#include "daemon/cli/status_table.hpp"
#include "daemon/monitor/status.hpp"

namespace hedgerow::cli {
namespace {

monitor::Status gateway() {
  return {.node = "gw-barn",
          .replica = 0xdeadbeef,
          .mesh = "orchard",
          .version = "0.1.0",
          .uptime_s = 11'520,
          .clock = ClockQuality::kSynchronised,
          .listeners = {{.name = "listener-1", .address = "127.0.0.1:1883", .tls = false, .plaintext = false},
                        {.name = "devices", .address = "0.0.0.0:1884", .tls = false, .plaintext = true},
                        {.name = "mesh", .address = "0.0.0.0:8883", .tls = true, .plaintext = false}},
          .links = {{.peer = "gw-house",
                     .address = "gw-house.lan:8883",
                     .state = monitor::LinkState::kUp,
                     .dialled = true,
                     .lag = 0},
                    {.peer = "gw-field",
                     .address = "10.0.0.7:50312",
                     .state = monitor::LinkState::kUp,
                     .dialled = false,
                     .lag = std::nullopt}},
          .channels = {
              {.name = "hedgerow",
               .filter = "hedgerow/#",
               .scope = "mesh",
               .digest = "0123456789abcdef0123456789abcdef",
               .behind = 12},
              {.name = "wärme", .filter = "#", .scope = "local", .digest = "ff", .behind = 0},
              {.name = "doors", .filter = "door/#", .scope = "mesh", .spooled = true, .digest = "ee", .behind = 3}}};
}

TEST_CASE("the table shows listeners, links and channels in columns", "[cli]") {
  CHECK(status_table(to_json(gateway())).value() ==
        "node gw-barn of mesh orchard, up 3 h 12 min, clock synchronised, version 0.1.0, replica 00000000deadbeef\n"
        "\n"
        "LISTENER    ADDRESS         SECURITY\n"
        "listener-1  127.0.0.1:1883  this board only\n"
        "devices     0.0.0.0:1884    PLAINTEXT, other machines can reach it\n"
        "mesh        0.0.0.0:8883    TLS\n"
        "\n"
        "LINK      STATE  LAG  ADDRESS\n"
        "gw-house  up     0    gw-house.lan:8883 (dialled)\n"
        "gw-field  up     -    10.0.0.7:50312 (dialled us)\n"
        "\n"
        "CHANNEL   BEHIND  SCOPE          FILTER      DIGEST\n"
        "hedgerow  12      mesh           hedgerow/#  0123456789abcdef\n"
        "wärme     0       local          #           ff\n"
        "doors     3       mesh, spooled  door/#      ee\n");
}

TEST_CASE("the table of channels shows what the mesh defines, and what of it is here", "[cli]") {
  CHECK(channel_table(R"({"channels":[{"version":3,"name":"doors","filter":"door/#","merge":"last-write",)"
                      R"("keep":{"age":"7d","size":"64MiB"},"here":"waits for a restart of this node"}]})")
            .value() ==
        "CHANNEL  VERSION  FILTER  MERGE       KEEP       HERE\n"
        "doors    3        door/#  last-write  7d, 64MiB  waits for a restart of this node\n");
  CHECK(channel_table(R"({"error":"the disk is full"})").error().what == "the disk is full");
}

TEST_CASE("alarms come first", "[cli]") {
  CHECK(status_table(to_json(monitor::Status{.alarms = {"the disk is full"}}))->find("\nALARM: the disk is full\n\n") !=
        std::string::npos);
}

TEST_CASE("the table names who missed messages that keep had trimmed, if anybody did", "[cli][G6]") {
  monitor::Status status = gateway();
  CHECK(status_table(to_json(status))->find("MISSED") == std::string::npos);
  status.trimmed = {{.owner = "user:ann", .client = "meter", .shared = {}, .messages = 1'200},
                    {.owner = {}, .client = {}, .shared = "$share/g/a/#", .messages = 3}};
  CHECK(status_table(to_json(status))
            ->find("keep trimmed what had not been read yet:\n"
                   "MISSED  CLIENT        OWNER\n"
                   "1200    meter         user:ann\n"
                   "3       $share/g/a/#  -\n") != std::string::npos);
}

TEST_CASE("the table says why a link is down", "[cli]") {
  monitor::Status status = gateway();
  status.links = {{.peer = "10.0.0.2:8883", .address = "10.0.0.2:8883", .reason = "cannot connect: refused"}};
  CHECK(status_table(to_json(status))
            ->find("10.0.0.2:8883  down   -    10.0.0.2:8883 (dialled)\n"
                   "no link with 10.0.0.2:8883: cannot connect: refused\n") != std::string::npos);
}

TEST_CASE("a node without links works alone", "[cli][G9]") {
  CHECK(status_table(to_json(monitor::Status{}))->find("no links: this node works alone\n") != std::string::npos);
}

TEST_CASE("the time of running is shown in two units", "[cli]") {
  const auto up = [](std::uint64_t seconds) {
    monitor::Status status;
    status.uptime_s = seconds;
    const std::string table = status_table(to_json(status)).value();
    const std::size_t begin = table.find(", up ") + 5;
    return table.substr(begin, table.find(',', begin) - begin);
  };
  CHECK(up(0) == "0 min 0 s");
  CHECK(up(65) == "1 min 5 s");
  CHECK(up(3'600) == "1 h 0 min");
  CHECK(up(90'000) == "1 d 1 h");
}

TEST_CASE("what another version leaves out is shown as unknown", "[cli]") {
  const std::string table = status_table(R"({"node":7,"links":[{}],"channels":[1],"uptime_s":-1})").value();
  CHECK(table.starts_with("node - of mesh -, up -, clock -, version -, replica -\n"));
}

TEST_CASE("an error of the daemon becomes ours", "[cli]") {
  CHECK(status_table(monitor::error_json("the store is closing")).error().what == "the store is closing");
}

TEST_CASE("an answer that is no document is refused", "[cli]") {
  for (const std::string_view answer : {"", "hello", "[]", "{"}) {
    CHECK(status_table(answer).error().what ==
          "hedgerowd gave no answer that this program understands: are both of one version?");
  }
}

}  // namespace
}  // namespace hedgerow::cli
