// CONNECT: MQTT 5.0 section 3.1 and the same of 3.1.1.
#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/properties.hpp"

namespace hedgerow::mqtt {
namespace {

constexpr std::uint8_t kLevelV311 = static_cast<std::uint8_t>(Protocol::kV311);
constexpr std::uint8_t kLevelV5 = static_cast<std::uint8_t>(Protocol::kV5);
constexpr std::uint8_t kBridgeBit = 0x80;  // Mosquitto's bridges set it in the protocol level, and retry without

// Section 3.1.2.3.
constexpr std::uint8_t kFlagReserved = 0x01;
constexpr std::uint8_t kFlagCleanStart = 0x02;
constexpr std::uint8_t kFlagWill = 0x04;
constexpr std::uint8_t kFlagWillRetain = 0x20;
constexpr std::uint8_t kFlagPassword = 0x40;
constexpr std::uint8_t kFlagUsername = 0x80;
constexpr std::uint8_t will_qos(std::uint8_t flags) { return (flags >> 3U) & 3U; }

struct Version {
  Protocol protocol;
  bool bridge;
};

Decoded<Version> decode_version(Reader& in, std::optional<Protocol>& answer_in) {
  const std::string_view name = in.text();
  const std::uint8_t level = in.u8();
  if (in.failed()) return tl::unexpected(in.why());
  // [MQTT-3.1.2-1]. MQTT 3.1 calls itself MQIsdp, and has the same CONNACK.
  if (name != "MQTT" && name != "MQIsdp") {
    return fault(ReasonCode::kUnsupportedProtocolVersion, "it does not begin with \"MQTT\"");
  }
  if (name == "MQTT" && (level & ~kBridgeBit) == kLevelV311) {
    answer_in = Protocol::kV311;
    return Version{Protocol::kV311, (level & kBridgeBit) != 0};
  }
  if (name == "MQTT" && level == kLevelV5) {
    answer_in = Protocol::kV5;
    return Version{Protocol::kV5, false};
  }
  // [MQTT-3.1.2-2]. 3.1.1 demands its return code 0x01, 5.0 leaves the answer open.
  answer_in = Protocol::kV311;
  return fault(ReasonCode::kUnsupportedProtocolVersion, "this server speaks MQTT 3.1.1 and 5.0");
}

std::string_view wrong_flags(std::uint8_t flags, Protocol protocol) {
  if ((flags & kFlagReserved) != 0) return "the reserved flag is set";  // [MQTT-3.1.2-3]
  if (will_qos(flags) == 3) return "the will has QoS 3";                // [MQTT-3.1.2-12]
  const bool has_will_flags = (flags & kFlagWillRetain) != 0 || will_qos(flags) != 0;
  if ((flags & kFlagWill) == 0 && has_will_flags) return "will flags without a will";  // [MQTT-3.1.2-11, -13]
  const bool password_only = (flags & kFlagPassword) != 0 && (flags & kFlagUsername) == 0;
  // [MQTT-3.1.2-22] of 3.1.1; 5.0 allows it.
  if (password_only && protocol == Protocol::kV311) return "a password without a user name";
  return {};
}

Decoded<bool> read_connect_properties(Reader& in, ConnectRequest& request) {
  const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kConnect);
  if (!properties) return tl::unexpected(properties.error());
  request.properties = properties->raw;
  request.session_expiry_s = properties->session_expiry_s;
  request.request_problem_information = properties->request_problem_information;
  request.request_response_information = properties->request_response_information;
  request.topic_alias_maximum = properties->topic_alias_maximum;
  if (properties->has(PropertyId::kReceiveMaximum)) request.receive_maximum = properties->receive_maximum;
  if (properties->has(PropertyId::kMaximumPacketSize)) request.packet_bytes_max = properties->packet_bytes_max;
  const bool has_method = properties->has(PropertyId::kAuthenticationMethod);
  if (!has_method && properties->has(PropertyId::kAuthenticationData)) {  // section 3.1.2.11.10
    return fault(ReasonCode::kProtocolError, "authentication data without a method");
  }
  return has_method;
}

// Will properties, topic and payload: sections 3.1.3.2 to 3.1.3.4.
Decoded<Will> read_will(Reader& in, std::uint8_t flags, Protocol protocol, Bytes& scratch) {
  Will will;
  will.qos = static_cast<QoS>(will_qos(flags));
  will.retain = (flags & kFlagWillRetain) != 0;
  if (protocol == Protocol::kV5) {
    const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kWill);
    if (!properties) return tl::unexpected(properties.error());
    will.delay_s = properties->will_delay_s;
    if (properties->has(PropertyId::kMessageExpiryInterval)) will.expiry_s = properties->message_expiry_s;
    will.properties = properties->forwardable(scratch);
  }
  will.topic = in.text();  // [MQTT-3.1.3-11]
  will.payload = in.binary();
  if (in.failed()) return tl::unexpected(in.why());
  return will;
}

