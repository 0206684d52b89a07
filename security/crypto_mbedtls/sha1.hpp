// SHA-1, for the one place where a protocol fixes it and nothing rests on it: Sec-WebSocket-Accept (RFC 6455, 4.2.2)
// shows that a server understood the request, no more. TLS and certificates accept no SHA-1 signature. Thread rule: a
// free function without state.
#pragma once

#include <array>
#include <cstdint>

#include "sync/base/bytes.hpp"

namespace hedgerow::security {

[[nodiscard]] std::array<std::uint8_t, 20> sha1(ByteView bytes);

}  // namespace hedgerow::security
