// How far the database file has been read through, to find damage: scrubber.hpp.
// Thread rule: plain values.
#pragma once

#include <cstdint>

namespace hedgerow::store_sqlite {

// Times by the node's clock, in milliseconds since 1970; 0: never.
struct ScrubStatus {
  std::uint64_t began_unix_ms = 0;     // the last round
  std::uint64_t finished_unix_ms = 0;  // the last round that found every page as it was written
  std::uint64_t damaged_unix_ms = 0;   // the last time that a page was not
  std::uint64_t done_bytes = 0;        // of the round under way; all of them when none is
  std::uint64_t file_bytes = 0;
};

}  // namespace hedgerow::store_sqlite
