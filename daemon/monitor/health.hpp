// The retained documents that every node keeps under hedgerow/MESH/nodes/NODE/ (DESIGN 7): `health` and `links`.
//
// Pure. Thread rule: plain values. Field names say their unit; what could not be measured is left out, never invented.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/monitor/status.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::monitor {

struct Memory {
  std::uint64_t rss_bytes = 0;  // of the daemon
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};

struct Load {
  double one_minute = 0;
  double five_minutes = 0;
  double fifteen_minutes = 0;
};

// The file system that holds the data directory.
struct Disk {
  std::uint64_t free_bytes = 0;  // to an ordinary user
  std::uint64_t total_bytes = 0;
};

// What the board says of itself. Filled by probe_system().
struct SystemSample {
  std::optional<double> temperature_c{};  // the hottest thermal zone
  std::optional<Memory> memory{};
  std::optional<Load> load{};
  std::optional<Disk> disk{};
};

// Since the daemon started.
struct MessageCounters {
  std::uint64_t received = 0;   // PUBLISH packets accepted from local clients
  std::uint64_t delivered = 0;  // PUBLISH packets sent to local clients
  std::uint64_t refused = 0;    // PUBLISH packets answered with a reason code of refusal, or closed for it
  std::uint64_t dropped = 0;    // deliveries given up at a limit
  std::uint64_t denied = 0;     // connections, publishes and subscriptions that the access rules refused
  std::uint64_t trimmed = 0;    // messages that keep trimmed before a session had read them
  std::uint64_t withheld = 0;   // deliveries of messages that may have expired: nobody knows
};

// What was refused or closed since the daemon started, because all clients together held too much.
struct OverBudget {
  std::uint64_t subscriptions = 0;  // refused
  std::uint64_t readers = 0;        // clients closed that did not take what they were sent
  std::uint64_t writers = 0;        // clients closed in the middle of a packet
};

// Microcontrollers, where the configuration lets some come. All but `connected` since the daemon started.
struct ThingsReport {
  std::uint64_t connected = 0;       // now, also those that are asleep
  std::uint64_t lost = 0;            // fell silent
  std::uint64_t malformed = 0;       // messages that are none
  std::uint64_t damaged_frames = 0;  // on serial lines
  std::uint64_t strangers = 0;       // hellos of things without a key here
  // Frames on serial lines that are not sealed, or not by their thing, or came before; handshakes of DTLS that failed.
  std::uint64_t unproved = 0;
};

struct Health {
  WallTime at{};  // when this was measured, and how far that can be believed
  std::string version{};
  std::uint64_t uptime_s = 0;  // of the daemon
  SystemSample system{};
  std::uint64_t clients = 0;  // MQTT clients connected now
  MessageCounters messages{};
  OverBudget over_budget{};
  std::optional<ThingsReport> things{};
  std::vector<std::string> plaintext_listeners{};  // names of those that are unencrypted and reachable from elsewhere
  std::vector<std::string> alarms{};               // as Status::alarms
  ScrubReport scrub{};
};

[[nodiscard]] std::string to_json(const Health& health);

struct LinkReport {
  std::string peer{};
  std::string address{};
  LinkState state = LinkState::kDown;
  bool dialled = true;
  std::optional<std::uint64_t> lag{};  // as LinkStatus::lag
  WallTime since{};                    // when the link entered this state
  std::string reason{};                // as LinkStatus::reason
};

// {"at_unix_ms":…,"clock":"…","links":[…]}
[[nodiscard]] std::string links_json(WallTime at, const std::vector<LinkReport>& links);

}  // namespace hedgerow::monitor
