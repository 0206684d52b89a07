// TlsChannel: one TLS session as a function of bytes. It owns no socket: the caller moves ciphertext.
//
//   socket readable:  feed(what was read, plaintext)      then look at state(), plaintext and take_outgoing()
//   to send:          write(plaintext)                    then take_outgoing() and send that
//   to end:           close()                             then take_outgoing(), send that, close the socket
//   on any error:     take_outgoing() holds the alert that tells the peer; send it if the socket takes it, then close
//
// Both sides authenticate: a session is kOpen only when the peer has proved a certificate of the mesh's authority, with
// our mesh in O and an accepted role in OU; peer() then says who it is. A server may ask for none
// (TlsOptions::client_certificate): peer() is then empty. With TLS 1.3 a client is open before the server
// has judged the client's certificate: a refusal arrives as an error of a later feed().
// There is no resumption: a resumed session would not show the peer's certificate.
//
// Thread-compatible: one session belongs to one thread at a time. Never blocks. Memory is bounded: about 40 KiB inside
// mbedTLS, of which the buffers' 34 KiB are taken page by page as records need them, at most kTlsOutgoingBytesMax waiting
// to be taken, and no more plaintext per feed() than the ciphertext fed plus one record of 16 KiB.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "security/identity/identity.hpp"
#include "security/tls_mbedtls/tls_context.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

inline constexpr std::size_t kTlsOutgoingBytesMax = 256 * 1024;

enum class TlsSide : std::uint8_t { kServer, kClient };

class TlsChannel {
 public:
  enum class State : std::uint8_t {
    kHandshaking,
    kOpen,
    kPeerClosed,  // the peer said close_notify: nothing more will come; answer with close()
    kClosed,      // close() was called
    kFailed,      // an earlier call returned an error
  };

  // A client's first flight is ready in take_outgoing() at once.
  [[nodiscard]] static Expected<std::unique_ptr<TlsChannel>> create(std::shared_ptr<const TlsContext> context,
                                                                    TlsSide side);
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;
  ~TlsChannel();

  // Takes all of `ciphertext`; appends what it decrypts to `plaintext` (also before an error is found).
  // kRefused: the peer is not who it must be, or refuses us; kCorrupt: not TLS, or forged; kInvalidInput: after an end.
  // The error's text names the reason.
  [[nodiscard]] Expected<void> feed(ByteView ciphertext, Bytes& plaintext);

  // Encrypts from the front of `plaintext` what there is room for, and returns how many bytes that was: less than all
  // (possibly 0) means: take_outgoing(), send, come back with the rest.
  // kUnavailable while the handshake lasts; kInvalidInput after an end.
  [[nodiscard]] Expected<std::size_t> write(ByteView plaintext);

  // Hands over the ciphertext to send, in order. `into` must be empty; its capacity is kept for the next flight.
  // Returns true iff there is something to send.
  bool take_outgoing(Bytes& into);
  [[nodiscard]] std::size_t outgoing_bytes() const;

  // Queues close_notify if the session is open. No feed() or write() afterwards.
  void close();

  [[nodiscard]] State state() const;
  // Set from kOpen on, unless the server asks for no certificates.
  [[nodiscard]] const std::optional<PeerIdentity>& peer() const;
  // "TLSv1.3 TLS1-3-AES-128-GCM-SHA256"; empty before kOpen.
  [[nodiscard]] std::string description() const;

 private:
  struct Impl;
  explicit TlsChannel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hedgerow::security
