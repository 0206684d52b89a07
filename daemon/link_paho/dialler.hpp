// Port: dials ONE peer over MQTT and keeps the link up. The node declares what it needs of a link; the adapter over
// Paho MQTT C++ is daemon/link_paho/paho_dialler.hpp.
//
// A link speaks on topics `hedgerow/MESH/link/TO/FROM` at QoS 0: what is lost between links, pull repairs.
// Thread rule: one thread (the loop) owns a Dialler and makes all calls; all events arrive on that thread, through
// Post, and none after stop() has returned.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "security/tls_mbedtls/tls_context.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::link_paho {

// Hands a task to the loop thread. Safe from any thread; never runs the task inside the call.
using Post = std::function<void(std::function<void()>)>;

struct DialSettings {
  std::string host_port;  // "gw-house.lan:8883", "[::1]:8883"
  std::string client_id;  // MQTT client identifier, unique for this node at that peer
  std::string node;       // us: the TO of what we subscribe
  std::string mesh;
  std::shared_ptr<const security::TlsContext> tls;
  Duration keep_alive = std::chrono::seconds{30};
};

// What a link tells its owner, always on the loop thread.
class DialEvents {
 public:
  DialEvents() = default;
  DialEvents(const DialEvents&) = delete;
  DialEvents& operator=(const DialEvents&) = delete;
  virtual ~DialEvents() = default;

  // Connected, authenticated, subscribed: send() works from here on. `peer` is what the peer's certificate says.
  virtual void on_up(const security::PeerIdentity& peer) = 0;
  virtual void on_message(std::string topic, Bytes payload) = 0;
  // The link fell, or an attempt to dial failed: `reason` is a sentence for the log. Dialling goes on by itself.
  virtual void on_down(std::string reason) = 0;
};

class Dialler {
 public:
  Dialler() = default;
  Dialler(const Dialler&) = delete;
  Dialler& operator=(const Dialler&) = delete;
  // Stops.
  virtual ~Dialler() = default;

  virtual void start() = 0;

  // Publishes at QoS 0. False: the link is down, or the bound of waiting bytes is reached; nothing was kept, and pull
  // will repair what was not pushed.
  [[nodiscard]] virtual bool send(std::string topic, Bytes message) = 0;

  // Bytes handed to send() that have not left yet.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;

  // Closes the link and joins what runs in the background. No event arrives afterwards.
  virtual void stop() = 0;
};

}  // namespace hedgerow::link_paho
