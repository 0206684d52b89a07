// The documents' exact text: programs and dashboards rely on it.

#include <catch2/catch_test_macros.hpp>

#include "daemon/monitor/health.hpp"
#include "daemon/monitor/status.hpp"

namespace hedgerow::monitor {
namespace {

TEST_CASE("the status names node, listeners, links and channels", "[monitor]") {
  const Status status{
      .node = "gw-barn",
      .replica = 0x00000000deadbeef,
      .mesh = "orchard",
      .version = "0.1.0",
      .uptime_s = 61,
      .clock = ClockQuality::kSynchronised,
      .listeners = {{.name = "listener-1", .address = "127.0.0.1:1883", .tls = false, .plaintext = false}},
      .links = {{.peer = "gw-house", .address = "10.0.0.2:8883", .state = LinkState::kUp, .dialled = true, .lag = 3}},
      .channels = {{.name = "default",
                    .filter = "#",
                    .scope = "mesh",
                    .digest = "00ff",
                    .behind = 18'446'744'073'709'551'615U}},
      .alarms = {"the disk is full"},
      .trimmed = {{.owner = "pump", .client = "c", .shared = {}, .messages = 12},
                  {.owner = {}, .client = {}, .shared = "$share/g/a", .messages = 3}},
      .scrub = {.finished_unix_ms = 9, .done_bytes = 512, .file_bytes = 1024}};
  CHECK(
      to_json(status) ==
      R"({"node":"gw-barn","replica":"00000000deadbeef","mesh":"orchard","version":"0.1.0","uptime_s":61,)"
      R"("clock":"synchronised",)"
      R"("listeners":[{"name":"listener-1","address":"127.0.0.1:1883","tls":false,"plaintext":false}],)"
      R"("links":[{"peer":"gw-house","address":"10.0.0.2:8883","state":"up","dialled":true,"lag":3}],)"
      R"("channels":[{"name":"default","filter":"#","scope":"mesh","spooled":false,"merge":"last-write","digest":"00ff","behind":18446744073709551615}],)"
      R"("alarms":["the disk is full"],)"
      R"("trimmed":[{"owner":"pump","client":"c","messages":12},{"shared":"$share/g/a","messages":3}],)"
      R"("scrub":{"finished_unix_ms":9,"damaged_unix_ms":null,"done_bytes":512,"file_bytes":1024}})");
}

TEST_CASE("a status with nothing in it is a document all the same", "[monitor]") {
  CHECK(to_json(Status{}) ==
        R"({"node":"","replica":"0000000000000000","mesh":"","version":"","uptime_s":0,"clock":"unsynchronised",)"
        R"("listeners":[],"links":[],"channels":[],"alarms":[],"trimmed":[],)"
        R"("scrub":{"finished_unix_ms":null,"damaged_unix_ms":null,"done_bytes":0,"file_bytes":0}})");
}

TEST_CASE("the lag of a peer that was never heard is null", "[monitor]") {
  Status status;
  status.links.push_back({.peer = "10.0.0.2:8883", .address = "10.0.0.2:8883", .state = LinkState::kConnecting});
  CHECK(to_json(status).find(R"("state":"connecting","dialled":true,"lag":null)") != std::string::npos);
}

TEST_CASE("a link that is down says why", "[monitor]") {
  Status status;
  status.links.push_back({.peer = "10.0.0.2:8883", .address = "10.0.0.2:8883", .reason = "cannot connect: refused"});
  CHECK(to_json(status).find(R"("state":"down","dialled":true,"lag":null,"reason":"cannot connect: refused"})") !=
        std::string::npos);
}

TEST_CASE("no document contains a newline, which ends it on the socket", "[monitor]") {
  Status status;
  status.node = "a\nb";
  CHECK(to_json(status).find('\n') == std::string::npos);
  CHECK(error_json("one\ntwo \"three\"") == R"({"error":"one\ntwo \"three\""})");
}

TEST_CASE("health says what the board measured", "[monitor]") {
  const Health health{
      .at = {.unix_ms = 1'700'000'000'123, .quality = ClockQuality::kSynchronised},
      .version = "0.1.0",
      .uptime_s = 3'600,
      .system = {.temperature_c = 48.312,
                 .memory = Memory{.rss_bytes = 1, .total_bytes = 3, .available_bytes = 2},
                 .load = Load{.one_minute = 0.5, .five_minutes = 0.25, .fifteen_minutes = 1},
                 .disk = Disk{.free_bytes = 10, .total_bytes = 20}},
      .clients = 2,
      .messages = {.received = 5, .delivered = 4, .refused = 1, .dropped = 0, .denied = 2, .trimmed = 3, .withheld = 6},
      .over_budget = {.subscriptions = 7, .readers = 8, .writers = 9},
      .things =
          ThingsReport{.connected = 4, .lost = 1, .malformed = 2, .damaged_frames = 7, .strangers = 5, .unproved = 6},
      .plaintext_listeners = {"devices"},
      .alarms = {"the disk is full"}};
  CHECK(to_json(health) ==
        R"({"at_unix_ms":1700000000123,"clock":"synchronised","version":"0.1.0","uptime_s":3600,)"
        R"("temperature_c":48.3,"memory":{"rss_bytes":1,"total_bytes":3,"available_bytes":2},)"
        R"("load":[0.5,0.25,1],"disk":{"free_bytes":10,"total_bytes":20},"clients":2,)"
        R"("messages":{"received":5,"delivered":4,"refused":1,"dropped":0,"denied":2,"trimmed":3,"withheld":6},)"
        R"("over_budget":{"subscriptions":7,"readers":8,"writers":9},)"
        R"("things":{"connected":4,"lost":1,"malformed":2,"damaged_frames":7,"strangers":5,"unproved":6},)"
        R"("plaintext_listeners":["devices"],)"
        R"("alarms":["the disk is full"],)"
        R"("scrub":{"finished_unix_ms":null,"damaged_unix_ms":null,"done_bytes":0,"file_bytes":0}})");
}

TEST_CASE("health leaves out what could not be measured", "[monitor][G10]") {
  CHECK(to_json(Health{}) ==
        R"({"at_unix_ms":0,"clock":"unsynchronised","version":"","uptime_s":0,"clients":0,)"
        R"("messages":{"received":0,"delivered":0,"refused":0,"dropped":0,"denied":0,"trimmed":0,"withheld":0},)"
        R"("over_budget":{"subscriptions":0,"readers":0,"writers":0},"plaintext_listeners":[],)"
        R"("alarms":[],)"
        R"("scrub":{"finished_unix_ms":null,"damaged_unix_ms":null,"done_bytes":0,"file_bytes":0}})");
}

TEST_CASE("the links document says since when, and how far that time can be trusted", "[monitor][G10]") {
  const std::vector<LinkReport> links = {{.peer = "gw-house",
                                          .address = "10.0.0.2:8883",
                                          .state = LinkState::kDown,
                                          .dialled = false,
                                          .lag = std::nullopt,
                                          .since = {.unix_ms = 5, .quality = ClockQuality::kUnsynchronised}}};
  CHECK(links_json({.unix_ms = 9, .quality = ClockQuality::kSynchronised}, links) ==
        R"({"at_unix_ms":9,"clock":"synchronised","links":[{"peer":"gw-house","address":"10.0.0.2:8883",)"
        R"("state":"down","dialled":false,"lag":null,"since_unix_ms":5,"since_clock":"unsynchronised"}]})");
  CHECK(links_json({}, {}) == R"({"at_unix_ms":0,"clock":"unsynchronised","links":[]})");
}

}  // namespace
}  // namespace hedgerow::monitor
