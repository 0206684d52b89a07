// Message Expiry Interval: whether a message may still be shown, and for how long (MQTT 5.0 section 3.3.2.3.3).
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <optional>

#include "sync/base/time.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

struct Expiry {
  bool expired = false;                      // [MQTT-3.3.2-5]
  std::optional<std::uint32_t> left_s = {};  // [MQTT-3.3.2-6]; 0 once it has expired; nothing: it never does
};

// `stamp`: when the message was written.
[[nodiscard]] inline Expiry expiry_of(const sync::Message& message, const sync::Stamp& stamp, const WallTime& now) {
  if (!message.expiry_s) return {};
  const std::uint64_t age_s = now.unix_ms > stamp.wall_ms ? (now.unix_ms - stamp.wall_ms) / 1000 : 0;
  if (age_s >= *message.expiry_s) return {.expired = true, .left_s = 0};
  return {.left_s = static_cast<std::uint32_t>(*message.expiry_s - age_s)};
}

}  // namespace hedgerow::node
