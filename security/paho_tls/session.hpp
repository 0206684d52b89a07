// One TLS session over one of Paho's sockets: what Paho's `SSL*` leads to.
// Thread rule: safe from any thread; every function locks. Paho's send and receive threads and the flusher meet here.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "security/paho_tls/paho_tls.hpp"
#include "security/tls_mbedtls/tls_channel.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::security {

class PahoSession : public std::enable_shared_from_this<PahoSession> {
 public:
  enum class Result : std::uint8_t { kDone, kWouldBlock, kFailed };

  // Null when no session can be made; the report then says why.
  [[nodiscard]] static std::shared_ptr<PahoSession> create(int socket, std::shared_ptr<PahoReport> report);

  // Drives the handshake. kDone: open, and our last flight is sent.
  [[nodiscard]] Result connect();

  // Reads at most `wanted` decrypted bytes to `out`; `count` says how many. kDone: all that was wanted; kWouldBlock:
  // fewer, the rest has not arrived; kFailed: the peer closed, or an error.
  [[nodiscard]] Result read(char* out, std::size_t wanted, std::size_t& count);
  [[nodiscard]] bool has_decrypted() const;

  // Encrypts all of it and sends what the socket takes; the flusher sends the rest. False: the session has failed.
  [[nodiscard]] bool write(ByteView plaintext);

  // Sends what waits. Returns true iff something waits still; false after a failure or close(), too.
  [[nodiscard]] bool flush_waiting();

  // Ends the session for a reason of ours.
  void refuse(std::string reason);

  // Says close_notify as far as the socket takes it without waiting, and touches the socket no more.
  void close();

 private:
  PahoSession(int socket, std::shared_ptr<PahoReport> report, std::unique_ptr<TlsChannel> channel);

  Result flush();
  Result flush_or_watch();
  Result receive();
  void explain();
  void take_ciphertext();
  Result fail_with(std::string reason);
  [[nodiscard]] std::size_t unsent() const { return wire_.size() - wire_sent_; }

  const int socket_;
  const std::shared_ptr<PahoReport> report_;
  mutable std::mutex mutex_;
  std::unique_ptr<TlsChannel> channel_;
  Bytes decrypted_;
  std::size_t decrypted_read_ = 0;
  Bytes wire_;
  std::size_t wire_sent_ = 0;
  std::size_t reported_unsent_ = 0;
  bool over_ = false;  // failed or closed
};

}  // namespace hedgerow::security