std::optional<Fault> wrong_will(const Will& will, const DecodeRules& rules) {
  if (will.topic.empty()) return Fault{ReasonCode::kTopicNameInvalid, "the will topic is empty"};  // [MQTT-4.7.3-1]
  if (const std::optional<Fault> wrong = wrong_topic_name(will.topic, rules.topic_levels_max)) {
    return Fault{ReasonCode::kTopicNameInvalid, wrong->what};  // section 3.2.2.2: also where it is not correctly formed
  }
  if (will.qos > rules.maximum_qos) {  // [MQTT-3.2.2-12]
    return Fault{ReasonCode::kQosNotSupported, "the will has a higher QoS than this server allows"};
  }
  if (will.topic.size() + will.properties.size() + will.payload.size() > rules.will_bytes_max) {
    return Fault{ReasonCode::kQuotaExceeded, "the will is larger than this server accepts"};
  }
  return std::nullopt;
}

std::optional<Fault> wrong_client_id(const ConnectRequest& request) {
  constexpr ReasonCode kCode = ReasonCode::kClientIdentifierNotValid;  // [MQTT-3.1.3-8]
  if (request.client_id.size() > kClientIdBytesMax) return Fault{kCode, "the client identifier is too long"};
  const bool wants_session = request.protocol == Protocol::kV311 && !request.clean_start;
  if (request.client_id.empty() && wants_session) {  // [MQTT-3.1.3-8] of 3.1.1
    return Fault{kCode, "a session without a client identifier"};
  }
  return std::nullopt;
}

}  // namespace

Decoded<ConnectPacket> decode_connect(ByteView body, const DecodeRules& rules, std::optional<Protocol>& answer_in,
                                      Bytes& scratch) {
  Reader in{body};
  const Decoded<Version> version = decode_version(in, answer_in);
  if (!version) return tl::unexpected(version.error());
  ConnectPacket packet;
  ConnectRequest& request = packet.request;
  request.protocol = version->protocol;
  request.bridge = version->bridge;
  const std::uint8_t flags = in.u8();
  request.keep_alive_s = in.u16();
  const std::string_view wrong = wrong_flags(flags, request.protocol);
  if (!wrong.empty()) return fault(ReasonCode::kMalformedPacket, wrong);
  request.clean_start = (flags & kFlagCleanStart) != 0;
  if (request.protocol == Protocol::kV5) {
    const Decoded<bool> has_method = read_connect_properties(in, request);
    if (!has_method) return tl::unexpected(has_method.error());
    packet.has_authentication_method = *has_method;
  } else {
    request.session_expiry_s = request.clean_start ? 0 : kSessionExpiryNever;
  }
  // The payload's order is fixed [MQTT-3.1.3-1]; the identifier must be there [MQTT-3.1.3-3] but may be empty
  // [MQTT-3.1.3-6].
  request.client_id = in.text();
  if ((flags & kFlagWill) != 0) {  // [MQTT-3.1.2-9]
    const Decoded<Will> will = read_will(in, flags, request.protocol, scratch);
    if (!will) return tl::unexpected(will.error());
    request.will = *will;
  }
  if ((flags & kFlagUsername) != 0) request.username = in.text();    // [MQTT-3.1.2-17] [MQTT-3.1.3-12]
  if ((flags & kFlagPassword) != 0) request.password = in.binary();  // [MQTT-3.1.2-19]
  if (in.failed()) return tl::unexpected(in.why());
  // [MQTT-3.1.2-16] [MQTT-3.1.2-18]: also a user name or password without its flag.
  if (in.left() > 0) return fault(ReasonCode::kMalformedPacket, "bytes follow its last field");
  if (request.will) {
    if (const std::optional<Fault> bad = wrong_will(*request.will, rules)) return tl::unexpected(*bad);
  }
  if (const std::optional<Fault> bad = wrong_client_id(request)) return tl::unexpected(*bad);
  return packet;
}

}  // namespace hedgerow::mqtt
