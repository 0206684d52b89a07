#include "daemon/store_sqlite/scrubber.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#include "daemon/store_sqlite/checkpointer.hpp"
#include "daemon/store_sqlite/gathering_vfs.hpp"

namespace hedgerow::store_sqlite {

namespace {

constexpr std::uint64_t kLockBytes = std::uint64_t{1} << 30U;  // SQLite locks here, and leaves the page alone
constexpr std::size_t kHeaderPages = 28;                       // in page 1
constexpr std::size_t kHeaderFreeTrunk = 32;                   // likewise

std::uint32_t number_at(const std::uint8_t* at) {
  return (std::uint32_t{at[0]} << 24U) | (std::uint32_t{at[1]} << 16U) | (std::uint32_t{at[2]} << 8U) | at[3];
}

}  // namespace

Scrubber::Scrubber(FileHealth& health, const std::string& path, std::string note_path)
    : health_(health), note_path_(std::move(note_path)), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  read_note();
}

ScrubStatus Scrubber::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

bool Scrubber::read(std::uint8_t* into, std::size_t size, std::uint64_t offset) const {
  return ::pread(file_.get(), into, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

// False: there is nothing to read, or no seals. The file's size is taken now: what comes later is young.
bool Scrubber::begin_round(std::uint64_t now_unix_ms) {
  std::array<std::uint8_t, PageSeal::kHeaderBytes> header{};
  struct stat found = {};
  if (!read(header.data(), header.size(), 0) || ::fstat(file_.get(), &found) != 0) return false;
  seal_.learn(header.data());
  if (seal_.page_bytes() == 0) return false;
  const std::lock_guard lock(mutex_);
  if (status_.done_bytes >= status_.file_bytes) {
    status_.began_unix_ms = now_unix_ms;
    status_.done_bytes = 0;
    noted_bytes_ = 0;
  }
  const auto size = static_cast<std::uint64_t>(found.st_size);
  status_.file_bytes = size - size % seal_.page_bytes();
  status_.done_bytes = std::min(status_.done_bytes - status_.done_bytes % seal_.page_bytes(), status_.file_bytes);
  buffer_.resize(kScrubBytes);
  return true;
}

Expected<std::uint64_t> Scrubber::step(Checkpointer& checkpointer, std::uint64_t now_unix_ms) {
  if (auto usable = health_.check(); !usable) return tl::unexpected<Error>(std::move(usable.error()));
  ScrubStatus at = status();
  if (buffer_.empty()) {
    const bool idle = at.done_bytes >= at.file_bytes && at.began_unix_ms != 0;
    const std::uint64_t since = now_unix_ms < at.began_unix_ms ? kScrubEveryMs : now_unix_ms - at.began_unix_ms;
    if (idle && since < kScrubEveryMs) return kScrubEveryMs - since;
    if (!begin_round(now_unix_ms)) return kScrubEveryMs;
    at = status();
  }
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kScrubBytes, at.file_bytes - at.done_bytes));
  bool settled = true;
  Expected<void> damage;
  checkpointer.alone([&](const Checkpointer::Fold& fold) {
    if (look(size) == Look::kSound) return;
    settled = fold();
    if (!settled || look(size) == Look::kSound) return;
    damage = tl::unexpected<Error>(health_.judge({.code = GatheringVfs::kDamagedPage,
                                                  .detail = "found while reading through",
                                                  .damaged_at = static_cast<std::int64_t>(suspect_)},
                                                 FileHealth::Role::kReader));
  });
  if (!settled) return kScrubPauseMs;  // a view reads the log; later
  const std::lock_guard lock(mutex_);
  if (!damage) {
    status_.damaged_unix_ms = now_unix_ms;
    write_note();
    return tl::unexpected<Error>(std::move(damage.error()));
  }
  status_.done_bytes += size;
  const bool done = status_.done_bytes >= status_.file_bytes;
  if (done) {
    status_.finished_unix_ms = now_unix_ms;
    buffer_ = {};
  }
  if (done || status_.done_bytes - noted_bytes_ >= kScrubNoteBytes) write_note();
  return kScrubPauseMs;
}

