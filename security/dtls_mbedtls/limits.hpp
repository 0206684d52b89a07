// Every bound of DTLS.
#pragma once

#include <chrono>
#include <cstddef>

#include "sync/base/time.hpp"

namespace hedgerow::security {

// A record's plaintext (RFC 6347, 4.1): what one message to or from a thing may have.
inline constexpr std::size_t kDtlsMessageBytesMax = 16 * 1024;
// Datagrams of a handshake: they pass where IPv6 passes, whose least packet has 1,280 bytes, 48 of them headers.
inline constexpr std::size_t kDtlsHandshakeDatagramBytesMax = 1200;
// RFC 9146: ours are of one length, so that they can be found in a record without a length before them.
inline constexpr std::size_t kDtlsConnectionIdBytes = 8;

// Sessions that are open, each of another thing or certificate: as many as the gateway has things.
inline constexpr std::size_t kDtlsSessionsMax = 1'000;
// Handshakes under way, of clients that have shown by a cookie that they are where they say. One more takes the place
// of the oldest, unless that is younger than kDtlsHandshakeTurn.
inline constexpr std::size_t kDtlsHandshakesMax = 32;
inline constexpr Duration kDtlsHandshakeTurn = std::chrono::seconds{5};
// Handshakes begun in one second: each may cost the processor a signature.
inline constexpr unsigned kDtlsHandshakesPerSecondMax = 20;
inline constexpr Duration kDtlsHandshakeMax = std::chrono::seconds{60};
// Our flights are sent again after 1, 2, 4 … seconds (RFC 6347, 4.2.4.1).
inline constexpr unsigned kDtlsRetransmitFirstMs = 1'000;
inline constexpr unsigned kDtlsRetransmitMaxMs = 32'000;
// A cookie is good for one to two of these.
inline constexpr Duration kDtlsCookieSlot = std::chrono::seconds{30};
inline constexpr std::size_t kDtlsCookieBytes = 16;
// A session that nothing authentic came from for so long is dropped. The longest sleep that MQTT-SN can announce is
// 65,535 s, and a thing counts as lost after one and a half times that.
inline constexpr Duration kDtlsIdleMax = std::chrono::hours{48};
static_assert(kDtlsIdleMax > std::chrono::seconds{65'535} * 3 / 2);
inline constexpr Duration kDtlsSweep = std::chrono::minutes{1};  // how often that is looked for

}  // namespace hedgerow::security
