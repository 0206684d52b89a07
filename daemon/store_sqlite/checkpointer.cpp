#include "daemon/store_sqlite/checkpointer.hpp"

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
    bound_again_ = 0;
  }
  frames_.store(frames);
}

bool Checkpointer::due() const {
  const std::uint32_t frames = frames_.load();
  const std::uint32_t folded = folded_.load();
  return frames >= frames_soft_ && (frames < folded || frames - folded >= frames_soft_);
}

Expected<void> Checkpointer::run() { return run(SQLITE_CHECKPOINT_PASSIVE); }

Expected<void> Checkpointer::run(int mode) {
  const std::lock_guard lock(mutex_);
  if (auto usable = connection_->health().check(); !usable) return usable;
  connection_->clear_error();
  int frames = 0;
  int folded = 0;
  const int code = sqlite3_wal_checkpoint_v2(connection_->raw(), nullptr, mode, &frames, &folded);
  if (code == SQLITE_BUSY) return {};
  if (code != SQLITE_OK) return tl::unexpected<Error>(connection_->error(code));
  if (folded >= 0) folded_.store(static_cast<std::uint32_t>(folded));
  return {};
}

Expected<void> Checkpointer::bound() {
  const std::uint32_t frames = frames_.load();
  if (frames < frames_max_ || frames < bound_again_) return {};
  bound_again_ = frames + frames_soft_;
  return run(SQLITE_CHECKPOINT_RESTART);
}

}  // namespace hedgerow::store_sqlite
