// An MQTT client as bytes on a socket: says exactly what a test wants said, also what the standard forbids, at the pace
// that the test wants. Its reading is apart from the daemon's codec (mqtt_packets.hpp).
// Thread rule: one thread at a time. Ownership: the destructor closes the socket, without DISCONNECT.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/bytes.hpp"
#include "tests/support/mqtt_packets.hpp"
#include "tests/support/process.hpp"

namespace hedgerow::test {

// Properties of a packet from the server, by number; each value as its bytes stand on the wire, strings without length.
class PropertiesView {
 public:
  PropertiesView() = default;
  // Reads the property length and what follows; `at` moves past it. Throws on what is none.
  PropertiesView(ByteView body, std::size_t& at);

  [[nodiscard]] bool has(unsigned id) const { return values_.contains(id); }
  [[nodiscard]] std::uint64_t number(unsigned id) const;  // throws when it is not there
  [[nodiscard]] std::string text(unsigned id) const;      // likewise; also binary data
  [[nodiscard]] std::vector<std::uint64_t> numbers(unsigned id) const;
  // In their order.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& user() const { return user_; }

 private:
  std::multimap<unsigned, Bytes> values_;
  std::vector<std::pair<std::string, std::string>> user_;
};

// A received packet, taken apart as far as its type has these parts.
struct Received {
  mqtt::PacketType type{};
  bool dup = false;
  unsigned qos = 0;
  bool retain = false;
  std::string topic = {};
  unsigned packet_id = 0;
  bool session_present = false;      // CONNACK
  std::vector<unsigned> codes = {};  // reason or return codes; a left out one is 0
  PropertiesView properties = {};
  std::string payload = {};
  [[nodiscard]] unsigned code() const { return codes.empty() ? 0U : codes.front(); }
};
[[nodiscard]] Received parse(const ServerPacket& packet, mqtt::Protocol protocol);

struct WillSent {
  std::string topic = "will";
  std::string payload = "gone";
  unsigned qos = 1;
  bool retain = false;
  Bytes properties = {};
};
// A CONNECT with that will.
[[nodiscard]] ConnectOut with_will(ConnectOut connect, const WillSent& will);

class RawClient {
 public:
  // Connects the socket, from another address of the loopback network if told to. Throws when nobody listens.
  explicit RawClient(std::uint16_t port, const char* from = "127.0.0.1");
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  // All of it; false: the server has closed.
  bool send(ByteView bytes);
  bool send(const Bytes& bytes) { return send(ByteView{bytes}); }
  // Sends it and waits for CONNACK. Throws without one.
  Received connect(const ConnectOut& connect);
  // Waits for SUBACK; packets before it stay for next().
  Received subscribe(const std::vector<FilterSent>& filters, const Bytes& properties = {});
  // Publishes, and waits for the acknowledgement or, with QoS 2, does the whole exchange. The reason code.
  unsigned publish(PublishSent publish);

  // The next packet; nothing: the time is over, or the server has closed (closed() tells).
  std::optional<Received> next(std::chrono::milliseconds patience = kPatience);
  // The next PUBLISH, acknowledged as its QoS wants, with QoS 2 up to PUBCOMP. Others are thrown away.
  std::optional<Received> next_message(std::chrono::milliseconds patience = kPatience);
  // The next packet of that type; others before it stay.
  std::optional<Received> wait_for(mqtt::PacketType type, std::chrono::milliseconds patience = kPatience);
  // Throws away what still comes; true: the server closed within that time.
  bool closed_within(std::chrono::milliseconds patience = kPatience);
  [[nodiscard]] bool closed() const { return closed_; }

  // The smallest receive buffer that the kernel allows, so that a slow reader is felt early.
  void shrink_receive_buffer();
  void disconnect(const Bytes& body = {});
  void close();  // as if the process died: no DISCONNECT

 private:
  bool read_more(std::chrono::steady_clock::time_point deadline);
  std::optional<ServerPacket> take();
  std::uint16_t fresh_id();

  int fd_ = -1;
  bool closed_ = false;
  mqtt::Protocol protocol_ = mqtt::Protocol::kV5;
  std::uint16_t last_id_ = 0;
  Bytes in_;
  std::vector<Received> kept_;
};

[[nodiscard]] inline Bytes encode_ack(mqtt::PacketType type, unsigned packet_id, const Bytes& rest = {}) {
  return packet(type, type == mqtt::PacketType::kPubrel ? 2U : 0U, concat(u16(packet_id), rest));
}

}  // namespace hedgerow::test
