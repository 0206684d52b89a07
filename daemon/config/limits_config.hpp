// The limits of a node that its configuration may change: the JSON object "limits", a key for each member, of the same
// name. The defaults repeat those of the folders that keep them (daemon/app asserts that they agree).
// Thread rule: plain values.
#pragma once

#include <chrono>
#include <cstdint>

namespace hedgerow::config {

struct Limits {
  // Of all listeners together; and of one remote address, loopback included.
  std::uint32_t connections = 10'240;
  std::uint32_t connections_per_address = 4'096;
  // From the start of a connection to its complete CONNECT.
  std::chrono::seconds connect_timeout{10};

  // Of one client.
  std::uint32_t packet_bytes = 1'048'576;         // largest packet that it may send, header included
  std::uint16_t receive_maximum = 1'024;          // QoS 1 and 2 publishes that it may have unacknowledged
  std::uint16_t in_flight = 1'000;                // QoS 1 and 2 publishes to it that may be unacknowledged
  std::uint64_t session_queue_bytes = 1'048'576;  // waiting to be sent; beyond it QoS 0 messages are dropped
  std::uint32_t subscriptions_per_session = 1'000;
  std::uint32_t topic_levels = 200;        // of a topic name or filter
  std::uint16_t topic_aliases = 32;        // that it may use; announced as Topic Alias Maximum
  std::uint32_t will_bytes = 16'384;       // topic, properties and payload of its will together
  std::chrono::seconds keep_alive_max{0};  // imposed where it asks for longer or none; 0 imposes nothing
  std::uint8_t maximum_qos = 2;            // that it may publish with

  // Of the node.
  std::uint64_t queue_bytes = 33'554'432;         // of all session_queue_bytes together
  std::uint64_t subscription_bytes = 67'108'864;  // memory for the subscriptions of all sessions
  std::uint64_t unfinished_bytes = 33'554'432;    // memory for packets of all clients that are not complete
  std::uint32_t sessions = 10'000;                // that outlive their connection
  // In all channels: one more from a client is refused; replacing and deleting always work.
  std::uint32_t retained_messages = 1'000'000;

  bool operator==(const Limits&) const = default;
};

}  // namespace hedgerow::config
