#include "security/crypto_mbedtls/mbedtls_error.hpp"

#include <mbedtls/error.h>

#include <array>
#include <cstdio>

namespace hedgerow::security {

std::string mbedtls_error_text(int code) {
  std::array<char, 160> text{};
  mbedtls_strerror(code, text.data(), text.size());
  std::array<char, 24> number{};
  std::snprintf(number.data(), number.size(), " (-0x%04X)", static_cast<unsigned>(-code));
  return std::string{text.data()} + number.data();
}

}  // namespace hedgerow::security
