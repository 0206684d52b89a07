// GatheringVfs: a SQLite VFS over another, which turns SQLite's many small calls into few. SQLite writes each page of a
// transaction to the log by two calls, and copies a checkpoint page by page: with pages of 512 B, a payload of 16 KiB
// costs 66 writes to the log, and 33 reads and 33 writes at the checkpoint. Here they become one or two for each 64
// KiB. All else goes through as it is.
//
// The log. Frames are gathered in order until one follows no other, or there is no room; whatever else SQLite asks of
// that handle comes after they have been written. The frame that commits is held back only until it is whole, and with
// it what is before: it says so in its header (https://sqlite.org/fileformat2.html#wal_file_format), and its page comes
// next. So the file holds all of a transaction before SQLite syncs it, and before the wal-index shows it to other
// connections. If the gathered frames cannot be written, the call that came upon it fails, and so does every later one
// until SQLite gives up the log's write lock: nothing can be committed after a hole. What was gathered and never
// committed is dropped with that lock, so that it cannot be written over frames of the next writer.
//
// A checkpoint, between the two notices that SQLite gives of it. Reads of the log go ahead: what a checkpoint reads is
// committed, and the log cannot start over meanwhile. Writes to the database are gathered where the file has its blocks
// already, which are asked for in advance: a full disk is met by SQLite itself. A write that fails fails the
// checkpoint, but for the last one where the checkpoint does not reach the log's end: SQLite asks nothing of the file
// after it, and takes the pages for written. From then on every read, write and sync through this VFS fails, so that
// nobody sees the pages that were there before; the log still has all of it for the next start.
//
// Room. A transaction commits only where the database file has blocks for every page that it then has, so a checkpoint
// needs none, and on a full disk the log can always start over: what frees pages (keep) finds room in it. The file
// grows a little in advance, and is cut to its size when the last connection closes.
//
// Seals. Each page gets its checksum on the way into the database file, and is compared with it on the way out
// (page_seal.hpp). One that does not hold is kDamagedPage; kDamageControl says which.
//
// Thread rule: a file handle belongs to its connection; what connections share is atomic.
// Ownership: outlives every connection that uses it. Registered under name() while it lives.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace hedgerow::store_sqlite {

class GatheringVfs {
 public:
  // `base`: the name of the VFS below; empty: the system's, in its variant for one process: no other can open the file
  // while a connection of this one has it open. There is one of that name.
  // `writes_directly`: small commits go past the kernel's memory, where `base` is empty (direct_log.hpp). It pays where
  // each commit is synced.
  explicit GatheringVfs(const std::string& base, bool writes_directly = false);
  ~GatheringVfs();
  GatheringVfs(const GatheringVfs&) = delete;
  GatheringVfs& operator=(const GatheringVfs&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // A result code of our own. Not one of SQLITE_IOERR: after those SQLite rolls back whatever is under way.
  static constexpr int kDamagedPage = SQLITE_CORRUPT | (0x64 << 8);
  // sqlite3_file_control() of a database. Into a std::int64_t: where the page begins whose seal did not hold, the first
  // time; -1 when there was none.
  static constexpr int kDamageControl = 0x4864'6701;

 private:
  friend struct GatheringCalls;

  // SQLite hands back the pointer to `vfs`: the first member.
  struct Shim {
    sqlite3_vfs vfs;
    GatheringVfs* self;
  };

  sqlite3_vfs* const base_;
  const std::string name_;
  const bool writes_directly_;
  Shim shim_;
  std::atomic<bool> lost_{false};             // pages of a checkpoint are in no file
  std::atomic<std::int64_t> damaged_at_{-1};  // kDamageControl
};

}  // namespace hedgerow::store_sqlite
