// Connection: what each packet of the client does.
#include <algorithm>
#include <string>

#include "daemon/mqtt/connection.hpp"
#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/encode.hpp"
#include "daemon/mqtt/topic_aliases.hpp"

namespace hedgerow::mqtt {
namespace {

// The low four bits of a first byte that are fixed for each type: table 2-2. PUBLISH uses them itself.
constexpr std::uint8_t fixed_flags(PacketType type) {
  const bool has_two =  // [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
      type == PacketType::kPubrel || type == PacketType::kSubscribe || type == PacketType::kUnsubscribe;
  return has_two ? 2 : 0;
}

// What a client never sends, whatever the flags: table 2-1.
constexpr bool is_foreign(PacketType type) {
  return type == PacketType::kReserved || type == PacketType::kConnack || type == PacketType::kSuback ||
         type == PacketType::kUnsuback || type == PacketType::kPingresp;
}

}  // namespace

void Connection::on_packet(std::uint8_t first_byte, ByteView body) {
  const auto type = static_cast<PacketType>(first_byte >> 4U);
  const auto flags = static_cast<std::uint8_t>(first_byte & 0x0FU);
  if (is_foreign(type)) return on_fault(to_string(type), {ReasonCode::kProtocolError, "a client never sends it"});
  if (type != PacketType::kPublish && flags != fixed_flags(type)) {  // [MQTT-2.1.3-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
    return on_fault(to_string(type), {ReasonCode::kMalformedPacket, "reserved flags of the fixed header are wrong"});
  }
  if (phase_ == Phase::kAwaitConnect) return on_connect_packet(body);
  switch (type) {
    case PacketType::kPublish: return on_publish_packet(flags, body);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp: return on_ack_packet(type, body);
    case PacketType::kSubscribe: return on_subscribe_packet(body);
    case PacketType::kUnsubscribe: return on_unsubscribe_packet(body);
    case PacketType::kDisconnect: return on_disconnect_packet(body);
    case PacketType::kPingreq: return on_pingreq_packet(body);
    case PacketType::kAuth: return on_auth_packet(body);
    case PacketType::kConnect:  // [MQTT-3.1.0-2]
      return on_fault("CONNECT", {ReasonCode::kProtocolError, "it was sent twice"});
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
    case PacketType::kReserved: return;  // foreign, see above
  }
}

DecodeRules Connection::decode_rules() const {
  return {.protocol = protocol_,
          .bridge = bridge_,
          .maximum_qos = limits_.maximum_qos,
          .topic_levels_max = limits_.topic_levels_max,
          .will_bytes_max = limits_.will_bytes_max};
}

void Connection::on_connect_packet(ByteView body) {
  std::optional<Protocol> answer_in;
  Bytes scratch;
  const Decoded<ConnectPacket> packet = decode_connect(body, decode_rules(), answer_in, scratch);
  understood_ = answer_in.has_value();
  protocol_ = answer_in.value_or(Protocol::kV5);
  if (!packet) return on_fault("CONNECT", packet.error());  // [MQTT-3.1.4-1]
  const ConnectRequest& request = packet->request;
  bridge_ = request.bridge;
  request_problem_information_ = request.request_problem_information;
  request_response_information_ = request.request_response_information;
  client_receive_maximum_ = request.receive_maximum;
  client_packet_bytes_max_ = request.packet_bytes_max;
  aliases_out_max_ = std::min(request.topic_alias_maximum, kTopicAliasesOutMax);  // [MQTT-3.1.2-26] [MQTT-3.1.2-27]
  session_expiry_s_ = request.session_expiry_s;
  keep_alive_s_ = request.keep_alive_s;
  if (packet->has_authentication_method) {  // [MQTT-4.12.0-1]
    return on_fault("CONNECT", {ReasonCode::kBadAuthenticationMethod, "this server knows no authentication method"});
  }
  phase_ = Phase::kAwaitVerdict;
  handler_.on_connect(request);
}

std::optional<Fault> Connection::resolve_alias(std::uint16_t alias, std::string_view& topic) {
  if (alias > limits_.topic_alias_maximum) {  // [MQTT-3.3.2-9]; all up to it are accepted [MQTT-3.3.2-12]
    return Fault{ReasonCode::kTopicAliasInvalid, "its topic alias is above the maximum of this server"};
  }
  if (!aliases_in_) aliases_in_ = std::make_unique<InboundAliases>();
  return aliases_in_->resolve(alias, topic);
}

// Sections 3.3.4 and 4.9. A QoS 2 publish that is repeated counts once, as long as it is answered.
std::optional<Fault> Connection::count_in_flight(const PublishRequest& request) {
  const bool is_v5 = protocol_ == Protocol::kV5;
  const bool is_repeat = is_v5 && request.qos == QoS::kExactlyOnce && unreleased_.contains(request.packet_id);
  const bool is_full = is_v5 && !is_repeat && puback_owed_ + unreleased_.size() >= limits_.receive_maximum;
  if (is_full || unacknowledged() >= limits_.receive_maximum) {  // [MQTT-3.3.4-7]
    return Fault{ReasonCode::kReceiveMaximumExceeded, "more wait for an answer than this server accepts"};
  }
  if (request.qos == QoS::kAtLeastOnce) {
    ++puback_owed_;
  } else {
    ++pubrec_owed_;
    if (is_v5) unreleased_.insert(request.packet_id);
  }
  return std::nullopt;
}

void Connection::on_publish_packet(std::uint8_t flags, ByteView body) {
  Decoded<PublishPacket> packet = decode_publish(flags, body, decode_rules(), properties_scratch_);
  if (!packet) return on_fault("PUBLISH", packet.error());
  PublishRequest& request = packet->request;
  if (packet->topic_alias) {
    const std::optional<Fault> wrong = resolve_alias(*packet->topic_alias, request.topic);
    if (wrong) return on_fault("PUBLISH", *wrong);
  }
  if (request.qos != QoS::kAtMostOnce) {
    const std::optional<Fault> wrong = count_in_flight(request);
    if (wrong) return on_fault("PUBLISH", *wrong);
  }
  handler_.on_publish(request);  // [MQTT-3.3.4-1]
  if (properties_scratch_.capacity() > kIdleBufferBytes) properties_scratch_ = Bytes{};
}

void Connection::on_ack_packet(PacketType type, ByteView body) {
  const Decoded<AckReceived> ack = decode_ack(type, body, protocol_);
  if (!ack) return on_fault(to_string(type), ack.error());
  if (type == PacketType::kPuback) return handler_.on_puback(*ack);
  if (type == PacketType::kPubrec) return handler_.on_pubrec(*ack);
  if (type == PacketType::kPubrel) return handler_.on_pubrel(*ack);
  handler_.on_pubcomp(*ack);
}

void Connection::on_subscribe_packet(ByteView body) {
  std::vector<SubscribeEntry> scratch;  // rare and possibly large: not kept
  const Decoded<SubscribeRequest> request = decode_subscribe(body, decode_rules(), scratch);
  if (!request) return on_fault("SUBSCRIBE", request.error());
  handler_.on_subscribe(*request);
}

void Connection::on_unsubscribe_packet(ByteView body) {
  std::vector<std::string_view> scratch;
  const Decoded<UnsubscribeRequest> request = decode_unsubscribe(body, protocol_, scratch);
  if (!request) return on_fault("UNSUBSCRIBE", request.error());
  handler_.on_unsubscribe(*request);
}

void Connection::on_pingreq_packet(ByteView body) {
  if (!body.empty()) return on_fault("PINGREQ", {ReasonCode::kMalformedPacket, "bytes follow its fixed header"});
  ++packets_out_;
  append_pingresp(output_);  // [MQTT-3.12.4-1]
}

void Connection::on_disconnect_packet(ByteView body) {
  const Decoded<DisconnectPacket> packet = decode_disconnect(body, protocol_);
  if (!packet) return on_fault("DISCONNECT", packet.error());
  if (session_expiry_s_ == 0 && packet->session_expiry_s.value_or(0) != 0) {  // section 3.14.2.2.2
    return on_fault("DISCONNECT", {ReasonCode::kProtocolError, "it asks for a session that CONNECT did not ask for"});
  }
  phase_ = Phase::kClosing;  // [MQTT-3.14.4-1]
  handler_.on_closed({packet->reason, true, packet->session_expiry_s, to_string(packet->reason)});
}

// Not without an authentication method in CONNECT, and with one there is no connection [MQTT-4.12.0-7].
void Connection::on_auth_packet(ByteView body) {
  constexpr std::string_view kWhat = "no authentication method was agreed on";
  if (protocol_ == Protocol::kV311) {  // the type is reserved there
    return on_fault("AUTH", {ReasonCode::kMalformedPacket, "it has no meaning in MQTT 3.1.1"});
  }
  const Decoded<ReasonCode> reason = decode_auth(body);
  on_fault("AUTH", reason ? Fault{ReasonCode::kProtocolError, kWhat} : reason.error());
}

// Says why, closes, tells the handler: section 4.13 [MQTT-4.13.1-1].
void Connection::on_fault(std::string_view where, const Fault& fault) {
  std::string description{where};
  description += ": ";
  description += fault.what;
  switch (phase_) {
    case Phase::kAwaitConnect: {
      const bool timed_out = fault.code == ReasonCode::kKeepAliveTimeout;
      close_with_connack(timed_out || !understood_ ? std::nullopt : std::optional{fault.code}, description);
      break;
    }
    case Phase::kAwaitVerdict:
    case Phase::kOpen: disconnect(fault.code, description); break;
    case Phase::kClosing: return;
  }
  handler_.on_closed({fault.code, false, std::nullopt, description});
}

}  // namespace hedgerow::mqtt
