// Which reason code may stand in which packet: the tables of MQTT 5.0 chapter 3. Pure.
#pragma once

#include <cstdint>

#include "daemon/mqtt/packets.hpp"

namespace hedgerow::mqtt {

// Where a reason code stands. PUBREC has the codes of PUBACK, PUBCOMP those of PUBREL.
enum class ReasonPlace : std::uint8_t {
  kConnack,
  kPuback,
  kPubrel,
  kSuback,
  kUnsuback,
  kDisconnectByServer,
  kDisconnectByClient,
  kAuth,
};

[[nodiscard]] bool is_allowed(ReasonCode code, ReasonPlace place);

// The code itself, or the nearest that this place has: what the owner wants to say must not break the standard
// [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
// [MQTT-3.14.2-1]. A success may become kSuccess, a failure stays one where the place has any.
[[nodiscard]] ReasonCode nearest_allowed(ReasonCode code, ReasonPlace place);

}  // namespace hedgerow::mqtt
