// What the node has done since the start of the process. Thread rule: the loop thread.
#pragma once

#include <cstdint>
#include <string>

namespace hedgerow::node {

struct Counters {
  std::uint64_t received = 0;               // PUBLISH packets accepted from clients
  std::uint64_t received_bytes = 0;         // of their payloads
  std::uint64_t delivered = 0;              // PUBLISH packets sent to clients
  std::uint64_t delivered_bytes = 0;        // of their payloads
  std::uint64_t refused = 0;                // PUBLISH packets answered with a failure
  std::uint64_t refused_access = 0;         // connections, publishes and subscriptions that the access rules refused
  std::uint64_t closed_readers = 0;         // since the queues of all clients held too much
  std::uint64_t closed_writers = 0;         // likewise, unfinished packets
  std::uint64_t refused_subscriptions = 0;  // since those of all sessions cost too much memory
  std::uint64_t dropped = 0;   // deliveries given up: QoS 0 to a full connection, or larger than the client accepts
  std::uint64_t withheld = 0;  // deliveries of messages that may have expired: nobody here knows
  std::uint64_t trimmed_beneath = 0;  // messages that keep trimmed before a session or group had read them
  std::uint64_t stream_bytes_in = 0;  // MQTT bytes of connections that have ended
  std::uint64_t stream_bytes_out = 0;
  std::uint64_t packets_in = 0;  // MQTT packets of connections that have ended
  std::uint64_t packets_out = 0;
  std::uint64_t accepted = 0;  // connections
  std::uint64_t connects = 0;  // CONNECT packets
  std::uint64_t sessions_expired = 0;
  std::uint64_t clients_max = 0;  // connected at once
};

// A session, or a shared subscription, beneath which keep trimmed messages that it had not read. G6.
struct TrimmedReader {
  std::string owner;      // of the session, as in Session
  std::string client_id;  // likewise
  std::string shared;     // "$share/GROUP/FILTER"; empty: a session
  std::uint64_t messages = 0;
};

}  // namespace hedgerow::node
