#include "daemon/mqtt/encode.hpp"

#include <algorithm>
#include <cstring>
#include <gsl/assert>

#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/reason_codes.hpp"

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

constexpr std::uint16_t kReceiveMaximumUnsaid = 65'535;  // section 3.2.2.3.3

constexpr std::size_t text_property_bytes(std::string_view value) { return value.empty() ? 0 : 3 + value.size(); }

std::string_view at_most_a_string(std::string_view text) {
  return text.size() <= kStringBytesMax ? text : std::string_view{};
}

constexpr std::size_t packet_bytes(std::size_t remaining) { return 1 + varint_bytes(remaining) + remaining; }

// Properties that are a reason string and a note at most.
struct ReasonProperties {
  std::string_view reason;
  NoteOut note;
  std::size_t bytes = 0;  // without their length

  // `rest`: what the packet has besides. Drops both where the packet would be too large.
  ReasonProperties(std::string_view wanted, std::size_t rest, std::uint32_t packet_bytes_max, NoteOut wanted_note = {})
      : reason(at_most_a_string(wanted)), note(wanted_note), bytes(text_property_bytes(reason)) {
    if (!note.name.empty()) bytes += 5 + note.name.size() + note.value.size();
    if (packet_bytes(rest + varint_bytes(bytes) + bytes) <= packet_bytes_max) return;
    reason = {};
    note = {};
    bytes = 0;
  }
  [[nodiscard]] std::size_t bytes_with_length() const { return varint_bytes(bytes) + bytes; }
  void write(Writer& to) const {
    to.varint(bytes);
    if (!reason.empty()) {
      to.id(PropertyId::kReasonString);
      to.text(reason);
    }
    if (note.name.empty()) return;
    to.id(PropertyId::kUserProperty);
    to.text(note.name);
    to.text(note.value);
  }
};

ReasonPlace place_of_ack(PacketType type) {
  const bool is_release = type == PacketType::kPubrel || type == PacketType::kPubcomp;
  return is_release ? ReasonPlace::kPubrel : ReasonPlace::kPuback;
}

// What a successful CONNACK announces: section 3.2.2.3. What is not said is allowed.
std::size_t announced_bytes(const ConnackOut& connack) {
  std::size_t bytes = text_property_bytes(connack.options.assigned_client_id) +
                      text_property_bytes(connack.options.response_information);
  if (connack.receive_maximum != kReceiveMaximumUnsaid) bytes += 3;
  if (connack.maximum_qos != QoS::kExactlyOnce) bytes += 2;
  bytes += 5;  // maximum packet size
  if (connack.topic_alias_maximum > 0) bytes += 3;
  if (connack.options.session_expiry_s) bytes += 5;
  if (connack.server_keep_alive_s) bytes += 3;
  return bytes;
}

