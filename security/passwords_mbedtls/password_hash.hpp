// Hashing of passwords: PBKDF2 (RFC 8018, 5.2) with HMAC-SHA-512, over mbedTLS.
// Thread rule: safe from any thread. Each call costs as much as the iterations say: 210,000 took 0.2 s of processor
// time on a server, and take several times that on a Pi, so never on the loop.
#pragma once

#include <string_view>

#include "security/passwords/user_table.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// What OWASP's Password Storage Cheat Sheet (2023) asks of PBKDF2-HMAC-SHA512.
inline constexpr std::uint32_t kIterationsDefault = 210'000;
// A longer password is refused: no board needs one, and HMAC would only hash it first.
inline constexpr std::size_t kPasswordBytesMax = 1024;

static_assert(kIterationsDefault >= kIterationsMin && kIterationsDefault <= kIterationsMax);

// With a fresh salt of the system's random source. REQUIRES: init_crypto() has succeeded.
// kInvalidInput: an empty password, or one beyond kPasswordBytesMax.
[[nodiscard]] Expected<PasswordHash> hash_password(std::string_view password,
                                                   std::uint32_t iterations = kIterationsDefault);

// Is it the password? Compares in constant time. A password that hash_password() would refuse is never the right one.
[[nodiscard]] bool is_password(std::string_view password, const PasswordHash& expected);

}  // namespace hedgerow::security
