// PageSeal: the checksum that each page of a database file ends with, so that a flipped bit is found when the page is
// read, whatever it holds: rows, an index, or the tree above them. DESIGN 3 (G11), 9.
//
//   page = content, seal
//   seal = CRC-32C of the content, begun with the page's number; 4 bytes, big-endian
//
// SQLite leaves the room where the header of page 1 says so (byte 20, "reserved bytes": 4), and never looks at it. With
// the number inside, a page that was written to another's place does not pass either. Not found: a page as it was some
// time ago, where the disk lost a later write. The write-ahead log has checksums of its own, which SQLite compares.
//
// Pure. Thread rule: owned by one file handle, and so by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "daemon/store_sqlite/crc32c.hpp"
#include "daemon/store_sqlite/limits.hpp"

namespace hedgerow::store_sqlite {

class PageSeal {
 public:
  static constexpr std::size_t kHeaderBytes = 100;  // of page 1, as SQLite reads it alone

  // The file is empty yet: the first page that is written tells the size, and may not be page 1.
  void begin_file() { fresh_ = true; }
  // The header of page 1: whether the file has seals, and the size of its pages. Anything else is ignored.
  void learn(const std::uint8_t* header) {
    constexpr std::array<char, 16> kMagic = {'S', 'Q', 'L', 'i', 't', 'e', ' ', 'f', 'o', 'r', 'm', 'a', 't', ' ', '3'};
    if (std::memcmp(header, kMagic.data(), kMagic.size()) != 0) return;
    fresh_ = false;
    const std::uint32_t bytes = (std::uint32_t{header[16]} << 8U) | header[17];
    reserved_ = header[kReservedAt];
    page_bytes_ = bytes >= kPageBytesMin && bytes <= kPageBytesMax ? bytes : 0;
  }
  void learn_from_write(std::size_t bytes) {
    if (!fresh_ || page_bytes_ != 0 || bytes > kPageBytesMax) return;
    page_bytes_ = static_cast<std::uint32_t>(bytes);
    reserved_ = kSealBytes;
  }

  // 0: the file has no seals, or nothing is known of it yet.
  [[nodiscard]] std::size_t page_bytes() const { return reserved_ == 0 ? 0 : page_bytes_; }

  // REQUIRES: page_bytes() != 0, and so many bytes at `page`.
  void put(std::uint8_t* page, std::uint64_t offset) const {
    const std::uint32_t seal = of(page, offset);
    std::uint8_t* const at = page + page_bytes_ - kSealBytes;
    for (unsigned i = 0; i < kSealBytes; ++i) at[i] = static_cast<std::uint8_t>(seal >> (24U - 8U * i));
  }
  [[nodiscard]] bool holds(const std::uint8_t* page, std::uint64_t offset) const {
    const std::uint8_t* const at = page + page_bytes_ - kSealBytes;
    std::uint32_t seal = 0;
    for (unsigned i = 0; i < kSealBytes; ++i) seal = (seal << 8U) | at[i];
    return seal == of(page, offset);
  }
  // The header of one of our own files: what decides how its pages are read, as it must be. `page_1` is changed.
  static PageSeal of_ours(std::uint8_t* page_1) {
    page_1[16] = kPageBytes >> 8;
    page_1[17] = kPageBytes & 0xFF;
    page_1[kReservedAt] = kSealBytes;
    PageSeal seal;
    seal.learn(page_1);
    return seal;
  }

 private:
  static constexpr std::size_t kReservedAt = 20;
  static constexpr std::uint32_t kPageBytesMin = 512;

  [[nodiscard]] std::uint32_t of(const std::uint8_t* page, std::uint64_t offset) const {
    const auto number = static_cast<std::uint32_t>(offset / page_bytes_ + 1);
    return crc32c(number, {page, page_bytes_ - kSealBytes});
  }

  std::uint32_t page_bytes_ = 0;
  std::uint8_t reserved_ = 0;
  bool fresh_ = false;
};

}  // namespace hedgerow::store_sqlite