void write_announced(Writer& to, const ConnackOut& connack) {
  if (connack.receive_maximum != kReceiveMaximumUnsaid) {
    to.id(PropertyId::kReceiveMaximum);
    to.u16(connack.receive_maximum);
  }
  if (connack.maximum_qos != QoS::kExactlyOnce) {  // [MQTT-3.2.2-9]
    to.id(PropertyId::kMaximumQos);
    to.u8(static_cast<std::size_t>(connack.maximum_qos));
  }
  to.id(PropertyId::kMaximumPacketSize);
  to.u32(connack.packet_bytes_max);
  if (connack.topic_alias_maximum > 0) {
    to.id(PropertyId::kTopicAliasMaximum);
    to.u16(connack.topic_alias_maximum);
  }
  if (!connack.options.assigned_client_id.empty()) {  // [MQTT-3.1.3-7] [MQTT-3.2.2-16]
    to.id(PropertyId::kAssignedClientIdentifier);
    to.text(connack.options.assigned_client_id);
  }
  if (connack.options.session_expiry_s) {
    to.id(PropertyId::kSessionExpiryInterval);
    to.u32(*connack.options.session_expiry_s);
  }
  if (connack.server_keep_alive_s) {  // [MQTT-3.2.2-21]
    to.id(PropertyId::kServerKeepAlive);
    to.u16(*connack.server_keep_alive_s);
  }
  if (!connack.options.response_information.empty()) {
    to.id(PropertyId::kResponseInformation);
    to.text(connack.options.response_information);
  }
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
  const std::size_t flags = !is_refusal && connack.options.session_present ? 1 : 0;  // [MQTT-3.2.2-1] [MQTT-3.2.2-6]
  if (protocol == Protocol::kV311) {
    Writer to{out, 4};
    to.first_byte(PacketType::kConnack);
    to.u8(2);
    to.u8(flags);  // [MQTT-3.2.2-4] of 3.1.1
    to.u8(is_refusal ? connack_return_code_v311(connack.code) : 0);
    return true;
  }
  std::string_view reason = at_most_a_string(connack.options.reason);
  const std::size_t announced = is_refusal ? 0 : announced_bytes(connack);
  const auto remaining_with = [&](std::string_view why) {
    const std::size_t properties = announced + text_property_bytes(why);
    return 2 + varint_bytes(properties) + properties;
  };
  if (packet_bytes(remaining_with(reason)) > packet_bytes_max) reason = {};  // [MQTT-3.2.2-19]
  const std::size_t remaining = remaining_with(reason);
  if (packet_bytes(remaining) > packet_bytes_max) return false;
  Writer to{out, packet_bytes(remaining)};
  to.first_byte(PacketType::kConnack);
  to.varint(remaining);
  to.u8(flags);
  to.u8(static_cast<std::uint8_t>(nearest_allowed(connack.code, ReasonPlace::kConnack)));
  to.varint(announced + text_property_bytes(reason));
  if (!is_refusal) write_announced(to, connack);
  if (!reason.empty()) {
    to.id(PropertyId::kReasonString);
    to.text(reason);
  }
  return true;
}

bool append_publish(Bytes& out, Protocol protocol, const PublishOut& publish, std::uint32_t packet_bytes_max,
                    const OutboundAliases::Choice& alias) {
  Expects(publish.topic.size() <= kStringBytesMax);
  const bool is_v5 = protocol == Protocol::kV5;
  const bool has_id = publish.qos != QoS::kAtMostOnce;
  const std::string_view topic = alias.is_known ? std::string_view{} : publish.topic;
  std::size_t properties = 0;
  if (is_v5) {
    properties = publish.properties.size() + (publish.expiry_left_s ? kMessageExpiryBytes : 0) +
                 (alias.alias > 0 ? kTopicAliasBytes : 0);
    for (const std::uint32_t id : publish.subscription_ids) properties += 1 + varint_bytes(id);
  }
  if (properties > kRemainingLengthMax || publish.payload.size() > kRemainingLengthMax) return false;
  const std::size_t header = 2 + topic.size() + (has_id ? 2 : 0) + (is_v5 ? varint_bytes(properties) + properties : 0);
  const std::size_t remaining = header + publish.payload.size();
  if (remaining > kRemainingLengthMax || packet_bytes(remaining) > packet_bytes_max) return false;
  Writer to{out, packet_bytes(remaining)};
  const bool dup = publish.dup && has_id;  // [MQTT-3.3.1-2]
  const unsigned flags = (dup ? 8U : 0U) | (static_cast<unsigned>(publish.qos) << 1U) | (publish.retain ? 1U : 0U);
  to.first_byte(PacketType::kPublish, flags);
  to.varint(remaining);
  to.text(topic);
  if (has_id) to.u16(publish.packet_id);
  if (is_v5) {
    to.varint(properties);
    if (alias.alias > 0) {
      to.id(PropertyId::kTopicAlias);
      to.u16(alias.alias);
    }
    if (publish.expiry_left_s) {  // [MQTT-3.3.2-6]
      to.id(PropertyId::kMessageExpiryInterval);
      to.u32(*publish.expiry_left_s);
    }
    for (const std::uint32_t id : publish.subscription_ids) {  // [MQTT-3.3.4-3] [MQTT-3.3.4-4]
      to.id(PropertyId::kSubscriptionIdentifier);
      to.varint(id);
    }
    to.raw(publish.properties);  // [MQTT-3.3.2-4] [MQTT-3.3.2-15] to [MQTT-3.3.2-18] [MQTT-3.3.2-20]
  }
  to.raw(publish.payload);
  return true;
}

