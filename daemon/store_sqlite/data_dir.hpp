// DataDir: the directory that holds the database, and what is done to the file from outside SQLite.
//
//   hedgerow.db                    the database (and hedgerow.db-wal while it is open)
//   hedgerow.lock                  locked by the process that uses the directory; holds its process id
//   hedgerow.db.ended              how the file's last use ended, when it ended badly: see EndMarker
//   hedgerow.db.unsynced           while a run commits without syncs, and after one that did not end by itself
//   hedgerow.db.corrupt-N[-wal]    files that were set aside, oldest N first
//   hedgerow.db.scrub              how far the file was read through: scrubber.hpp
//   hedgerow.db.copy, .next        while the database moves to a new file: new_file.hpp
//
// The lock is flock(2)'s: the kernel lets go of it however the process ends, also after kill -9.
// Thread rule: one thread. Ownership: holds the lock's descriptor until destroyed.
#pragma once

#include <optional>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

// Left by the process in which the file failed. The next open makes a new replica (G1), after copying the file to fresh
// blocks or, where it is corrupt, setting it aside.
struct EndMarker {
  bool corrupt = false;
  std::string sentence;
};

// Best effort: the disk has just failed.
void write_end_marker(const std::string& path, const EndMarker& marker);

class DataDir {
 public:
  // Makes the directory, with mode 0700, where it is missing, and takes the lock.
  static Expected<DataDir> open(std::string dir);
  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&&) = delete;
  ~DataDir();

  [[nodiscard]] std::string database() const { return dir_ + "/hedgerow.db"; }
  [[nodiscard]] std::string marker() const { return database() + ".ended"; }
  [[nodiscard]] std::string log() const { return database() + "-wal"; }
  [[nodiscard]] std::string unsynced_note() const { return database() + ".unsynced"; }
  [[nodiscard]] std::string scrub_note() const { return database() + ".scrub"; }
  // While it is there, it is the database: whole, synced, and about to get its name.
  [[nodiscard]] std::string next() const { return database() + ".next"; }

  // Makes the database file, empty and with mode 0600, when there is none; durable with its directory entry.
  Expected<void> create_database() const;
  // Renames the database and its log to hedgerow.db.corrupt-N. Returns the new name of the database.
  Expected<std::string> set_aside() const;
  // Removes the database and its log, if they are there.
  Expected<void> remove_database() const;
  // Removes a file, if it is there.
  Expected<void> remove(const std::string& path) const;
  // Makes a file, empty and with mode 0600, in the place of one that may be there.
  Expected<void> create_file(const std::string& path) const;
  // Puts `copy`, synced first, in the place of the database and its log. Those are removed, or set aside: then returns
  // their new name. Whole, or not at all, whenever the power goes: see finish_replacement().
  Expected<std::string> replace_database(const std::string& copy, bool keep_old) const;
  // Ends a replacement that was cut short once the copy was safe. Call it before the database is touched.
  Expected<void> finish_replacement() const;

  // Names this board, this file system and this file. REQUIRES: the file exists.
  [[nodiscard]] static Expected<std::string> identity(const std::string& path, const std::string& board_identity);

  [[nodiscard]] std::optional<EndMarker> read_end_marker() const;
  Expected<void> clear_end_marker() const;

  // The write-ahead log is there: something in it may not be in the file.
  [[nodiscard]] bool has_log() const;

  // A run that commits without syncs begins, and has ended. In between, what was committed last may be lost.
  [[nodiscard]] bool is_unsynced() const;
  Expected<void> begin_unsynced() const;
  Expected<void> end_unsynced() const;

 private:
  DataDir(std::string dir, int lock) : dir_(std::move(dir)), lock_(lock) {}

  std::string dir_;
  int lock_;
};

}  // namespace hedgerow::store_sqlite
