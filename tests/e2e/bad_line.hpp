// A serial line that somebody stumbles over: of so many pieces one loses a byte, or has another in its place.
// Thread rule: one thread at a time.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <utility>

#include "sync/base/bytes.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {

// True: this one was damaged.
inline bool damage_one_in(std::size_t pieces, SeededRandom& random, Bytes& piece) {
  if (piece.empty() || !random.one_in(pieces)) return false;
  const std::size_t at = random.below(piece.size());
  if (random.one_in(2)) {
    piece.erase(piece.begin() + static_cast<std::ptrdiff_t>(at));
  } else {
    piece[at] = static_cast<std::uint8_t>(piece[at] ^ (1 + random.below(255)));
  }
  return true;
}

[[nodiscard]] inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One end of a line: whoever dials 127.0.0.1:port(), one at a time.
class LineEnd {
 public:
  LineEnd() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listening_, 1) != 0 || ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("a line needs a port on 127.0.0.1");
    }
    port_ = ntohs(address.sin_port);
  }
  LineEnd(const LineEnd&) = delete;
  LineEnd& operator=(const LineEnd&) = delete;
  ~LineEnd() {
    ::close(listening_);
    if (line_ >= 0) ::close(line_);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // What to poll for input.
  [[nodiscard]] int descriptor() const { return line_ < 0 ? listening_ : line_; }
  // While nobody is there it is lost, as on a real line.
  void write(ByteView bytes) {
    if (line_ >= 0) static_cast<void>(::send(line_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  // What has come; empty: nothing now.
  Bytes read() {
    if (line_ < 0) accept();
    if (line_ < 0) return {};
    Bytes bytes(512);
    const ssize_t size = ::recv(line_, bytes.data(), bytes.size(), 0);
    bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    if (size == 0) ::close(std::exchange(line_, -1));
    return bytes;
  }

 private:
  // A line does not gather bytes before it sends them.
  void accept() {
    line_ = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const int on = 1;
    if (line_ >= 0) ::setsockopt(line_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  int listening_;
  int line_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace hedgerow::test
