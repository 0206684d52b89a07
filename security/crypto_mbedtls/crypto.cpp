#include "security/crypto_mbedtls/crypto.hpp"

#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>

#include <gsl/gsl>
#include <mutex>

#include "security/crypto_mbedtls/mbedtls_error.hpp"

namespace hedgerow::security {

Expected<void> init_crypto() {
  // psa_crypto_init() may be repeated, but not by two threads at once.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const psa_status_t status = psa_crypto_init();
  if (status != PSA_SUCCESS) {
    return fail(Category::kUnavailable, "cryptography cannot start (PSA status " + std::to_string(status) +
                                            "): does the system give random numbers (getrandom, /dev/urandom)?");
  }
  return {};
}

Expected<void> random_bytes(std::span<std::uint8_t> out) {
  const psa_status_t status = psa_generate_random(out.data(), out.size());
  if (status != PSA_SUCCESS) {
    return fail(Category::kUnavailable, "no random numbers (PSA status " + std::to_string(status) + ")");
  }
  return {};
}

struct Sha256::State {
  mbedtls_sha256_context context;
};

namespace {

void start(mbedtls_sha256_context& context) {
  const int status = mbedtls_sha256_starts(&context, /*is224=*/0);
  Ensures(status == 0);
}

}  // namespace

Sha256::Sha256() : state_(std::make_unique<State>()) {
  mbedtls_sha256_init(&state_->context);
  start(state_->context);
}

Sha256::~Sha256() { mbedtls_sha256_free(&state_->context); }

void Sha256::update(ByteView bytes) {
  const int status = mbedtls_sha256_update(&state_->context, bytes.data(), bytes.size());
  Ensures(status == 0);
}

Hash256 Sha256::finish() {
  Hash256 digest{};
  const int status = mbedtls_sha256_finish(&state_->context, digest.data());
  Ensures(status == 0);
  start(state_->context);
  return digest;
}

}  // namespace hedgerow::security
