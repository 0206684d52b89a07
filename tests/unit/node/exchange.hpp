// What tests of whole exchanges need beyond node_harness.hpp: wills. Thread rule: plain values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/mqtt_exchange.hpp"
#include "tests/unit/node/node_harness.hpp"

namespace hedgerow::test {

struct WillOut {
  std::string topic = "will";
  std::string payload = "gone";
  unsigned qos = 1;
  bool retain = false;
  std::uint32_t delay_s = 0;
  Bytes properties = {};
};

inline ConnectOut with_will(ConnectOut connect, const WillOut& will) {
  Bytes properties = will.properties;
  if (will.delay_s > 0) append(properties, property(0x18, u32(will.delay_s)));
  connect.will = concat(with_length(properties), text(will.topic), text(will.payload));
  connect.flags = (connect.clean_start ? 0x02U : 0U) | 0x04U | (will.qos << 3U) | (will.retain ? 0x20U : 0U) |
                  (connect.username ? 0x80U : 0U) | (connect.password ? 0x40U : 0U);
  return connect;
}

// The code of the first packet, a CONNACK.
inline unsigned connack_code(const std::vector<ServerPacket>& packets) {
  return packets.empty() || packets[0].type != mqtt::PacketType::kConnack ? 0xFFFU : packets[0].body[1];
}

}  // namespace hedgerow::test
