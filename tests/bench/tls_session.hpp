// TLS for the load client: the server is checked against an authority, the client shows nothing. mbedTLS, directly:
// what measures Hedgerow must not be part of it.
//
// Thread rule: one thread. Ownership: borrows the socket. Errors of the set-up are exceptions.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace hedgerow::bench {

class TlsSession {
 public:
  // Does the handshake on a connected, blocking socket. The name in the certificate is not compared: it is the board's.
  TlsSession(int fd, const std::string& authority_file);
  ~TlsSession();

  // As recv and send on a socket that does not block: -1 with errno EAGAIN when it would. After EAGAIN, write wants the
  // same bytes again.
  ssize_t read(std::span<std::uint8_t> into);
  ssize_t write(std::span<const std::uint8_t> bytes);
  // Bytes that were decrypted and not read yet: the socket will not tell of them.
  [[nodiscard]] bool has_pending() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hedgerow::bench
