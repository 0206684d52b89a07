#include "daemon/mqtt/decode.hpp"

#include <algorithm>

#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/reason_codes.hpp"

namespace hedgerow::mqtt {
namespace {

// PUBLISH flags: section 3.3.1.
constexpr std::uint8_t kFlagRetain = 0x01;
constexpr std::uint8_t kFlagDup = 0x08;

tl::unexpected<Fault> malformed(std::string_view what) { return fault(ReasonCode::kMalformedPacket, what); }
tl::unexpected<Fault> protocol_error(std::string_view what) { return fault(ReasonCode::kProtocolError, what); }

Decoded<SubOptions> decode_options(std::uint8_t byte, const DecodeRules& rules, bool is_shared) {
  const auto qos = static_cast<std::uint8_t>(byte & 3U);
  if (rules.protocol == Protocol::kV311 && byte > 2) {  // [MQTT-3-8.3-4] of 3.1.1
    return malformed("reserved bits of the QoS are set");
  }
  if ((byte & 0xC0U) != 0) return malformed("reserved bits of the subscription options are set");  // [MQTT-3.8.3-5]
  if (qos == 3) return protocol_error("a subscription with QoS 3");                                // section 3.8.3.1
  const unsigned retain_handling = (byte >> 4U) & 3U;
  if (retain_handling == 3) return protocol_error("a subscription with retain handling 3");
  SubOptions options;
  // Granted at most what is supported [MQTT-3.2.2-10] [MQTT-3.8.4-7].
  options.qos = std::min(static_cast<QoS>(qos), rules.maximum_qos);
  options.no_local = (byte & 4U) != 0 || (rules.bridge && !is_shared);
  options.retain_as_published = (byte & 8U) != 0 || rules.bridge;
  options.retain_handling = static_cast<RetainHandling>(retain_handling);
  if (options.no_local && is_shared) return protocol_error("a shared subscription with no local");  // [MQTT-3.8.3-4]
  return options;
}

ReasonCode verdict_on(std::string_view topic_filter, const SubOptions& options, const DecodeRules& rules) {
  if (topic_level_count(topic_filter) > rules.topic_levels_max) return ReasonCode::kTopicFilterInvalid;
  return static_cast<ReasonCode>(options.qos);  // section 3.9.3: granted QoS 0, 1 or 2
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

// What is wrong with a filter, which is valid UTF-8 already.
std::optional<Fault> wrong_filter(std::string_view filter) {
  if (!is_valid_share(filter)) {  // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    return Fault{ReasonCode::kProtocolError, "a shared subscription is not of the form $share/GROUP/FILTER"};
  }
  if (is_valid_topic_filter(filter)) return std::nullopt;  // [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
  return Fault{ReasonCode::kMalformedPacket, "a topic filter is empty or breaks the rules for wildcards"};
}

constexpr std::string_view kTooManyFilters = "it has too many topic filters";
constexpr std::string_view kTrailingBytes = "bytes follow its last field";
constexpr std::string_view kBadReason = "it has no such reason code";

struct Reason {
  ReasonCode code = ReasonCode::kSuccess;
  Properties properties;
};

// A reason code and properties end PUBACK and its kin, DISCONNECT and AUTH. Both may be left out, or the properties.
Decoded<Reason> read_reason(Reader& in, PropertyPlace place, ReasonPlace codes) {
  Reason reason;
  if (in.left() > 0) reason.code = static_cast<ReasonCode>(in.u8());
  if (in.left() > 0) {
    const Decoded<Properties> properties = decode_properties(in, place);
    if (!properties) return tl::unexpected(properties.error());
    reason.properties = *properties;
  }
  if (in.failed()) return tl::unexpected(in.why());
  if (in.left() > 0) return malformed(kTrailingBytes);
  if (!is_allowed(reason.code, codes)) return protocol_error(kBadReason);
  return reason;
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

std::optional<Fault> wrong_topic_name(std::string_view topic, std::size_t levels_max) {
  std::size_t levels = 1;
  for (const char c : topic) {
    if (c == '+' || c == '#') {  // [MQTT-3.3.2-2]
      return Fault{ReasonCode::kMalformedPacket, "the topic name has a wildcard"};
    }
    levels += c == '/' ? 1U : 0U;
  }
  if (levels > levels_max) return Fault{ReasonCode::kTopicNameInvalid, "the topic name has too many levels"};
  return std::nullopt;
}

Decoded<PublishPacket> decode_publish(std::uint8_t flags, ByteView body, const DecodeRules& rules, Bytes& scratch) {
  PublishPacket packet;
  PublishRequest& request = packet.request;
  const auto qos = static_cast<std::uint8_t>((flags >> 1U) & 3U);
  request.retain = (flags & kFlagRetain) != 0;
  request.dup = (flags & kFlagDup) != 0;
  request.qos = static_cast<QoS>(qos);
  if (qos == 3) return malformed("QoS 3");                               // [MQTT-3.3.1-4]
  if (qos == 0 && request.dup) return malformed("DUP is set at QoS 0");  // [MQTT-3.3.1-2]
  Reader in{body};
  request.topic = in.text();  // first [MQTT-3.3.2-1]
  if (qos > 0) request.packet_id = in.u16();
  if (in.failed()) return tl::unexpected(in.why());
  if (qos > 0 && request.packet_id == 0) return protocol_error("the packet identifier is 0");  // [MQTT-2.2.1-3]
  if (rules.protocol == Protocol::kV5) {
    const Decoded<Properties> properties = decode_properties(in, PropertyPlace::kPublish);
    if (!properties) return tl::unexpected(properties.error());
    if (properties->has(PropertyId::kTopicAlias)) packet.topic_alias = properties->topic_alias;
    if (properties->has(PropertyId::kMessageExpiryInterval)) request.expiry_s = properties->message_expiry_s;
    request.properties = properties->forwardable(scratch);
  }
  if (packet.topic_alias == 0) return fault(ReasonCode::kTopicAliasInvalid, "the topic alias is 0");   // [MQTT-3.3.2-8]
  if (request.topic.empty() && !packet.topic_alias) return protocol_error("the topic name is empty");  // [MQTT-4.7.3-1]
  if (const std::optional<Fault> wrong = wrong_topic_name(request.topic, rules.topic_levels_max)) {
    return tl::unexpected(*wrong);
  }
  if (request.qos > rules.maximum_qos) {  // section 3.2.2.3.4
    return fault(ReasonCode::kQosNotSupported, "it has a higher QoS than this server allows");
  }
  request.payload = in.rest();
  return packet;
}

Decoded<AckReceived> decode_ack(PacketType type, ByteView body, Protocol protocol) {
  Reader in{body};
  AckReceived ack;
  ack.packet_id = in.u16();
  if (in.failed()) return tl::unexpected(in.why());
  if (protocol == Protocol::kV5) {
    const bool is_release = type == PacketType::kPubrel || type == PacketType::kPubcomp;
    // [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1]
    const Decoded<Reason> reason =
        read_reason(in, PropertyPlace::kPuback, is_release ? ReasonPlace::kPubrel : ReasonPlace::kPuback);
    if (!reason) return tl::unexpected(reason.error());
    ack.reason = reason->code;
  }
  if (in.left() > 0) return malformed(kTrailingBytes);
  if (ack.packet_id == 0) return protocol_error("the packet identifier is 0");  // [MQTT-2.2.1-3]
  return ack;
}

Decoded<SubscribeRequest> decode_subscribe(ByteView body, const DecodeRules& rules,
                                           std::vector<SubscribeEntry>& scratch) {
  Reader in{body};
  SubscribeRequest request;
  const Decoded<Properties> properties =
      read_filters_header(in, rules.protocol, PropertyPlace::kSubscribe, request.packet_id);
  if (!properties) return tl::unexpected(properties.error());
  request.properties = properties->raw;
  scratch.clear();
  while (in.left() > 0) {
    const std::string_view filter = in.text();  // [MQTT-3.8.3-1]
    const std::uint8_t options_byte = in.u8();
    if (in.failed()) return tl::unexpected(in.why());
    if (const std::optional<Fault> wrong = wrong_filter(filter)) return tl::unexpected(*wrong);
    Decoded<SubOptions> options = decode_options(options_byte, rules, is_shared_filter(filter));
    if (!options) return tl::unexpected(options.error());
    if (scratch.size() == kFiltersPerPacketMax) return fault(ReasonCode::kQuotaExceeded, kTooManyFilters);
    options->subscription_identifier = properties->subscription_identifier;
    const SharedFilter parts = split_shared_filter(filter);
    scratch.push_back(
        {filter, parts.share, parts.topic_filter, *options, verdict_on(parts.topic_filter, *options, rules)});
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
  request.properties = properties->raw;
  scratch.clear();
  while (in.left() > 0) {
    const std::string_view filter = in.text();  // [MQTT-3.10.3-1]
    if (in.failed()) return tl::unexpected(in.why());
    if (const std::optional<Fault> wrong = wrong_filter(filter)) return tl::unexpected(*wrong);
    if (scratch.size() == kFiltersPerPacketMax) return fault(ReasonCode::kQuotaExceeded, kTooManyFilters);
    scratch.push_back(filter);
  }
  request.filters = scratch;
  return request;
}

Decoded<DisconnectPacket> decode_disconnect(ByteView body, Protocol protocol) {
  if (protocol == Protocol::kV311) {
    if (!body.empty()) return malformed("bytes follow its fixed header");
    return DisconnectPacket{};
  }
  Reader in{body};
  const Decoded<Reason> reason =  // [MQTT-3.14.2-1]
      read_reason(in, PropertyPlace::kDisconnect, ReasonPlace::kDisconnectByClient);
  if (!reason) return tl::unexpected(reason.error());
  DisconnectPacket packet{.reason = reason->code};
  if (reason->properties.has(PropertyId::kSessionExpiryInterval)) {
    packet.session_expiry_s = reason->properties.session_expiry_s;
  }
  return packet;
}

Decoded<ReasonCode> decode_auth(ByteView body) {
  Reader in{body};
  const Decoded<Reason> reason = read_reason(in, PropertyPlace::kAuth, ReasonPlace::kAuth);  // [MQTT-3.15.2-1]
  if (!reason) return tl::unexpected(reason.error());
  return reason->code;
}

}  // namespace hedgerow::mqtt
