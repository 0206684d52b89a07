#include "daemon/store_sqlite/file_health.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>

#include "daemon/store_sqlite/data_dir.hpp"

namespace hedgerow::store_sqlite {

namespace {

// SQLite says SQLITE_FULL only where a write met ENOSPC. The index of the log (hedgerow.db-shm), which grows in steps
// of 32 KiB, and quotas have other codes. A sync that failed is never of this kind: what it lost is unknown.
bool lacks_room(const FileHealth::Failure& failure) {
  if (failure.code == SQLITE_FULL) return true;
  if (failure.code != SQLITE_IOERR_WRITE && failure.code != SQLITE_IOERR_SHMSIZE) return false;
  return failure.os_error == ENOSPC || failure.os_error == EDQUOT;
}

}  // namespace

Error FileHealth::judge(const Failure& failure, Role role) {
  const int code = failure.code;
  const std::string said = std::string(" (SQLite: ") + failure.detail + ", code " + std::to_string(code) + ")";
  if (lacks_room(failure)) {
    return {Category::kLimit, path_ + ": the disk is full; free some room. What was acknowledged is safe" + said};
  }
  if (failure.damaged_at >= 0) {
    return end({Category::kCorrupt, path_ + ": the page at byte " + std::to_string(failure.damaged_at) +
                                        " is not as it was written: the disk or card is failing, or another program "
                                        "wrote there; restart hedgerowd, which saves what it can read and lets peers "
                                        "fill in the rest"},
               /*leave_marker=*/true);
  }
  switch (code & 0xFF) {
    case SQLITE_NOMEM: return {Category::kLimit, path_ + ": out of memory" + said};
    case SQLITE_TOOBIG: return {Category::kLimit, path_ + ": a value is too large to be stored" + said};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Category::kUnavailable, path_ + ": another program has it locked; end that program" + said};
    case SQLITE_CONSTRAINT: return {Category::kInvalidInput, path_ + ": written twice or incomplete" + said};
    case SQLITE_ERROR:  // our statements are fixed: the schema is not what it was
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return end({Category::kCorrupt,
                  path_ + ": the database is corrupt; restart hedgerowd, which sets it aside and starts anew" + said},
                 /*leave_marker=*/true);
    default: break;
  }
  if (code == SQLITE_IOERR_NOMEM) return {Category::kLimit, path_ + ": out of memory" + said};
  const bool is_disk = (code & 0xFF) == SQLITE_IOERR;
  Error error{Category::kIo,
              path_ +
                  (is_disk ? ": reading or writing failed; check the disk (dmesg), then restart hedgerowd"
                           : ": cannot be used; check its owner and mode, then restart hedgerowd") +
                  said};
  if (role == Role::kReader) return error;
  return end(std::move(error), is_disk);
}

Expected<void> FileHealth::check() const {
  const std::lock_guard lock(mutex_);
  if (ended_) return tl::unexpected<Error>(*ended_);
  return {};
}

Expected<void> FileHealth::check_in_place() {
  if (auto usable = check(); !usable) return usable;
  struct stat found = {};
  const bool is_there = ::stat(path_.c_str(), &found) == 0;
  if (!is_there && errno != ENOENT && errno != ENOTDIR) return {};
  const Place place{.device = found.st_dev, .inode = found.st_ino};
  if (is_there && !place_) place_ = place;
  if (is_there && place == *place_) return {};
  return tl::unexpected<Error>(
      end({Category::kIo, path_ + (is_there ? ": another file has taken its place" : ": the file was removed") +
                              " while hedgerowd used it, so nothing more can be kept; put the data directory back as "
                              "it was, or restart hedgerowd to begin anew"},
          /*leave_marker=*/false));
}

Error FileHealth::end(Error error, bool leave_marker) {
  const std::lock_guard lock(mutex_);
  if (ended_) return *ended_;
  ended_ = error;
  if (leave_marker) {
    write_end_marker(marker_path_, {.corrupt = error.category == Category::kCorrupt, .sentence = error.what});
  }
  return error;
}

}  // namespace hedgerow::store_sqlite
