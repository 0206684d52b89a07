#include "daemon/mqtt/encode.hpp"

#include <algorithm>
#include <cstring>
#include <gsl/assert>

#include "daemon/mqtt/properties.hpp"

namespace hedgerow::mqtt {
namespace {

constexpr std::size_t varint_bytes(std::size_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

// Writes into space that was made before: the caller has counted the bytes.
class Writer {
 public:
  Writer(Bytes& out, std::size_t bytes) {
    const std::size_t old_size = out.size();
    out.resize(old_size + bytes);
    next_ = out.data() + old_size;
  }
  void u8(std::size_t value) { *next_++ = static_cast<std::uint8_t>(value); }
  void u16(std::size_t value) {
    u8(value >> 8U);
    u8(value);
  }
  void u32(std::uint32_t value) {
    u16(value >> 16U);
    u16(value);
  }
  void varint(std::size_t value) {
    while (value >= 128) {
      u8((value & 0x7FU) | 0x80U);
      value >>= 7U;
    }
    u8(value);
  }
  void raw(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(next_, bytes.data(), bytes.size());
    next_ += bytes.size();
  }
  void text(std::string_view value) {
    u16(value.size());
    raw(as_bytes(value));
  }
  void id(PropertyId property) { u8(static_cast<std::uint8_t>(property)); }
  void first_byte(PacketType type, unsigned flags = 0) { u8((static_cast<unsigned>(type) << 4U) | flags); }

 private:
  std::uint8_t* next_ = nullptr;
};

constexpr std::size_t text_property_bytes(std::string_view value) { return value.empty() ? 0 : 3 + value.size(); }

std::string_view at_most_a_string(std::string_view text) {
  return text.size() <= kStringBytesMax ? text : std::string_view{};
}

bool append_filter_ack(Bytes& out, PacketType type, Protocol protocol, std::uint16_t packet_id, std::size_t codes,
                       std::uint32_t packet_bytes_max, std::size_t& body_at) {
  const std::size_t properties = protocol == Protocol::kV5 ? 1 : 0;
  const std::size_t remaining = 2 + properties + codes;
  const std::size_t total = 1 + varint_bytes(remaining) + remaining;
  if (total > packet_bytes_max) return false;
  body_at = out.size() + total - codes;
  Writer to{out, total};
  to.first_byte(type);
  to.varint(remaining);
  to.u16(packet_id);
  if (properties > 0) to.u8(0);
  return true;
}

}  // namespace

std::uint8_t connack_return_code_v311(ReasonCode code) {
  // Table 3.1 of 3.1.1.
  if (code == ReasonCode::kUnsupportedProtocolVersion) return 1;
  if (code == ReasonCode::kClientIdentifierNotValid) return 2;
  if (code == ReasonCode::kBadUserNameOrPassword) return 4;
  const bool is_unauthorized =
      code == ReasonCode::kNotAuthorized || code == ReasonCode::kBanned || code == ReasonCode::kBadAuthenticationMethod;
  if (is_unauthorized) return 5;
  const bool is_client_fault = code == ReasonCode::kMalformedPacket || code == ReasonCode::kProtocolError ||
                               code == ReasonCode::kPacketTooLarge || code == ReasonCode::kTopicNameInvalid;
  return is_client_fault ? 0 : 3;
}

bool append_connack(Bytes& out, Protocol protocol, const ConnackOut& connack, std::uint32_t packet_bytes_max) {
  const bool is_refusal = is_failure(connack.code);
  if (protocol == Protocol::kV311) {
    Writer to{out, 4};
    to.first_byte(PacketType::kConnack);
    to.u8(2);
    to.u8(!is_refusal && connack.options.session_present ? 1 : 0);  // [MQTT-3.2.2-4 of 3.1.1]
    to.u8(is_refusal ? connack_return_code_v311(connack.code) : 0);
    return true;
  }
  const std::string_view reason = at_most_a_string(connack.reason);
  const std::string_view assigned = connack.options.assigned_client_id;
  std::size_t properties = text_property_bytes(reason);
  if (!is_refusal) {
    constexpr std::size_t kReceiveMaximum = 3, kMaximumQos = 2, kPacketSize = 5, kShared = 2;
    properties += kReceiveMaximum + kMaximumQos + kPacketSize + kShared + text_property_bytes(assigned);
    if (connack.options.session_expiry_s) properties += 5;
    if (connack.server_keep_alive_s) properties += 3;
  }
  const std::size_t remaining = 2 + varint_bytes(properties) + properties;
  const std::size_t total = 1 + varint_bytes(remaining) + remaining;
  if (total > packet_bytes_max) return false;
  Writer to{out, total};
  to.first_byte(PacketType::kConnack);
  to.varint(remaining);
  to.u8(!is_refusal && connack.options.session_present ? 1 : 0);  // [MQTT-3.2.2-6]
  to.u8(static_cast<std::uint8_t>(connack.code));
  to.varint(properties);
  if (!reason.empty()) {
    to.id(PropertyId::kReasonString);
    to.text(reason);
  }
  if (is_refusal) return true;
  to.id(PropertyId::kReceiveMaximum);
  to.u16(connack.receive_maximum);
  to.id(PropertyId::kMaximumQos);
  to.u8(1);
  to.id(PropertyId::kMaximumPacketSize);
  to.u32(connack.packet_bytes_max);
  to.id(PropertyId::kSharedSubscriptionAvailable);
  to.u8(0);
  if (!assigned.empty()) {
    to.id(PropertyId::kAssignedClientIdentifier);
    to.text(assigned);
  }
  if (connack.options.session_expiry_s) {
    to.id(PropertyId::kSessionExpiryInterval);
    to.u32(*connack.options.session_expiry_s);
  }
  if (connack.server_keep_alive_s) {
    to.id(PropertyId::kServerKeepAlive);
    to.u16(*connack.server_keep_alive_s);
  }
  return true;
}

bool append_publish(Bytes& out, Protocol protocol, const PublishOut& publish, std::uint32_t packet_bytes_max) {
  Expects(publish.topic.size() <= kStringBytesMax);
  const bool is_v5 = protocol == Protocol::kV5;
  const bool has_id = publish.qos != QoS::kAtMostOnce;
  std::size_t properties = 0;
  if (is_v5) {
    properties = publish.properties.size() + (publish.expiry_left_s ? kMessageExpiryBytes : 0);
    for (const std::uint32_t id : publish.subscription_ids) properties += 1 + varint_bytes(id);
  }
  if (properties > kRemainingLengthMax || publish.payload.size() > kRemainingLengthMax) return false;
  const std::size_t header =
      2 + publish.topic.size() + (has_id ? 2 : 0) + (is_v5 ? varint_bytes(properties) + properties : 0);
  const std::size_t remaining = header + publish.payload.size();
  if (remaining > kRemainingLengthMax) return false;
  const std::size_t total = 1 + varint_bytes(remaining) + remaining;
  if (total > packet_bytes_max) return false;
  Writer to{out, total};
  const unsigned flags =
      (publish.dup ? 8U : 0U) | (static_cast<unsigned>(publish.qos) << 1U) | (publish.retain ? 1U : 0U);
  to.first_byte(PacketType::kPublish, flags);
  to.varint(remaining);
  to.text(publish.topic);
  if (has_id) to.u16(publish.packet_id);
  if (is_v5) {
    to.varint(properties);
    if (publish.expiry_left_s) {
      to.id(PropertyId::kMessageExpiryInterval);
      to.u32(*publish.expiry_left_s);
    }
    for (const std::uint32_t id : publish.subscription_ids) {
      to.id(PropertyId::kSubscriptionIdentifier);
      to.varint(id);
    }
    to.raw(publish.properties);
  }
  to.raw(publish.payload);
  return true;
}

void append_ack(Bytes& out, Protocol protocol, const AckOut& ack, std::uint32_t packet_bytes_max) {
  const bool is_v5 = protocol == Protocol::kV5;
  std::string_view reason = is_v5 ? at_most_a_string(ack.reason) : std::string_view{};
  constexpr std::size_t kUpToCode = 3;
  const std::size_t with_reason = kUpToCode + varint_bytes(text_property_bytes(reason)) + text_property_bytes(reason);
  if (1 + varint_bytes(with_reason) + with_reason > packet_bytes_max) reason = {};
  const bool has_code = is_v5 && (ack.code != ReasonCode::kSuccess || !reason.empty());
  const std::size_t remaining = !reason.empty() ? with_reason : has_code ? kUpToCode : 2;
  Writer to{out, 1 + varint_bytes(remaining) + remaining};
  to.first_byte(ack.type, ack.type == PacketType::kPubrel ? 2 : 0);  // [MQTT-3.6.1-1]
  to.varint(remaining);
  to.u16(ack.packet_id);
  if (has_code) to.u8(static_cast<std::uint8_t>(ack.code));
  if (reason.empty()) return;
  to.varint(text_property_bytes(reason));
  to.id(PropertyId::kReasonString);
  to.text(reason);
}

bool append_suback(Bytes& out, Protocol protocol, std::uint16_t packet_id, std::span<const ReasonCode> codes,
                   std::uint32_t packet_bytes_max) {
  std::size_t at = 0;
  if (!append_filter_ack(out, PacketType::kSuback, protocol, packet_id, codes.size(), packet_bytes_max, at))
    return false;
  for (const ReasonCode code : codes) {
    const bool is_v311_failure = protocol == Protocol::kV311 && is_failure(code);
    out[at++] = is_v311_failure ? std::uint8_t{0x80} : static_cast<std::uint8_t>(code);
  }
  return true;
}

bool append_unsuback(Bytes& out, Protocol protocol, std::uint16_t packet_id, std::span<const ReasonCode> codes,
                     std::uint32_t packet_bytes_max) {
  if (protocol == Protocol::kV311) codes = {};  // its UNSUBACK has no payload
  std::size_t at = 0;
  if (!append_filter_ack(out, PacketType::kUnsuback, protocol, packet_id, codes.size(), packet_bytes_max, at))
    return false;
  for (const ReasonCode code : codes) out[at++] = static_cast<std::uint8_t>(code);
  return true;
}

void append_pingresp(Bytes& out) {
  Writer to{out, 2};
  to.first_byte(PacketType::kPingresp);
  to.u8(0);
}

void append_disconnect(Bytes& out, ReasonCode code, std::string_view reason, std::uint32_t packet_bytes_max) {
  reason = at_most_a_string(reason);
  std::size_t properties = text_property_bytes(reason);
  std::size_t remaining = properties == 0 ? 1 : 1 + varint_bytes(properties) + properties;
  if (1 + varint_bytes(remaining) + remaining > packet_bytes_max) {
    properties = 0;
    remaining = 1;
  }
  if (1 + varint_bytes(remaining) + remaining > packet_bytes_max) return;
  Writer to{out, 1 + varint_bytes(remaining) + remaining};
  to.first_byte(PacketType::kDisconnect);
  to.varint(remaining);
  to.u8(static_cast<std::uint8_t>(code));
  if (properties == 0) return;
  to.varint(properties);
  to.id(PropertyId::kReasonString);
  to.text(reason);
}

}  // namespace hedgerow::mqtt
