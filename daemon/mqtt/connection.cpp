#include "daemon/mqtt/connection.hpp"

#include <algorithm>
#include <gsl/assert>
#include <limits>
#include <string>
#include <utility>

#include "daemon/mqtt/decode.hpp"
#include "daemon/mqtt/encode.hpp"

namespace hedgerow::mqtt {
namespace {

// The low four bits of a first byte that are fixed for each type: table 2-2. PUBLISH uses them itself.
constexpr std::uint8_t fixed_flags(PacketType type) {
  const bool has_two =
      type == PacketType::kPubrel || type == PacketType::kSubscribe || type == PacketType::kUnsubscribe;
  return has_two ? 2 : 0;
}

PacketType type_of(std::uint8_t first_byte) { return static_cast<PacketType>(first_byte >> 4U); }

}  // namespace

Connection::Connection(const ConnectionLimits& limits, ConnectionHandler& handler, Instant now)
    : limits_(limits), handler_(handler), opened_at_(now), heard_at_(now) {
  Expects(limits.receive_maximum > 0);
}

// ---- time

Duration Connection::keep_alive_grace() const { return std::chrono::milliseconds{1500} * keep_alive_s_; }

Instant Connection::next_deadline() const {
  if (phase_ == Phase::kAwaitConnect) return opened_at_ + limits_.connect_timeout;
  if (phase_ == Phase::kOpen && keep_alive_s_ > 0) return heard_at_ + keep_alive_grace();
  return Instant::max();
}

void Connection::excuse_waiting(Instant now) {
  if (!std::exchange(waited_for_owner_, false) && !waits_for_owner()) return;
  heard_at_ = now;
  opened_at_ = now;
}

void Connection::on_timer(Instant now) {
  excuse_waiting(now);
  if (now < next_deadline()) return;
  // What we do not read because our output waits is no silence of the client's, as long as it takes some of that
  // output.
  if (phase_ == Phase::kOpen && !wants_input()) {
    const std::size_t seen_bytes = std::exchange(backlog_seen_bytes_, output_.size());
    if (output_.size() < seen_bytes) heard_at_ = now;
    if (now < next_deadline()) return;
  }
  if (phase_ == Phase::kAwaitConnect) {
    on_fault("CONNECT", {ReasonCode::kKeepAliveTimeout, "it did not arrive in time"});
  } else {  // [MQTT-3.1.2-22]
    on_fault("keep alive", {ReasonCode::kKeepAliveTimeout, "nothing came for one and a half times its interval"});
  }
}

// ---- bytes

bool Connection::waits_for_owner() const {
  if (held_by_owner_ || phase_ == Phase::kAwaitVerdict) return true;
  return protocol_ == Protocol::kV311 && unacknowledged() >= limits_.receive_maximum;
}

void Connection::hold_input(bool held) {
  if (held_by_owner_ && !held) waited_for_owner_ = true;
  held_by_owner_ = held;
}

bool Connection::wants_input() const {
  return phase_ != Phase::kClosing && !waits_for_owner() && output_.size() < limits_.output_high_water_bytes;
}

std::uint32_t Connection::packet_bytes_max() const {
  return phase_ == Phase::kAwaitConnect ? limits_.connect_packet_bytes_max : limits_.packet_bytes_max;
}

void Connection::on_bytes(Instant now, ByteView bytes) {
  if (closing() || bytes.empty()) return;
  // Any byte counts, not only a whole packet: on a thin link no PINGREQ fits into the middle of a long packet.
  heard_at_ = now;
  excuse_waiting(now);
  backlog_seen_bytes_ = std::numeric_limits<std::size_t>::max();
  bytes = complete_held_packet(bytes);
  if (held_bytes() > 0) {
    append(held_, bytes);
    resume(now);
    return;
  }
  const ByteView rest = bytes.subspan(consume(bytes));
  if (closing() || rest.empty()) {
    release_held();
  } else {
    held_.assign(rest.begin(), rest.end());
  }
}

// Takes just what the partial packet lacks, so that what follows can be decoded in place. Returns the rest.
ByteView Connection::complete_held_packet(ByteView bytes) {
  while (!bytes.empty() && held_bytes() > 0 && wants_input()) {
    const Frame frame = decode_frame(held());
    if (frame.state != Frame::State::kPartial) break;
    const std::size_t missing = frame.total_bytes == 0 ? 1 : frame.total_bytes - held_bytes();
    const std::size_t taken = std::min(missing, bytes.size());
    append(held_, bytes.first(taken));
    bytes = bytes.subspan(taken);
    if (consume(held()) > 0) release_held();
  }
  return bytes;
}

void Connection::resume(Instant now) {
  excuse_waiting(now);
  if (held_bytes() > 0) held_used_ += consume(held());
  const bool mostly_used = held_used_ > held_.size() / 2;
  if (closing() || held_bytes() == 0) {
    release_held();
  } else if (mostly_used) {  // rarely, so that handling one packet at a time does not move the rest each time
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(held_used_));
    held_used_ = 0;
  }
}

