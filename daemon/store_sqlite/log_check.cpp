#include "daemon/store_sqlite/log_check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

#include "security/files_posix/descriptor.hpp"

namespace hedgerow::store_sqlite {

namespace {

// https://sqlite.org/fileformat2.html#walformat
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;
constexpr std::uint32_t kMagic = 0x377F'0682;  // + 1: checksums of big-endian words
constexpr std::size_t kSaltBytes = 8;
constexpr std::uint32_t kPageBytesMost = 65536;
constexpr std::uint64_t kSectorBytes = 512;  // what a disk writes at once, at least

std::uint32_t word_at(const std::uint8_t* at, bool big_endian = true) {
  if (big_endian)
    return (std::uint32_t{at[0]} << 24U) | (std::uint32_t{at[1]} << 16U) | (std::uint32_t{at[2]} << 8U) | at[3];
  return (std::uint32_t{at[3]} << 24U) | (std::uint32_t{at[2]} << 16U) | (std::uint32_t{at[1]} << 8U) | at[0];
}

struct Sum {
  std::uint32_t one = 0;
  std::uint32_t two = 0;
  bool operator==(const Sum&) const = default;

  void add(const std::uint8_t* bytes, std::size_t size, bool big_endian) {
    for (std::size_t i = 0; i < size; i += 8) {
      one += word_at(bytes + i, big_endian) + two;
      two += word_at(bytes + i + 4, big_endian) + one;
    }
  }
  static Sum at(const std::uint8_t* bytes) { return {.one = word_at(bytes), .two = word_at(bytes + 4)}; }
};

using Header = std::array<std::uint8_t, kHeaderBytes>;

struct Format {
  std::uint32_t page_bytes = 0;
  bool big_endian = false;  // the words that are summed
};

bool is_page_size(std::uint32_t bytes) { return bytes >= 512 && bytes <= kPageBytesMost && std::has_single_bit(bytes); }

Format format_of(const Header& header) {
  return {.page_bytes = word_at(header.data() + 8), .big_endian = (word_at(header.data()) & 1U) != 0};
}

Sum sum_of(const Header& header) {
  Sum sum;
  sum.add(header.data(), 24, format_of(header).big_endian);
  return sum;
}

bool holds(const Header& header) {
  return (word_at(header.data()) & ~1U) == kMagic && is_page_size(format_of(header).page_bytes) &&
         sum_of(header) == Sum::at(header.data() + 24);
}

// Nothing: there is no log, or less than its header.
std::optional<Header> read_header(const security::Descriptor& file) {
  Header header{};
  const bool whole =
      file.is_open() && ::read(file.get(), header.data(), header.size()) == static_cast<ssize_t>(header.size());
  return whole ? std::optional(header) : std::nullopt;
}

// Whether a frame that begins at `at` ends a transaction, as it says; not where the power may have gone between the
// sector that says so and the one with the rest of its head: then an earlier log's frame may have said it.
bool ends_transaction(const std::vector<std::uint8_t>& frame, std::uint64_t at) {
  const bool is_of_one_write = at / kSectorBytes == (at + kFrameHeaderBytes - 1) / kSectorBytes;
  return is_of_one_write && word_at(frame.data() + 4) != 0;
}

security::Descriptor open_log(const std::string& path) {
  return security::Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

bool has_torn_head(const std::string& log_path) {
  const std::optional<Header> header = read_header(open_log(log_path));
  return header && !holds(*header);
}

std::optional<std::uint64_t> damaged_frame(const std::string& log_path) {
  const security::Descriptor file = open_log(log_path);
  const std::optional<Header> found = read_header(file);
  if (!found || !holds(*found)) return std::nullopt;
  const Header& header = *found;
  const Format format = format_of(header);
  const Sum begun = sum_of(header);
  std::vector<std::uint8_t> frame(kFrameHeaderBytes + format.page_bytes);
  std::optional<std::uint64_t> broken;  // the first frame that does not follow from the one before
  bool committed = false;               // a transaction ended there, or behind it
  // Each frame is compared with what the one before says of itself, and with what it is: so one bad frame hides no
  // other, whether it is its sum that is bad or something else.
  Sum told_before = begun;
  Sum summed_before = begun;
  for (std::uint64_t at = kHeaderBytes;; at += frame.size()) {
    const ssize_t got = ::pread(file.get(), frame.data(), frame.size(), static_cast<off_t>(at));
    if (got != static_cast<ssize_t>(frame.size())) return std::nullopt;
    const bool of_this_log = std::memcmp(frame.data() + 8, header.data() + 16, kSaltBytes) == 0;
    const auto sum_behind = [&](Sum sum) {
      sum.add(frame.data(), 8, format.big_endian);
      sum.add(frame.data() + kFrameHeaderBytes, format.page_bytes, format.big_endian);
      return sum;
    };
    const Sum told = Sum::at(frame.data() + 16);
    const Sum summed = sum_behind(told_before);
    const bool follows = of_this_log && (summed == told || sum_behind(summed_before) == told);
    told_before = told;
    summed_before = follows ? told : summed;
    if (!follows && !broken) {
      broken = at;
      committed = ends_transaction(frame, at);
      continue;
    }
    if (!broken) continue;
    // What an earlier run left behind may hold a torn transaction each, one behind the other.
    if (follows && committed) return broken;
    if (!follows) {
      committed = false;
      continue;
    }
    committed = word_at(frame.data() + 4) != 0;
  }
}

}  // namespace hedgerow::store_sqlite
