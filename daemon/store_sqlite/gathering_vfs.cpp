#include "daemon/store_sqlite/gathering_vfs.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <gsl/assert>
#include <new>

#include "daemon/store_sqlite/gathering_file.hpp"
#include "daemon/store_sqlite/limits.hpp"

namespace hedgerow::store_sqlite {

namespace {

// Keeps the index of the log in memory. With "unix" it is a mapped file, hedgerow.db-shm, and the kernel writes down
// what changed in it every few seconds: 140 MB a day at a node that commits every five seconds.
constexpr const char* kSystemVfs = "unix-excl";
constexpr int kFrameHeaderBytes = 24;
constexpr int kWriteLock = 0;              // the first of the wal-index's locks
constexpr int kLost = SQLITE_IOERR_FSYNC;  // as after a failed sync: never for lack of room, which would be tried again

int write_out(sqlite3_file* file, WriteRun& run) {
  return run.write_out([file](const void* from, std::size_t bytes, std::uint64_t offset) {
    return write_below(file, from, bytes, offset);
  });
}

int write_log(sqlite3_file* file, const void* from, std::size_t bytes, std::uint64_t offset) {
  DirectLog& direct = log_file(file).direct;
  if (direct.write(from, bytes, offset)) return SQLITE_OK;
  if (offset == 0) {
    sqlite3_int64 size = 0;
    if (methods(file).xFileSize(below(file), &size) != SQLITE_OK) size = 0;
    direct.on_begin(static_cast<std::uint64_t>(size));
  }
  const int code = write_below(file, from, bytes, offset);
  if (code == SQLITE_OK) direct.on_written(from, bytes, offset);
  return code;
}

// A frame's header that ends a transaction has the size of the database after it, in pages; any other has 0.
std::uint32_t committed_pages(const void* frame_header) {
  const auto* header = static_cast<const std::uint8_t*>(frame_header);
  return (std::uint32_t{header[4]} << 24U) | (std::uint32_t{header[5]} << 16U) | (std::uint32_t{header[6]} << 8U) |
         header[7];
}
bool commits(const void* frame_header) { return committed_pages(frame_header) != 0; }

}  // namespace

struct GatheringCalls {
  // --- every file

  static int lock(sqlite3_file* file, int level) { return methods(file).xLock(below(file), level); }
  static int unlock(sqlite3_file* file, int level) { return methods(file).xUnlock(below(file), level); }
  static int check_lock(sqlite3_file* file, int* held) { return methods(file).xCheckReservedLock(below(file), held); }
  static int sector_size(sqlite3_file* file) { return methods(file).xSectorSize(below(file)); }
  static int characteristics(sqlite3_file* file) { return methods(file).xDeviceCharacteristics(below(file)); }

  // --- the database

  // What was gathered is written before anything else is done with the file. If that fails, so does the checkpoint.
  static int settle(sqlite3_file* file) {
    DatabaseFile& database = database_file(file);
    return *database.lost ? kLost : write_out(file, database.run);
  }

  static int database_close(sqlite3_file* file) {
    const int code = methods(file).xClose(below(file));
    database_file(file).~DatabaseFile();
    return code;
  }
  static int database_lock(sqlite3_file* file, int level) {
    const int code = lock(file, level);
    if (code == SQLITE_OK) database_file(file).lock_level = std::max(database_file(file).lock_level, level);
    return code;
  }
  static int database_unlock(sqlite3_file* file, int level) {
    database_file(file).lock_level = level;
    return unlock(file, level);
  }
  static int database_read(sqlite3_file* file, void* into, int bytes, sqlite3_int64 offset) {
    if (const int failed = settle(file); failed != SQLITE_OK) return failed;
    const int code = methods(file).xRead(below(file), into, bytes, offset);
    PageSeal& seal = database_file(file).seal;
    const auto size = static_cast<std::size_t>(bytes);
    if (offset == 0 && code == SQLITE_OK && size >= PageSeal::kHeaderBytes) {
      seal.learn(static_cast<const std::uint8_t*>(into));
    }
    const std::size_t page_bytes = seal.page_bytes();
    // Parts of the header are read without a lock, while a checkpoint may be writing it.
    if (page_bytes == 0 || (offset < static_cast<sqlite3_int64>(page_bytes) && size < page_bytes)) return code;
    if (code == SQLITE_IOERR_SHORT_READ) return offset == 0 ? code : damaged(file, offset);
    if (code != SQLITE_OK) return code;
    // SQLite reads whole pages, and of a long value's pages as much as it needs.
    if (size == page_bytes) return check(file, static_cast<const std::uint8_t*>(into), offset);
    std::array<std::uint8_t, kPageBytesMax> page;
    Expects(size < page_bytes && static_cast<std::uint64_t>(offset) % page_bytes == 0);
    const int whole = methods(file).xRead(below(file), page.data(), static_cast<int>(page_bytes), offset);
    if (whole == SQLITE_IOERR_SHORT_READ) return damaged(file, offset);
    if (whole != SQLITE_OK) return whole;
    std::memcpy(into, page.data(), size);
    return check(file, page.data(), offset);
  }
  static int check(sqlite3_file* file, const std::uint8_t* page, sqlite3_int64 offset) {
    const bool holds = database_file(file).seal.holds(page, static_cast<std::uint64_t>(offset));
    return holds ? SQLITE_OK : damaged(file, offset);
  }
  static int damaged(sqlite3_file* file, sqlite3_int64 offset) {
    std::int64_t nowhere = -1;
    database_file(file).damaged_at->compare_exchange_strong(nowhere, offset);
    return GatheringVfs::kDamagedPage;
  }

