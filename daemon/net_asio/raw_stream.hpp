// Takes a stream of bytes apart into MQTT-SN messages that nothing frames but their own length (section 5.2.1), as
// clients send them that know no other way. Such a line cannot tell damage from messages: after a pause longer than
// kRawPause the next byte begins a message, whatever there was before. Pure. Thread rule: one owner.
#pragma once

#include <cstddef>
#include <cstdint>

#include "daemon/net_asio/limits.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::net_asio {

class RawStream {
 public:
  // What came now. Calls `take` with each message that is whole; it may not call back.
  template <class Take>
  void add(Instant now, ByteView bytes, const Take& take) {
    if (now - last_ > kRawPause) begin_anew();
    last_ = now;
    if (lost_) return;
    append(held_, bytes);
    ByteView left = held_;
    while (true) {
      const std::size_t size = size_of(left);
      if (size == kNotYet || (size != kImpossible && left.size() < size)) break;
      if (size == kImpossible) {
        ++damaged_;
        lost_ = true;  // where the next one begins is not to be known
        left = {};
        break;
      }
      take(left.first(size));
      left = left.subspan(size);
    }
    held_.erase(held_.begin(), held_.end() - static_cast<std::ptrdiff_t>(left.size()));
  }
  // How often messages could not be told apart.
  [[nodiscard]] std::uint64_t damaged() const { return damaged_; }

 private:
  static constexpr std::size_t kNotYet = 0;
  static constexpr std::size_t kImpossible = SIZE_MAX;

  void begin_anew() {
    if (!held_.empty()) ++damaged_;
    held_.clear();
    lost_ = false;
  }
  static std::size_t size_of(ByteView bytes) {
    if (bytes.empty()) return kNotYet;
    if (bytes[0] >= 2) return bytes[0];
    if (bytes[0] == 0) return kImpossible;
    if (bytes.size() < 3) return kNotYet;
    const std::size_t size = static_cast<std::size_t>(bytes[1]) << 8U | bytes[2];
    return size < 4 || size > kSerialMessageBytesMax ? kImpossible : size;
  }

  Bytes held_;
  Instant last_{};
  bool lost_ = false;
  std::uint64_t damaged_ = 0;
};

}  // namespace hedgerow::net_asio
