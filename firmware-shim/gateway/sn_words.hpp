// Between the words of MQTT-SN and those of MQTT. Thread rule: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "daemon/mqtt/packets.hpp"
#include "firmware-shim/codec/mqttsn.h"
#include "sync/base/bytes.hpp"

namespace hedgerow::gateway {

// A thing knows four codes: what may go better later is congestion.
[[nodiscard]] inline hr_sn_return_code return_code(mqtt::ReasonCode code) {
  using mqtt::ReasonCode;
  if (!mqtt::is_failure(code)) return HR_SN_ACCEPTED;
  const bool later = code == ReasonCode::kServerUnavailable || code == ReasonCode::kServerBusy ||
                     code == ReasonCode::kServerShuttingDown || code == ReasonCode::kQuotaExceeded ||
                     code == ReasonCode::kConnectionRateExceeded || code == ReasonCode::kMessageRateTooHigh ||
                     code == ReasonCode::kReceiveMaximumExceeded;
  return later ? HR_SN_CONGESTION : HR_SN_NOT_SUPPORTED;
}

// QoS -1 counts as 0.
[[nodiscard]] inline mqtt::QoS qos_of(std::uint8_t flags) {
  const unsigned qos = (flags & HR_SN_QOS_MASK) >> HR_SN_QOS_SHIFT;
  return qos == HR_SN_QOS_MINUS_1 ? mqtt::QoS::kAtMostOnce : static_cast<mqtt::QoS>(qos);
}

[[nodiscard]] inline std::uint8_t flags_of(mqtt::QoS qos) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(qos) << HR_SN_QOS_SHIFT);
}

[[nodiscard]] inline ByteView bytes_of(hr_sn_view view) { return {view.data, view.size}; }
[[nodiscard]] inline std::string_view text_of(hr_sn_view view) { return as_text(bytes_of(view)); }
[[nodiscard]] inline hr_sn_view view_of(ByteView bytes) { return {.data = bytes.data(), .size = bytes.size()}; }

// A topic of two characters is its own id (section 3).
[[nodiscard]] inline bool is_short(std::string_view topic) { return topic.size() == 2; }

[[nodiscard]] inline std::string short_topic(std::uint16_t id) {
  return {static_cast<char>(id >> 8U), static_cast<char>(id & 0xFFU)};
}

// A publish without a connection (section 6.8).
[[nodiscard]] inline bool qos_minus_one(const hr_sn_message& message) {
  return message.type == HR_SN_PUBLISH && (message.flags & HR_SN_QOS_MASK) >> HR_SN_QOS_SHIFT == HR_SN_QOS_MINUS_1;
}

}  // namespace hedgerow::gateway
