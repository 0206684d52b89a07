#include "daemon/mqtt/decode.hpp"

#include <algorithm>

#include "daemon/mqtt/properties.hpp"

namespace hedgerow::mqtt {
namespace {

constexpr std::uint8_t kLevelV31 = 3;
constexpr std::uint8_t kBridgeBit = 0x80;  // Mosquitto's bridges set it in the protocol level, and retry without

// CONNECT flags: section 3.1.2.3.
constexpr std::uint8_t kFlagReserved = 0x01;
constexpr std::uint8_t kFlagCleanStart = 0x02;
constexpr std::uint8_t kFlagWill = 0x04;
constexpr std::uint8_t kFlagWillRetain = 0x20;
constexpr std::uint8_t kFlagPassword = 0x40;
constexpr std::uint8_t kFlagUsername = 0x80;
constexpr std::uint8_t will_qos(std::uint8_t flags) { return (flags >> 3U) & 3U; }

// PUBLISH flags: section 3.3.1.
constexpr std::uint8_t kFlagRetain = 0x01;
constexpr std::uint8_t kFlagDup = 0x08;

tl::unexpected<Fault> malformed(std::string_view what) { return fault(ReasonCode::kMalformedPacket, what); }
tl::unexpected<Fault> protocol_error(std::string_view what) { return fault(ReasonCode::kProtocolError, what); }

Decoded<Protocol> decode_version(Reader& in, std::optional<Protocol>& answer_in) {
  const std::string_view name = in.text();
  const std::uint8_t level = in.u8();
  if (in.failed()) return tl::unexpected(in.why());
  constexpr std::string_view kUnsupported = "this server speaks MQTT 3.1.1 and 5.0";
  if (name == "MQIsdp" && (level & ~kBridgeBit) == kLevelV31) {
    answer_in = Protocol::kV311;  // MQTT 3.1 has the same CONNACK
    return fault(ReasonCode::kUnsupportedProtocolVersion, kUnsupported);
  }
  if (name != "MQTT") return fault(ReasonCode::kUnsupportedProtocolVersion, "it does not begin with \"MQTT\"");
  if (level == static_cast<std::uint8_t>(Protocol::kV311) || level == static_cast<std::uint8_t>(Protocol::kV5)) {
    answer_in = static_cast<Protocol>(level);
    return *answer_in;
  }
  // [MQTT-3.1.2-2]; what is newer than 5.0 will understand the form of 5.0.
  const bool is_newer = level > static_cast<std::uint8_t>(Protocol::kV5) && level < kBridgeBit;
  answer_in = is_newer ? Protocol::kV5 : Protocol::kV311;
  return fault(ReasonCode::kUnsupportedProtocolVersion, kUnsupported);
}

std::string_view wrong_connect_flags(std::uint8_t flags, Protocol protocol) {
  if ((flags & kFlagReserved) != 0) return "the reserved flag is set";  // [MQTT-3.1.2-3]
  if (will_qos(flags) == 3) return "the will has QoS 3";                // [MQTT-3.1.2-12]
  const bool has_will_flags = (flags & kFlagWillRetain) != 0 || will_qos(flags) != 0;
  if ((flags & kFlagWill) == 0 && has_will_flags) return "will flags without a will";  // [MQTT-3.1.2-11, -13]
  const bool password_only = (flags & kFlagPassword) != 0 && (flags & kFlagUsername) == 0;
  // [MQTT-3.1.2-22 of 3.1.1]; 5.0 allows it.
  if (password_only && protocol == Protocol::kV311) return "a password without a user name";
  return {};
}

Decoded<bool> read_connect_properties(Reader& in, ConnectRequest& request) {
  const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kConnect);
  if (!properties) return tl::unexpected(properties.error());
  request.session_expiry_s = properties->session_expiry_s;
  request.request_problem_information = properties->request_problem_information;
  if (properties->has(PropertyId::kReceiveMaximum)) request.receive_maximum = properties->receive_maximum;
  if (properties->has(PropertyId::kMaximumPacketSize)) request.packet_bytes_max = properties->packet_bytes_max;
  const bool has_method = properties->has(PropertyId::kAuthenticationMethod);
  if (!has_method && properties->has(PropertyId::kAuthenticationData)) {  // section 3.1.2.11.10
    return protocol_error("authentication data without a method");
  }
  return has_method;
}

Decoded<bool> skip_will(Reader& in, Protocol protocol) {
  if (protocol == Protocol::kV5) {
    const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kWill);
    if (!properties) return tl::unexpected(properties.error());
  }
  const std::string_view topic = in.text();
  in.binary();
  if (in.failed()) return tl::unexpected(in.why());
  if (topic.empty() || has_wildcard(topic))
    return fault(ReasonCode::kTopicNameInvalid, "the will topic is not a topic name");
  return true;
}