void append_ack(Bytes& out, Protocol protocol, const AckOut& ack, std::uint32_t packet_bytes_max) {
  const bool is_v5 = protocol == Protocol::kV5;
  // [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
  const ReasonProperties properties{is_v5 ? ack.reason : std::string_view{}, 3, packet_bytes_max,
                                    is_v5 ? ack.note : NoteOut{}};
  const ReasonCode code = nearest_allowed(ack.code, place_of_ack(ack.type));
  const bool has_properties = properties.bytes > 0;
  const bool has_code = is_v5 && (code != ReasonCode::kSuccess || has_properties);
  const std::size_t remaining = 2U + (has_code ? 1U : 0U) + (has_properties ? properties.bytes_with_length() : 0U);
  Writer to{out, packet_bytes(remaining)};
  to.first_byte(ack.type, ack.type == PacketType::kPubrel ? 2 : 0);  // [MQTT-3.6.1-1]
  to.varint(remaining);
  to.u16(ack.packet_id);
  if (has_code) to.u8(static_cast<std::uint8_t>(code));
  if (has_properties) properties.write(to);
}

bool append_filter_ack(Bytes& out, Protocol protocol, const FilterAckOut& ack, std::uint32_t packet_bytes_max) {
  const bool is_v5 = protocol == Protocol::kV5;
  const bool is_suback = ack.type == PacketType::kSuback;
  const bool has_codes = is_v5 || is_suback;  // the UNSUBACK of 3.1.1 has none
  const std::size_t fixed = 2 + (has_codes ? ack.codes.size() : 0);
  // [MQTT-3.9.2-1] [MQTT-3.11.2-1]
  const ReasonProperties properties{is_v5 ? ack.reason : std::string_view{}, fixed, packet_bytes_max};
  const std::size_t remaining = fixed + (is_v5 ? properties.bytes_with_length() : 0);
  if (packet_bytes(remaining) > packet_bytes_max) return false;
  Writer to{out, packet_bytes(remaining)};
  to.first_byte(ack.type);
  to.varint(remaining);
  to.u16(ack.packet_id);
  if (is_v5) properties.write(to);
  if (!has_codes) return true;
  for (const ReasonCode code : ack.codes) {  // in the order asked [MQTT-3.8.4-6] [MQTT-3.11.3-1]
    const ReasonCode allowed = nearest_allowed(code, is_suback ? ReasonPlace::kSuback : ReasonPlace::kUnsuback);
    const bool is_v311_failure = !is_v5 && is_failure(allowed);
    to.u8(is_v311_failure ? std::uint8_t{0x80} : static_cast<std::uint8_t>(allowed));
  }
  return true;
}

void append_pingresp(Bytes& out) {
  Writer to{out, 2};
  to.first_byte(PacketType::kPingresp);
  to.u8(0);
}

void append_disconnect(Bytes& out, ReasonCode code, std::string_view reason, std::uint32_t packet_bytes_max) {
  const ReasonProperties properties{reason, 1, packet_bytes_max};  // [MQTT-3.14.2-3]
  const bool has_properties = properties.bytes > 0;
  const std::size_t remaining = 1U + (has_properties ? properties.bytes_with_length() : 0U);
  if (packet_bytes(remaining) > packet_bytes_max) return;
  Writer to{out, packet_bytes(remaining)};
  to.first_byte(PacketType::kDisconnect);
  to.varint(remaining);
  to.u8(static_cast<std::uint8_t>(nearest_allowed(code, ReasonPlace::kDisconnectByServer)));
  if (has_properties) properties.write(to);
}

}  // namespace hedgerow::mqtt
