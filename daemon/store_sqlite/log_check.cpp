#include "daemon/store_sqlite/log_check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "security/files_posix/descriptor.hpp"

namespace hedgerow::store_sqlite {

namespace {

// https://sqlite.org/fileformat2.html#walformat
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;
constexpr std::uint32_t kMagic = 0x377F'0682;  // + 1: checksums of big-endian words
constexpr std::size_t kSaltBytes = 8;
constexpr std::uint32_t kPageBytesLeast = 512;
constexpr std::uint32_t kPageBytesMost = 65536;
constexpr std::uint64_t kSectorBytes = 512;  // what a disk writes at once, at least

constexpr std::uint32_t kVersion = 3'007'000;

std::uint32_t word_at(const std::uint8_t* at, bool big_endian = true) {
  if (big_endian)
    return (std::uint32_t{at[0]} << 24U) | (std::uint32_t{at[1]} << 16U) | (std::uint32_t{at[2]} << 8U) | at[3];
  return (std::uint32_t{at[3]} << 24U) | (std::uint32_t{at[2]} << 16U) | (std::uint32_t{at[1]} << 8U) | at[0];
}

void put_word(std::uint8_t* at, std::uint32_t word, bool big_endian = true) {
  for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(word >> 8U * (big_endian ? 3 - i : i));
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
  // What it was before add().
  void take_back(const std::uint8_t* bytes, std::size_t size, bool big_endian) {
    for (std::size_t i = size; i > 0; i -= 8) {
      two -= word_at(bytes + i - 4, big_endian) + one;
      one -= word_at(bytes + i - 8, big_endian) + two;
    }
  }
  static Sum at(const std::uint8_t* bytes) { return {.one = word_at(bytes), .two = word_at(bytes + 4)}; }
};

using Header = std::array<std::uint8_t, kHeaderBytes>;
using Salts = std::array<std::uint8_t, kSaltBytes>;

struct Format {
  std::uint32_t page_bytes = 0;
  bool big_endian = false;  // the words that are summed
};

bool is_page_size(std::uint32_t bytes) {
  return bytes >= kPageBytesLeast && bytes <= kPageBytesMost && std::has_single_bit(bytes);
}

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

security::Descriptor open_log(const std::string& path, int mode = O_RDONLY) {
  return security::Descriptor(::open(path.c_str(), mode | O_CLOEXEC));
}

Salts salts_of(const std::uint8_t* bytes) {
  Salts salts{};
  std::memcpy(salts.data(), bytes, salts.size());
  return salts;
}

// Whether a frame that does not follow the one before ends a transaction. `before`: the sum that it was to follow. What
// it says of itself is right where one sector holds all of its head. Where its head lies in two, the first may not have
// reached the disk, and an earlier log's frame has said it. Then its sum tells, taken back over the page to the two
// words that come before it; but a flipped bit of the page may come to the same there, so nowhere else.
bool ends_transaction(const std::vector<std::uint8_t>& frame, std::uint64_t at, Sum before, Format format) {
  const bool says_so = word_at(frame.data() + 4) != 0;
  Sum sum = Sum::at(frame.data() + 16);
  sum.take_back(frame.data() + kFrameHeaderBytes, format.page_bytes, format.big_endian);
  const bool is_page_right = sum.one - before.one - before.two == word_at(frame.data(), format.big_endian);
  const bool sum_says_so = sum.two - before.two - sum.one != 0;
  const bool is_of_one_write = at / kSectorBytes == (at + kFrameHeaderBytes - 1) / kSectorBytes;
  if (is_of_one_write) return says_so || (is_page_right && sum_says_so);
  if (is_page_right) return sum_says_so;
  // Where a part of the page is an earlier one's as well, the frame behind it is, too, if pages are of one sector.
  return says_so && sum_says_so && format.page_bytes <= kSectorBytes;
}

// Calls `use` with every format that a log can have, until it returns something.
template <class Use>
auto first_of_formats(const Use& use) -> decltype(use(Format{})) {
  for (std::uint32_t page_bytes = kPageBytesLeast; page_bytes <= kPageBytesMost; page_bytes *= 2) {
    for (const bool big_endian : {false, true}) {
      if (auto found = use(Format{.page_bytes = page_bytes, .big_endian = big_endian})) return found;
    }
  }
  return std::nullopt;
}

// The one head that `frame` follows, a log's first, should there be one: the sum of a frame can be taken back to what
// it was before it, which is the head's. That leaves a word of the head open and has two to tell, so it is no guess.
std::optional<Header> head_before(const std::vector<std::uint8_t>& frame, Format format) {
  if (frame.size() < kFrameHeaderBytes + format.page_bytes) return std::nullopt;
  Sum sum = Sum::at(frame.data() + 16);
  sum.take_back(frame.data() + kFrameHeaderBytes, format.page_bytes, format.big_endian);
  sum.take_back(frame.data(), 8, format.big_endian);
  Header head{};
  put_word(head.data(), kMagic | (format.big_endian ? 1U : 0U));
  put_word(head.data() + 4, kVersion);
  put_word(head.data() + 8, format.page_bytes);
  std::memcpy(head.data() + 16, frame.data() + 8, kSaltBytes);
  put_word(head.data() + 24, sum.one);
  put_word(head.data() + 28, sum.two);
  sum.take_back(head.data() + 16, kSaltBytes, format.big_endian);
  Sum begun;
  begun.add(head.data(), 8, format.big_endian);
  // How often the log has begun anew.
  put_word(head.data() + 12, sum.two - sum.one - begun.two, format.big_endian);
  return holds(head) ? std::optional(head) : std::nullopt;
}

// What a log's frames follow. Without salts: nobody knows what the first one follows.
struct Start {
  Format format;
  Sum sum{};
  std::optional<Salts> salts{};
};

std::optional<std::uint64_t> damaged_frame(const security::Descriptor& file, const Start& start) {
  std::vector<std::uint8_t> frame(kFrameHeaderBytes + start.format.page_bytes);
  std::optional<std::uint64_t> broken;  // the first frame that does not follow from the one before
  if (!start.salts) broken = kHeaderBytes;
  bool committed = false;  // a transaction ended there, or behind it
  // Each frame is compared with what the one before says of itself, and with what it is: so one bad frame hides no
  // other, whether it is its sum that is bad or something else.
  Sum told_before = start.sum;
  Sum summed_before = start.sum;
  Salts salts = start.salts.value_or(Salts{});
  for (std::uint64_t at = kHeaderBytes;; at += frame.size()) {
    const ssize_t got = ::pread(file.get(), frame.data(), frame.size(), static_cast<off_t>(at));
    if (got != static_cast<ssize_t>(frame.size())) return std::nullopt;
    const bool of_this_log = salts == salts_of(frame.data() + 8);
    if (!start.salts) salts = salts_of(frame.data() + 8);
    const auto sum_behind = [&](Sum sum) {
      sum.add(frame.data(), 8, start.format.big_endian);
      sum.add(frame.data() + kFrameHeaderBytes, start.format.page_bytes, start.format.big_endian);
      return sum;
    };
    const Sum told = Sum::at(frame.data() + 16);
    const Sum summed = sum_behind(told_before);
    const bool follows = of_this_log && (summed == told || sum_behind(summed_before) == told);
    const Sum told_before_it = std::exchange(told_before, told);
    summed_before = follows ? told : summed;
    if (!follows && !broken) {
      broken = at;
      committed = ends_transaction(frame, at, told_before_it, start.format);
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

}  // namespace

Expected<void> mend_head(const std::string& log_path) {
  const security::Descriptor file = open_log(log_path, O_RDWR);
  const std::optional<Header> found = read_header(file);
  if (!found || holds(*found)) return {};
  std::vector<std::uint8_t> frame(kFrameHeaderBytes + kPageBytesMost);
  const ssize_t got = ::pread(file.get(), frame.data(), frame.size(), kHeaderBytes);
  frame.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto head = first_of_formats([&](Format format) { return head_before(frame, format); });
  if (!head) return {};
  if (::pwrite(file.get(), head->data(), head->size(), 0) == static_cast<ssize_t>(head->size()) &&
      ::fsync(file.get()) == 0) {
    return {};
  }
  return fail(Category::kIo, log_path + ": its head is damaged and cannot be written; check the disk (dmesg)");
}

bool has_torn_head(const std::string& log_path) {
  const std::optional<Header> header = read_header(open_log(log_path));
  return header && !holds(*header);
}

std::optional<std::uint64_t> damaged_frame(const std::string& log_path) {
  const security::Descriptor file = open_log(log_path);
  const std::optional<Header> header = read_header(file);
  if (!header) return std::nullopt;
  if (!holds(*header)) {
    return first_of_formats([&](Format format) { return damaged_frame(file, {.format = format}); });
  }
  return damaged_frame(file,
                       {.format = format_of(*header), .sum = sum_of(*header), .salts = salts_of(header->data() + 16)});
}

}  // namespace hedgerow::store_sqlite
