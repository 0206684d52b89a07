// Decodes the bodies of a client's packets: MQTT 5.0 chapter 3 and the same of 3.1.1. A body is a packet without its
// fixed header. Pure; results borrow from the body, or from the scratch that is given; no allocation but in that
// scratch.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/mqtt/packets.hpp"
#include "daemon/mqtt/reader.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::mqtt {

// Fixed header: section 2.1.
struct Frame {
  enum class State : std::uint8_t { kPartial, kWhole, kMalformed } state = State::kPartial;
  std::uint8_t first_byte = 0;
  std::size_t header_bytes = 0;  // 0 until the length is known
  std::size_t total_bytes = 0;   // header included; 0 until known
};
[[nodiscard]] Frame decode_frame(ByteView bytes);

// What the connection agreed on, and its limits.
struct DecodeRules {
  Protocol protocol = Protocol::kV5;  // not used for CONNECT, which says it
  bool bridge = false;
  QoS maximum_qos = QoS::kExactlyOnce;
  std::size_t topic_levels_max = kTopicLevelsMax;
  std::uint32_t will_bytes_max = kWillBytesDefault;
};

struct ConnectPacket {
  ConnectRequest request;
  bool has_authentication_method = false;
};
// `answer_in` becomes the version whose CONNACK the client will understand, as soon as that is known. `scratch` serves
// the will's properties.
[[nodiscard]] Decoded<ConnectPacket> decode_connect(ByteView body, const DecodeRules& rules,
                                                    std::optional<Protocol>& answer_in, Bytes& scratch);

struct PublishPacket {
  PublishRequest request;  // the topic is empty where only the alias says it
  std::optional<std::uint16_t> topic_alias = {};
};
// `flags`: the low four bits of the first byte. `scratch` serves properties that must be put together.
[[nodiscard]] Decoded<PublishPacket> decode_publish(std::uint8_t flags, ByteView body, const DecodeRules& rules,
                                                    Bytes& scratch);

// PUBACK, PUBREC, PUBREL, PUBCOMP. REQUIRES: `type` is one of them.
[[nodiscard]] Decoded<AckReceived> decode_ack(PacketType type, ByteView body, Protocol protocol);

[[nodiscard]] Decoded<SubscribeRequest> decode_subscribe(ByteView body, const DecodeRules& rules,
                                                         std::vector<SubscribeEntry>& scratch);

[[nodiscard]] Decoded<UnsubscribeRequest> decode_unsubscribe(ByteView body, Protocol protocol,
                                                             std::vector<std::string_view>& scratch);

struct DisconnectPacket {
  ReasonCode reason = ReasonCode::kSuccess;
  std::optional<std::uint32_t> session_expiry_s = {};
};
[[nodiscard]] Decoded<DisconnectPacket> decode_disconnect(ByteView body, Protocol protocol);

// AUTH of 5.0. The reason is all that is needed: no method is known here.
[[nodiscard]] Decoded<ReasonCode> decode_auth(ByteView body);

// What is wrong with a name to publish to, if anything. It is valid UTF-8 already.
[[nodiscard]] std::optional<Fault> wrong_topic_name(std::string_view topic, std::size_t levels_max);

}  // namespace hedgerow::mqtt
