// A TCP connection that carries MQTT 3.1.1 packets, as lean as a load client needs it: one buffer each way, one system
// call for many packets. Used by the load client and by the reflector, so that neither costs more than the other.
//
// Thread rule: one thread. Ownership: a Stream closes its socket. Errors are exceptions that say what to do: this is a
// measuring program, which has nothing better to do than to end.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/tls_session.hpp"

namespace hedgerow::bench {

using Clock = std::chrono::steady_clock;

// The first byte of a packet without its flags.
inline constexpr std::uint8_t kConnect = 0x10;
inline constexpr std::uint8_t kConnack = 0x20;
inline constexpr std::uint8_t kPublish = 0x30;
inline constexpr std::uint8_t kPuback = 0x40;
inline constexpr std::uint8_t kSubscribe = 0x80;
inline constexpr std::uint8_t kSuback = 0x90;

struct Packet {
  std::uint8_t first = 0;
  std::span<const std::uint8_t> body;
  std::span<const std::uint8_t> whole;
  [[nodiscard]] std::uint8_t type() const { return first & 0xF0U; }
  [[nodiscard]] unsigned qos() const { return (first >> 1U) & 3U; }
};

inline std::uint16_t u16_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  if (bytes.size() < at + 2) throw std::runtime_error("the broker sent a packet that is too short");
  return static_cast<std::uint16_t>((unsigned{bytes[at]} << 8U) | bytes[at + 1]);
}

// Where the payload of a PUBLISH begins in its body.
inline std::size_t payload_at(const Packet& publish) {
  return 2U + u16_at(publish.body, 0) + (publish.qos() > 0 ? 2U : 0U);
}

class Stream {
 public:
  // With `tls`, which must be of this socket, everything passes through it.
  explicit Stream(int fd, std::unique_ptr<TlsSession> tls = nullptr);
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&&) = delete;
  ~Stream();

  [[nodiscard]] int fd() const { return fd_; }

  // Reads once, or with TLS what it holds, without waiting, and calls on_packet(const Packet&) for each whole packet.
  // The packet's bytes are valid during the call. False: the other side has closed.
  template <class OnPacket>
  bool receive(OnPacket&& on_packet) {
    do {
      if (!read_once()) return false;
      std::size_t at = 0;
      for (Packet packet; next_packet(at, packet);) on_packet(std::as_const(packet));
      drop(at);
    } while (tls_ && tls_->has_pending());
    return true;
  }

  // Adds to what flush() sends.
  void append(std::span<const std::uint8_t> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void append_puback(std::uint16_t id) {
    append(std::array<std::uint8_t, 4>{kPuback, 2, static_cast<std::uint8_t>(id >> 8U), static_cast<std::uint8_t>(id)});
  }
  // Sends everything that was appended, waiting for room for 5 s at most.
  void flush();

 private:
  bool read_once();
  bool next_packet(std::size_t& at, Packet& packet) const;
  void drop(std::size_t count);

  int fd_;
  std::unique_ptr<TlsSession> tls_;
  std::vector<std::uint8_t> in_;
  std::size_t filled_ = 0;
  std::vector<std::uint8_t> out_;
};

// A whole PUBLISH. With QoS 1 the identifier lies at packet_id_at().
std::vector<std::uint8_t> encode_publish(std::string_view topic, std::span<const std::uint8_t> payload, unsigned qos,
                                         std::uint16_t packet_id);
// REQUIRES: made by encode_publish with this topic and fewer than 128 bytes in all after the fixed header.
inline std::size_t packet_id_at(std::string_view topic) { return 2U + 2U + topic.size(); }

// A connected client of the broker on 127.0.0.1:port. Tries for 10 s: the broker may have been started just now.
// `authority_file`: over TLS, with this authority; empty: plain.
Stream connect_client(std::uint16_t port, std::string_view client_id, const std::string& authority_file = {},
                      bool clean_session = true);
// Returns once the subscription is granted.
void subscribe(Stream& client, std::string_view filter, unsigned qos);

// A client identifier that no other run has.
std::string fresh_client_id();

}  // namespace hedgerow::bench
