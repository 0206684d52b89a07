#include "tests/bench/stream.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hedgerow::bench {
namespace {

// A buffer grows with what arrives at once: ten thousand idle clients cost little.
constexpr std::size_t kInBytesFirst = 1024;
constexpr std::size_t kInBytes = 256 * 1024;
constexpr std::chrono::seconds kConnectPatience{10};
constexpr int kAnswerPatience_ms = 5'000;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

bool wait_for(int fd, short events) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return ::poll(&entry, 1, kAnswerPatience_ms) == 1;
}

void append_u16(std::vector<std::uint8_t>& out, std::size_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value));
}

void append_text(std::vector<std::uint8_t>& out, std::string_view text) {
  append_u16(out, text.size());
  out.insert(out.end(), text.begin(), text.end());
}

std::vector<std::uint8_t> packet(unsigned first, const std::vector<std::uint8_t>& body) {
  std::vector<std::uint8_t> out{static_cast<std::uint8_t>(first)};
  std::size_t rest = body.size();
  do {
    const auto low = static_cast<std::uint8_t>(rest % 128);
    rest /= 128;
    out.push_back(rest > 0 ? static_cast<std::uint8_t>(low | 0x80U) : low);
  } while (rest > 0);
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

int connect_loopback(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("no socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

// Waits for one packet of that type; others are passed over.
void expect(Stream& client, std::uint8_t type, std::string_view name, std::size_t code_at) {
  bool has_come = false;
  while (!has_come) {
    if (!wait_for(client.fd(), POLLIN)) throw std::runtime_error("no " + std::string(name) + " within 5 s");
    const bool is_open = client.receive([&](const Packet& got) {
      if (got.type() != type) return;
      has_come = true;
      if (got.body.size() <= code_at || got.body[code_at] >= (type == kSuback ? 0x80U : 1U)) {
        throw std::runtime_error("the broker refused: " + std::string(name) + " says so; look at its log");
      }
    });
    if (!is_open) throw std::runtime_error("the broker closed before " + std::string(name) + "; look at its log");
  }
}

}  // namespace

Stream::Stream(int fd, std::unique_ptr<TlsSession> tls) : fd_(fd), tls_(std::move(tls)), in_(kInBytesFirst) {
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Stream::Stream(Stream&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::move(other.tls_)),
      in_(std::move(other.in_)),
      filled_(other.filled_),
      out_(std::move(other.out_)) {}

Stream::~Stream() {
  if (fd_ >= 0) ::close(fd_);
}

bool Stream::read_once() {
  if (filled_ == in_.size()) {
    if (filled_ == kInBytes) throw std::runtime_error("the broker sent a packet larger than any that was sent");
    in_.resize(std::min(in_.size() * 4, kInBytes));
  }
  const std::span<std::uint8_t> room = std::span(in_).subspan(filled_);
  const ssize_t count = tls_ ? tls_->read(room) : ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (count <= 0) return false;
  filled_ += static_cast<std::size_t>(count);
  return true;
}

bool Stream::next_packet(std::size_t& at, Packet& packet) const {
  const std::span<const std::uint8_t> rest(in_.data() + at, filled_ - at);
  std::size_t length = 0;
  std::size_t head = 1;
  for (unsigned shift = 0;; shift += 7U) {
    if (head >= rest.size()) return false;
    if (head > 4) throw std::runtime_error("the broker sent a remaining length of more than 4 bytes");
    const unsigned byte = rest[head++];
    length |= std::size_t{byte & 0x7FU} << shift;
    if (byte < 0x80U) break;
  }
  if (rest.size() < head + length) return false;
  packet = {.first = rest[0], .body = rest.subspan(head, length), .whole = rest.first(head + length)};
  at += head + length;
  return true;
}

void Stream::drop(std::size_t count) {
  if (count == 0) return;
  std::memmove(in_.data(), in_.data() + count, filled_ - count);
  filled_ -= count;
}

void Stream::flush() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const std::span<const std::uint8_t> rest = std::span(out_).subspan(sent);
    const ssize_t count = tls_ ? tls_->write(rest) : ::send(fd_, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno != EAGAIN && errno != EINTR) {
      fail("the broker closed the connection");
    } else if (!wait_for(fd_, POLLOUT)) {
      throw std::runtime_error("the broker takes nothing any more");
    }
  }
  out_.clear();
}

std::vector<std::uint8_t> encode_publish(std::string_view topic, std::span<const std::uint8_t> payload, unsigned qos,
                                         std::uint16_t packet_id) {
  std::vector<std::uint8_t> body;
  append_text(body, topic);
  if (qos > 0) append_u16(body, packet_id);
  body.insert(body.end(), payload.begin(), payload.end());
  return packet(kPublish | (qos << 1U), body);
}

Stream connect_client(std::uint16_t port, std::string_view client_id, const std::string& authority_file,
                      bool clean_session) {
  const auto deadline = Clock::now() + kConnectPatience;
  int fd = connect_loopback(port);
  while (fd < 0 && Clock::now() < deadline) {
    ::usleep(20'000);
    fd = connect_loopback(port);
  }
  if (fd < 0) throw std::runtime_error("nobody listens on port " + std::to_string(port));
  Stream client(fd, authority_file.empty() ? nullptr : std::make_unique<TlsSession>(fd, authority_file));
  std::vector<std::uint8_t> body;
  append_text(body, "MQTT");
  body.insert(body.end(), {4 /* 3.1.1 */, static_cast<std::uint8_t>(clean_session ? 2 : 0), 0, 0 /* no keep-alive */});
  append_text(body, client_id);
  client.append(packet(kConnect, body));
  client.flush();
  expect(client, kConnack, "CONNACK", 1);
  return client;
}

void subscribe(Stream& client, std::string_view filter, unsigned qos) {
  std::vector<std::uint8_t> body;
  append_u16(body, 1);
  append_text(body, filter);
  body.push_back(static_cast<std::uint8_t>(qos));
  client.append(packet(kSubscribe | 2U, body));
  client.flush();
  expect(client, kSuback, "SUBACK", 2);
}

std::string fresh_client_id() {
  static unsigned count = 0;
  return "bench-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

}  // namespace hedgerow::bench