std::optional<Fault> wrong_client_id(const ConnectRequest& request) {
  constexpr ReasonCode kCode = ReasonCode::kClientIdentifierNotValid;
  if (request.client_id.size() > kClientIdBytesMax) return Fault{kCode, "the client identifier is too long"};
  const bool wants_session = request.protocol == Protocol::kV311 && !request.clean_start;
  if (request.client_id.empty() && wants_session) {  // [MQTT-3.1.3-8 of 3.1.1]
    return Fault{kCode, "a session without a client identifier"};
  }
  return std::nullopt;
}

// The longest run of forwardable properties is a view; only an expiry in the middle needs the scratch.
ByteView without_expiry(const Properties& properties, Bytes& scratch) {
  if (!properties.has(PropertyId::kMessageExpiryInterval)) return properties.raw;
  const ByteView before = properties.raw.first(properties.message_expiry_offset);
  const ByteView after = properties.raw.subspan(properties.message_expiry_offset + kMessageExpiryBytes);
  if (before.empty()) return after;
  if (after.empty()) return before;
  scratch.assign(before.begin(), before.end());
  append(scratch, after);
  return scratch;
}

std::optional<Fault> wrong_publish_topic(std::string_view topic) {
  std::size_t levels = 1;
  for (const char c : topic) {
    if (c == '+' || c == '#')
      return Fault{ReasonCode::kTopicNameInvalid, "the topic name has a wildcard"};  // [MQTT-3.3.2-2]
    levels += c == '/' ? 1U : 0U;
  }
  if (topic.empty()) return Fault{ReasonCode::kProtocolError, "the topic name is empty"};  // [MQTT-4.7.3-1]
  if (levels > kTopicLevelsMax) return Fault{ReasonCode::kTopicNameInvalid, "the topic name has too many levels"};
  return std::nullopt;
}

Decoded<SubOptions> decode_options(std::uint8_t byte, Protocol protocol) {
  const auto qos = static_cast<std::uint8_t>(byte & 3U);
  if (protocol == Protocol::kV311 && byte > 2) return malformed("reserved bits of the QoS are set");  // [MQTT-3-8.3-4]
  if ((byte & 0xC0U) != 0) return malformed("reserved bits of the subscription options are set");     // [MQTT-3.8.3-5]
  if (qos == 3) return protocol_error("a subscription with QoS 3");
  const unsigned retain_handling = (byte >> 4U) & 3U;
  if (retain_handling == 3) return protocol_error("a subscription with retain handling 3");
  SubOptions options;
  options.qos = qos == 0 ? QoS::kAtMostOnce : QoS::kAtLeastOnce;  // QoS 2 is granted as 1
  options.no_local = (byte & 4U) != 0;
  options.retain_as_published = (byte & 8U) != 0;
  options.retain_handling = static_cast<RetainHandling>(retain_handling);
  return options;
}

ReasonCode verdict_on(std::string_view filter, const SubOptions& options) {
  if (is_shared_filter(filter)) return ReasonCode::kSharedSubscriptionsNotSupported;
  if (topic_level_count(filter) > kTopicLevelsMax) return ReasonCode::kTopicFilterInvalid;
  return options.qos == QoS::kAtMostOnce ? ReasonCode::kSuccess : ReasonCode::kGrantedQos1;
}

// Packet identifier and properties: SUBSCRIBE and UNSUBSCRIBE begin alike.
Decoded<Properties> read_filters_header(Reader& in, Protocol protocol, PropertyPlace place, std::uint16_t& packet_id) {
  packet_id = in.u16();
  Properties properties;
  if (protocol == Protocol::kV5) {
    const Decoded<Properties> decoded = decode_properties(in, place);
    if (!decoded) return decoded;
    properties = *decoded;
  }
  if (in.failed()) return tl::unexpected(in.why());
  if (packet_id == 0) return protocol_error("the packet identifier is 0");  // [MQTT-2.2.1-3]
  if (in.left() == 0) return protocol_error("it names no topic filter");    // [MQTT-3.8.3-2], [MQTT-3.10.3-2]
  return properties;
}

