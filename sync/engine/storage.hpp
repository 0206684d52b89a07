// Ports of the sync engine: what it needs of a disk. DESIGN 4.
//
// Storage is the single writer: everything between begin() and commit() becomes durable together, or not at all.
// ReadView is one consistent snapshot of what was committed; views are cheap, short-lived and may live on other threads
// than the writer, one thread each.
// Implementations: daemon/store_sqlite (the real one), tests/support (in memory). One contract suite holds for both.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/expected.hpp"
#include "sync/limits.hpp"
#include "sync/log/lineage.hpp"
#include "sync/log/op.hpp"
#include "sync/merge/merge_kind.hpp"

namespace hedgerow::sync {

// How far one replica's ops are held in one channel.
struct ReplicaState {
  ReplicaId replica{};
  Seq seq = 0;      // the frontier: everything up to here that still matters is held
  Hash256 head{};   // the chain's hash of op `seq`
  Seq trimmed = 0;  // ops up to here may be missing from the log (trimmed here, or absent from a snapshot received);
                    // every op in (trimmed, seq] is in the log
  LineagePtr lineage = {};  // none: of this root, and nothing was written in a run
  Seq end = kSeqMax;        // where branches part from it; nobody stores it: set_ends() of sync/engine/branches.hpp
  // The uppermost gap below `trimmed`, where another node trimmed it: ops that may be taken back, from the upper end
  // down (Engine::fill()). Zeros: none. Nobody stores them here, the list of gaps tells.
  Seq fill_first = 0;
  Seq fill_last = 0;
};

struct ChannelState {
  ChannelNo number{};
  std::string name;
  std::vector<ReplicaState> replicas;
  std::uint64_t live_cells = 0;  // retained messages: cells that are no tombstones
  MergeKind merge = MergeKind::kLastWrite;
  // Until the log is as large as keep allows; nobody stores it. So much may come back by Engine::fill().
  std::uint64_t fill_room_bytes = 0;
};

struct StoredState {
  ReplicaId self{};  // drawn when the database was made
  Arrival last_arrival = 0;
  Stamp last_stamp;  // the greatest stamp ever committed here: the clock starts after it
  std::vector<ChannelState> channels;
};

// Of ops that were written and came here without any trusted clock: they go by size alone (G10). Fits a signed integer.
inline constexpr std::uint64_t kAgeUnknown = 0x7FFF'FFFF'FFFF'FFFF;

// Consecutive ops of one replica in one channel, as encoded by sync/log/segment.hpp, and stored in one row.
struct SegmentRow {
  ReplicaId replica{};
  Seq first_seq = 0;
  std::uint32_t count = 0;
  Arrival first_arrival = 0;  // op i of the segment arrived as first_arrival + i
  // What keep's age counts from: about when the newest op was written, in milliseconds since 1970; or kAgeUnknown.
  std::uint64_t newest_wall_ms = 0;
  Bytes bytes;
};

// What a channel's log holds.
struct LogTotals {
  std::uint64_t ops = 0;
  std::uint64_t bytes = 0;  // of the segments as stored
};

// A topic's winner, or its tombstone (empty payload). The retained message outlives its record in the log.
// In a merged channel the payload is what all writes made together; the rest is of the greatest one among them.
struct Cell {
  WriteOrder order;
  Arrival arrival = 0;
  std::uint8_t qos = 0;
  std::uint64_t publisher = 0;
  MessagePtr message;
  // Of a merged channel: what there is to join, grammar in sync/engine/merged_cell.hpp. Empty: the last write won.
  Bytes state = {};
  [[nodiscard]] bool is_tombstone() const { return message->payload.empty(); }
};

// What decides whether a write takes a cell.
struct HeldCell {
  WriteOrder order;
  bool is_tombstone = false;
};

// A range of ops that this node does not hold and will not get by itself. G6.
enum class GapReason : std::uint8_t {
  kAge = 1,
  kSize = 2,
  kExpired = 3,
  kRefused = 4,
  kTrimmedElsewhere = 5,
  kDamaged = 6,  // the disk did not return what was written there (G11)
};
struct Gap {
  ReplicaId replica{};
  Seq first = 0;
  Seq last = 0;
  GapReason reason{};
};

class ReadView {
 public:
  virtual ~ReadView() = default;

  virtual Expected<Arrival> last_arrival() = 0;
  // Frontier of a channel, ordered by replica.
  virtual Expected<std::vector<ReplicaState>> replicas(ChannelNo) = 0;
  // Segments of one replica that hold an op with seq >= from, in sequence order, until `bytes_max` is passed (at least
  // one when there is one). The first may begin before `from`.
  virtual Expected<std::vector<SegmentRow>> segments(ChannelNo, ReplicaId, Seq from, std::size_t bytes_max) = 0;
  // Segments of one channel that hold an op with arrival > after, in arrival order, likewise.
  virtual Expected<std::vector<SegmentRow>> segments_after(ChannelNo, Arrival after, std::size_t bytes_max) = 0;
  // The same over all channels.
  struct ChannelSegment {
    ChannelNo channel{};
    SegmentRow row;
  };
  virtual Expected<std::vector<ChannelSegment>> segments_after(Arrival after, std::size_t bytes_max) = 0;
  // Where a replay begins that goes back to `wall_ms`: segments_after() this arrival begins with the first segment
  // whose newest op is not older, or of unknown age. It may hold older ops too, and so may those that follow.
  // last_arrival() when there is none. It reads about as much as one batch.
  virtual Expected<Arrival> first_arrival_since(ChannelNo, std::uint64_t wall_ms) = 0;
  // Cells (tombstones too) with topic > after_topic, in byte order of the topic, until `bytes_max` is passed.
  // `prefix` restricts to topics that begin with it; empty: all.
  virtual Expected<std::vector<Cell>> cells(ChannelNo, std::string_view prefix, std::string_view after_topic,
                                            std::size_t bytes_max) = 0;
  virtual Expected<std::optional<Cell>> cell(ChannelNo, std::string_view topic) = 0;
  virtual Expected<std::vector<Gap>> gaps(ChannelNo) = 0;
};

class ReadViews {
 public:
  virtual ~ReadViews() = default;
  virtual Expected<std::unique_ptr<ReadView>> open_view() = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;

