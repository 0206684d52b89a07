// FileHealth turns SQLite's result codes into errors, and remembers the one after which the file must not be used
// again.
//
//   SQLITE_FULL            kLimit       the turn is rolled back; there may be room for the next. So where another
//                                       write failed for lack of room or quota
//   SQLITE_IOERR_*         kIo          ends the file for the writer: a failed sync is never retried on it (G1)
//   SQLITE_CORRUPT, NOTADB kCorrupt     ends the file: the next open saves what it can (G11); so do SQLITE_ERROR, and
//                                       a page that is not as it was written
//   SQLITE_BUSY, LOCKED    kUnavailable another program has it locked
//   anything else          kIo          ends the file until it is opened again
//
// What ends the file for good leaves an end marker for the next open.
// Thread rule: any thread; check_in_place(): the writer's. Ownership: shared by all connections to the file; outlives
// them.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

class FileHealth {
 public:
  // `marker_path`: the file that tells the next open how this one ended (data_dir.hpp); empty: none.
  FileHealth(std::string path, std::string marker_path)
      : path_(std::move(path)), marker_path_(std::move(marker_path)) {}

  enum class Role { kWriter, kReader };

  struct Failure {
    int code = 0;                  // extended result code
    int os_error = 0;              // errno, where the code is of SQLITE_IOERR
    const char* detail = "";       // SQLite's own message
    std::int64_t damaged_at = -1;  // where the page begins whose seal did not hold
  };
  // What it means to the caller.
  [[nodiscard]] Error judge(const Failure& failure, Role role);

  // Fails with the sentence of the end, once there was one.
  [[nodiscard]] Expected<void> check() const;
  // Likewise; and the file is still what the path names, as at the first call. If not (somebody removed the directory),
  // that is its end: what is written to it goes with the process.
  [[nodiscard]] Expected<void> check_in_place();

 private:
  Error end(Error error, bool leave_marker);

  // Which file a path names.
  struct Place {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const Place&) const = default;
  };

  const std::string path_;
  const std::string marker_path_;
  std::optional<Place> place_;  // of the writer's thread
  mutable std::mutex mutex_;
  std::optional<Error> ended_;
};

}  // namespace hedgerow::store_sqlite
