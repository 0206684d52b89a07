#include "daemon/mqtt/properties.hpp"

#include <array>

namespace hedgerow::mqtt {
namespace {

enum class ValueType : std::uint8_t { kUnknown, kByte, kTwoBytes, kFourBytes, kVarint, kText, kBinary, kTextPair };

struct Rule {
  ValueType type = ValueType::kUnknown;
  std::uint8_t places = 0;  // bit N: allowed in PropertyPlace N of a client's packet
};

constexpr std::uint8_t bit(PropertyPlace place) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(place));
}

constexpr std::size_t index_of(PropertyId id) { return static_cast<std::size_t>(id); }

constexpr std::size_t kRuleCount = index_of(PropertyId::kSharedSubscriptionAvailable) + 1;

// Table 2-4 of the standard, less what only a server sends: those have no places.
constexpr std::array<Rule, kRuleCount> make_rules() {
  constexpr std::uint8_t kConnect = bit(PropertyPlace::kConnect);
  constexpr std::uint8_t kWill = bit(PropertyPlace::kWill);
  constexpr std::uint8_t kPublish = bit(PropertyPlace::kPublish);
  constexpr std::uint8_t kPuback = bit(PropertyPlace::kPuback);
  constexpr std::uint8_t kSubscribe = bit(PropertyPlace::kSubscribe);
  constexpr std::uint8_t kDisconnect = bit(PropertyPlace::kDisconnect);
  constexpr std::uint8_t kMessage = kWill | kPublish;
  std::array<Rule, kRuleCount> rules{};
  rules[index_of(PropertyId::kPayloadFormatIndicator)] = {ValueType::kByte, kMessage};
  rules[index_of(PropertyId::kMessageExpiryInterval)] = {ValueType::kFourBytes, kMessage};
  rules[index_of(PropertyId::kContentType)] = {ValueType::kText, kMessage};
  rules[index_of(PropertyId::kResponseTopic)] = {ValueType::kText, kMessage};
  rules[index_of(PropertyId::kCorrelationData)] = {ValueType::kBinary, kMessage};
  rules[index_of(PropertyId::kSubscriptionIdentifier)] = {ValueType::kVarint, kSubscribe};
  rules[index_of(PropertyId::kSessionExpiryInterval)] = {ValueType::kFourBytes, kConnect | kDisconnect};
  rules[index_of(PropertyId::kAuthenticationMethod)] = {ValueType::kText, kConnect};
  rules[index_of(PropertyId::kAuthenticationData)] = {ValueType::kBinary, kConnect};
  rules[index_of(PropertyId::kRequestProblemInformation)] = {ValueType::kByte, kConnect};
  rules[index_of(PropertyId::kWillDelayInterval)] = {ValueType::kFourBytes, kWill};
  rules[index_of(PropertyId::kRequestResponseInformation)] = {ValueType::kByte, kConnect};
  rules[index_of(PropertyId::kReasonString)] = {ValueType::kText, kPuback | kDisconnect};
  rules[index_of(PropertyId::kReceiveMaximum)] = {ValueType::kTwoBytes, kConnect};
  rules[index_of(PropertyId::kTopicAliasMaximum)] = {ValueType::kTwoBytes, kConnect};
  rules[index_of(PropertyId::kTopicAlias)] = {ValueType::kTwoBytes, kPublish};
  rules[index_of(PropertyId::kUserProperty)] = {ValueType::kTextPair, 0xFF};
  rules[index_of(PropertyId::kMaximumPacketSize)] = {ValueType::kFourBytes, kConnect};
  return rules;
}

constexpr std::array<Rule, kRuleCount> kRules = make_rules();

struct Value {
  std::uint32_t number = 0;
  std::string_view text;
  std::string_view second_text;
};

Value read_value(Reader& in, ValueType type) {
  switch (type) {
    case ValueType::kUnknown: break;
    case ValueType::kByte: return {in.u8(), {}, {}};
    case ValueType::kTwoBytes: return {in.u16(), {}, {}};
    case ValueType::kFourBytes: return {in.u32(), {}, {}};
    case ValueType::kVarint: return {in.varint(), {}, {}};
    case ValueType::kText: return {0, in.text(), {}};
    case ValueType::kBinary: in.binary(); return {};
    case ValueType::kTextPair: {
      const std::string_view key = in.text();
      return {0, key, in.text()};
    }
  }
  return {};
}

