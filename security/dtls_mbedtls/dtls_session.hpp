// DtlsSession: the server's end of one DTLS 1.2 session as a function of datagrams and time. No socket, no clock.
//
//   a datagram came:  feed(now, datagram, messages)   then look at state()
//   time has come:    on_timer(now), at deadline()
//   to send:          send(now, message)
//
// It is open only when the client has proved the key of a thing, or a certificate of the mesh; peer() then says whom.
// Retransmission, reassembly, replays and connection ids (RFC 9146) are mbedTLS's.
// Thread-compatible: the loop thread. Never blocks; calls Ports::send and Ports::key_of from within. Memory is bounded:
// about 40 KiB, taken page by page as records need them, and 32 KiB more while handshake messages are put together.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/dtls_mbedtls/dtls_context.hpp"
#include "security/dtls_mbedtls/limits.hpp"
#include "security/identity/identity.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::security {

// What a thing proves itself by. `identity`: whatever the client said.
struct DtlsKey {
  std::string name;  // of the thing
  Bytes key;
};
using FindDtlsKey = std::function<std::optional<DtlsKey>(std::string_view identity)>;

// Whom a client has proved to be: exactly one of the two.
struct DtlsPeer {
  std::optional<std::string> thing = {};
  std::optional<PeerIdentity> certificate = {};

  // "thing:barn-1", "certificate:pump": one session each.
  [[nodiscard]] std::string id() const {
    return thing ? "thing:" + *thing : "certificate:" + (certificate ? certificate->node : std::string());
  }
};

using DtlsConnectionId = std::array<std::uint8_t, kDtlsConnectionIdBytes>;

class DtlsSession {
 public:
  enum class State : std::uint8_t { kHandshaking, kOpen, kEnded };

  struct Ports {
    FindDtlsKey key_of;
    std::function<void(ByteView datagram)> send;
  };

  // kUnavailable: no memory.
  [[nodiscard]] static Expected<std::unique_ptr<DtlsSession>> create(std::shared_ptr<const DtlsContext> context,
                                                                     Instant now, const DtlsConnectionId& id,
                                                                     Ports ports);
  DtlsSession(const DtlsSession&) = delete;
  DtlsSession& operator=(const DtlsSession&) = delete;
  ~DtlsSession();

  // Appends what it decrypts to `messages`. Datagrams that are not authentic are dropped without a word.
  void feed(Instant now, ByteView datagram, std::vector<Bytes>& messages);
  void on_timer(Instant now);
  // When the handshake sends again, or gives up. Never while it is open.
  [[nodiscard]] Instant deadline() const;
  // One datagram. False: not open, or more than kDtlsMessageBytesMax.
  bool send(Instant now, ByteView message);
  // Tells the client, if it is open.
  void close(Instant now);

  [[nodiscard]] State state() const;
  // Why it has ended; empty: the client said goodbye, or close() was called.
  [[nodiscard]] const std::string& reason() const;
  // REQUIRES: open.
  [[nodiscard]] const DtlsPeer& peer() const;
  // Does `key` open it? Only of a session that was opened by a key.
  [[nodiscard]] bool was_opened_by(ByteView key) const;
  // True iff the client's records carry our connection id: the session is not bound to an address.
  [[nodiscard]] bool has_connection_id() const;
  [[nodiscard]] const DtlsConnectionId& connection_id() const;
  // True iff the first record of the datagram was made by the other end and has not been fed. Changes nothing.
  [[nodiscard]] bool is_authentic(ByteView datagram) const;
  // True iff the record follows all that were fed (RFC 9146, 6).
  [[nodiscard]] bool is_newest(std::uint16_t epoch, std::uint64_t sequence) const;
  [[nodiscard]] Instant started() const;
  [[nodiscard]] Instant last_heard() const;

  struct Impl;  // for this folder only

 private:
  explicit DtlsSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hedgerow::security
