// Encodes what an MQTT client sends and takes apart what a server sends, for tests only: written apart from the
// daemon's codec, so that one does not prove the other's mistakes right. Deliberately able to encode what the standard
// forbids. Thread rule: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/mqtt/packets.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::test {

inline Bytes u8(unsigned value) { return {static_cast<std::uint8_t>(value)}; }
inline Bytes u16(unsigned value) { return {static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)}; }
inline Bytes u32(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
          static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
}
inline Bytes varint(std::size_t value) {
  Bytes out = {};
  do {
    const auto low = static_cast<std::uint8_t>(value % 128);
    value /= 128;
    out.push_back(value > 0 ? static_cast<std::uint8_t>(low | 0x80U) : low);
  } while (value > 0);
  return out;
}

template <class... Parts>
Bytes concat(const Parts&... parts) {
  Bytes out = {};
  (append(out, parts), ...);
  return out;
}

inline Bytes text(std::string_view value) { return concat(u16(static_cast<unsigned>(value.size())), as_bytes(value)); }

inline Bytes packet(mqtt::PacketType type, unsigned flags, const Bytes& body) {
  return concat(u8((static_cast<unsigned>(type) << 4U) | flags), varint(body.size()), body);
}

// Properties by their number, so that the tests do not share the daemon's table.
inline Bytes property(unsigned id, const Bytes& value) { return concat(u8(id), value); }
inline Bytes user_property(std::string_view key, std::string_view value) {
  return concat(u8(0x26), text(key), text(value));
}
inline Bytes with_length(const Bytes& properties) { return concat(varint(properties.size()), properties); }

struct ConnectOut {
  mqtt::Protocol protocol = mqtt::Protocol::kV5;
  std::string client_id = "client";
  bool clean_start = true;
  unsigned keep_alive_s = 0;
  std::optional<std::string> username = {};
  std::optional<std::string> password = {};
  Bytes properties = {};
  std::optional<unsigned> flags = {};  // instead of those that follow from the rest
  Bytes will = {};                     // encoded will fields; sets the will flag
  std::string protocol_name = "MQTT";
  std::optional<unsigned> level = {};
};

inline Bytes encode(const ConnectOut& c) {
  unsigned flags = c.clean_start ? 0x02U : 0U;
  if (c.username) flags |= 0x80U;
  if (c.password) flags |= 0x40U;
  if (!c.will.empty()) flags |= 0x04U;
  Bytes body = concat(text(c.protocol_name), u8(c.level.value_or(static_cast<unsigned>(c.protocol))),
                      u8(c.flags.value_or(flags)), u16(c.keep_alive_s));
  if (c.protocol == mqtt::Protocol::kV5) append(body, with_length(c.properties));
  append(body, text(c.client_id));
  append(body, c.will);
  if (c.username) append(body, text(*c.username));
  if (c.password) append(body, text(*c.password));
  return packet(mqtt::PacketType::kConnect, 0, body);
}

struct PublishSent {
  mqtt::Protocol protocol = mqtt::Protocol::kV5;
  std::string topic = "a";
  std::string payload = {};
  unsigned qos = 0;
  unsigned packet_id = 0;
  bool retain = false;
  bool dup = false;
  Bytes properties = {};
};

inline Bytes encode(const PublishSent& p) {
  Bytes body = text(p.topic);
  if (p.qos > 0) append(body, u16(p.packet_id));
  if (p.protocol == mqtt::Protocol::kV5) append(body, with_length(p.properties));
  append(body, as_bytes(p.payload));
  return packet(mqtt::PacketType::kPublish, (p.dup ? 8U : 0U) | (p.qos << 1U) | (p.retain ? 1U : 0U), body);
}

struct FilterSent {
  std::string filter = {};
  unsigned options = 0;
};

inline Bytes encode_subscribe(unsigned packet_id, const std::vector<FilterSent>& filters,
                              mqtt::Protocol protocol = mqtt::Protocol::kV5, const Bytes& properties = {}) {
  Bytes body = u16(packet_id);
  if (protocol == mqtt::Protocol::kV5) append(body, with_length(properties));
  for (const FilterSent& filter : filters) append(body, concat(text(filter.filter), u8(filter.options)));
  return packet(mqtt::PacketType::kSubscribe, 2, body);
}

inline Bytes encode_unsubscribe(unsigned packet_id, const std::vector<std::string>& filters,
                                mqtt::Protocol protocol = mqtt::Protocol::kV5) {
  Bytes body = u16(packet_id);
  if (protocol == mqtt::Protocol::kV5) append(body, with_length({}));
  for (const std::string& filter : filters) append(body, text(filter));
  return packet(mqtt::PacketType::kUnsubscribe, 2, body);
}

inline Bytes encode_puback(unsigned packet_id) { return packet(mqtt::PacketType::kPuback, 0, u16(packet_id)); }
inline Bytes encode_pingreq() { return packet(mqtt::PacketType::kPingreq, 0, {}); }
inline Bytes encode_disconnect(const Bytes& body = {}) { return packet(mqtt::PacketType::kDisconnect, 0, body); }

// ---- what a server sends

struct ServerPacket {
  mqtt::PacketType type;
  unsigned flags;
  Bytes body = {};
  bool operator==(const ServerPacket&) const = default;
};

// Throws where the bytes are not whole packets: the daemon's mistake.
inline std::vector<ServerPacket> split_packets(ByteView bytes) {
  std::vector<ServerPacket> out;
  while (!bytes.empty()) {
    std::size_t at = 1;
    std::size_t length = 0;
    std::size_t factor = 1;
    for (;; factor *= 128) {
      if (at >= bytes.size() || at > 4) throw std::runtime_error("no whole fixed header");
      length += (bytes[at] % 128U) * factor;
      if (bytes[at++] < 128) break;
    }
    if (bytes.size() - at < length) throw std::runtime_error("no whole packet");
    out.push_back({static_cast<mqtt::PacketType>(bytes[0] >> 4U), bytes[0] & 15U, to_bytes(bytes.subspan(at, length))});
    bytes = bytes.subspan(at + length);
  }
  return out;
}

}  // namespace hedgerow::test
