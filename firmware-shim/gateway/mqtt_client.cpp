#include "firmware-shim/gateway/mqtt_client.hpp"

#include <utility>

#include "daemon/node/user_properties.hpp"
#include "firmware-shim/gateway/limits.hpp"

namespace hedgerow::gateway {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;

constexpr std::uint8_t kPayloadFormatIndicator = 0x01;  // MQTT 5.0 section 2.2.2.2
constexpr std::uint8_t kMessageExpiryInterval = 0x02;
constexpr std::uint8_t kContentType = 0x03;
constexpr std::uint8_t kResponseTopic = 0x08;
constexpr std::uint8_t kCorrelationData = 0x09;
constexpr std::uint8_t kSubscriptionIdentifier = 0x0B;
constexpr std::uint8_t kSessionExpiryInterval = 0x11;
constexpr std::uint8_t kWillDelayInterval = 0x18;
constexpr std::uint8_t kReceiveMaximum = 0x21;
constexpr std::uint8_t kTopicAlias = 0x23;
constexpr std::uint8_t kUserProperty = 0x26;
constexpr std::uint8_t kMaximumPacketSize = 0x27;

void append_u8(Bytes& out, std::uint8_t value) { out.push_back(value); }

void append_u16(Bytes& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value));
}

void append_u32(Bytes& out, std::uint32_t value) {
  append_u16(out, static_cast<std::uint16_t>(value >> 16U));
  append_u16(out, static_cast<std::uint16_t>(value));
}

void append_text(Bytes& out, std::string_view text) {
  append_u16(out, static_cast<std::uint16_t>(text.size()));
  append(out, as_bytes(text));
}

void append_varint(Bytes& out, std::size_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80U));
    value >>= 7U;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

void append_packet(Bytes& out, PacketType type, unsigned flags, ByteView body) {
  append_u8(out, static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4U | flags));
  append_varint(out, body.size());
  append(out, body);
}

// What is left of a packet; `failed` once it was asked for more than there is.
class Reader {
 public:
  explicit Reader(ByteView bytes) : left_(bytes) {}

  std::uint8_t u8() {
    const ByteView one = bytes(1);
    return one.empty() ? std::uint8_t{0} : one[0];
  }
  std::uint16_t u16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8U | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16U | u16();
  }
  std::size_t varint() {
    std::size_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
      const std::uint8_t byte = u8();
      value |= static_cast<std::size_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  ByteView bytes(std::size_t size) {
    if (size > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    return take(size);
  }
  void skip_text() { bytes(u16()); }
  void skip_properties() { bytes(varint()); }
  void fail() { failed_ = true; }
  ByteView rest() { return take(left_.size()); }
  [[nodiscard]] bool empty() const { return left_.empty(); }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  ByteView take(std::size_t size) {
    const ByteView front = left_.first(size);
    left_ = left_.subspan(size);
    return front;
  }

  ByteView left_;
  bool failed_ = false;
};

void read_publish_properties(Reader& in, ServerPacket& packet) {
  Reader properties{in.bytes(in.varint())};
  while (!properties.empty()) {
    switch (properties.u8()) {
      case kMessageExpiryInterval: packet.is_expired = properties.u32() == 0; break;
      case kPayloadFormatIndicator: properties.u8(); break;
      case kTopicAlias: properties.u16(); break;
      case kSubscriptionIdentifier: properties.varint(); break;
      case kContentType:
      case kResponseTopic:
      case kCorrelationData: properties.skip_text(); break;
      case kUserProperty:
        properties.skip_text();
        properties.skip_text();
        break;
      default: return in.fail();
    }
  }
  if (properties.failed()) in.fail();
}

void read_body(Reader& in, unsigned flags, ServerPacket& packet) {
  switch (packet.type) {
    case PacketType::kConnack:
      in.u8();  // session present: the thing's registrations do not depend on it
      packet.code = static_cast<ReasonCode>(in.u8());
      break;
    case PacketType::kPublish:
      packet.qos = static_cast<mqtt::QoS>(flags >> 1U & 0x03U);
      packet.retain = (flags & 0x01U) != 0;
      packet.dup = (flags & 0x08U) != 0;
      packet.topic = as_text(in.bytes(in.u16()));
      if (packet.qos != mqtt::QoS::kAtMostOnce) packet.packet_id = in.u16();
      read_publish_properties(in, packet);
      packet.payload = in.rest();
      break;
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      packet.packet_id = in.u16();
      if (!in.empty()) packet.code = static_cast<ReasonCode>(in.u8());
      break;
    case PacketType::kSuback:
    case PacketType::kUnsuback:
      packet.packet_id = in.u16();
      in.skip_properties();
      packet.code = static_cast<ReasonCode>(in.u8());
      break;
    case PacketType::kDisconnect:
      if (!in.empty()) packet.code = static_cast<ReasonCode>(in.u8());
      break;
    case PacketType::kReserved:
    case PacketType::kConnect:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingreq:
    case PacketType::kPingresp:
    case PacketType::kAuth: break;
  }
}

}  // namespace

