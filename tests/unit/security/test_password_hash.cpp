#include <catch2/catch_test_macros.hpp>
#include <string>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/passwords_mbedtls/password_hash.hpp"

namespace hedgerow::security {
namespace {

// Few, so that the tests are quick.
constexpr std::uint32_t kIterations = kIterationsMin;

PasswordHash hashed(std::string_view password) {
  REQUIRE(init_crypto());
  const Expected<PasswordHash> hash = hash_password(password, kIterations);
  REQUIRE(hash);
  return *hash;
}

TEST_CASE("a password is recognised, another is not", "[passwords]") {
  const PasswordHash hash = hashed("correct horse");
  CHECK(is_password("correct horse", hash));
  CHECK_FALSE(is_password("correct horsf", hash));
  CHECK_FALSE(is_password("correct hors", hash));
  CHECK_FALSE(is_password("", hash));
}

TEST_CASE("equal passwords have different salts and hashes", "[passwords]") {
  const PasswordHash first = hashed("secret");
  const PasswordHash second = hashed("secret");
  CHECK(first.salt.size() == 16);
  CHECK(first.salt != second.salt);
  CHECK(first.hash != second.hash);
}

TEST_CASE("the hash is PBKDF2-HMAC-SHA-512", "[passwords]") {
  // Computed with Python's hashlib.pbkdf2_hmac.
  const std::string expected =
      "8c0511f4c6e597c6ac6315d8f0362e225f3c501495ba23b868c005174dc4ee71"
      "115b59f9e60cd9532fa33e0f75aefe30225c583a186cd82bd4daea9724a3d3b8";
  PasswordHash known{.iterations = 4'096, .salt = to_bytes("saltSALTsaltSALTsaltSALTsaltSALTsalt"), .hash = {}};
  for (std::size_t at = 0; at < known.hash.size(); ++at) {
    known.hash.at(at) = static_cast<std::uint8_t>(std::stoul(expected.substr(2 * at, 2), nullptr, 16));
  }
  CHECK(is_password("passwordPASSWORDpassword", known));
}

TEST_CASE("empty and endless passwords are refused, and never right", "[passwords][G6]") {
  REQUIRE(init_crypto());
  CHECK(hash_password("", kIterations).error().category == Category::kInvalidInput);
  CHECK(hash_password(std::string(1'025, 'a'), kIterations).error().category == Category::kInvalidInput);
  const PasswordHash longest = hashed(std::string(1'024, 'a'));
  CHECK(is_password(std::string(1'024, 'a'), longest));
  CHECK_FALSE(is_password(std::string(1'025, 'a'), longest));
}

TEST_CASE("a password may hold any bytes", "[passwords]") {
  const std::string password{"a\0b\xFF", 4};
  const PasswordHash hash = hashed(password);
  CHECK(is_password(password, hash));
  CHECK_FALSE(is_password("a", hash));
}

TEST_CASE("the default is as slow as OWASP asks for", "[passwords]") { CHECK(kIterationsDefault == 210'000); }

}  // namespace
}  // namespace hedgerow::security
