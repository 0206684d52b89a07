// Cryptography's start, random bytes and SHA-256, over mbedTLS.
// Thread rule: the functions are safe from any thread; a Sha256 belongs to one thread.
#pragma once

#include <memory>
#include <span>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/base/hasher.hpp"

namespace hedgerow::security {

// Call once at the start of a program, before anything else of security/. Later calls do nothing.
// kUnavailable: the system gives no random numbers.
[[nodiscard]] Expected<void> init_crypto();

// Fills `out` from the system-seeded generator. REQUIRES: init_crypto() has succeeded.
[[nodiscard]] Expected<void> random_bytes(std::span<std::uint8_t> out);

class Sha256 final : public Hasher {
 public:
  Sha256();
  ~Sha256() override;

  void update(ByteView bytes) override;
  [[nodiscard]] Hash256 finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hedgerow::security