bool is_client_disconnect_reason(ReasonCode code) {
  constexpr std::uint8_t kAllowed[] = {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90,
                                       0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99};
  return std::ranges::find(kAllowed, static_cast<std::uint8_t>(code)) != std::end(kAllowed);
}

bool is_ack_reason(PacketType type, ReasonCode code) {
  if (type == PacketType::kPubrel || type == PacketType::kPubcomp) {
    return code == ReasonCode::kSuccess || code == ReasonCode::kPacketIdentifierNotFound;
  }
  constexpr std::uint8_t kAllowed[] = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};
  return std::ranges::find(kAllowed, static_cast<std::uint8_t>(code)) != std::end(kAllowed);
}

}  // namespace

Frame decode_frame(ByteView bytes) {
  Frame frame;
  if (bytes.empty()) return frame;
  frame.first_byte = bytes[0];
  std::size_t length = 0;
  for (std::size_t i = 1; i < kFixedHeaderBytesMax; ++i) {
    if (i >= bytes.size()) return frame;
    length |= std::size_t{bytes[i] & 0x7FU} << (7 * (i - 1));
    if (bytes[i] >= 0x80) continue;
    if (bytes[i] == 0 && i > 1) break;  // not the shortest form [MQTT-1.5.5-1]
    frame.header_bytes = i + 1;
    frame.total_bytes = frame.header_bytes + length;
    frame.state = bytes.size() >= frame.total_bytes ? Frame::State::kWhole : Frame::State::kPartial;
    return frame;
  }
  frame.state = Frame::State::kMalformed;
  return frame;
}

Decoded<ConnectPacket> decode_connect(ByteView body, std::optional<Protocol>& answer_in) {
  Reader in{body};
  const Decoded<Protocol> protocol = decode_version(in, answer_in);
  if (!protocol) return tl::unexpected(protocol.error());
  ConnectPacket packet;
  ConnectRequest& request = packet.request;
  request.protocol = *protocol;
  const std::uint8_t flags = in.u8();
  request.keep_alive_s = in.u16();
  if (const std::string_view wrong = wrong_connect_flags(flags, *protocol); !wrong.empty()) return malformed(wrong);
  request.clean_start = (flags & kFlagCleanStart) != 0;
  if (*protocol == Protocol::kV5) {
    const Decoded<bool> has_method = read_connect_properties(in, request);
    if (!has_method) return tl::unexpected(has_method.error());
    packet.has_authentication_method = *has_method;
  } else {
    request.session_expiry_s = request.clean_start ? 0 : kSessionExpiryNever;
  }
  request.client_id = in.text();
  packet.has_will = (flags & kFlagWill) != 0;
  if (packet.has_will) {
    const Decoded<bool> will = skip_will(in, *protocol);
    if (!will) return tl::unexpected(will.error());
  }
  if ((flags & kFlagUsername) != 0) request.username = in.text();
  if ((flags & kFlagPassword) != 0) request.password = in.binary();
  if (in.failed()) return tl::unexpected(in.why());
  if (in.left() > 0) return malformed("bytes follow its last field");
  if (const std::optional<Fault> wrong = wrong_client_id(request)) return tl::unexpected(*wrong);
  return packet;
}

Decoded<PublishRequest> decode_publish(std::uint8_t flags, ByteView body, Protocol protocol, Bytes& scratch) {
  PublishRequest request;
  const auto qos = static_cast<std::uint8_t>((flags >> 1U) & 3U);
  request.retain = (flags & kFlagRetain) != 0;
  request.dup = (flags & kFlagDup) != 0;
  request.qos = static_cast<QoS>(qos);
  if (qos == 3) return malformed("QoS 3");                               // [MQTT-3.3.1-4]
  if (qos == 0 && request.dup) return malformed("DUP is set at QoS 0");  // [MQTT-3.3.1-2]
  Reader in{body};
  request.topic = in.text();
  if (qos > 0) request.packet_id = in.u16();
  if (in.failed()) return tl::unexpected(in.why());
  if (qos > 0 && request.packet_id == 0) return protocol_error("the packet identifier is 0");  // [MQTT-2.2.1-3]
  if (protocol == Protocol::kV5) {
    const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kPublish);
    if (!properties) return tl::unexpected(properties.error());
    if (properties->has(PropertyId::kTopicAlias)) {  // [MQTT-3.3.2-9]: our Topic Alias Maximum is 0
      return fault(ReasonCode::kTopicAliasInvalid, "a topic alias, though none was offered");
    }
    if (properties->has(PropertyId::kMessageExpiryInterval)) request.expiry_s = properties->message_expiry_s;
    request.properties = without_expiry(*properties, scratch);
  }
  if (const std::optional<Fault> wrong = wrong_publish_topic(request.topic)) return tl::unexpected(*wrong);
  request.payload = in.rest();
  return request;
}

