// SHA-256 (FIPS 180-4) by the processor's own instructions, on amd64, for which mbedTLS 3.6 has none; on arm64 it uses
// them itself. The chain over the records is hashed for every publish: in software that is a quarter of the work.
// Thread rule: one instance belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sync/base/bytes.hpp"
#include "sync/base/hasher.hpp"

namespace hedgerow::security {

class Sha256Instructions {
 public:
  // True iff this processor has them. REQUIRES of everything below: available().
  [[nodiscard]] static bool available();

  void update(ByteView bytes);
  // The digest of everything since the last finish(); starts anew.
  [[nodiscard]] Hash256 finish();

 private:
  static constexpr std::size_t kBlockBytes = 64;
  static constexpr std::array<std::uint32_t, 8> kStart = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                                          0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

  static void compress(std::array<std::uint32_t, 8>& state, const std::uint8_t* blocks, std::size_t count);

  std::array<std::uint32_t, 8> state_ = kStart;
  std::array<std::uint8_t, kBlockBytes> block_{};  // what is not a whole block yet
  std::uint64_t bytes_ = 0;
};

}  // namespace hedgerow::security
