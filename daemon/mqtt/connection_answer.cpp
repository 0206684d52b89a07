// Connection: the owner's answers, encoded.
#include <gsl/assert>

#include "daemon/mqtt/connection.hpp"
#include "daemon/mqtt/encode.hpp"
#include "daemon/mqtt/topic_aliases.hpp"

namespace hedgerow::mqtt {

void Connection::accept(const ConnackOptions& options) {
  if (closing()) return;
  Expects(phase_ == Phase::kAwaitVerdict);
  ConnackOut connack{.options = options,
                     .code = ReasonCode::kSuccess,  // [MQTT-3.1.4-5]
                     .receive_maximum = limits_.receive_maximum,
                     .packet_bytes_max = limits_.packet_bytes_max,
                     .topic_alias_maximum = limits_.topic_alias_maximum,
                     .maximum_qos = limits_.maximum_qos,
                     .server_keep_alive_s = std::nullopt};
  if (!request_response_information_) connack.options.response_information = {};  // [MQTT-3.1.2-28]
  const std::uint16_t cap_s = limits_.keep_alive_max_s;
  if (protocol_ == Protocol::kV5 && cap_s > 0 && (keep_alive_s_ == 0 || keep_alive_s_ > cap_s)) {
    keep_alive_s_ = cap_s;
    connack.server_keep_alive_s = cap_s;
  }
  waited_for_owner_ = true;
  ++packets_out_;
  phase_ = append_connack(output_, protocol_, connack, client_packet_bytes_max_) ? Phase::kOpen : Phase::kClosing;
}

void Connection::refuse(ReasonCode code, std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kAwaitVerdict);
  Expects(is_failure(code));
  close_with_connack(code, reason);  // [MQTT-3.2.2-7]
}

void Connection::close_with_connack(std::optional<ReasonCode> code, std::string_view reason) {
  phase_ = Phase::kClosing;
  if (!code) return;
  if (protocol_ == Protocol::kV311 && connack_return_code_v311(*code) == 0) return;
  ConnackOut connack{.options = {}, .code = *code, .server_keep_alive_s = std::nullopt};
  if (request_problem_information_) connack.options.reason = reason;
  ++packets_out_;
  static_cast<void>(append_connack(output_, protocol_, connack, client_packet_bytes_max_));
}

void Connection::append_ack_of(PacketType type, std::uint16_t packet_id, ReasonCode code, std::string_view reason,
                               NoteOut note) {
  if (!request_problem_information_) {  // [MQTT-3.1.2-29]
    reason = {};
    note = {};
  }
  ++packets_out_;
  append_ack(output_, protocol_, {type, packet_id, code, reason, note}, client_packet_bytes_max_);
}

void Connection::puback(std::uint16_t packet_id, ReasonCode code, std::string_view reason, NoteOut note) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(puback_owed_ > 0);
  if (protocol_ == Protocol::kV311 && is_failure(code)) return disconnect(code);
  if (waits_for_owner()) waited_for_owner_ = true;
  --puback_owed_;
  append_ack_of(PacketType::kPuback, packet_id, code, reason, note);  // [MQTT-4.3.2-4]
}

void Connection::pubrec(std::uint16_t packet_id, ReasonCode code, std::string_view reason, NoteOut note) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(pubrec_owed_ > 0);
  if (protocol_ == Protocol::kV311 && is_failure(code)) return disconnect(code);
  if (waits_for_owner()) waited_for_owner_ = true;
  --pubrec_owed_;
  if (is_failure(code)) unreleased_.erase(packet_id);
  append_ack_of(PacketType::kPubrec, packet_id, code, reason, note);  // [MQTT-4.3.3-8]
}

void Connection::pubrel(std::uint16_t packet_id, ReasonCode code) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  append_ack_of(PacketType::kPubrel, packet_id, code, {});  // [MQTT-4.3.3-4]
}

void Connection::pubcomp(std::uint16_t packet_id, ReasonCode code) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  unreleased_.erase(packet_id);
  append_ack_of(PacketType::kPubcomp, packet_id, code, {});  // [MQTT-4.3.3-11]
}

void Connection::append_filter_ack_of(PacketType type, std::uint16_t packet_id, std::span<const ReasonCode> codes,
                                      std::string_view reason) {
  if (closing()) return;
  Expects(phase_ == Phase::kOpen);
  Expects(!codes.empty());
  if (!request_problem_information_) reason = {};  // [MQTT-3.1.2-29]
  ++packets_out_;
  const FilterAckOut ack{type, packet_id, codes, reason};
  if (append_filter_ack(output_, protocol_, ack, client_packet_bytes_max_)) return;
  disconnect(ReasonCode::kPacketTooLarge, "the answer to its filters is larger than the client accepts");
}

void Connection::suback(std::uint16_t packet_id, std::span<const ReasonCode> codes, std::string_view reason) {
  append_filter_ack_of(PacketType::kSuback, packet_id, codes, reason);  // [MQTT-3.8.4-1] [MQTT-3.8.4-2]
}

void Connection::unsuback(std::uint16_t packet_id, std::span<const ReasonCode> codes, std::string_view reason) {
  append_filter_ack_of(PacketType::kUnsuback, packet_id, codes, reason);  // [MQTT-3.10.4-4] [MQTT-3.10.4-5]
}

PublishOutcome Connection::publish(const PublishOut& out) {
  if (closing()) return PublishOutcome::kClosing;
  Expects(phase_ == Phase::kOpen);
  Expects((out.qos == QoS::kAtMostOnce) == (out.packet_id == 0));  // [MQTT-2.2.1-2] [MQTT-2.2.1-4]
  ++packets_out_;
  OutboundAliases::Choice alias;
  if (aliases_out_max_ > 0) {  // [MQTT-3.3.2-11]
    if (!aliases_out_) aliases_out_ = std::make_unique<OutboundAliases>(aliases_out_max_);
    alias = aliases_out_->choose(out.topic);
  }
  if (append_publish(output_, protocol_, out, client_packet_bytes_max_, alias)) {
    if (aliases_out_) aliases_out_->remember(alias, out.topic);
    return PublishOutcome::kSent;
  }
  // Setting an alias costs bytes: without it the packet may just fit.
  const bool sets_alias = alias.alias > 0 && !alias.is_known;
  const bool sent = sets_alias && append_publish(output_, protocol_, out, client_packet_bytes_max_);
  if (!sent) --packets_out_;
  return sent ? PublishOutcome::kSent : PublishOutcome::kTooLarge;  // [MQTT-3.1.2-24] [MQTT-3.1.2-25]
}

void Connection::disconnect(ReasonCode code, std::string_view reason) {
  if (closing()) return;
  const bool can_say_why = phase_ == Phase::kOpen && protocol_ == Protocol::kV5;  // [MQTT-3.14.0-1]
  phase_ = Phase::kClosing;
  if (!request_problem_information_) reason = {};
  if (!can_say_why) return;
  ++packets_out_;
  append_disconnect(output_, code, reason, client_packet_bytes_max_);
}

}  // namespace hedgerow::mqtt
