#include "security/dtls_mbedtls/cookies.hpp"

#include <mbedtls/md.h>

#include <algorithm>
#include <gsl/gsl>

extern "C" {
#include <mbedtls/constant_time.h>  // says nothing of C itself
}

namespace hedgerow::security {
namespace {

std::uint64_t slot_of(Instant now) { return static_cast<std::uint64_t>(now.time_since_epoch() / kDtlsCookieSlot); }

}  // namespace

DtlsCookie Cookies::of_slot(std::uint64_t slot, std::string_view address, ByteView random) const {
  Bytes input;
  for (unsigned shift = 64; shift != 0; shift -= 8) input.push_back(static_cast<std::uint8_t>(slot >> (shift - 8)));
  append(input, random);
  append(input, as_bytes(address));
  std::array<std::uint8_t, 32> mac{};
  const int status = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), secret_.data(), secret_.size(),
                                     input.data(), input.size(), mac.data());
  Expects(status == 0);
  DtlsCookie cookie{};
  std::copy_n(mac.begin(), cookie.size(), cookie.begin());
  return cookie;
}

DtlsCookie Cookies::make(Instant now, std::string_view address, ByteView random) const {
  return of_slot(slot_of(now), address, random);
}

bool Cookies::is_good(Instant now, std::string_view address, ByteView random, ByteView cookie) const {
  if (cookie.size() != kDtlsCookieBytes) return false;
  const auto is_of = [&](std::uint64_t slot) {
    return mbedtls_ct_memcmp(of_slot(slot, address, random).data(), cookie.data(), cookie.size()) == 0;
  };
  return is_of(slot_of(now)) || is_of(slot_of(now) - 1);
}

}  // namespace hedgerow::security
