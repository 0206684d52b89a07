// What a client of whole exchanges needs beyond mqtt_packets.hpp: sessions that stay, PUBLISH packets taken apart,
// acknowledgements of every kind. Thread rule: plain values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/mqtt_packets.hpp"

namespace hedgerow::test {

inline const Bytes kForever = property(0x11, u32(0xFFFF'FFFF));

// A client whose session never ends.
inline ConnectOut keeping(std::string id, const Bytes& more = {}) {
  return {.client_id = std::move(id), .clean_start = false, .properties = concat(kForever, more)};
}

struct Delivered {
  std::string topic;
  std::string payload;
  unsigned qos = 0;
  unsigned packet_id = 0;
  bool dup = false;
  bool retain = false;
  Bytes properties = {};  // as they stand in the packet, without their length
};

// Properties of MQTT 5 have less than 128 bytes.
inline Delivered take_apart(const ServerPacket& publish, mqtt::Protocol protocol = mqtt::Protocol::kV5) {
  const Bytes& body = publish.body;
  const std::size_t topic_bytes = std::size_t{body[0]} * 256 + body[1];
  Delivered out{.topic = std::string(as_text(ByteView(body).subspan(2, topic_bytes))),
                .payload = {},
                .qos = (publish.flags >> 1U) & 3U,
                .packet_id = 0,
                .dup = (publish.flags & 8U) != 0,
                .retain = (publish.flags & 1U) != 0};
  std::size_t at = 2 + topic_bytes;
  if (out.qos > 0) {
    out.packet_id = body[at] * 256U + body[at + 1];
    at += 2;
  }
  if (protocol == mqtt::Protocol::kV5) {
    const std::size_t properties_bytes = body[at];
    out.properties = to_bytes(ByteView(body).subspan(at + 1, properties_bytes));
    at += 1 + properties_bytes;
  }
  out.payload = std::string(as_text(ByteView(body).subspan(at)));
  return out;
}

inline std::vector<Delivered> deliveries(const std::vector<ServerPacket>& packets,
                                         mqtt::Protocol protocol = mqtt::Protocol::kV5) {
  std::vector<Delivered> out;
  for (const ServerPacket& packet : packets) {
    if (packet.type == mqtt::PacketType::kPublish) out.push_back(take_apart(packet, protocol));
  }
  return out;
}

struct AckSeen {
  mqtt::PacketType type{};
  unsigned packet_id = 0;
  unsigned code = 0;
  bool operator==(const AckSeen&) const = default;
};

// PUBACK, PUBREC, PUBREL and PUBCOMP, in order.
inline std::vector<AckSeen> acks(const std::vector<ServerPacket>& packets) {
  std::vector<AckSeen> out;
  for (const ServerPacket& packet : packets) {
    if (packet.type < mqtt::PacketType::kPuback || packet.type > mqtt::PacketType::kPubcomp) continue;
    out.push_back({packet.type, packet.body[0] * 256U + packet.body[1], packet.body.size() > 2 ? packet.body[2] : 0U});
  }
  return out;
}

inline Bytes encode_ack(mqtt::PacketType type, unsigned packet_id, unsigned code = 0) {
  const unsigned flags = type == mqtt::PacketType::kPubrel ? 2U : 0U;
  return packet(type, flags, code == 0 ? u16(packet_id) : concat(u16(packet_id), u8(code)));
}
inline Bytes encode_pubrec(unsigned packet_id, unsigned code = 0) {
  return encode_ack(mqtt::PacketType::kPubrec, packet_id, code);
}
inline Bytes encode_pubrel(unsigned packet_id) { return encode_ack(mqtt::PacketType::kPubrel, packet_id); }
inline Bytes encode_pubcomp(unsigned packet_id) { return encode_ack(mqtt::PacketType::kPubcomp, packet_id); }

}  // namespace hedgerow::test
