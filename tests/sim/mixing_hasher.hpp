// Stands in for SHA-256 where nobody forges: fast, the same everywhere, and the same however the bytes are portioned.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "sync/base/hasher.hpp"

namespace hedgerow::sim {

class MixingHasher final : public Hasher {
 public:
  void update(ByteView bytes) override {
    while (!bytes.empty()) {
      const std::size_t used = static_cast<std::size_t>(count_ % word_.size());
      const std::size_t take = std::min(bytes.size(), word_.size() - used);
      std::memcpy(word_.data() + used, bytes.data(), take);
      bytes = bytes.subspan(take);
      count_ += take;
      if (count_ % word_.size() == 0) mix_word();
    }
  }
  [[nodiscard]] Hash256 finish() override {
    std::fill(word_.begin() + static_cast<std::ptrdiff_t>(count_ % word_.size()), word_.end(), std::uint8_t{0});
    mix_word();
    state_ = mixed(state_ ^ count_);
    Hash256 out{};
    for (std::size_t i = 0; i < out.size(); i += 8) {
      state_ = mixed(state_ + i + 1);
      for (std::size_t digit = 0; digit < 8; ++digit) out[i + digit] = static_cast<std::uint8_t>(state_ >> (8 * digit));
    }
    state_ = kStart;
    count_ = 0;
    return out;
  }

 private:
  static constexpr std::uint64_t kStart = 0xCBF2'9CE4'8422'2325U;

  // The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
  static std::uint64_t mixed(std::uint64_t z) {
    z += 0x9E37'79B9'7F4A'7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D0'49BB'1331'11EBU;
    return z ^ (z >> 31U);
  }
  void mix_word() {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < word_.size(); ++i) word |= static_cast<std::uint64_t>(word_[i]) << (8 * i);
    state_ = mixed(state_ ^ word);
  }

  std::array<std::uint8_t, 8> word_{};
  std::uint64_t state_ = kStart;
  std::uint64_t count_ = 0;
};

}  // namespace hedgerow::sim