// Keeps the value where somebody acts upon it; checks its range. Empty text: fine.
std::string_view keep_value(Properties& out, PropertyId id, const Value& value) {
  switch (id) {
    case PropertyId::kPayloadFormatIndicator:
      return value.number > 1 ? "the payload format indicator is neither 0 nor 1" : "";
    case PropertyId::kRequestResponseInformation:
      return value.number > 1 ? "request response information is neither 0 nor 1" : "";
    case PropertyId::kRequestProblemInformation:
      out.request_problem_information = value.number == 1;
      return value.number > 1 ? "request problem information is neither 0 nor 1" : "";
    case PropertyId::kResponseTopic:  // [MQTT-3.3.2-14]
      return value.text.empty() || has_wildcard(value.text) ? "the response topic is not a topic name" : "";
    case PropertyId::kReceiveMaximum:
      out.receive_maximum = static_cast<std::uint16_t>(value.number);
      return value.number == 0 ? "the receive maximum is 0" : "";
    case PropertyId::kMaximumPacketSize:
      out.packet_bytes_max = value.number;
      return value.number == 0 ? "the maximum packet size is 0" : "";
    case PropertyId::kSubscriptionIdentifier:
      out.subscription_identifier = value.number;
      return value.number == 0 ? "the subscription identifier is 0" : "";
    case PropertyId::kMessageExpiryInterval: out.message_expiry_s = value.number; return "";
    case PropertyId::kSessionExpiryInterval: out.session_expiry_s = value.number; return "";
    case PropertyId::kContentType:
    case PropertyId::kCorrelationData:
    case PropertyId::kAssignedClientIdentifier:
    case PropertyId::kServerKeepAlive:
    case PropertyId::kAuthenticationMethod:
    case PropertyId::kAuthenticationData:
    case PropertyId::kWillDelayInterval:
    case PropertyId::kResponseInformation:
    case PropertyId::kServerReference:
    case PropertyId::kReasonString:
    case PropertyId::kTopicAliasMaximum:
    case PropertyId::kTopicAlias:
    case PropertyId::kMaximumQos:
    case PropertyId::kRetainAvailable:
    case PropertyId::kUserProperty:
    case PropertyId::kWildcardSubscriptionAvailable:
    case PropertyId::kSubscriptionIdentifierAvailable:
    case PropertyId::kSharedSubscriptionAvailable: return "";
  }
  return "";
}

Decoded<PropertyId> read_identifier(Reader& in, PropertyPlace place, std::uint64_t present) {
  const std::uint32_t number = in.varint();
  if (in.failed()) return tl::unexpected(in.why());
  if (number >= kRuleCount || (kRules[number].places & bit(place)) == 0) {
    const bool is_subscription_id = number == index_of(PropertyId::kSubscriptionIdentifier);
    if (is_subscription_id && place == PropertyPlace::kPublish) {  // [MQTT-3.3.4-6]
      return fault(ReasonCode::kProtocolError, "a client must not send a subscription identifier");
    }
    return fault(ReasonCode::kMalformedPacket, "a property does not belong there");  // section 2.2.2.2
  }
  const auto id = static_cast<PropertyId>(number);
  if (((present >> number) & 1U) != 0 && id != PropertyId::kUserProperty) {
    return fault(ReasonCode::kProtocolError, "a property occurs twice");
  }
  return id;
}

Decoded<Properties> decode_block(ByteView raw, PropertyPlace place) {
  Properties out;
  out.raw = raw;
  Reader in{raw};
  while (in.left() > 0) {
    const std::size_t offset = raw.size() - in.left();
    const Decoded<PropertyId> id = read_identifier(in, place, out.present);
    if (!id) return tl::unexpected(id.error());
    const Value value = read_value(in, kRules[index_of(*id)].type);
    if (in.failed()) return tl::unexpected(in.why());
    const std::string_view wrong = keep_value(out, *id, value);
    if (!wrong.empty()) return fault(ReasonCode::kProtocolError, wrong);
    out.present |= std::uint64_t{1} << index_of(*id);
    if (*id == PropertyId::kMessageExpiryInterval) out.message_expiry_offset = offset;
  }
  return out;
}

}  // namespace

Decoded<Properties> decode_properties(Reader& in, PropertyPlace place) {
  const std::uint32_t bytes = in.varint();
  const ByteView raw = in.raw(bytes);
  if (in.failed()) return tl::unexpected(in.why());
  if (raw.empty()) return Properties{};
  return decode_block(raw, place);
}

bool are_forwardable_properties(ByteView raw) {
  const Decoded<Properties> properties = decode_block(raw, PropertyPlace::kPublish);
  return properties && !properties->has(PropertyId::kMessageExpiryInterval) &&
         !properties->has(PropertyId::kTopicAlias);
}

std::optional<std::string_view> find_user_property(ByteView properties, std::string_view name) {
  Reader in{properties};
  while (in.left() > 0) {
    const std::uint32_t id = in.varint();
    if (in.failed() || id >= kRuleCount) return std::nullopt;
    const ValueType type = kRules[id].type;
    if (type == ValueType::kUnknown) return std::nullopt;
    const Value value = read_value(in, type);
    if (in.failed()) return std::nullopt;
    if (type == ValueType::kTextPair && value.text == name) return value.second_text;
  }
  return std::nullopt;
}

}  // namespace hedgerow::mqtt
