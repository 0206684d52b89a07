// Every bound of the store in one place (G6), and how they relate.
// Thread rule: constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hedgerow::store_sqlite {

// The page size of a new database: the smallest, because a card wears out by bytes written, and a small commit writes
// whole pages: three or four of them, and again at the checkpoint. tests/bench/store_bench.cpp on ext4 (SQLite 3.46.1,
// virtual machine, 2026-11), bytes of 4 KiB blocks written for each record of 128 B (of which 100 B payload), and
// processor time; the file system's own journal is not in it:
//
//   page size   1 record a commit   100 a commit   1000 a commit
//      512        6,725 B  90 us     338 B 1.6 us   274 B 1.0 us
//    1,024        8,287 B  57 us     365 B 1.3 us   273 B 0.7 us
//    2,048       11,453 B  56 us     398 B 1.8 us   276 B 0.6 us
//    4,096       17,781 B  61 us     479 B 1.0 us   283 B 0.4 us
//
// What larger pages save in processor time is about half a second for a million records; less since calls are gathered
// (gathering_vfs.hpp), which halved the times of the first line.
inline constexpr int kPageBytes = 512;

// Each page ends with a checksum: page_seal.hpp. Pages larger than this have none; we make none.
inline constexpr std::uint32_t kSealBytes = 4;
inline constexpr std::uint32_t kPageBytesMax = 4096;
static_assert(kPageBytes <= static_cast<int>(kPageBytesMax));

// The write-ahead log: from the first bound on a checkpoint is due; at the second one begin() waits for it, and for the
// views that read the log, so long at most. A view that stays open longer lets the log grow: views must be short.
inline constexpr std::uint64_t kWalBytesSoft = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t kWalBytesMax = std::uint64_t{4} << 20U;
static_assert(kWalBytesSoft < kWalBytesMax);
inline constexpr int kViewPatienceMs = 250;

// How far the database file is allocated beyond what it holds, so that few commits ask for blocks; and the log from its
// beginning on, where one step of trimming must find room on a full disk (64 segments of 256 KiB: about 400 frames).
inline constexpr std::uint64_t kGrowAheadBytes = std::uint64_t{64} << 10U;
inline constexpr std::uint64_t kLogRoomBytes = std::uint64_t{256} << 10U;
static_assert(kLogRoomBytes <= kWalBytesSoft);

// What is gathered to be written to a file, or read ahead of it, in one call: gathering_vfs.hpp. At most two such
// buffers for each connection that writes, and none for the others.
inline constexpr std::size_t kGatherBytes = std::size_t{64} << 10U;

// What is written to the log past the kernel's memory in one call, at most: direct_log.hpp.
inline constexpr std::size_t kDirectBytesMax = std::size_t{16} << 10U;
static_assert(kDirectBytesMax <= kGatherBytes);

// Page caches. Together at most 1 MiB while no more views are open than stay pooled.
inline constexpr int kWriterCacheKib = 512;
inline constexpr int kViewCacheKib = 128;
inline constexpr int kCheckpointCacheKib = 32;

// Views open at one time; one more is answered kUnavailable. So many connections stay open between uses.
inline constexpr std::size_t kViewsMax = 8;
inline constexpr std::size_t kViewsPooled = 2;
static_assert(kWriterCacheKib + kCheckpointCacheKib + static_cast<int>(kViewsPooled) * kViewCacheKib <= 1024);

// How long a connection waits for a lock that a person's sqlite3 shell may hold.
inline constexpr int kBusyTimeoutMs = 5000;

// A segment's place is channel << kArrivalBits | first arrival. 2^44 arrivals are five years of 100,000 a second.
inline constexpr unsigned kArrivalBits = 44;
inline constexpr std::uint64_t kArrivalMax = (std::uint64_t{1} << kArrivalBits) - 1;
inline constexpr std::uint32_t kChannelsMax = 1024;
static_assert((std::uint64_t{kChannelsMax} + 1) << kArrivalBits < std::uint64_t{1} << 63U,
              "a place is a signed integer");

// The bytes of a channel's log are written down each time it has grown by so much: what open() counts again is bounded.
// So is what a replay looks at to find its start: the log is marked as often.
inline constexpr std::uint64_t kLogBytesUncounted = std::uint64_t{256} << 10U;

// How the file is read through to find damage (scrubber.hpp): a step, and the pause after it, in which a card reads
// less than 1 % of what it can; 1 GiB takes five hours. From one beginning to the next at least a day. Its place is
// noted each 16 MiB, since a note is a write.
inline constexpr std::size_t kScrubBytes = std::size_t{64} << 10U;
inline constexpr std::uint64_t kScrubPauseMs = 1000;
inline constexpr std::uint64_t kScrubEveryMs = std::uint64_t{24} * 3600 * 1000;
inline constexpr std::uint64_t kScrubNoteBytes = std::uint64_t{16} << 20U;
static_assert(kScrubBytes % kPageBytesMax == 0);

// Files that were set aside; the oldest beyond it is removed.
inline constexpr std::size_t kSetAsideMax = 3;

}  // namespace hedgerow::store_sqlite
