// The store: the ports of the sync engine and of the MQTT sessions over one SQLite file, DATA/hedgerow.db. DESIGN 3, 4.
//
// One transaction is one turn of the store thread, and one sync of the disk (G1). What was committed survives kill -9
// and power loss. Where the file cannot be trusted any more, the database becomes a new replica of its node (G1, G5,
// G11), and `report()` says why in a sentence for the log.
//
// Thread rule:
//   storage(), sessions()       the store thread; both write into the same transaction
//   views()                     any thread; each view belongs to one thread at a time
//   checkpoint(), scrub()       any thread but one call at a time; never the store thread, which it must not stall
// Ownership: everything handed out, views too, must be gone before the Database is.
#pragma once

#include <memory>
#include <string>

#include "daemon/node/session_store.hpp"
#include "daemon/store_sqlite/scrub_status.hpp"
#include "sync/base/expected.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::store_sqlite {

struct OpenOptions {
  std::string dir{};  // DATA; made with mode 0700 when missing
  // What tells this board from others (serial number, machine id). Together with the file system's id and the file's
  // inode it binds the replica to the board: a database that was restored, copied or moved is a new replica (G5).
  std::string board_identity{};
  sync::ReplicaId fresh_replica{};  // random, drawn by the caller; used when a new replica starts
  std::string vfs_name{};           // the SQLite VFS to use; empty: the system's
  // False: commits survive the end of the process, not that of the power; the log and the file are synced with each
  // checkpoint. After a run that did not end by itself the database is as it was after one of its commits, and goes on
  // as a new replica: peers may have seen more (G5).
  bool syncs_commits = true;
};

struct OpenReport {
  bool fresh = false;        // the database was made just now, and is empty
  bool new_replica = false;  // the replica is `fresh_replica`: fresh, or the old one's life ended
  std::string note{};        // what a person should know of it; empty when all is as it was
};

class Database {
 public:
  struct Parts;
  explicit Database(std::unique_ptr<Parts> parts);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  // Folds the write-ahead log into the file and syncs it, unless the file must not be touched any more.
  ~Database();

  [[nodiscard]] const OpenReport& report() const;
  [[nodiscard]] sync::Storage& storage();
  [[nodiscard]] sync::ReadViews& views();
  [[nodiscard]] node::SessionStore& sessions();

  // True iff enough has been committed since the last checkpoint. Any thread.
  [[nodiscard]] bool checkpoint_due() const;
  // Folds what was committed into the file while commits go on. Best called on the reader thread after a turn that left
  // a checkpoint due. Where nobody calls it, begin() does the work once the log has reached its bound (limits.hpp).
  Expected<void> checkpoint();

  // Reads on a little in the file, to find damage. Best called on the reader thread. Returns in how many milliseconds
  // the next step is due; kCorrupt: a page is not as it was written, and the file has ended.
  Expected<std::uint64_t> scrub(std::uint64_t now_unix_ms);
  [[nodiscard]] ScrubStatus scrub_status() const;
  // Fails once the file must not be used any more, with the sentence of its end. Any thread.
  [[nodiscard]] Expected<void> check() const;

 private:
  std::unique_ptr<Parts> parts_;
};

// Opens or makes the database of a data directory, and holds the directory's lock until the Database is gone.
// kRefused: another process holds it, or a newer version wrote it. kLimit: no room. kIo: the operating system said no.
// A file that is corrupt, or no database, is no error: it is set aside as hedgerow.db.corrupt-N (G11).
// REQUIRES: options.fresh_replica is not 0.
[[nodiscard]] Expected<std::unique_ptr<Database>> open(const OpenOptions& options);

}  // namespace hedgerow::store_sqlite
