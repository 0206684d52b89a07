// One message as the daemon shares it among all its receivers.
// Immutable once shared; any thread may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/mqtt/packets.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::mqtt {

struct Publication {
  std::string topic;
  // What MQTT 5 forwards unaltered, encoded as on the wire but without the length in front, in the order received:
  // payload format indicator, content type, response topic, correlation data, user properties [MQTT-3.3.2-4, -15, -16,
  // -17, -20]. Message expiry, topic alias and subscription identifiers are not in it.
  Bytes properties;
  Bytes payload;
  std::optional<std::uint32_t> expiry_s;  // as published; the owner counts down
  bool retain = false;                    // as published
  QoS qos = QoS::kAtMostOnce;             // as published
};

using PublicationPtr = std::shared_ptr<const Publication>;

}  // namespace hedgerow::mqtt
