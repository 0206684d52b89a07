// Every bound of the WebSocket layer, in one place (G6).
// Thread rule: constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hedgerow::websocket {

// Request line and header fields of an upgrade; beyond it 431.
inline constexpr std::size_t kUpgradeHeadBytesMax = std::size_t{8} * 1024;

// A message may carry several MQTT packets, the largest of which has 256 MiB and 5 bytes [MQTT-2.1.4]. Nothing of it is
// gathered here, so this bounds no memory; what announces more is refused before it comes.
inline constexpr std::uint64_t kMessageBytesMax = std::uint64_t{512} * 1024 * 1024;

// RFC 6455, 5.5.
inline constexpr std::size_t kControlBytesMax = 125;

}  // namespace hedgerow::websocket
