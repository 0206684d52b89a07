// Encodes the packets that a server sends: MQTT 5.0 chapter 3 and the same of 3.1.1. Everything appends to `out`.
// The functions that take `packet_bytes_max` append nothing and return false if the packet would be larger
// [MQTT-3.1.2-24]; a reason string that does not fit is left out first. Reason codes that the standard does not have at
// that place become the nearest that it has.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "daemon/mqtt/connection.hpp"
#include "daemon/mqtt/packets.hpp"
#include "daemon/mqtt/topic_aliases.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::mqtt {

// The return code of 3.1.1 that comes nearest, or 0 where it has none and the connection just closes.
[[nodiscard]] std::uint8_t connack_return_code_v311(ReasonCode code);

struct ConnackOut {
  ConnackOptions options;  // its response information is sent as it is given
  ReasonCode code = ReasonCode::kSuccess;
  std::uint16_t receive_maximum = kReceiveMaximumDefault;
  std::uint32_t packet_bytes_max = kPacketBytesDefault;
  std::uint16_t topic_alias_maximum = 0;
  QoS maximum_qos = QoS::kExactlyOnce;
  std::optional<std::uint16_t> server_keep_alive_s = {};
};
[[nodiscard]] bool append_connack(Bytes& out, Protocol protocol, const ConnackOut& connack,
                                  std::uint32_t packet_bytes_max);

[[nodiscard]] bool append_publish(Bytes& out, Protocol protocol, const PublishOut& publish,
                                  std::uint32_t packet_bytes_max, const OutboundAliases::Choice& alias = {});

struct AckOut {
  PacketType type = PacketType::kPuback;  // or kPubrec, kPubrel, kPubcomp
  std::uint16_t packet_id = 0;
  ReasonCode code = ReasonCode::kSuccess;
  std::string_view reason = {};
  NoteOut note = {};
};
void append_ack(Bytes& out, Protocol protocol, const AckOut& ack, std::uint32_t packet_bytes_max);

struct FilterAckOut {
  PacketType type = PacketType::kSuback;  // or kUnsuback
  std::uint16_t packet_id = 0;
  std::span<const ReasonCode> codes = {};
  std::string_view reason = {};
};
[[nodiscard]] bool append_filter_ack(Bytes& out, Protocol protocol, const FilterAckOut& ack,
                                     std::uint32_t packet_bytes_max);

void append_pingresp(Bytes& out);

// MQTT 5 only. Appends nothing where not even the reason code fits.
void append_disconnect(Bytes& out, ReasonCode code, std::string_view reason, std::uint32_t packet_bytes_max);

}  // namespace hedgerow::mqtt
