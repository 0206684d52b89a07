// Port: one accepted network connection, TCP or TLS, as the node sees it: an ordered stream of plain bytes.
// Thread rule: everything on the loop thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "security/identity/identity.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::node {

// What the node may do to a connection. Owned by the network; valid until StreamHandler::on_closed has been called.
class Stream {
 public:
  virtual ~Stream() = default;
  // Takes all of `bytes` (leaves it empty) and sends it as soon as it can: what is large at once, the rest when the
  // present events are through. Never blocks, never calls back.
  virtual void send(Bytes& bytes) = 0;
  // Bytes taken by send() and not yet by the kernel.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  // Stops and resumes reading: the way to make a fast sender wait.
  virtual void pause_reading(bool paused) = 0;
  // Sends what is queued (for at most a bounded time), then closes. on_closed follows, later.
  virtual void close() = 0;
  // Closes without sending what is queued, which is gone when this returns. on_closed follows, later.
  virtual void cut() = 0;
};

// The node's side of one connection.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  virtual void on_bytes(Instant now, ByteView bytes) = 0;
  // The queue has become empty after it was not.
  virtual void on_drained(Instant now) = 0;
  // Last call. The network destroys the handler and the stream afterwards.
  virtual void on_closed(Instant now, const std::string& reason) = 0;
};

// How a connection came in.
struct Arrived {
  std::string listener;                            // its configured name
  std::string remote;                              // "ADDR:PORT", for logs
  std::string address = {};                        // the same without the port: "192.0.2.7", "fe80::1"
  bool loopback = false;                           // the listener's own address is one that only this board reaches
  std::optional<security::PeerIdentity> identity;  // from the certificate; none on listeners that ask for none
  std::optional<std::string> thing = {};           // the name of a thing that has proved its key
};

// Called once a connection is ready for MQTT: after TCP accept, or after a finished TLS handshake or upgrade to
// WebSocket.
class StreamAcceptor {
 public:
  virtual ~StreamAcceptor() = default;
  // Null: refused; the network closes it.
  virtual std::unique_ptr<StreamHandler> on_accept(Instant now, const Arrived& arrived, Stream& stream) = 0;
};

}  // namespace hedgerow::node
