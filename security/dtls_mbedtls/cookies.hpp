// Cookies: what shows that a client receives at the address that it sends from, without remembering it.
//
//   cookie = first 16 bytes of HMAC-SHA-256(secret, slot u64, random of the ClientHello, address)
//
// Adapter: mbedTLS. Thread rule: immutable, one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "security/dtls_mbedtls/limits.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::security {

using DtlsCookie = std::array<std::uint8_t, kDtlsCookieBytes>;

class Cookies {
 public:
  using Secret = std::array<std::uint8_t, 32>;
  explicit Cookies(const Secret& secret) : secret_(secret) {}

  [[nodiscard]] DtlsCookie make(Instant now, std::string_view address, ByteView random) const;
  // True iff make() gave it, in this slot of time or the one before.
  [[nodiscard]] bool is_good(Instant now, std::string_view address, ByteView random, ByteView cookie) const;

 private:
  [[nodiscard]] DtlsCookie of_slot(std::uint64_t slot, std::string_view address, ByteView random) const;
  Secret secret_;
};

}  // namespace hedgerow::security
