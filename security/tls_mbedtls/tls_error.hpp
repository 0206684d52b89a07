// Why a session failed, in words. Pure: flags and numbers in, text out; includes mbedTLS for the numbers.
// Thread rule: safe from any thread.
#pragma once

#include <cstdint>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::security {

// What the peer's alert says about us. `alert` is the AlertDescription of RFC 8446, 6.
[[nodiscard]] std::string alert_text(int alert);

// The error for a status of mbedtls_ssl_handshake() or mbedtls_ssl_read() that ends a session, unless the peer's
// certificate or an alert explains it better.
[[nodiscard]] Error tls_error(int status);

}  // namespace hedgerow::security
