// DirectLog: small writes at the end of the write-ahead log go past the kernel's memory, in whole sectors of 512 B.
//
// The kernel writes memory pages: a commit of 1.6 KiB is one block of 4 KiB or two. Written directly it is the sectors
// that it lies in, four on average. Only where that is safe and pays:
//   - it goes on right behind what was written since the log began, so nothing that follows is of any use
//   - the file is long enough already: sectors are written over, and no blocks are asked for
//   - it is small; more is better remembered by the kernel, since the checkpoint reads it
// Anything else is written the usual way, and so is all from the first direct write on that fails: the file system or
// the device cannot do it. The kernel keeps the two ways coherent. What is written is not synced, in either way.
//
// Thread rule: owned by one file handle, and so by one thread at a time. Ownership: `path` outlives it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/store_sqlite/limits.hpp"
#include "security/files_posix/descriptor.hpp"

namespace hedgerow::store_sqlite {

class DirectLog {
 public:
  static constexpr std::size_t kSectorBytes = 512;

  // Null: never.
  explicit DirectLog(const char* path) : path_(path) {}

  // True: it is written. False: it is not, or not all of it; write it the usual way, and call on_written().
  [[nodiscard]] bool write(const void* from, std::size_t bytes, std::uint64_t offset);
  void on_written(const void* from, std::size_t bytes, std::uint64_t offset);

  // The log begins anew, in a file of that length: call it before on_written() of its first bytes.
  void on_begin(std::uint64_t file_bytes);
  void on_truncate(std::uint64_t file_bytes);

 private:
  // A sector for what is before, and one for what follows.
  static constexpr std::size_t kBufferBytes = kDirectBytesMax + 2 * kSectorBytes;
  static constexpr std::size_t kAlignment = 4096;
  struct alignas(kAlignment) Way {
    explicit Way(int descriptor) : file(descriptor) {}
    std::array<std::uint8_t, kBufferBytes> bytes{};
    security::Descriptor file;
  };

  [[nodiscard]] bool is_ready();
  void append_tail(const void* from, std::size_t bytes, std::uint64_t offset);

  const char* path_;
  std::unique_ptr<Way> way_;      // with the first use
  std::uint64_t file_bytes_ = 0;  // at least
  std::optional<std::uint64_t> end_;
  // What the sector holds that end_ lies in, from its beginning to end_; unless is_tail_lost_.
  std::array<std::uint8_t, kSectorBytes> tail_{};
  bool is_tail_lost_ = false;
};

}  // namespace hedgerow::store_sqlite