void Connection::release_held() {
  held_.clear();
  held_used_ = 0;
  if (held_.capacity() > kIdleBufferBytes) held_.shrink_to_fit();
}

std::size_t Connection::consume(ByteView bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && wants_input()) {
    const ByteView rest = bytes.subspan(used);
    const Frame frame = decode_frame(rest);
    if (frame.state == Frame::State::kMalformed) {
      on_fault("fixed header", {ReasonCode::kMalformedPacket, "its length is not in its shortest form"});
      break;
    }
    const PacketType type = type_of(frame.first_byte);
    if (phase_ == Phase::kAwaitConnect && type != PacketType::kConnect) {  // [MQTT-3.1.0-1]
      on_fault(to_string(type), {ReasonCode::kProtocolError, "the first packet must be CONNECT"});
      break;
    }
    if (frame.total_bytes > packet_bytes_max()) {  // [MQTT-3.2.2-15]
      on_fault(to_string(type), {ReasonCode::kPacketTooLarge, "it is larger than this server accepts"});
      break;
    }
    if (frame.state == Frame::State::kPartial) break;
    used += frame.total_bytes;
    on_packet(frame.first_byte, rest.subspan(frame.header_bytes, frame.total_bytes - frame.header_bytes));
  }
  return used;
}

// ---- packets

void Connection::on_packet(std::uint8_t first_byte, ByteView body) {
  const PacketType type = type_of(first_byte);
  const auto flags = static_cast<std::uint8_t>(first_byte & 0x0FU);
  if (type != PacketType::kPublish && flags != fixed_flags(type)) {  // [MQTT-2.1.3-1]
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
    case PacketType::kPingreq:
      if (!body.empty()) {
        return on_fault("PINGREQ", {ReasonCode::kMalformedPacket, "bytes follow its fixed header"});
      }
      return append_pingresp(output_);  // [MQTT-3.12.4-1]
    case PacketType::kConnect:          // [MQTT-3.1.0-2]
      return on_fault("CONNECT", {ReasonCode::kProtocolError, "it was sent twice"});
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
      return on_fault(to_string(type), {ReasonCode::kProtocolError, "only a server sends it"});
    case PacketType::kAuth:  // section 4.12: not without an authentication method in CONNECT; 3.1.1 reserves the type
    case PacketType::kReserved:
      return on_fault(to_string(type),
                      {protocol_ == Protocol::kV5 && type == PacketType::kAuth ? ReasonCode::kProtocolError
                                                                               : ReasonCode::kMalformedPacket,
                       "it has no meaning here"});
  }
}

