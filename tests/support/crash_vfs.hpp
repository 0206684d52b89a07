// CrashVfs: a disk that loses power. A SQLite VFS over the system's own: files are real, so that reads, locks and
// shared memory are real, but what was written since a file's last sync survives a power cut only in part.
//
//   power_cut()   every call fails from here on; what SQLite does while it closes changes nothing any more
//   power_on()    the files are as the disk has them: what was synced, and of the rest a seeded choice of sectors of
//   512
//                 bytes, some of them torn; files made and never synced may be missing, files deleted without a synced
//                 directory may be back
//
// Nothing is really synced, so a cut costs no time. A VFS is registered under its name while the object lives.
// Thread rule: one thread at a time. Ownership: outlives every connection that uses it.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sync/base/bytes.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {

class CrashVfs {
 public:
  explicit CrashVfs(std::string name);
  ~CrashVfs();
  CrashVfs(const CrashVfs&) = delete;
  CrashVfs& operator=(const CrashVfs&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  void power_cut() { dead_ = true; }
  // The power goes with the nth write, truncation or sync from now; 0: with the next.
  void power_cut_in(std::uint64_t operations) { operations_left_ = operations; }
  [[nodiscard]] bool is_dead() const { return dead_; }
  // REQUIRES: every connection is closed.
  void power_on(SeededRandom& random);

  // The nth sync from now fails, once; 0: the next. What it was to write never reaches the disk.
  void fail_sync_in(std::uint64_t syncs) { syncs_left_ = syncs; }
  // The nth write from now fails, once; 0: the next; none: no write. Returns true iff the failure asked for before has
  // happened.
  bool fail_write_in(std::optional<std::uint64_t> writes) {
    const bool happened = !writes_left_;
    writes_left_ = writes;
    return happened;
  }
  // Files may grow by so many bytes altogether, then the disk is full; none: there is room.
  void set_room(std::optional<std::uint64_t> bytes) { room_ = bytes; }
  // A disk that says it has synced and has not.
  void set_lying(bool lying) { lying_ = lying; }

  [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }
  [[nodiscard]] std::uint64_t reads() const { return reads_; }

 private:
  friend struct CrashVfsCalls;

  struct Change {
    std::uint64_t offset = 0;
    Bytes bytes;
    std::optional<std::uint64_t> truncate_to;
  };
  // One file as the disk has it, and what has been done to it since.
  struct Disk {
    Bytes synced;
    std::vector<Change> changes;
    bool entry_synced = false;  // the directory knows the file
    bool deleted = false;       // without a sync of the directory
    std::uint64_t inode = 0;
  };

  Disk& disk_of(const std::string& path, bool existed);
  // Takes so many bytes of the room. False: there is not so much.
  bool grow(std::uint64_t bytes);
  // True iff the power is (now) off.
  bool operation();
  static void apply(Bytes& image, const Change& change);
  static Bytes survivor(const Disk& disk, SeededRandom& random);

  const std::string name_;
  sqlite3_vfs* system_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::map<std::string, Disk> disks_;
  std::optional<std::uint64_t> operations_left_;
  std::optional<std::uint64_t> syncs_left_;
  std::optional<std::uint64_t> writes_left_;
  std::optional<std::uint64_t> room_;
  std::uint64_t syncs_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t reads_ = 0;
  std::size_t open_files_ = 0;
  bool dead_ = false;
  bool lying_ = false;
};

}  // namespace hedgerow::test
