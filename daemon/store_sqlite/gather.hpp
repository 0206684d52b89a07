// WriteRun: writes that follow each other without a gap, gathered to be one. ReadAhead: the same for reads.
//
// Pure. Nothing throws: where no memory is left, nothing is gathered.
// Thread rule: owned by one file handle, and so by one thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "daemon/store_sqlite/limits.hpp"

namespace hedgerow::store_sqlite {

// kGatherBytes, allocated with the first use: most handles never need them.
class GatherBuffer {
 public:
  [[nodiscard]] std::uint8_t* get() {
    if (!bytes_) bytes_.reset(new (std::nothrow) std::uint8_t[kGatherBytes]);
    return bytes_.get();
  }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
};

class WriteRun {
 public:
  // Takes a copy iff it follows what is held, or nothing is held, and there is room.
  [[nodiscard]] bool take(const void* from, std::size_t bytes, std::uint64_t offset) {
    if (!empty() && offset != begin_ + size_) return false;
    if (bytes > kGatherBytes - size_) return false;
    std::uint8_t* const buffer = buffer_.get();
    if (buffer == nullptr) return false;
    if (empty()) begin_ = offset;
    std::memcpy(buffer + size_, from, bytes);
    size_ += bytes;
    return true;
  }

  // The last so many bytes that were taken.
  [[nodiscard]] std::uint8_t* last(std::size_t bytes) { return buffer_.get() + (size_ - bytes); }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool overlaps(std::size_t bytes, std::uint64_t offset) const {
    return !empty() && offset < begin_ + size_ && begin_ < offset + bytes;
  }

  // Hands what is held, if anything, to `write` (bytes, how many, offset), forgets it, and returns the result; 0
  // without.
  template <class Write>
  int write_out(const Write& write) {
    if (empty()) return 0;
    const std::size_t size = size_;
    drop();
    return write(buffer_.get(), size, begin_);
  }
  void drop() { size_ = 0; }

 private:
  GatherBuffer buffer_;
  std::uint64_t begin_ = 0;
  std::size_t size_ = 0;
};

// Reads that go through a file in steps, of which each leaves out a few bytes: once two have followed each other, more
// is read at a time, doubling up to kGatherBytes.
class ReadAhead {
 public:
  // What is asked for until end() lies below `limit`, the file's size, and does not change.
  void begin(std::uint64_t limit) {
    end();
    limit_ = limit;
  }
  void end() {
    limit_ = 0;
    next_ = 0;
    size_ = 0;
    ahead_ = 0;
  }

  // Fills `into`, through `read` (into, how many, offset) where need be; returns what `read` does, 0 without.
  template <class Read>
  int get(void* into, std::size_t bytes, std::uint64_t offset, const Read& read) {
    const bool follows = next_ != 0 && offset >= next_ && offset - next_ <= kSkippedBytesMax;
    next_ = offset + bytes;
    if (offset >= begin_ && offset + bytes <= begin_ + size_) {
      std::memcpy(into, buffer_.get() + (offset - begin_), bytes);
      return 0;
    }
    ahead_ = follows ? std::min(std::max(2 * ahead_, 4 * bytes), kGatherBytes) : 0;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(ahead_, limit_ - std::min(limit_, offset)));
    if (size <= bytes || buffer_.get() == nullptr) return read(into, bytes, offset);
    size_ = 0;
    if (const int failed = read(buffer_.get(), size, offset); failed != 0) return failed;
    begin_ = offset;
    size_ = size;
    std::memcpy(into, buffer_.get(), bytes);
    return 0;
  }

 private:
  static constexpr std::uint64_t kSkippedBytesMax = 64;

  GatherBuffer buffer_;
  std::uint64_t limit_ = 0;
  std::uint64_t next_ = 0;  // where the last read ended; 0: there was none
  std::uint64_t begin_ = 0;
  std::size_t size_ = 0;
  std::size_t ahead_ = 0;
};

}  // namespace hedgerow::store_sqlite