Scrubber::Look Scrubber::look(std::size_t size) {
  const std::uint64_t begin = status().done_bytes;
  // What the kernel remembers of the file says nothing of the disk.
  static_cast<void>(
      ::posix_fadvise(file_.get(), static_cast<off_t>(begin), static_cast<off_t>(size), POSIX_FADV_DONTNEED));
  const std::size_t page_bytes = seal_.page_bytes();
  const bool whole = read(buffer_.data(), size, begin);
  for (std::size_t at = 0; at < size; at += page_bytes) {
    suspect_ = begin + at;
    if (suspect_ == kLockBytes) continue;
    // Where the disk returns an error, which page it is.
    const bool readable = whole || read(buffer_.data() + at, page_bytes, suspect_);
    if (!readable || !seal_.holds(buffer_.data() + at, suspect_)) {
      if (readable && is_free(suspect_)) continue;
      return Look::kSuspect;
    }
  }
  return Look::kSound;
}

// As the file says: a page that the log has taken from the list is whole there. The list is a chain of trunk pages: the
// next one, how many leaves, their numbers (https://sqlite.org/fileformat2.html#the_freelist).
bool Scrubber::is_free(std::uint64_t page_offset) const {
  const std::size_t page_bytes = seal_.page_bytes();
  const auto wanted = static_cast<std::uint32_t>(page_offset / page_bytes + 1);
  std::array<std::uint8_t, kPageBytesMax> page{};
  if (!read(page.data(), page_bytes, 0) || !seal_.holds(page.data(), 0)) return false;
  if (wanted > number_at(page.data() + kHeaderPages)) return true;  // allocated in advance
  std::uint32_t trunk = number_at(page.data() + kHeaderFreeTrunk);
  for (std::uint64_t left = status().file_bytes / page_bytes; trunk != 0 && left > 0; --left) {
    const std::uint64_t offset = std::uint64_t{trunk - 1} * page_bytes;
    if (!read(page.data(), page_bytes, offset) || !seal_.holds(page.data(), offset)) return false;
    const std::size_t leaves = std::min<std::size_t>(number_at(page.data() + 4), page_bytes / 4 - 2);
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      if (number_at(page.data() + 8 + 4 * leaf) == wanted) return true;
    }
    trunk = number_at(page.data());
  }
  return false;
}

// Not synced: what is lost is read again.
void Scrubber::write_note() const {
  std::array<char, 160> text{};
  const int size = std::snprintf(
      text.data(), text.size(),
      "began %" PRIu64 "\nfinished %" PRIu64 "\ndamaged %" PRIu64 "\nread %" PRIu64 " of %" PRIu64 "\n",
      status_.began_unix_ms, status_.finished_unix_ms, status_.damaged_unix_ms, status_.done_bytes, status_.file_bytes);
  const security::Descriptor note(::open(note_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!note.is_open() || size <= 0) return;
  if (::write(note.get(), text.data(), static_cast<std::size_t>(size)) < size) ::unlink(note_path_.c_str());
}

void Scrubber::read_note() {
  const security::Descriptor note(::open(note_path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!note.is_open()) return;
  std::array<char, 161> text{};
  if (::read(note.get(), text.data(), text.size() - 1) <= 0) return;
  ScrubStatus found;
  const int fields = std::sscanf(
      text.data(), "began %" SCNu64 "\nfinished %" SCNu64 "\ndamaged %" SCNu64 "\nread %" SCNu64 " of %" SCNu64,
      &found.began_unix_ms, &found.finished_unix_ms, &found.damaged_unix_ms, &found.done_bytes, &found.file_bytes);
  if (fields == 5) status_ = found;
  noted_bytes_ = status_.done_bytes;
}

}  // namespace hedgerow::store_sqlite
