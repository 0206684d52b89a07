// What hedgerow-bench measures. Each load is bounded by a count and by a time, runs in the calling thread, and throws
// when the broker does something that would make its figures meaningless.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hedgerow::bench {

// QoS 1 publishes of 64 B, each client with `window` of them unacknowledged at any time.
struct AckedLoad {
  std::uint16_t port = 0;
  std::uint64_t clients = 1;
  std::uint64_t window = 100;
  std::uint64_t count = 0;       // of all clients together
  std::chrono::seconds limit{};  // ends earlier than count
};
struct AckedResult {
  std::uint64_t acked = 0;
  double seconds = 0;
  // Share of the time that this program's thread was on a processor. Near 1: it is the client that was measured.
  double client_busy = 0;
};
AckedResult run_acked(const AckedLoad& load);

// Publishes of 64 B at a steady rate through one broker, received by a subscriber of that or another broker.
struct LatencyLoad {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
  unsigned qos = 0;
  std::uint64_t rate = 500;  // a second
  std::chrono::seconds duration{};
};
struct LatencyResult {
  double p50_us = 0;  // from just before the publisher's send to just after the subscriber's receive
  double p99_us = 0;
  double max_us = 0;
  std::uint64_t sent = 0;
  std::uint64_t lost = 0;  // not seen within 5 s after the last was sent
  std::uint64_t duplicates = 0;
};
LatencyResult run_latency(const LatencyLoad& load);

// Publishes until one message arrives, for 30 s at most. Returns how long that took.
std::chrono::milliseconds probe(const LatencyLoad& load);

// Publishes that flow as fast as the slowest subscriber takes them: each publisher has as many under way as queues of
// brokers hold without dropping any.
struct FlowLoad {
  std::uint16_t port = 0;
  std::string authority_file;  // over TLS, with this authority; empty: plain
  std::uint64_t publishers = 1;
  std::uint64_t subscribers = 1;  // each gets every message
  unsigned qos = 0;
  std::size_t payload_bytes = 64;
  std::chrono::seconds duration{};
};
struct FlowResult {
  double published_per_s = 0;  // that every subscriber has
  std::uint64_t lost = 0;      // QoS 0 messages that had not come a second after nothing came any more
  double client_busy = 0;      // as AckedResult's
};
FlowResult run_flow(const FlowLoad& load);

// So many clients that connect and say nothing, for `limit` or until the process is killed. Prints "idle COUNT" once
// they are connected.
void hold_idle(std::uint16_t port, const std::string& authority_file, std::uint64_t count, std::chrono::seconds limit);

// JSON telemetry of about 100 B a record for an outage: QoS 1, between two messages to kMarkerTopic.
inline constexpr const char* kMarkerTopic = "bench/marker";
struct FillLoad {
  std::uint16_t port = 0;
  std::uint64_t count = 0;
  std::uint64_t window = 100;
};
struct FillResult {
  std::uint64_t payload_bytes = 0;
  double seconds = 0;
};
FillResult run_fill(const FillLoad& load);

// A QoS 1 subscriber with a session that stays. Prints "subscribed", then waits for `count` messages.
struct CollectLoad {
  std::uint16_t port = 0;
  std::string filter;
  std::uint64_t count = 0;
  std::chrono::seconds limit{};
};
struct CollectResult {
  std::uint64_t messages = 0;
  double seconds = 0;  // from the first to the last
};
CollectResult run_collect(const CollectLoad& load);

// Carries connections to a loopback port, counting their bytes both ways. Prints "listening PORT". SIGUSR1: cuts all
// and refuses new ones; SIGUSR2: serves again; SIGHUP: prints "bytes=N" so far. Serves for `limit`, or until it is
// killed.
void run_relay(std::uint16_t to, std::chrono::seconds limit);

// What a sync of the disk costs below a directory: one small write, then fdatasync, many times.
struct SyncResult {
  double append_p50_us = 0;  // the file grows
  double append_p99_us = 0;
  double overwrite_p50_us = 0;  // within a file of full size, as a log that is used again
};
SyncResult measure_sync(const std::string& directory);

// A broker that does nothing but acknowledge and forward, in one thread: what it reaches is the most that this client
// and this kernel can show. Prints "listening PORT", serves for `limit`, or until it is killed.
void run_reflector(std::chrono::seconds limit);

struct Listening {
  int fd = -1;
  std::uint16_t port = 0;
};
// A loopback port of the kernel's choice.
Listening listen_anywhere();

// A loopback port that was free just now, for a broker that cannot choose one itself.
std::uint16_t free_port();

}  // namespace hedgerow::bench
