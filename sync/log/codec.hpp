// The two ends of every format in sync/: a writer, and a reader that survives hostile bytes.
//
//   u8, u16, u32, u64   big-endian
//   varint              LEB128, least significant seven bits first, at most 10 bytes, the shortest form only
//
// Pure. Thread rule: plain objects, one thread each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sync/base/bytes.hpp"
#include "sync/base/hasher.hpp"

namespace hedgerow::sync {

// Appends to bytes that the caller owns.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value) { big_endian<2>(value); }
  void u32(std::uint32_t value) { big_endian<4>(value); }
  void u64(std::uint64_t value) { big_endian<8>(value); }
  void varint(std::uint64_t value) {
    while (value >= 0x80U) {
      out_.push_back(static_cast<std::uint8_t>(value | 0x80U));
      value >>= 7U;
    }
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  void raw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void raw(std::string_view text) { raw(as_bytes(text)); }
  // A varint length, then the bytes.
  void sized(ByteView bytes) {
    varint(bytes.size());
    raw(bytes);
  }
  void sized(std::string_view text) { sized(as_bytes(text)); }

 private:
  template <std::size_t kWidth>
  void big_endian(std::uint64_t value) {
    std::array<std::uint8_t, kWidth> digits{};
    for (std::size_t i = kWidth; i-- > 0; value >>= 8U) digits[i] = static_cast<std::uint8_t>(value);
    out_.insert(out_.end(), digits.begin(), digits.end());
  }

  Bytes& out_;
};

// Reads from borrowed bytes. The first read that the bytes do not allow makes it fail for good: it then returns zeros
// and empty views, so a decoder may check ok() once a field group. Never reads out of bounds, never allocates.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && position_ == bytes_.size(); }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - position_; }
  // For a decoder that found a broken rule in what it read.
  void reject() { ok_ = false; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian<1>()); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian<2>()); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian<4>()); }
  std::uint64_t u64() { return big_endian<8>(); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64U; shift += 7U) {
      const std::uint8_t byte = u8();
      if (!ok_) return 0;
      if ((shift == 63U && byte > 1U) || (shift > 0U && byte == 0U)) break;
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0U) return value;
    }
    ok_ = false;
    return 0;
  }
  // A varint that must not exceed `max`.
  std::uint64_t varint_up_to(std::uint64_t max) {
    const std::uint64_t value = varint();
    if (value <= max) return value;
    ok_ = false;
    return 0;
  }
  ByteView raw(std::size_t count) {
    if (!ok_ || count > left()) {
      ok_ = false;
      return {};
    }
    const ByteView view = bytes_.subspan(position_, count);
    position_ += count;
    return view;
  }
  // A varint length of at most `bytes_max`, then the bytes.
  ByteView sized(std::size_t bytes_max) { return raw(static_cast<std::size_t>(varint_up_to(bytes_max))); }
  Hash256 hash() {
    Hash256 out{};
    const ByteView view = raw(out.size());
    if (ok_) std::memcpy(out.data(), view.data(), out.size());
    return out;
  }

 private:
  template <std::size_t kWidth>
  std::uint64_t big_endian() {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : raw(kWidth)) value = (value << 8U) | byte;
    return value;
  }

  ByteView bytes_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace hedgerow::sync