void Connection::on_connect_packet(ByteView body) {
  std::optional<Protocol> answer_in;
  const Decoded<ConnectPacket> packet = decode_connect(body, answer_in);
  understood_ = answer_in.has_value();
  protocol_ = answer_in.value_or(Protocol::kV5);
  if (!packet) return on_fault("CONNECT", packet.error());
  const ConnectRequest& request = packet->request;
  request_problem_information_ = request.request_problem_information;
  client_receive_maximum_ = request.receive_maximum;
  client_packet_bytes_max_ = request.packet_bytes_max;
  session_expiry_s_ = request.session_expiry_s;
  keep_alive_s_ = request.keep_alive_s;
  if (packet->has_authentication_method) {
    return on_fault("CONNECT",
                    {ReasonCode::kBadAuthenticationMethod, "enhanced authentication is not in this version"});
  }
  phase_ = Phase::kAwaitVerdict;
  handler_.on_connect(request);
}

void Connection::on_publish_packet(std::uint8_t flags, ByteView body) {
  const Decoded<PublishRequest> request = decode_publish(flags, body, protocol_, properties_scratch_);
  if (!request) return on_fault("PUBLISH", request.error());
  if (request->qos != QoS::kAtMostOnce) {
    if (unacknowledged() >= limits_.receive_maximum) {  // [MQTT-3.3.4-7]; section 3.3.4
      return on_fault("PUBLISH",
                      {ReasonCode::kReceiveMaximumExceeded, "more wait for PUBACK than this server accepts"});
    }
    ++(request->qos == QoS::kAtLeastOnce ? puback_owed_ : pubrec_owed_);
  }
  handler_.on_publish(*request);
}

void Connection::on_subscribe_packet(ByteView body) {
  const Decoded<SubscribeRequest> request = decode_subscribe(body, protocol_, entries_scratch_);
  if (!request) return on_fault("SUBSCRIBE", request.error());
  handler_.on_subscribe(*request);
}

void Connection::on_unsubscribe_packet(ByteView body) {
  const Decoded<UnsubscribeRequest> request = decode_unsubscribe(body, protocol_, filters_scratch_);
  if (!request) return on_fault("UNSUBSCRIBE", request.error());
  handler_.on_unsubscribe(*request);
}

void Connection::on_ack_packet(PacketType type, ByteView body) {
  const Decoded<AckReceived> ack = decode_ack(type, body, protocol_);
  if (!ack) return on_fault(to_string(type), ack.error());
  switch (type) {
    case PacketType::kPuback: return handler_.on_puback(*ack);
    case PacketType::kPubrec: return handler_.on_pubrec(*ack);
    case PacketType::kPubrel: return handler_.on_pubrel(*ack);
    default: return handler_.on_pubcomp(*ack);
  }
}

void Connection::on_disconnect_packet(ByteView body) {
  const Decoded<DisconnectPacket> packet = decode_disconnect(body, protocol_);
  if (!packet) return on_fault("DISCONNECT", packet.error());
  if (session_expiry_s_ == 0 && packet->session_expiry_s.value_or(0) != 0) {  // section 3.14.2.2.2
    return on_fault("DISCONNECT", {ReasonCode::kProtocolError, "it asks for a session that CONNECT did not ask for"});
  }
  phase_ = Phase::kClosing;
  handler_.on_closed({packet->reason, true, packet->session_expiry_s, to_string(packet->reason)});
}

// Says why, closes, tells the handler. [MQTT-4.13.1-1], section 4.13.
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

// ---- answers

void Connection::accept(const ConnackOptions& options) {
  if (closing()) return;
  Expects(phase_ == Phase::kAwaitVerdict);
  ConnackOut connack{.options = options,
                     .receive_maximum = limits_.receive_maximum,
                     .packet_bytes_max = limits_.packet_bytes_max,
                     .server_keep_alive_s = std::nullopt};
  const std::uint16_t cap_s = limits_.keep_alive_max_s;
  if (protocol_ == Protocol::kV5 && cap_s > 0 && (keep_alive_s_ == 0 || keep_alive_s_ > cap_s)) {
    keep_alive_s_ = cap_s;
    connack.server_keep_alive_s = cap_s;
  }
  waited_for_owner_ = true;
  phase_ = append_connack(output_, protocol_, connack, client_packet_bytes_max_) ? Phase::kOpen : Phase::kClosing;
}

