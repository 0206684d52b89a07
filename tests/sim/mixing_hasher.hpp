// Stands in for SHA-256 where nobody forges: four lanes of 64 bits, fast, the same everywhere.
#pragma once

#include <array>

#include "sync/base/hasher.hpp"

namespace hedgerow::sim {

class MixingHasher final : public Hasher {
 public:
  void update(ByteView bytes) override {
    for (const std::uint8_t byte : bytes) {
      std::uint64_t& lane = lanes_[count_++ % lanes_.size()];
      lane = (lane ^ byte) * 0x0000'0100'0000'01B3U;  // FNV-1a
    }
  }
  [[nodiscard]] Hash256 finish() override {
    Hash256 out{};
    std::uint64_t carry = count_;
    for (std::size_t round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < lanes_.size(); ++i) {
        carry = (carry ^ lanes_[i]) * 0x9E37'79B9'7F4A'7C15U;
        carry ^= carry >> 29U;
        lanes_[i] = carry;
        for (std::size_t digit = 0; digit < 8; ++digit) {
          out[i * 8 + digit] = static_cast<std::uint8_t>(carry >> (8 * digit));
        }
      }
    }
    lanes_ = kStart;
    count_ = 0;
    return out;
  }

 private:
  static constexpr std::array<std::uint64_t, 4> kStart = {0xCBF2'9CE4'8422'2325U, 0x8422'2325'CBF2'9CE4U,
                                                          0x1234'5678'9ABC'DEF1U, 0x0F1E'2D3C'4B5A'6978U};
  std::array<std::uint64_t, 4> lanes_ = kStart;
  std::uint64_t count_ = 0;
};

}  // namespace hedgerow::sim
