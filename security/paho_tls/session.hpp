// One TLS session over one of Paho's sockets: what Paho's `SSL*` points to.
// Thread rule: every function locks; destruction is Paho's to order (it closes a socket under its own lock).
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "security/paho_tls/paho_tls.hpp"
#include "security/tls_mbedtls/tls_channel.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::security {

class PahoSession {
 public:
  enum class Result : std::uint8_t { kDone, kWouldBlock, kFailed };

  // Null when no session can be made; the report then says why.
  [[nodiscard]] static std::unique_ptr<PahoSession> create(int socket, std::shared_ptr<PahoReport> report);

  // Drives the handshake. kDone: open, and our last flight is sent.
  [[nodiscard]] Result connect();

  // Reads at most `wanted` decrypted bytes to `out`; `count` says how many. kDone: all that was wanted; kWouldBlock:
  // fewer, the rest has not arrived; kFailed: the peer closed, or an error.
  [[nodiscard]] Result read(char* out, std::size_t wanted, std::size_t& count);
  [[nodiscard]] bool has_decrypted() const;

  // Encrypts and sends. kWouldBlock: the socket takes no more now; `taken` bytes are encrypted, and continue_write()
  // goes on with the rest.
  [[nodiscard]] Result write(ByteView plaintext, std::size_t& taken);
  // True while ciphertext of an earlier write waits for the socket.
  [[nodiscard]] bool is_writing() const;

  // The part of Paho's pending write that is encrypted already.
  std::size_t pending_taken = 0;

  // Says close_notify as far as the socket takes it without waiting.
  void close();

 private:
  PahoSession(int socket, std::shared_ptr<PahoReport> report, std::unique_ptr<TlsChannel> channel);

  Result flush();
  Result receive();
  Result fail_with(std::string reason);

  const int socket_;
  const std::shared_ptr<PahoReport> report_;
  mutable std::mutex mutex_;
  std::unique_ptr<TlsChannel> channel_;
  Bytes decrypted_;
  std::size_t decrypted_read_ = 0;
  Bytes wire_;
  std::size_t wire_sent_ = 0;
};

}  // namespace hedgerow::security