void append_connect(Bytes& out, const ConnectOut& connect) {
  unsigned flags = connect.clean_start ? 0x02U : 0U;
  if (connect.will != nullptr) {
    flags |= 0x04U | static_cast<unsigned>(connect.will->qos) << 3U | (connect.will->retain ? 0x20U : 0U);
  }
  Bytes body;
  append_text(body, "MQTT");
  append_u8(body, static_cast<std::uint8_t>(mqtt::Protocol::kV5));
  append_u8(body, static_cast<std::uint8_t>(flags));
  append_u16(body, 0);  // the gateway itself sees whether the thing is alive
  Bytes properties;
  append_u8(properties, kSessionExpiryInterval);
  append_u32(properties, connect.session_expiry_s);
  append_u8(properties, kReceiveMaximum);
  append_u16(properties, connect.receive_maximum);
  if (connect.packet_bytes_max != 0) {
    append_u8(properties, kMaximumPacketSize);
    append_u32(properties, connect.packet_bytes_max);
  }
  if (connect.conflates) {
    append_u8(properties, kUserProperty);
    append_text(properties, node::kConflateProperty);
    append_text(properties, "true");
  }
  append_u8(body, static_cast<std::uint8_t>(properties.size()));  // less than 128: one byte of a varint
  append(body, properties);
  append_text(body, connect.client_id);
  if (connect.will != nullptr) {
    append_u8(body, 5);  // bytes of properties
    append_u8(body, kWillDelayInterval);
    append_u32(body, kWillDelayS);
    append_text(body, connect.will->topic);
    append_text(body, as_text(connect.will->payload));
  }
  append_packet(out, PacketType::kConnect, 0, body);
}

void append_publish(Bytes& out, const PublishOut& publish) {
  Bytes body;
  append_text(body, publish.topic);
  if (publish.qos != mqtt::QoS::kAtMostOnce) append_u16(body, publish.packet_id);
  append_u8(body, 0);
  append(body, publish.payload);
  const unsigned flags =
      static_cast<unsigned>(publish.qos) << 1U | (publish.retain ? 0x01U : 0U) | (publish.dup ? 0x08U : 0U);
  append_packet(out, PacketType::kPublish, flags, body);
}

void append_ack(Bytes& out, PacketType type, std::uint16_t packet_id) {
  Bytes body;
  append_u16(body, packet_id);
  append_packet(out, type, type == PacketType::kPubrel ? 0x02U : 0U, body);
}

void append_subscribe(Bytes& out, std::uint16_t packet_id, std::string_view filter, mqtt::QoS qos) {
  Bytes body;
  append_u16(body, packet_id);
  append_u8(body, 0);
  append_text(body, filter);
  append_u8(body, static_cast<std::uint8_t>(qos));
  append_packet(out, PacketType::kSubscribe, 0x02, body);
}

void append_unsubscribe(Bytes& out, std::uint16_t packet_id, std::string_view filter) {
  Bytes body;
  append_u16(body, packet_id);
  append_u8(body, 0);
  append_text(body, filter);
  append_packet(out, PacketType::kUnsubscribe, 0x02, body);
}

void append_disconnect(Bytes& out, ReasonCode reason) {
  const Bytes body = {static_cast<std::uint8_t>(reason), 0};
  append_packet(out, PacketType::kDisconnect, 0, body);
}

Expected<std::optional<ServerPacket>> take_packet(ByteView& bytes) {
  std::size_t length = 0;
  std::size_t header = 1;
  while (true) {
    if (header >= bytes.size()) return std::nullopt;
    const std::uint8_t byte = bytes[header];
    length |= static_cast<std::size_t>(byte & 0x7FU) << (7U * (header - 1));
    ++header;
    if (byte < 0x80) break;
    if (header > 4) return fail(Category::kCorrupt, "a packet of our own server has a length of more than 4 bytes");
  }
  if (bytes.size() - header < length) return std::nullopt;
  const unsigned first = bytes[0];
  Reader in{bytes.subspan(header, length)};
  bytes = bytes.subspan(header + length);
  ServerPacket packet;
  packet.type = static_cast<PacketType>(first >> 4U);
  read_body(in, first & 0x0FU, packet);
  if (in.failed()) return fail(Category::kCorrupt, "a packet of our own server ends early");
  return packet;
}

}  // namespace hedgerow::gateway
