// Every bound of a dialled link in one place (G6).
// Thread rule: constants.
#pragma once

#include <chrono>
#include <cstddef>

#include "security/paho_tls/paho_tls.hpp"
#include "sync/base/time.hpp"
#include "sync/limits.hpp"

namespace hedgerow::link_paho {

// What was handed to send() and has not left the board: beyond it send() refuses.
inline constexpr std::size_t kQueuedBytesMax = std::size_t{8} << 20U;
inline constexpr std::size_t kQueuedMessagesMax = 16'384;
// Of these, what Paho and TLS hold at once; the rest waits in our own queue. One message may exceed it.
inline constexpr std::size_t kInFlightBytesMax = std::size_t{512} << 10U;
// What arrived and waits for the loop thread: beyond it reading pauses for kInboundPauseMax, then lets messages go.
inline constexpr std::size_t kInboundBytesMax = std::size_t{8} << 20U;
inline constexpr Duration kInboundPauseMax = std::chrono::milliseconds{250};
inline constexpr std::size_t kTopicBytesMax = 512;
static_assert(sync::kLinkMessageBytesMax + kTopicBytesMax <= kQueuedBytesMax);
static_assert(sync::kLinkMessageBytesMax + kTopicBytesMax <= kInboundBytesMax);

// Told to the peer as Maximum Packet Size: a message, its topic, and what MQTT puts around them.
inline constexpr std::size_t kPacketBytesMax = sync::kLinkMessageBytesMax + kTopicBytesMax + 64;
static_assert(kPacketBytesMax <= security::kPahoPacketBytesMax);

inline constexpr std::chrono::seconds kConnectTimeout{10};
// From the start of a dial until the subscription is acknowledged.
inline constexpr std::chrono::seconds kUpTimeout{15};

// Pauses between dials: random up to a ceiling that doubles from the first to the last of these.
inline constexpr Duration kBackoffFirst = std::chrono::milliseconds{250};
inline constexpr Duration kBackoffLast = std::chrono::seconds{30};
// A link that held this long was a good one: the next pause is short again.
inline constexpr Duration kBackoffResetAfter = std::chrono::seconds{30};

}  // namespace hedgerow::link_paho
