#include "daemon/store_sqlite/checkpointer.hpp"

#include <algorithm>
#include <utility>

#include "daemon/store_sqlite/limits.hpp"

namespace hedgerow::store_sqlite {

namespace {

constexpr std::uint64_t kFrameHeaderBytes = 24;

std::uint32_t frames_in(std::uint64_t bytes, std::uint64_t page_bytes) {
  return static_cast<std::uint32_t>(bytes / (page_bytes + kFrameHeaderBytes));
}

}  // namespace

Checkpointer::Checkpointer(std::unique_ptr<Connection> connection, std::uint64_t page_bytes)
    : connection_(std::move(connection)),
      frames_soft_(frames_in(kWalBytesSoft, page_bytes)),
      frames_max_(frames_in(kWalBytesMax, page_bytes)) {
  sqlite3_busy_timeout(connection_->raw(), kViewPatienceMs);
}

void Checkpointer::on_commit(std::uint32_t frames) {
  if (frames < frames_.load()) {  // it started over
    folded_.store(0);
    refused_.store(0);
    bound_again_ = 0;
  }
  frames_.store(frames);
}

bool Checkpointer::due() const {
  const std::uint32_t frames = frames_.load();
  const std::uint32_t tried = std::max(folded_.load(), refused_.load());
  return frames >= frames_soft_ && (frames < tried || frames - tried >= frames_soft_);
}

Expected<void> Checkpointer::run() { return run(SQLITE_CHECKPOINT_PASSIVE); }

Expected<void> Checkpointer::run(int mode) {
  const std::lock_guard lock(mutex_);
  if (auto folded = fold(mode); !folded) return tl::unexpected<Error>(std::move(folded.error()));
  return {};
}

void Checkpointer::alone(const std::function<void(const Fold&)>& work) {
  const std::lock_guard lock(mutex_);
  work([this] { return fold(SQLITE_CHECKPOINT_PASSIVE).value_or(false); });
}

Expected<bool> Checkpointer::fold(int mode) {
  if (auto usable = connection_->health().check(); !usable) return tl::unexpected<Error>(std::move(usable.error()));
  connection_->clear_error();
  int frames = 0;
  int folded = 0;
  const int code = sqlite3_wal_checkpoint_v2(connection_->raw(), nullptr, mode, &frames, &folded);
  if (code == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) {
    Error error = connection_->error(code);
    if (error.category == Category::kLimit) refused_.store(frames_.load());
    return tl::unexpected<Error>(std::move(error));
  }
  if (folded >= 0) folded_.store(static_cast<std::uint32_t>(folded));
  return folded == frames;
}

Expected<void> Checkpointer::bound() {
  const std::uint32_t frames = frames_.load();
  if (frames < frames_max_ || frames < bound_again_) return {};
  bound_again_ = frames + frames_soft_;
  return run(SQLITE_CHECKPOINT_RESTART);
}

// That there is no room for it either is no news.
bool Checkpointer::make_room() {
  const std::lock_guard lock(mutex_);
  return fold(SQLITE_CHECKPOINT_RESTART).value_or(true);
}

Expected<void> Checkpointer::empty_log() {
  const std::lock_guard lock(mutex_);
  const auto folded = fold(SQLITE_CHECKPOINT_TRUNCATE);
  if (!folded) return tl::unexpected<Error>(folded.error());
  if (!*folded) return fail(Category::kUnavailable, "the write-ahead log is being read; end what reads it");
  // SQLite syncs the file, but not the log that it has cut.
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(connection_->raw(), "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
  if (code == SQLITE_OK && log->pMethods != nullptr) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  if (code != SQLITE_OK) return tl::unexpected<Error>(connection_->error(code));
  return {};
}

}  // namespace hedgerow::store_sqlite
