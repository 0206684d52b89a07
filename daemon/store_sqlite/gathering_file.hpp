// The files that GatheringVfs hands to SQLite, and the files of the VFS below them. Not for others.
// Thread rule: a file belongs to its connection; what connections share is atomic, and the VFS's.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "daemon/store_sqlite/direct_log.hpp"
#include "daemon/store_sqlite/gather.hpp"
#include "daemon/store_sqlite/page_seal.hpp"

namespace hedgerow::store_sqlite {

struct LogFile;

// SQLite allocates szOsFile bytes for each file: one of these, and behind it the file of the VFS below.
struct DatabaseFile {
  sqlite3_file sqlite;
  std::atomic<bool>* lost;
  std::atomic<std::int64_t>* damaged_at;
  LogFile* log;  // of the same connection, while it is open
  WriteRun run;  // of a checkpoint
  bool in_checkpoint;
  std::uint64_t allocated;  // while in one: the file has its blocks up to here
  PageSeal seal;
  int lock_level = SQLITE_LOCK_NONE;
};

struct LogFile {
  sqlite3_file sqlite;
  std::atomic<bool>* lost;
  DatabaseFile* database;
  WriteRun run;
  bool gathers;
  bool committing;  // the last frame header was that of a commit
  int failed;       // what writing the run came to; until the write lock goes
  ReadAhead ahead;  // in a checkpoint
  DirectLog direct;
};

inline constexpr std::size_t kHeadBytes = (std::max(sizeof(DatabaseFile), sizeof(LogFile)) + 15) / 16 * 16;

inline DatabaseFile& database_file(sqlite3_file* file) { return *reinterpret_cast<DatabaseFile*>(file); }
inline LogFile& log_file(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }

inline sqlite3_file* below(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + kHeadBytes);
}
inline const sqlite3_io_methods& methods(sqlite3_file* file) { return *below(file)->pMethods; }

inline int write_below(sqlite3_file* file, const void* from, std::size_t bytes, std::uint64_t offset) {
  return methods(file).xWrite(below(file), from, static_cast<int>(bytes), static_cast<sqlite3_int64>(offset));
}

inline std::uint64_t size_below(sqlite3_file* file) {
  sqlite3_int64 size = 0;
  return methods(file).xFileSize(below(file), &size) == SQLITE_OK ? static_cast<std::uint64_t>(size) : 0;
}

// The file is at least so long, and has its blocks.
inline bool grow_below(sqlite3_file* file, std::uint64_t bytes) {
  auto size = static_cast<sqlite3_int64>(bytes);
  const int code = methods(file).xFileControl(below(file), SQLITE_FCNTL_SIZE_HINT, &size);
  return code == SQLITE_OK || code == SQLITE_NOTFOUND;
}

}  // namespace hedgerow::store_sqlite
