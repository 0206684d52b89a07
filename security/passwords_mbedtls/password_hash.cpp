#include "security/passwords_mbedtls/password_hash.hpp"

#include <mbedtls/pkcs5.h>

extern "C" {
#include <mbedtls/constant_time.h>  // the only header of mbedTLS 3.6 that does not say so itself
}

#include <gsl/gsl>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/crypto_mbedtls/mbedtls_error.hpp"

namespace hedgerow::security {

namespace {

Expected<void> derive(std::string_view password, PasswordHash& into) {
  const ByteView bytes = as_bytes(password);
  const int status =
      mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA512, bytes.data(), bytes.size(), into.salt.data(), into.salt.size(),
                                    into.iterations, static_cast<std::uint32_t>(into.hash.size()), into.hash.data());
  if (status == 0) return {};
  return fail(Category::kUnavailable, "a password cannot be hashed: " + mbedtls_error_text(status));
}

}  // namespace

Expected<PasswordHash> hash_password(std::string_view password, std::uint32_t iterations) {
  Expects(iterations >= kIterationsMin && iterations <= kIterationsMax);
  if (password.empty()) return fail(Category::kInvalidInput, "the password is empty: give one");
  if (password.size() > kPasswordBytesMax) {
    return fail(Category::kInvalidInput,
                "the password has " + std::to_string(password.size()) + " bytes, at most 1024 are allowed: shorten it");
  }
  PasswordHash made;
  made.iterations = iterations;
  made.salt.resize(kSaltBytesMin);
  if (const Expected<void> filled = random_bytes(made.salt); !filled) return tl::unexpected<Error>(filled.error());
  if (const Expected<void> derived = derive(password, made); !derived) return tl::unexpected<Error>(derived.error());
  return made;
}

bool is_password(std::string_view password, const PasswordHash& expected) {
  const bool is_possible = !password.empty() && password.size() <= kPasswordBytesMax;
  PasswordHash given{.iterations = expected.iterations, .salt = expected.salt, .hash = {}};
  const Expected<void> derived = derive(password.substr(0, kPasswordBytesMax), given);
  const bool is_same = mbedtls_ct_memcmp(given.hash.data(), expected.hash.data(), given.hash.size()) == 0;
  return derived.has_value() && is_same && is_possible;
}

}  // namespace hedgerow::security
