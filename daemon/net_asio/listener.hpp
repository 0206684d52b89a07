// Listener: a bound TCP address whose connections, plain or TLS, MQTT as it is or over WebSocket, become node::Stream
// and node::StreamHandler pairs: the node sees MQTT's bytes and nothing of what carries them.
//
// With TLS the acceptor hears of a connection only after the handshake, with client certificates only after the peer
// has proved its own: until then mbedTLS is the only parser of its bytes (DESIGN 6). With WebSocket it hears of it
// after the upgrade. Until both are done the connection holds no more than one handshake's memory, and ends after
// Limits::handshake_time.
// Writing: what a handler sends during one on_bytes() leaves as one write; what is sent at other times is gathered
// until the loop's present events are through. Reading: one bounded read at a time, in turns with all other
// connections. Thread rule: the loop thread, or before EventLoop::run().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/limits.hpp"
#include "daemon/node/stream.hpp"
#include "security/tls_mbedtls/tls_context.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::net_asio {

enum class Protocol : std::uint8_t { kMqtt, kWebSocket };

struct ListenSettings {
  std::string name = {};                                 // as configured: for logs, errors and Arrived::listener
  std::string host = {};                                 // an IPv4 or IPv6 address, without brackets
  std::uint16_t port = 0;                                // 0: the kernel chooses
  std::shared_ptr<const security::TlsContext> tls = {};  // null: plain
  Limits limits = {};
  Protocol protocol = Protocol::kMqtt;
  // WebSocket only: pages of which origins may connect, "https://panel.example" or "*" for any. Empty: on a loopback
  // address pages that this board served itself, elsewhere any. Programs that are no browser name no origin.
  std::vector<std::string> origins = {};
};

// How many connections ended before the acceptor heard of them, and why.
struct Refused {
  std::uint64_t by_limit = 0;       // too many connections, in all or of one address; handshakes crowded out
  std::uint64_t by_handshake = 0;   // TLS failed: not of this mesh, not TLS, gave up
  std::uint64_t by_time = 0;        // the handshake took longer than Limits::handshake_time
  std::uint64_t by_acceptor = 0;    // on_accept() answered null
  std::uint64_t by_upgrade = 0;     // no request for MQTT over WebSocket, or one that is not allowed
  std::uint64_t by_exhaustion = 0;  // times that the process had no file descriptor left to accept with
};

class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Stops listening and ends unfinished handshakes. Connections that the acceptor knows live on in the loop.
  virtual ~Listener() = default;

  [[nodiscard]] virtual const std::string& name() const = 0;
  // "127.0.0.1:1883", "[::1]:8883": with the real port.
  [[nodiscard]] virtual std::string address() const = 0;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual Refused refused() const = 0;
  // Why the last refused handshake was: "192.0.2.7:50112: certificate of another mesh". Empty: none yet.
  [[nodiscard]] virtual const std::string& last_refusal() const = 0;
  // Holds for whoever comes from now on; nobody who is in is put out.
  virtual void set_limits(const Limits& limits) = 0;
};

// Binds and listens: from here on peers connect. `acceptor` must outlive the listener and the loop's last run.
// Errors (kUnavailable, kRefused, kInvalidInput, kIo) name the listener and the address, and what to do: who holds a
// port that is in use, as far as /proc shows it; the permission that a low port needs.
[[nodiscard]] Expected<std::unique_ptr<Listener>> listen(EventLoop& loop, ListenSettings settings,
                                                         node::StreamAcceptor& acceptor);

}  // namespace hedgerow::net_asio
