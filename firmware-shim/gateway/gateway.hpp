// The MQTT-SN 1.2 gateway: things on one side, the node on the other. It tells things apart by where they are, which is
// the transport's word: an address, a line, or a wireless node behind a forwarder (section 5.5).
//
// Pure; thread rule: the loop thread. Ownership: the ports and settings must outlive it. Every message from the wire is
// checked by the codec; what is none is dropped and counted. Bounds: limits.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "daemon/node/stream.hpp"
#include "firmware-shim/gateway/thing.hpp"

namespace hedgerow::gateway {

struct GatewaySettings {
  std::uint8_t id = 1;  // GWINFO and ADVERTISE
  // Between two ADVERTISE on each broadcast transport; 0: none.
  Duration advertise_interval = std::chrono::minutes{15};
  PredefinedTopics predefined;
};

// Where a message came from, and what the node shall think of it.
struct Origin {
  std::string address;  // unique over all transports; what answers are sent to
  node::Arrived arrived;
  std::size_t message_bytes_max = kDatagramBytesMax;  // that the transport carries
};

struct GatewayPorts {
  node::StreamAcceptor& acceptor;
  // One message to an Origin::address.
  std::function<void(const std::string& address, ByteView message)> send;
  // One message to whoever listens.
  std::function<void(ByteView message)> broadcast;
  // Work waits: call run() soon, not from within this call.
  std::function<void()> on_work;
};

class Gateway {
 public:
  Gateway(Instant now, GatewaySettings settings, GatewayPorts ports);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void on_message(Instant now, const Origin& origin, ByteView bytes);
  // Takes what the node has written.
  void run(Instant now);
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] std::size_t things() const { return things_.size(); }
  [[nodiscard]] const ThingCounters& counters() const { return counters_; }
  [[nodiscard]] std::uint64_t malformed() const { return malformed_; }

 private:
  // A message to a node behind a forwarder goes back the same way.
  struct Way {
    std::string thing;            // of things_
    std::string address;          // of the transport
    Bytes forwarder_header = {};  // empty: none
  };
  void on_stranger(Instant now, const Origin& origin, const Way& way, const hr_sn_message& message);
  void publish_without_connection(Instant now, const Origin& origin, const hr_sn_message& message);
  void send(const Way& way, const hr_sn_message& message);
  void send(const Way& way, ByteView message);
  void forget_gone(Instant now);

  GatewaySettings settings_;
  GatewayPorts ports_;
  ThingCounters counters_;
  std::unordered_map<std::string, std::unique_ptr<Thing>> things_;          // by Way::address
  std::unordered_map<std::string, std::unique_ptr<MqttPipe>> unconnected_;  // QoS -1, by who it is
  std::vector<std::string> written_to_;                                     // things that the node has written to
  std::uint64_t malformed_ = 0;
  Instant next_advertise_;
};

}  // namespace hedgerow::gateway
