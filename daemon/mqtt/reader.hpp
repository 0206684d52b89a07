// Reads the fields of a packet: MQTT 5.0 section 1.5. Borrows the bytes; results borrow from the same bytes.
// A read beyond the end, or of an ill-formed field, makes the reader fail and yields zero or nothing from then on; so a
// decoder reads on and asks once, at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tl/expected.hpp>

#include "daemon/mqtt/packets.hpp"
#include "daemon/mqtt/topic.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::mqtt {

// What a client did wrong: the code that the standard has for it, and a phrase without a full stop, valid forever.
struct Fault {
  ReasonCode code = ReasonCode::kMalformedPacket;
  std::string_view what;
};

template <class T>
using Decoded = tl::expected<T, Fault>;

[[nodiscard]] inline tl::unexpected<Fault> fault(ReasonCode code, std::string_view what) {
  return tl::unexpected<Fault>(Fault{code, what});
}

class Reader {
 public:
  explicit Reader(ByteView bytes) : next_(bytes.data()), left_(bytes.size()) {}

  [[nodiscard]] bool failed() const { return !what_.empty(); }
  [[nodiscard]] Fault why() const { return {ReasonCode::kMalformedPacket, what_}; }
  [[nodiscard]] std::size_t left() const { return left_; }

  std::uint8_t u8() {
    if (!take(1)) return 0;
    return next_[-1];
  }
  std::uint16_t u16() {
    if (!take(2)) return 0;
    return static_cast<std::uint16_t>((next_[-2] << 8U) | next_[-1]);
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return (high << 16U) | u16();
  }
  // Section 1.5.5. Overlong encodings fail [MQTT-1.5.5-1].
  std::uint32_t varint() {
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
      const std::uint8_t byte = u8();
      value |= (byte & 0x7FU) << shift;
      if (byte < 0x80) {
        if (byte == 0 && shift > 0) fail("a length is not in its shortest form");
        return value;
      }
    }
    fail("a length takes more than four bytes");
    return 0;
  }
  ByteView raw(std::size_t bytes) {
    if (!take(bytes)) return {};
    return {next_ - bytes, bytes};
  }
  ByteView binary() { return raw(u16()); }
  // UTF-8, checked.
  std::string_view text() {
    const std::string_view read = as_text(binary());
    if (!is_valid_utf8(read)) fail("a string is not the UTF-8 that MQTT allows");
    return read;
  }
  ByteView rest() { return raw(left_); }

 private:
  bool take(std::size_t bytes) {
    if (bytes > left_) {
      fail("it ends in the middle of a field");
      return false;
    }
    next_ += bytes;
    left_ -= bytes;
    return true;
  }
  void fail(std::string_view what) {
    if (!failed()) what_ = what;
    left_ = 0;
  }

  const std::uint8_t* next_;
  std::size_t left_;
  std::string_view what_;
};

}  // namespace hedgerow::mqtt
