// CRC-32C (Castagnoli; RFC 3720, B.4), eight bytes a step: it finds every burst of up to 32 bits, and any five flipped
// bits of a page of 512 B (Koopman).
// Pure. Thread rule: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sync/base/bytes.hpp"

namespace hedgerow::store_sqlite {

namespace detail {

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
  constexpr std::uint32_t kPolynomial = 0x82F6'3B78;  // reflected
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < 8; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8U) ^ tables[0][before & 0xFFU];
    }
  }
  return tables;
}

inline constexpr CrcTables kCrcTables = make_crc_tables();

}  // namespace detail

// The checksum of what follows `before`; 0 begins. Different beginnings of the same bytes have different checksums.
[[nodiscard]] inline std::uint32_t crc32c(std::uint32_t before, ByteView bytes) {
  const auto& tables = detail::kCrcTables;
  std::uint32_t crc = ~before;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    const std::uint32_t low = crc ^ (std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8U | std::uint32_t{at[2]} << 16U |
                                     std::uint32_t{at[3]} << 24U);
    crc = tables[7][low & 0xFFU] ^ tables[6][(low >> 8U) & 0xFFU] ^ tables[5][(low >> 16U) & 0xFFU] ^
          tables[4][low >> 24U] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
  }
  for (; left > 0; --left, ++at) crc = (crc >> 8U) ^ tables[0][(crc ^ *at) & 0xFFU];
  return ~crc;
}

}  // namespace hedgerow::store_sqlite
