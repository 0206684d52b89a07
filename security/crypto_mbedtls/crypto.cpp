#include "security/crypto_mbedtls/crypto.hpp"

#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>

#include <gsl/gsl>
#include <mutex>
#include <utility>

#include "security/crypto_mbedtls/mbedtls_error.hpp"
#include "security/crypto_mbedtls/page_memory.hpp"
#include "security/crypto_mbedtls/sha256_instructions.hpp"

namespace hedgerow::security {

Expected<void> init_crypto() {
  // psa_crypto_init() may be repeated, but not by two threads at once.
  static std::mutex mutex;
  static bool is_first = true;
  const std::lock_guard lock(mutex);
  if (std::exchange(is_first, false)) use_page_memory();
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
  State() {
    mbedtls_sha256_init(&software);
    start();
  }
  ~State() { mbedtls_sha256_free(&software); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start() {
    const int status = mbedtls_sha256_starts(&software, /*is224=*/0);
    Ensures(status == 0);
  }

  const bool by_instructions = Sha256Instructions::available();
  Sha256Instructions instructions;
  mbedtls_sha256_context software{};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;

void Sha256::update(ByteView bytes) {
  if (state_->by_instructions) {
    state_->instructions.update(bytes);
    return;
  }
  const int status = mbedtls_sha256_update(&state_->software, bytes.data(), bytes.size());
  Ensures(status == 0);
}

Hash256 Sha256::finish() {
  if (state_->by_instructions) return state_->instructions.finish();
  Hash256 digest{};
  const int status = mbedtls_sha256_finish(&state_->software, digest.data());
  Ensures(status == 0);
  state_->start();
  return digest;
}

}  // namespace hedgerow::security