  virtual Expected<StoredState> load() = 0;
  // Any time after load(): what the log holds, with what was written since begin(). From memory. Zeros for a channel
  // that is not known.
  [[nodiscard]] virtual LogTotals log_totals(ChannelNo) const = 0;

  virtual Expected<void> begin() = 0;
  // Durable when it returns. kLimit: the disk is full; rolled back, nothing else is lost. kIo: the file must not be
  // used again (G1): every later call fails.
  virtual Expected<void> commit() = 0;
  virtual void rollback() = 0;

  // Everything below is called between begin() and commit(), and sees what was written since begin().
  virtual Expected<ChannelNo> define_channel(std::string_view name) = 0;
  virtual Expected<void> put_merge(ChannelNo, MergeKind) = 0;
  // Arrival numbers only rise.
  virtual Expected<void> append(ChannelNo, const SegmentRow&) = 0;
  // Without its lineage, which seldom changes.
  virtual Expected<void> put_replica(ChannelNo, const ReplicaState&) = 0;
  virtual Expected<void> put_lineage(ChannelNo, ReplicaId, const Lineage&) = 0;
  virtual Expected<void> put_clock(Arrival last_arrival, const Stamp& last_stamp) = 0;
  virtual Expected<std::optional<HeldCell>> held_cell(ChannelNo, std::string_view topic) = 0;
  virtual Expected<void> put_cell(ChannelNo, const Cell&) = 0;
  // All of a cell, for merged channels; and the first one whose topic lies behind `after_topic` in byte order.
  virtual Expected<std::optional<Cell>> whole_cell(ChannelNo, std::string_view topic) = 0;
  virtual Expected<std::optional<Cell>> cell_behind(ChannelNo, std::string_view after_topic) = 0;
  // ChannelState::live_cells. Who writes the cells counts them: the storage only keeps the number.
  virtual Expected<void> put_live_cells(ChannelNo, std::uint64_t live_cells) = 0;
  // A gap that continues the last one of the same channel, replica and reason (last + 1 == first) extends it, so that
  // steady trimming keeps one row.
  virtual Expected<void> add_gap(ChannelNo, const Gap&) = 0;
  // The gap of the replica with the greatest `first` up to `seq`.
  virtual Expected<std::optional<Gap>> gap_from_below(ChannelNo, ReplicaId, Seq seq) = 0;
  // The gap, which is listed, ends at `last` from here on; it goes where nothing of it is left.
  virtual Expected<void> end_gap(ChannelNo, const Gap&, Seq last) = 0;

  // Trimming by keep: drops whole segments from the oldest arrival on, while the channel's log exceeds size_bytes or
  // the segment's newest op is older than oldest_wall_ms; at most `segments_max` a call. Returns what went, oldest
  // first; the engine then records gaps and trimmed marks.
  struct Trimmed {
    ReplicaId replica{};
    Seq first = 0;
    Seq last = 0;
    GapReason reason{};
  };
  virtual Expected<std::vector<Trimmed>> trim(ChannelNo, std::uint64_t size_bytes, std::uint64_t oldest_wall_ms,
                                              std::size_t segments_max) = 0;

  // Staging of a snapshot answer (DESIGN 5, compaction): pages wait here until the last one has come, so that a broken
  // answer changes nothing and memory stays bounded. One staging area a (channel, peer node name).
  virtual Expected<void> stage_page(ChannelNo, std::string_view peer, std::uint64_t page_no, ByteView page) = 0;
  virtual Expected<std::optional<Bytes>> staged_page(ChannelNo, std::string_view peer, std::uint64_t page_no) = 0;
  virtual Expected<void> drop_staged(ChannelNo, std::string_view peer) = 0;

  // A new life of this database under another name (Engine::renew()). Rare: they may take long.
  virtual Expected<void> put_self(ReplicaId) = 0;
  // The first segment of the replica that holds an op with seq >= from.
  virtual Expected<std::optional<SegmentRow>> segment_from(ChannelNo, ReplicaId, Seq from) = 0;
  // Puts the row in the place of the one with the same first_arrival, which is there and has the same count.
  virtual Expected<void> replace(ChannelNo, const SegmentRow&) = 0;
  // The ops of `from` beyond `after` belong to `to` now, which counts them from 1: in the order of cells, and in gaps.
  // Segments, frontiers and the states of cells are the caller's.
  virtual Expected<void> rename(ChannelNo, ReplicaId from, Seq after, ReplicaId to) = 0;
  // A branch takes the name `to`: the ops of `from` beyond `after`, which keep their numbers, in the order of cells,
  // and in gaps. The rest is the caller's likewise.
  virtual Expected<void> branch_off(ChannelNo, ReplicaId from, Seq after, ReplicaId to) = 0;
  // Puts these rows in the place of the one with the same first_arrival as the first, which is there: together they
  // have its count and its arrival numbers.
  virtual Expected<void> divide(ChannelNo, const SegmentRow& first, const SegmentRow& second) = 0;
};

}  // namespace hedgerow::sync