Decoded<AckReceived> decode_ack(PacketType type, ByteView body, Protocol protocol) {
  Reader in{body};
  AckReceived puback;
  puback.packet_id = in.u16();
  if (protocol == Protocol::kV5 && in.left() > 0) {
    puback.reason = static_cast<ReasonCode>(in.u8());
    if (in.left() > 0) {
      const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kPuback);
      if (!properties) return tl::unexpected(properties.error());
    }
  }
  if (in.failed()) return tl::unexpected(in.why());
  if (in.left() > 0) return malformed("bytes follow its last field");
  if (puback.packet_id == 0) return protocol_error("the packet identifier is 0");           // [MQTT-2.2.1-3]
  if (!is_ack_reason(type, puback.reason)) return malformed("it has no such reason code");  // [MQTT-3.4.2-1]
  return puback;
}

Decoded<SubscribeRequest> decode_subscribe(ByteView body, Protocol protocol, std::vector<SubscribeEntry>& scratch) {
  Reader in{body};
  SubscribeRequest request;
  const Decoded<Properties> properties =
      read_filters_header(in, protocol, PropertyPlace::kSubscribe, request.packet_id);
  if (!properties) return tl::unexpected(properties.error());
  scratch.clear();
  while (in.left() > 0) {
    const std::string_view filter = in.text();
    const std::uint8_t options_byte = in.u8();
    if (in.failed()) return tl::unexpected(in.why());
    if (!is_valid_topic_filter(filter)) return malformed("a topic filter breaks the rules for wildcards");
    Decoded<SubOptions> options = decode_options(options_byte, protocol);
    if (!options) return tl::unexpected(options.error());
    if (options->no_local && is_shared_filter(filter)) {  // [MQTT-3.8.3-4]
      return protocol_error("a shared subscription with no local");
    }
    if (scratch.size() == kFiltersPerPacketMax)
      return fault(ReasonCode::kQuotaExceeded, "it has too many topic filters");
    options->subscription_identifier = properties->subscription_identifier;
    scratch.push_back({filter, {}, filter, *options, verdict_on(filter, *options)});
  }
  request.entries = scratch;
  return request;
}

Decoded<UnsubscribeRequest> decode_unsubscribe(ByteView body, Protocol protocol,
                                               std::vector<std::string_view>& scratch) {
  Reader in{body};
  UnsubscribeRequest request;
  const Decoded<Properties> properties =
      read_filters_header(in, protocol, PropertyPlace::kUnsubscribe, request.packet_id);
  if (!properties) return tl::unexpected(properties.error());
  scratch.clear();
  while (in.left() > 0) {
    const std::string_view filter = in.text();
    if (in.failed()) return tl::unexpected(in.why());
    if (!is_valid_topic_filter(filter)) return malformed("a topic filter breaks the rules for wildcards");
    if (scratch.size() == kFiltersPerPacketMax)
      return fault(ReasonCode::kQuotaExceeded, "it has too many topic filters");
    scratch.push_back(filter);
  }
  request.filters = scratch;
  return request;
}

Decoded<DisconnectPacket> decode_disconnect(ByteView body, Protocol protocol) {
  DisconnectPacket packet;
  if (body.empty()) return packet;
  if (protocol == Protocol::kV311) return malformed("bytes follow its fixed header");
  Reader in{body};
  packet.reason = static_cast<ReasonCode>(in.u8());
  if (in.left() > 0) {
    const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kDisconnect);
    if (!properties) return tl::unexpected(properties.error());
    if (properties->has(PropertyId::kSessionExpiryInterval)) packet.session_expiry_s = properties->session_expiry_s;
  }
  if (in.failed()) return tl::unexpected(in.why());
  if (in.left() > 0) return malformed("bytes follow its last field");
  if (!is_client_disconnect_reason(packet.reason)) return malformed("it has no such reason code");  // [MQTT-3.14.2-1]
  return packet;
}

}  // namespace hedgerow::mqtt
