// Every packet that a client may send: MQTT 3.1.1 and 5.0, daemon/mqtt/decode.hpp.
//
//   input := first:u8 version:u8 body      first: type and flags as on the wire; version: bit 0 set is 3.1.1, bit 1 a
//                                          bridge, bit 2 narrow limits
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/encode.hpp"
#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/reason_codes.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace hedgerow::mqtt;
using hedgerow::Bytes;
using hedgerow::ByteView;
using hedgerow::fuzz::require;

constexpr std::uint32_t kAnySize = kRemainingLengthMax;

bool same(ByteView a, ByteView b) { return hedgerow::as_text(a) == hedgerow::as_text(b); }

void connect(ByteView body, const DecodeRules& rules) {
  std::optional<Protocol> answer_in;
  Bytes scratch;
  const auto packet = decode_connect(body, rules, answer_in, scratch);
  if (!packet) return require(is_failure(packet.error().code), "a fault has a failing code");
  const ConnectRequest& request = packet->request;
  require(answer_in == request.protocol, "who is understood is answered in his version");
  require(is_valid_utf8(request.client_id), "the client identifier is UTF-8");
  require(request.receive_maximum > 0 && request.packet_bytes_max > 0, "limits of the client are not 0");
  if (!request.will) return;
  require(is_valid_topic_name(request.will->topic), "the will has a topic name");
  require(topic_level_count(request.will->topic) <= rules.topic_levels_max, "the will's topic keeps the levels");
  require(request.will->payload.size() <= rules.will_bytes_max, "the will keeps its limit");
  require(request.will->qos <= rules.maximum_qos, "the will keeps the maximum QoS");
  require(are_forwardable_properties(request.will->properties), "a will's properties can be forwarded");
}

// What was published can be sent on, and means the same there.
void send_on(const PublishRequest& request, const DecodeRules& rules) {
  const PublishOut out{.topic = request.topic,
                       .properties = request.properties,
                       .payload = request.payload,
                       .qos = request.qos,
                       .packet_id = request.packet_id,
                       .dup = request.dup,
                       .retain = request.retain,
                       .expiry_left_s = request.expiry_s};
  Bytes bytes;
  require(append_publish(bytes, rules.protocol, out, kAnySize), "a publish can be sent on");
  const Frame frame = decode_frame(bytes);
  require(frame.state == Frame::State::kWhole && frame.total_bytes == bytes.size(), "what is encoded is one packet");
  Bytes scratch;
  const auto flags = static_cast<std::uint8_t>(frame.first_byte & 0x0FU);
  const auto again = decode_publish(flags, ByteView{bytes}.subspan(frame.header_bytes), rules, scratch);
  require(again.has_value(), "what is sent on can be read");
  require(again->request.topic == request.topic, "the topic stays");
  require(same(again->request.payload, request.payload), "the payload stays");
  require(same(again->request.properties, request.properties), "the properties stay");
  require(again->request.expiry_s == request.expiry_s, "the expiry stays");
}

void publish(std::uint8_t flags, ByteView body, const DecodeRules& rules) {
  Bytes scratch;
  const auto packet = decode_publish(flags, body, rules, scratch);
  if (!packet) return require(is_failure(packet.error().code), "a fault has a failing code");
  const PublishRequest& request = packet->request;
  require(request.topic.empty() ? packet->topic_alias.has_value() : is_valid_topic_name(request.topic),
          "a publish has a topic name or an alias");
  require((request.qos == QoS::kAtMostOnce) == (request.packet_id == 0), "only QoS 0 has no identifier");
  require(are_forwardable_properties(request.properties), "a publish's properties can be forwarded");
  if (!request.topic.empty()) send_on(request, rules);
}

void subscribe(ByteView body, const DecodeRules& rules) {
  std::vector<SubscribeEntry> entries;
  const auto request = decode_subscribe(body, rules, entries);
  if (!request) return require(is_failure(request.error().code), "a fault has a failing code");
  require(request->packet_id > 0 && !request->entries.empty(), "a SUBSCRIBE has an identifier and a filter");
  static_cast<void>(find_user_property(request->properties, "hedgerow-replay"));
  for (const SubscribeEntry& entry : request->entries) {
    require(is_valid_topic_filter(entry.filter), "a filter is valid");
    require(!entry.topic_filter.empty() && entry.filter.ends_with(entry.topic_filter), "a share leaves a filter");
    require(entry.share.empty() == !is_shared_filter(entry.filter), "a shared filter has a group");
    require(entry.share.empty() || !entry.options.no_local, "a shared subscription has no no local");
    require(is_allowed(entry.verdict, ReasonPlace::kSuback), "a verdict can be sent");
  }
}

void unsubscribe(ByteView body, const DecodeRules& rules) {
  std::vector<std::string_view> filters;
  const auto request = decode_unsubscribe(body, rules.protocol, filters);
  if (!request) return;
  require(request->packet_id > 0 && !request->filters.empty(), "an UNSUBSCRIBE has an identifier and a filter");
  for (const std::string_view filter : request->filters) require(is_valid_topic_filter(filter), "a filter is valid");
}

void acknowledgement(PacketType type, ByteView body, const DecodeRules& rules) {
  const auto ack = decode_ack(type, body, rules.protocol);
  if (ack) require(ack->packet_id > 0, "an acknowledgement has an identifier");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto type = static_cast<PacketType>(data[0] >> 4U);
  const auto flags = static_cast<std::uint8_t>(data[0] & 0x0FU);
  DecodeRules rules;
  rules.protocol = (data[1] & 1U) != 0 ? Protocol::kV311 : Protocol::kV5;
  rules.bridge = (data[1] & 2U) != 0;
  if ((data[1] & 4U) != 0) {
    rules.maximum_qos = QoS::kAtMostOnce;
    rules.topic_levels_max = 3;
    rules.will_bytes_max = 16;
  }
  const ByteView body{data + 2, size - 2};
  switch (type) {
    case PacketType::kConnect: connect(body, rules); break;
    case PacketType::kPublish: publish(flags, body, rules); break;
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp: acknowledgement(type, body, rules); break;
    case PacketType::kSubscribe: subscribe(body, rules); break;
    case PacketType::kUnsubscribe: unsubscribe(body, rules); break;
    case PacketType::kDisconnect: static_cast<void>(decode_disconnect(body, rules.protocol)); break;
    case PacketType::kAuth: static_cast<void>(decode_auth(body)); break;
    case PacketType::kReserved:
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingreq:
    case PacketType::kPingresp: static_cast<void>(decode_frame(body)); break;
  }
  return 0;
}
