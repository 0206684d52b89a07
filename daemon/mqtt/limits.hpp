// Every limit of the MQTT protocol part, in one place, related to each other below.
// Values without "Default" are fixed; the others start ConnectionLimits and may be configured by the owner.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sync/base/time.hpp"

namespace hedgerow::mqtt {

// The standard's own bounds.
inline constexpr std::uint32_t kRemainingLengthMax = 268'435'455;  // MQTT 5.0 section 1.5.5: four bytes of 7 bits
inline constexpr std::size_t kFixedHeaderBytesMax = 5;             // type and flags, then up to four of length
inline constexpr std::size_t kStringBytesMax = 65'535;             // section 1.5.4
inline constexpr std::uint32_t kSubscriptionIdentifierMax = kRemainingLengthMax;  // section 3.8.2.1.2
inline constexpr std::uint32_t kSessionExpiryNever = 0xFFFF'FFFF;                 // section 3.1.2.11.2

// A packet from a client, header included. Announced as Maximum Packet Size; a larger one is answered 0x95. Of a bridge
// of 3.1.1 a PUBLISH of up to kRemainingLengthMax is skipped instead.
inline constexpr std::uint32_t kPacketBytesDefault = 1024U * 1024U;
// The first packet comes from a stranger, so less is taken from it. A larger one is closed without an answer.
inline constexpr std::uint32_t kConnectPacketBytesDefault = 64U * 1024U;
// QoS 1 publishes of one client that may wait for our PUBACK. Announced as Receive Maximum.
inline constexpr std::uint16_t kReceiveMaximumDefault = 1024;
// While this much output waits to be sent, nothing more is read from that client.
inline constexpr std::size_t kOutputHighWaterBytesDefault = 256U * 1024U;
// From the start of the connection to its complete CONNECT.
inline constexpr Duration kConnectTimeoutDefault = std::chrono::seconds{10};

// Topic aliases that a client may use. Announced as Topic Alias Maximum; a higher one is answered 0x94.
inline constexpr std::uint16_t kTopicAliasMaximumDefault = 32;
// Topics behind one client's aliases together. Beyond it 0x97.
inline constexpr std::size_t kTopicAliasBytesMax = 64U * 1024U;
// Aliases that we use towards one client, if it allows as many; and the bytes of their topics.
inline constexpr std::uint16_t kTopicAliasesOutMax = 32;
inline constexpr std::size_t kTopicAliasOutBytesMax = 16U * 1024U;
// Topic, properties and payload of a will together. A larger one is answered 0x97.
inline constexpr std::uint32_t kWillBytesDefault = 16U * 1024U;

// Levels of a topic name or filter. A deeper name is answered 0x90, a deeper filter 0x8F. Bounds recursion and tree
// growth.
inline constexpr std::size_t kTopicLevelsMax = 200;
// Filters in one SUBSCRIBE or UNSUBSCRIBE. More are answered 0x97.
inline constexpr std::size_t kFiltersPerPacketMax = 1024;
// A longer client identifier is answered 0x85. The standard asks for 23 at least.
inline constexpr std::size_t kClientIdBytesMax = 1024;
// Input buffers larger than this are given back to the allocator once empty: what is idle should cost little.
inline constexpr std::size_t kIdleBufferBytes = 256;

static_assert(kPacketBytesDefault <= kRemainingLengthMax + kFixedHeaderBytesMax);
static_assert(kConnectPacketBytesDefault <= kPacketBytesDefault, "a CONNECT is a packet too");
static_assert(kReceiveMaximumDefault > 0, "zero is a protocol error");
static_assert(kClientIdBytesMax >= 23 && kClientIdBytesMax <= kStringBytesMax);
static_assert(kClientIdBytesMax < kConnectPacketBytesDefault);
static_assert(kTopicLevelsMax <= kStringBytesMax);
static_assert(kTopicAliasBytesMax >= kStringBytesMax, "an alias for a topic of any length must be possible");
static_assert(kTopicAliasesOutMax > 0);
static_assert(kWillBytesDefault <= kConnectPacketBytesDefault, "the will is part of a CONNECT");
static_assert(kFiltersPerPacketMax * 4 <= kPacketBytesDefault,
              "the filter limit must be reachable before the packet limit");

}  // namespace hedgerow::mqtt
