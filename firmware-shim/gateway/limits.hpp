// Every bound of the gateway. What a thing may be sent at once follows from the protocol: one message (section 6.13 of
// MQTT-SN 1.2).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sync/base/time.hpp"

namespace hedgerow::gateway {

// Things that are connected or asleep. A CONNECT beyond is answered with congestion.
inline constexpr std::size_t kThingsMax = 1'000;
// Topics that one thing has registered, or was told, since it connected. A REGISTER beyond is answered with congestion.
inline constexpr std::size_t kTopicsPerThingMax = 256;
// QoS 0 messages that wait for one thing, each topic once; the oldest goes first. Others wait in its session.
inline constexpr std::size_t kLiveWaitingMax = 16;
// Publishes that were acknowledged: recognised when they come again.
inline constexpr std::size_t kRecognisedMax = 8;
inline constexpr std::size_t kDatagramBytesMax = 65'507;  // of UDP over IPv4
inline constexpr std::size_t kSnHeaderBytesMax = 16;      // of any message without its topic or payload

// Section 7.2: Tretry 10 to 15 s, Nretry 3 to 5. Within it a thing that lost one answer should not wait that long.
inline constexpr Duration kRetryInterval = std::chrono::seconds{5};
inline constexpr unsigned kRetries = 4;
// Section 6.14 and [MQTT-3.1.2-22]: a thing is lost after one and a half times what it promised.
inline constexpr unsigned kToleranceTenths = 15;
// A thing that fetches its mail goes back to sleep when nothing more has come for so long.
inline constexpr Duration kMailGrace = std::chrono::milliseconds{100};
// A session of a thing that asked for a clean one outlives its connection by so much, so that a new will can be set.
inline constexpr std::uint32_t kCleanSessionExpiryS = 30;
// A connection that takes the session over within this time cancels the will [MQTT-3.1.3-9], once the disk has its own
// will: a slow card's sync must not take longer.
inline constexpr std::uint32_t kWillDelayS = 10;
static_assert(kWillDelayS < kCleanSessionExpiryS);  // the end of the session would publish it
inline constexpr std::uint32_t kKeptSessionExpiryS = 30 * 24 * 3600;

// Sealed lines: how often a thing that cannot be understood is asked for a hello, and a thing without a key is told of.
inline constexpr Duration kAgainInterval = std::chrono::milliseconds{250};
inline constexpr Duration kStrangerToldEvery = std::chrono::minutes{1};

}  // namespace hedgerow::gateway
