// Port: SHA-256. Declared here by its users (chains, digests); implemented over mbedTLS in security/.
// Thread rule: one instance belongs to one thread.
#pragma once

#include <array>
#include <cstdint>

#include "sync/base/bytes.hpp"

namespace hedgerow {

using Hash256 = std::array<std::uint8_t, 32>;

class Hasher {
 public:
  Hasher() = default;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  virtual ~Hasher() = default;

  virtual void update(ByteView bytes) = 0;
  // The digest of everything since construction or the last finish(); starts anew.
  [[nodiscard]] virtual Hash256 finish() = 0;
};

}  // namespace hedgerow
