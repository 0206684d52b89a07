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

// Table 2-4 of the standard. What only a server sends has no places, but a type: to be told from what is unknown.
constexpr std::array<Rule, kRuleCount> make_rules() {
  constexpr std::uint8_t kConnect = bit(PropertyPlace::kConnect);
  constexpr std::uint8_t kWill = bit(PropertyPlace::kWill);
  constexpr std::uint8_t kPublish = bit(PropertyPlace::kPublish);
  constexpr std::uint8_t kPuback = bit(PropertyPlace::kPuback);
  constexpr std::uint8_t kSubscribe = bit(PropertyPlace::kSubscribe);
  constexpr std::uint8_t kDisconnect = bit(PropertyPlace::kDisconnect);
  constexpr std::uint8_t kAuth = bit(PropertyPlace::kAuth);
  constexpr std::uint8_t kMessage = kWill | kPublish;
  std::array<Rule, kRuleCount> rules{};
  rules[index_of(PropertyId::kPayloadFormatIndicator)] = {ValueType::kByte, kMessage};
  rules[index_of(PropertyId::kMessageExpiryInterval)] = {ValueType::kFourBytes, kMessage};
  rules[index_of(PropertyId::kContentType)] = {ValueType::kText, kMessage};
  rules[index_of(PropertyId::kResponseTopic)] = {ValueType::kText, kMessage};
  rules[index_of(PropertyId::kCorrelationData)] = {ValueType::kBinary, kMessage};
  rules[index_of(PropertyId::kSubscriptionIdentifier)] = {ValueType::kVarint, kSubscribe};
  rules[index_of(PropertyId::kSessionExpiryInterval)] = {ValueType::kFourBytes, kConnect | kDisconnect};
  rules[index_of(PropertyId::kAuthenticationMethod)] = {ValueType::kText, kConnect | kAuth};
  rules[index_of(PropertyId::kAuthenticationData)] = {ValueType::kBinary, kConnect | kAuth};
  rules[index_of(PropertyId::kRequestProblemInformation)] = {ValueType::kByte, kConnect};
  rules[index_of(PropertyId::kWillDelayInterval)] = {ValueType::kFourBytes, kWill};
  rules[index_of(PropertyId::kRequestResponseInformation)] = {ValueType::kByte, kConnect};
  rules[index_of(PropertyId::kReasonString)] = {ValueType::kText, kPuback | kDisconnect | kAuth};
  rules[index_of(PropertyId::kReceiveMaximum)] = {ValueType::kTwoBytes, kConnect};
  rules[index_of(PropertyId::kTopicAliasMaximum)] = {ValueType::kTwoBytes, kConnect};
  rules[index_of(PropertyId::kTopicAlias)] = {ValueType::kTwoBytes, kPublish};
  rules[index_of(PropertyId::kAssignedClientIdentifier)] = {ValueType::kText, 0};
  rules[index_of(PropertyId::kServerKeepAlive)] = {ValueType::kTwoBytes, 0};
  rules[index_of(PropertyId::kResponseInformation)] = {ValueType::kText, 0};
  rules[index_of(PropertyId::kServerReference)] = {ValueType::kText, 0};
  rules[index_of(PropertyId::kMaximumQos)] = {ValueType::kByte, 0};
  rules[index_of(PropertyId::kRetainAvailable)] = {ValueType::kByte, 0};
  rules[index_of(PropertyId::kWildcardSubscriptionAvailable)] = {ValueType::kByte, 0};
  rules[index_of(PropertyId::kSubscriptionIdentifierAvailable)] = {ValueType::kByte, 0};
  rules[index_of(PropertyId::kSharedSubscriptionAvailable)] = {ValueType::kByte, 0};
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
      out.request_response_information = value.number == 1;
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
    case PropertyId::kWillDelayInterval: out.will_delay_s = value.number; return "";
    case PropertyId::kTopicAlias: out.topic_alias = static_cast<std::uint16_t>(value.number); return "";
    case PropertyId::kTopicAliasMaximum: out.topic_alias_maximum = static_cast<std::uint16_t>(value.number); return "";
    case PropertyId::kContentType:
    case PropertyId::kCorrelationData:
    case PropertyId::kAssignedClientIdentifier:
    case PropertyId::kServerKeepAlive:
    case PropertyId::kAuthenticationMethod:
    case PropertyId::kAuthenticationData:
    case PropertyId::kResponseInformation:
    case PropertyId::kServerReference:
    case PropertyId::kReasonString:
    case PropertyId::kMaximumQos:
    case PropertyId::kRetainAvailable:
    case PropertyId::kUserProperty:
    case PropertyId::kWildcardSubscriptionAvailable:
    case PropertyId::kSubscriptionIdentifierAvailable:
    case PropertyId::kSharedSubscriptionAvailable: return "";
  }
  return "";
}

