// The client's side of MQTT 5, as much as a gateway needs to speak for a thing to the node in its own process. What it
// reads comes from our own server, so a break of the grammar is a fault of the program, and said as such.
// Thread rule: plain values and functions. Ownership: a ServerPacket views the bytes that it was read from.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/mqtt/packets.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::gateway {

struct WillOut {
  std::string_view topic;
  ByteView payload = {};
  mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
  bool retain = false;
};

struct ConnectOut {
  std::string_view client_id;
  bool clean_start = true;
  std::uint32_t session_expiry_s = 0;
  std::uint16_t receive_maximum = 1;
  std::uint32_t packet_bytes_max = 0;  // 0: whatever MQTT allows
  const WillOut* will = nullptr;
  bool conflates = false;  // of retained messages that the session missed, the newest of each topic is enough
};

struct PublishOut {
  std::string_view topic;
  ByteView payload = {};
  mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
  bool retain = false;
  bool dup = false;
  std::uint16_t packet_id = 0;  // not 0 with QoS 1 and 2
};

void append_connect(Bytes& out, const ConnectOut& connect);
void append_publish(Bytes& out, const PublishOut& publish);
// PUBACK, PUBREC, PUBREL, PUBCOMP with reason Success.
void append_ack(Bytes& out, mqtt::PacketType type, std::uint16_t packet_id);
void append_subscribe(Bytes& out, std::uint16_t packet_id, std::string_view filter, mqtt::QoS qos);
void append_unsubscribe(Bytes& out, std::uint16_t packet_id, std::string_view filter);
// kSuccess cancels the will.
void append_disconnect(Bytes& out, mqtt::ReasonCode reason);

struct ServerPacket {
  mqtt::PacketType type = mqtt::PacketType::kReserved;
  std::uint16_t packet_id = 0;
  mqtt::ReasonCode code = mqtt::ReasonCode::kSuccess;  // SUBACK, UNSUBACK: of the first filter
  std::string_view topic = {};
  ByteView payload = {};
  mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
  bool retain = false;
  bool dup = false;
  bool is_expired = false;  // a PUBLISH whose time is over
};

// Takes the first whole packet off the front of `bytes`. Nothing: there is none yet. kCorrupt: no server sends that.
[[nodiscard]] Expected<std::optional<ServerPacket>> take_packet(ByteView& bytes);

}  // namespace hedgerow::gateway