  static int database_write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
    DatabaseFile& database = database_file(file);
    const auto size = static_cast<std::size_t>(bytes);
    const auto begin = static_cast<std::uint64_t>(offset);
    if (begin == 0 && size >= PageSeal::kHeaderBytes) {
      database.seal.learn(static_cast<const std::uint8_t*>(from));
    } else {
      database.seal.learn_from_write(size);
    }
    const bool gathers = database.in_checkpoint && begin + size <= database.allocated;
    const bool seals = size == database.seal.page_bytes();
    if (*database.lost || !(gathers || seals) || !database.run.take(from, size, begin)) {
      if (const int failed = settle(file); failed != SQLITE_OK) return failed;
      if (!(gathers || seals)) return write_below(file, from, size, begin);
      if (!database.run.take(from, size, begin)) {
        return seals ? SQLITE_IOERR_NOMEM : write_below(file, from, size, begin);
      }
    }
    if (seals) database.seal.put(database.run.last(size), begin);
    return gathers ? SQLITE_OK : settle(file);
  }
  // A checkpoint would give back the room that the next commits were promised; the last one, at the close, may.
  static int database_truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (const int failed = settle(file); failed != SQLITE_OK) return failed;
    const DatabaseFile& database = database_file(file);
    if (database.log != nullptr && database.lock_level < SQLITE_LOCK_EXCLUSIVE) return SQLITE_OK;
    return methods(file).xTruncate(below(file), size);
  }
  static int database_sync(sqlite3_file* file, int flags) {
    if (const int failed = settle(file); failed != SQLITE_OK) return failed;
    return methods(file).xSync(below(file), flags);
  }
  static int database_size(sqlite3_file* file, sqlite3_int64* size) {
    if (const int failed = settle(file); failed != SQLITE_OK) return failed;
    return methods(file).xFileSize(below(file), size);
  }

  static int database_control(sqlite3_file* file, int operation, void* argument) {
    DatabaseFile& database = database_file(file);
    switch (operation) {
      case SQLITE_FCNTL_CKPT_START: begin_checkpoint(file); break;
      case SQLITE_FCNTL_CKPT_DONE:
        if (settle(file) != SQLITE_OK) *database.lost = true;
        database.in_checkpoint = false;
        if (database.log != nullptr) database.log->ahead.end();
        break;
      case GatheringVfs::kDamageControl:
        *static_cast<std::int64_t*>(argument) = database.damaged_at->load();
        return SQLITE_OK;
      default: break;
    }
    const int code = methods(file).xFileControl(below(file), operation, argument);
    if (operation == SQLITE_FCNTL_SIZE_HINT && database.in_checkpoint && code == SQLITE_OK) learn_size(file);
    return code;
  }
  static void begin_checkpoint(sqlite3_file* file) {
    DatabaseFile& database = database_file(file);
    database.in_checkpoint = true;
    learn_size(file);
    if (database.log == nullptr) return;
    auto* const log = &database.log->sqlite;
    sqlite3_int64 size = 0;
    if (methods(log).xFileSize(below(log), &size) == SQLITE_OK) {
      database.log->ahead.begin(static_cast<std::uint64_t>(size));
    }
  }
  // SQLite never leaves a hole in the file, and growing it in advance leaves none either.
  static void learn_size(sqlite3_file* file) {
    sqlite3_int64 size = 0;
    if (methods(file).xFileSize(below(file), &size) != SQLITE_OK) size = 0;
    database_file(file).allocated = static_cast<std::uint64_t>(size);
  }

  static int shm_map(sqlite3_file* file, int region, int bytes, int extend, void volatile** memory) {
    return methods(file).xShmMap(below(file), region, bytes, extend, memory);
  }
  static int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    LogFile* const log = database_file(file).log;
    constexpr int kGivenUp = SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE;
    if (log != nullptr && flags == kGivenUp && offset == kWriteLock) {
      log->run.drop();
      log->failed = SQLITE_OK;
    }
    return methods(file).xShmLock(below(file), offset, count, flags);
  }
  static void shm_barrier(sqlite3_file* file) { methods(file).xShmBarrier(below(file)); }
  static int shm_unmap(sqlite3_file* file, int remove) { return methods(file).xShmUnmap(below(file), remove); }

  // --- the log

  static int log_settle(sqlite3_file* file) {
    LogFile& log = log_file(file);
    if (*log.lost) return kLost;
    if (log.failed != SQLITE_OK) return log.failed;
    log.failed = log.run.write_out([file](const void* from, std::size_t bytes, std::uint64_t offset) {
      return write_log(file, from, bytes, offset);
    });
    return log.failed;
  }

  // Before a transaction commits, the database has blocks for all pages that it will have: the checkpoint asks for
  // none.
  static int reserve_database(LogFile& log, const void* frame_header) {
    if (log.database == nullptr) return SQLITE_OK;
    sqlite3_file* const database = &log.database->sqlite;
    const std::uint64_t needed = std::uint64_t{committed_pages(frame_header)} * log.database->seal.page_bytes();
    if (size_below(database) >= needed || grow_below(database, needed + kGrowAheadBytes)) return SQLITE_OK;
    return grow_below(database, needed) ? SQLITE_OK : SQLITE_FULL;
  }
  // A log that begins has room to trim in, should the disk fill up. That there is none now is no news.
  static void reserve_log(sqlite3_file* file) {
    if (size_below(file) >= kLogRoomBytes) return;
    int to_the_byte = 1;
    static_cast<void>(methods(file).xFileControl(below(file), SQLITE_FCNTL_CHUNK_SIZE, &to_the_byte));
    static_cast<void>(grow_below(file, kLogRoomBytes));
  }

  static int log_close(sqlite3_file* file) {
    LogFile& log = log_file(file);
    if (log.database != nullptr) log.database->log = nullptr;
    const int code = methods(file).xClose(below(file));
    log.~LogFile();
    return code;
  }
  static int log_read(sqlite3_file* file, void* into, int bytes, sqlite3_int64 offset) {
    LogFile& log = log_file(file);
    const auto size = static_cast<std::size_t>(bytes);
    const auto begin = static_cast<std::uint64_t>(offset);
    if (*log.lost || log.failed != SQLITE_OK || log.run.overlaps(size, begin)) {
      if (const int failed = log_settle(file); failed != SQLITE_OK) return failed;
    }
    const auto read = [file](void* to, std::size_t count, std::uint64_t from) {
      return methods(file).xRead(below(file), to, static_cast<int>(count), static_cast<sqlite3_int64>(from));
    };
    if (log.database != nullptr && log.database->in_checkpoint) return log.ahead.get(into, size, begin, read);
    return read(into, size, begin);
  }
  static int log_write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
    LogFile& log = log_file(file);
    const auto size = static_cast<std::size_t>(bytes);
    const auto begin = static_cast<std::uint64_t>(offset);
    if (begin == 0) reserve_log(file);
    const bool is_header = bytes == kFrameHeaderBytes;
    if (is_header) {
      log.committing = commits(from);
      if (log.failed == SQLITE_OK && log.committing) log.failed = reserve_database(log, from);
    }
    const bool waits = log.gathers && (is_header || !log.committing);
    if (log.failed == SQLITE_OK && log.run.take(from, size, begin)) return waits ? SQLITE_OK : log_settle(file);
    if (const int failed = log_settle(file); failed != SQLITE_OK) return failed;
    if (waits && log.run.take(from, size, begin)) return SQLITE_OK;
    return write_log(file, from, size, begin);
  }
  static int log_truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (const int failed = log_settle(file); failed != SQLITE_OK) return failed;
    log_file(file).direct.on_truncate(static_cast<std::uint64_t>(size));
    return methods(file).xTruncate(below(file), size);
  }
  static int log_sync(sqlite3_file* file, int flags) {
    if (const int failed = log_settle(file); failed != SQLITE_OK) return failed;
    return methods(file).xSync(below(file), flags);
  }
  static int log_size(sqlite3_file* file, sqlite3_int64* size) {
    if (const int failed = log_settle(file); failed != SQLITE_OK) return failed;
    return methods(file).xFileSize(below(file), size);
  }
  static int log_control(sqlite3_file* file, int operation, void* argument) {
    return methods(file).xFileControl(below(file), operation, argument);
  }

  // --- opening

  // Version 2: with shared memory, and without memory mapping, which would go past the writes.
  static constexpr sqlite3_io_methods kDatabase = {2,
                                                   database_close,
                                                   database_read,
                                                   database_write,
                                                   database_truncate,
                                                   database_sync,
                                                   database_size,
                                                   database_lock,
                                                   database_unlock,
                                                   check_lock,
                                                   database_control,
                                                   sector_size,
                                                   characteristics,
                                                   shm_map,
                                                   shm_lock,
                                                   shm_barrier,
                                                   shm_unmap,
                                                   nullptr,
                                                   nullptr};
  static constexpr sqlite3_io_methods kLog = {
      1,       log_close, log_read,   log_write,   log_truncate, log_sync,        log_size,
      lock,    unlock,    check_lock, log_control, sector_size,  characteristics, nullptr,
      nullptr, nullptr,   nullptr,    nullptr,     nullptr};

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    GatheringVfs& self = *reinterpret_cast<GatheringVfs::Shim*>(vfs)->self;
    const bool is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    const bool is_log = (flags & SQLITE_OPEN_WAL) != 0;
    // Journals and temporary files are the VFS's below, altogether.
    if (!is_database && !is_log) return self.base_->xOpen(self.base_, path, file, flags, out_flags);
    file->pMethods = nullptr;
    const int code = self.base_->xOpen(self.base_, path, below(file), flags, out_flags);
    if (code != SQLITE_OK) {
      if (below(file)->pMethods != nullptr) methods(file).xClose(below(file));
      return code;
    }
    if (is_log) {
      sqlite3_file* const object = sqlite3_database_file_object(path);
      // Where a write may harm its neighbours, SQLite repeats the last frame, and cuts it in two at a sector's end.
      const bool gathers = (characteristics(object) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
      database_file(object).log = new (static_cast<void*>(file))
          LogFile{{&kLog},   &self.lost_, &database_file(object),
                  {},        gathers,     false,
                  SQLITE_OK, {},          DirectLog(self.writes_directly_ ? path : nullptr)};
      return SQLITE_OK;
    }
    auto& database = *new (static_cast<void*>(file))
                         DatabaseFile{{&kDatabase}, &self.lost_, &self.damaged_at_, nullptr, {}, false, 0, {}};
    sqlite3_int64 size = 0;
    if (methods(file).xFileSize(below(file), &size) == SQLITE_OK && size == 0) database.seal.begin_file();
    // A size that is announced is then allocated, to the byte.
    int to_the_byte = 1;
    static_cast<void>(methods(file).xFileControl(below(file), SQLITE_FCNTL_CHUNK_SIZE, &to_the_byte));
    return SQLITE_OK;
  }
};

GatheringVfs::GatheringVfs(const std::string& base, bool writes_directly)
    : base_(sqlite3_vfs_find(base.empty() ? kSystemVfs : base.c_str())),
      name_("hedgerow-" + std::to_string(reinterpret_cast<std::uintptr_t>(this))),
      writes_directly_(writes_directly && base.empty()),
      shim_{} {
  Expects(base_ != nullptr);
  // Time, random numbers, paths and deletion stay those of the VFS below: it gets our structure with its own fields.
  shim_ = {.vfs = *base_, .self = this};
  shim_.vfs.pNext = nullptr;
  shim_.vfs.zName = name_.c_str();
  shim_.vfs.szOsFile = static_cast<int>(kHeadBytes) + base_->szOsFile;
  shim_.vfs.xOpen = GatheringCalls::open;
  Expects(sqlite3_vfs_register(&shim_.vfs, 0) == SQLITE_OK);
}

GatheringVfs::~GatheringVfs() { sqlite3_vfs_unregister(&shim_.vfs); }

}  // namespace hedgerow::store_sqlite
