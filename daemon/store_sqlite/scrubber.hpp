// Scrubber: reads the database file through, slowly and over again, and compares each page with its seal, so that a bit
// that flipped in an old row is found while peers still have what it said. DESIGN 3 (G11), 9.
//
// It reads the file, not the cache of the kernel, by steps of kScrubBytes, and begins anew kScrubEvery after the last
// time it began; a note beside the database says how far it came, so that a restart goes on there. A page that does not
// hold is looked at again after a checkpoint has written all of the log: after a loss of power the file may have pages
// in pieces that the log has whole. What is on SQLite's list of free pages may never have been written.
//
// Thread rule: step() on any thread but the store thread, one call at a time; status() on any thread.
// Ownership: everything that the constructor is given outlives it. Made before any connection to the file, and
// destroyed after all of them: with the descriptor that it closes, the process would lose SQLite's locks.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store_sqlite/file_health.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/page_seal.hpp"
#include "daemon/store_sqlite/scrub_status.hpp"
#include "security/files_posix/descriptor.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::store_sqlite {

class Checkpointer;

class Scrubber {
 public:
  // REQUIRES: the file exists. `note_path` need not.
  Scrubber(FileHealth& health, const std::string& path, std::string note_path);

  // One step. Returns in how many milliseconds the next is due. kCorrupt: damage was found, and ends the file.
  Expected<std::uint64_t> step(Checkpointer& checkpointer, std::uint64_t now_unix_ms);
  [[nodiscard]] ScrubStatus status() const;

 private:
  enum class Look { kSound, kSuspect };
  // Of `size` bytes of the file from `begin_` on, which are whole pages; suspect_ is the first that does not hold.
  Look look(std::size_t size);
  [[nodiscard]] bool read(std::uint8_t* into, std::size_t size, std::uint64_t offset) const;
  [[nodiscard]] bool is_free(std::uint64_t page_offset) const;
  bool begin_round(std::uint64_t now_unix_ms);
  void write_note() const;
  void read_note();

  FileHealth& health_;
  const std::string note_path_;
  const security::Descriptor file_;
  PageSeal seal_;
  std::vector<std::uint8_t> buffer_;  // while a round is under way
  std::uint64_t suspect_ = 0;
  std::uint64_t noted_bytes_ = 0;

  mutable std::mutex mutex_;
  ScrubStatus status_;
};

}  // namespace hedgerow::store_sqlite
