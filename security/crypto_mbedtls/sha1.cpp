#include "security/crypto_mbedtls/sha1.hpp"

#include <mbedtls/sha1.h>

#include <gsl/assert>

namespace hedgerow::security {

std::array<std::uint8_t, 20> sha1(ByteView bytes) {
  std::array<std::uint8_t, 20> digest{};
  const int status = mbedtls_sha1(bytes.data(), bytes.size(), digest.data());
  Ensures(status == 0);
  return digest;
}

}  // namespace hedgerow::security