bool is_cut(PropertyId id) {
  return id == PropertyId::kMessageExpiryInterval || id == PropertyId::kTopicAlias ||
         id == PropertyId::kWillDelayInterval;
}

// Section 2.2.2.2 calls a property that is known but not allowed in this packet malformed; by the definitions of
// section 1.2 it is a protocol error, since the packet can be parsed. Nothing depends on it for a client, so each
// packet is answered as Mosquitto does, whose public suite asks for it.
ReasonCode code_for_wrong_place(PropertyPlace place) {
  const bool is_malformed = place == PropertyPlace::kSubscribe || place == PropertyPlace::kUnsubscribe;
  return is_malformed ? ReasonCode::kMalformedPacket : ReasonCode::kProtocolError;
}

std::optional<Fault> wrong_place(PropertyId id, PropertyPlace place, std::uint64_t present) {
  if ((kRules[index_of(id)].places & bit(place)) == 0) {
    if (id == PropertyId::kSubscriptionIdentifier && place == PropertyPlace::kPublish) {  // [MQTT-3.3.4-6]
      return Fault{ReasonCode::kProtocolError, "a client must not send a subscription identifier"};
    }
    return Fault{code_for_wrong_place(place), "a property does not belong there"};
  }
  if (((present >> index_of(id)) & 1U) != 0 && id != PropertyId::kUserProperty) {
    return Fault{ReasonCode::kProtocolError, "a property occurs twice"};
  }
  return std::nullopt;
}

// What is malformed anywhere comes before what is wrong otherwise: a protocol error is found in what could be parsed.
Decoded<Properties> decode_block(ByteView raw, PropertyPlace place) {
  Properties out;
  out.raw = raw;
  std::optional<Fault> wrong;
  Reader in{raw};
  while (in.left() > 0) {
    const std::size_t offset = raw.size() - in.left();
    const std::uint32_t number = in.varint();
    const ValueType type = number < kRuleCount ? kRules[number].type : ValueType::kUnknown;
    if (!in.failed() && type == ValueType::kUnknown) {
      return fault(ReasonCode::kMalformedPacket, "a property has an unknown identifier");  // section 2.2.2.2
    }
    const Value value = read_value(in, type);
    if (in.failed()) return tl::unexpected(in.why());
    if (wrong) continue;
    const auto id = static_cast<PropertyId>(number);
    wrong = wrong_place(id, place, out.present);
    if (wrong) continue;
    const std::string_view bad_value = keep_value(out, id, value);
    if (!bad_value.empty()) wrong = Fault{ReasonCode::kProtocolError, bad_value};
    out.present |= std::uint64_t{1} << number;
    if (is_cut(id)) out.cuts[out.cut_count++] = {offset, raw.size() - in.left() - offset};
  }
  if (wrong) return tl::unexpected(*wrong);
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

ByteView Properties::forwardable(Bytes& scratch) const {
  ByteView whole = raw;
  std::size_t first = 0;
  std::size_t last = cut_count;
  while (first < last && cuts[first].offset + whole.size() == raw.size()) {  // at the front of what is left
    whole = whole.subspan(cuts[first++].bytes);
  }
  const auto end_of_whole = [&] { return static_cast<std::size_t>(whole.data() - raw.data()) + whole.size(); };
  while (first < last && cuts[last - 1].offset + cuts[last - 1].bytes == end_of_whole()) {
    whole = whole.first(whole.size() - cuts[--last].bytes);
  }
  if (first == last) return whole;
  scratch.clear();
  auto at = static_cast<std::size_t>(whole.data() - raw.data());
  for (; first < last; ++first) {
    append(scratch, raw.subspan(at, cuts[first].offset - at));
    at = cuts[first].offset + cuts[first].bytes;
  }
  append(scratch, raw.subspan(at, end_of_whole() - at));
  return scratch;
}

bool are_forwardable_properties(ByteView raw) {
  const Decoded<Properties> properties = decode_block(raw, PropertyPlace::kPublish);
  return properties && properties->cut_count == 0;
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
