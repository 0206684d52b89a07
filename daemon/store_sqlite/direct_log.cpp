#include "daemon/store_sqlite/direct_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace hedgerow::store_sqlite {

void DirectLog::on_begin(std::uint64_t file_bytes) {
  file_bytes_ = file_bytes;
  end_ = 0;
  is_tail_lost_ = false;
}

// A log that was longer than it may stay is cut behind the first commit that it begins anew with.
void DirectLog::on_truncate(std::uint64_t file_bytes) {
  file_bytes_ = std::min(file_bytes_, file_bytes);
  if (end_ && *end_ > file_bytes) end_.reset();
}

bool DirectLog::is_ready() {
  if (way_) return true;
  way_.reset(new (std::nothrow) Way(::open(path_, O_WRONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC)));
  if (way_ && way_->file.is_open()) return true;
  path_ = nullptr;
  return false;
}

bool DirectLog::write(const void* from, std::size_t bytes, std::uint64_t offset) {
  if (path_ == nullptr || end_ != offset || is_tail_lost_ || bytes > kDirectBytesMax) return false;
  const auto before = static_cast<std::size_t>(offset % kSectorBytes);
  const std::size_t whole = (before + bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  const std::uint64_t begin = offset - before;
  if (begin + whole > file_bytes_ || !is_ready()) return false;
  std::uint8_t* const to = way_->bytes.data();
  std::memcpy(to, tail_.data(), before);
  std::memcpy(to + before, from, bytes);
  std::memset(to + before + bytes, 0, whole - before - bytes);
  const ssize_t written = ::pwrite(way_->file.get(), to, whole, static_cast<off_t>(begin));
  if (written != static_cast<ssize_t>(whole)) {
    path_ = nullptr;
    return false;
  }
  append_tail(from, bytes, offset);
  return true;
}

void DirectLog::on_written(const void* from, std::size_t bytes, std::uint64_t offset) {
  file_bytes_ = std::max(file_bytes_, offset + bytes);
  if (!end_) return;
  if (offset == *end_) {
    append_tail(from, bytes, offset);
    return;
  }
  end_ = std::max(*end_, offset + bytes);
  is_tail_lost_ = true;  // until whole sectors have followed
}

void DirectLog::append_tail(const void* from, std::size_t bytes, std::uint64_t offset) {
  const auto before = static_cast<std::size_t>(offset % kSectorBytes);
  end_ = offset + bytes;
  const auto held = static_cast<std::size_t>(*end_ % kSectorBytes);
  const auto* const end = static_cast<const std::uint8_t*>(from) + bytes;
  if (bytes >= held) {
    std::memcpy(tail_.data(), end - held, held);
    is_tail_lost_ = false;
  } else {
    std::memcpy(tail_.data() + before, from, bytes);
  }
}

}  // namespace hedgerow::store_sqlite
