// SystemTopics: the values under $SYS/broker/ that dashboards for Mosquitto 2.0 read, under its names, in its units and
// averaged as it averages; only the version says Hedgerow. Names and meanings: mosquitto(8), "Broker Status".
//
// A load average is per minute: over each pause between updates, 60 × what came ÷ seconds is blended into the old value
// with the weight 1 - exp(-seconds ÷ window), where the window is 60, 300 or 900 s. Two decimals.
// Left out: connection/# (Hedgerow's links are told under hedgerow/#), and messages/inflight, which Mosquitto 2.0 names
// but does not publish.
//
// Pure: nothing is sent from here. Thread-compatible: owned by the loop thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/time.hpp"

namespace hedgerow::node {

// How often update() is to be called: Mosquitto's sys_interval.
inline constexpr Duration kSystemTopicsInterval = std::chrono::seconds{10};

// What the node counts. "Since the start": of the process.
struct SystemTotals {
  // Now.
  std::uint64_t clients_connected = 0;
  std::uint64_t clients_disconnected = 0;  // persistent sessions without a connection
  std::uint64_t subscriptions = 0;
  std::uint64_t shared_subscriptions = 0;
  std::uint64_t retained_messages = 0;
  std::uint64_t stored_messages = 0;
  std::uint64_t stored_bytes = 0;  // of their payloads
  std::optional<std::uint64_t> heap_bytes{};
  // Since the start.
  std::uint64_t clients_expired = 0;    // persistent sessions whose expiry passed
  std::uint64_t sockets_opened = 0;     // connections accepted from the network
  std::uint64_t connects_received = 0;  // CONNECT packets
  std::uint64_t packets_received = 0;   // MQTT packets of every type
  std::uint64_t packets_sent = 0;
  std::uint64_t bytes_received = 0;  // MQTT packets, whole, without TLS
  std::uint64_t bytes_sent = 0;
  std::uint64_t publishes_received = 0;  // PUBLISH packets
  std::uint64_t publishes_sent = 0;
  std::uint64_t publishes_dropped = 0;
  std::uint64_t publish_bytes_received = 0;  // payloads of PUBLISH packets
  std::uint64_t publish_bytes_sent = 0;
};

struct SystemValue {
  std::string_view topic;  // lives as long as the process
  std::string value;
};

class SystemTopics {
 public:
  SystemTopics(Instant started, std::string_view version);

  // Returns what changed since the last call; the first time everything. Maxima are those seen at updates.
  [[nodiscard]] std::vector<SystemValue> update(Instant now, const SystemTotals& totals);

  // As of the last update, for a new subscription. REQUIRES: a valid filter, without $share/GROUP/.
  [[nodiscard]] std::vector<SystemValue> matching(std::string_view filter) const;

 private:
  static constexpr std::size_t kLoads = 9;
  static constexpr std::size_t kWindows = 3;

  void set(std::string_view topic, std::string value, std::vector<SystemValue>& changed);
  void update_loads(Duration passed, const SystemTotals& totals, std::vector<SystemValue>& changed);

  Instant started_;
  std::optional<Instant> updated_;
  SystemTotals totals_;
  std::uint64_t clients_max_ = 0;
  std::uint64_t heap_bytes_max_ = 0;
  std::array<std::array<double, kWindows>, kLoads> loads_{};
  std::vector<SystemValue> values_;
};

}  // namespace hedgerow::node