void Connection::refuse(ReasonCode code, std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kAwaitVerdict);
  Expects(is_failure(code));
  close_with_connack(code, reason);
}

void Connection::close_with_connack(std::optional<ReasonCode> code, std::string_view reason) {
  phase_ = Phase::kClosing;
  if (!code) return;
  if (protocol_ == Protocol::kV311 && connack_return_code_v311(*code) == 0) return;
  if (!request_problem_information_) reason = {};
  ConnackOut connack{.options = {}, .code = *code, .reason = reason, .server_keep_alive_s = std::nullopt};
  if (append_connack(output_, protocol_, connack, client_packet_bytes_max_)) return;
  connack.reason = {};  // [MQTT-3.2.2-19]
  static_cast<void>(append_connack(output_, protocol_, connack, client_packet_bytes_max_));
}

void Connection::puback(std::uint16_t packet_id, ReasonCode code, std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(puback_owed_ > 0);
  if (protocol_ == Protocol::kV311 && is_failure(code)) return disconnect(code);
  if (waits_for_owner()) waited_for_owner_ = true;
  --puback_owed_;
  append_ack(output_, protocol_, {PacketType::kPuback, packet_id, code, reason}, client_packet_bytes_max_);
}

void Connection::pubrec(std::uint16_t packet_id, ReasonCode code, std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(pubrec_owed_ > 0);
  if (protocol_ == Protocol::kV311 && is_failure(code)) return disconnect(code);
  if (waits_for_owner()) waited_for_owner_ = true;
  --pubrec_owed_;
  append_ack(output_, protocol_, {PacketType::kPubrec, packet_id, code, reason}, client_packet_bytes_max_);
}

void Connection::pubrel(std::uint16_t packet_id, ReasonCode code) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  append_ack(output_, protocol_, {PacketType::kPubrel, packet_id, code, {}}, client_packet_bytes_max_);
}

void Connection::pubcomp(std::uint16_t packet_id, ReasonCode code) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  append_ack(output_, protocol_, {PacketType::kPubcomp, packet_id, code, {}}, client_packet_bytes_max_);
}

void Connection::suback(std::uint16_t packet_id, std::span<const ReasonCode> codes, std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(!codes.empty());
  static_cast<void>(reason);
  if (append_suback(output_, protocol_, packet_id, codes, client_packet_bytes_max_)) return;
  disconnect(ReasonCode::kPacketTooLarge, "SUBACK: it is larger than the client accepts");
}

void Connection::unsuback(std::uint16_t packet_id, std::span<const ReasonCode> codes, std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(!codes.empty());
  static_cast<void>(reason);
  if (append_unsuback(output_, protocol_, packet_id, codes, client_packet_bytes_max_)) return;
  disconnect(ReasonCode::kPacketTooLarge, "UNSUBACK: it is larger than the client accepts");
}

PublishOutcome Connection::publish(const PublishOut& out) {
  if (closing()) return PublishOutcome::kClosing;
  Expects(phase_ == Phase::kOpen);
  Expects((out.qos == QoS::kAtMostOnce) == (out.packet_id == 0));
  const bool sent = append_publish(output_, protocol_, out, client_packet_bytes_max_);
  return sent ? PublishOutcome::kSent : PublishOutcome::kTooLarge;
}

void Connection::disconnect(ReasonCode code, std::string_view reason) {
  if (closing()) return;
  const bool can_say_why = phase_ == Phase::kOpen && protocol_ == Protocol::kV5;
  phase_ = Phase::kClosing;
  if (!request_problem_information_) reason = {};
  if (can_say_why) append_disconnect(output_, code, reason, client_packet_bytes_max_);
}

}  // namespace hedgerow::mqtt
