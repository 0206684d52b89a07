// The sync engine: turns local writes and what peers sent into durable state. DESIGN 3 to 5.
//
// A turn is: begin(), any number of write()/receive()/stage()…, commit(). Nothing that a turn returned may be
// acknowledged, delivered as durable or shown to a peer before its commit() has succeeded (G1, G5). After a failed
// commit the engine is again in the state of the last good one; the storage's error says whether it can go on.
// Pure: no clock, file, thread or random source; the storage is a port.
// Thread rule: owned by the store thread. Ownership: storage and hasher must outlive it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/expected.hpp"
#include "sync/base/hasher.hpp"
#include "sync/clock/hlc.hpp"
#include "sync/engine/page.hpp"
#include "sync/engine/row_gatherer.hpp"
#include "sync/engine/staged_answers.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/chain.hpp"
#include "sync/log/op.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

// What keep allows in one channel. DESIGN 1.
struct Keep {
  std::uint64_t age_ms = 0;
  std::uint64_t size_bytes = 0;
};

struct ChannelSettings {
  std::string name;
  Keep keep;
  // Of a channel in which nothing was written yet. Else it stays what it was, in ChannelState::merge: cells cannot be
  // read another way, and no two nodes may read them differently (G3).
  MergeKind merge = MergeKind::kLastWrite;
  // From so many retained messages in all channels on no local write makes one more in this one (G6). Changing and
  // deleting go on, and what peers wrote is always taken: nodes would diverge otherwise. None: never refused.
  std::optional<std::uint64_t> live_cells_max = std::nullopt;
};

// What all channels hold together.
struct StoreTotals {
  std::uint64_t live_cells = 0;  // retained messages
  std::uint64_t ops = 0;         // in the logs
  std::uint64_t bytes = 0;       // of the logs, as stored
  bool operator==(const StoreTotals&) const = default;
};

struct LocalWrite {
  ChannelNo channel{};
  OpKind kind;
  std::uint64_t publisher = 0;
  MessagePtr message;
  // From stamp_now(), perhaps of an earlier turn: the op happened then, and loses against every write to its cell that
  // came since. A will carries the moment its connection died. One that lies ahead of the clock is not believed: the op
  // is stamped with now.
  std::optional<Stamp> stamp = std::nullopt;
  // With `stamp`: what this replica wrote to the cell so far was meant to come before, also where it was stamped later.
  bool after_own = false;
};

// Ops that a turn applied: consecutive ops of one replica in one channel. `segment` is as stored and as sent on.
struct CommittedSegment {
  ChannelNo channel{};
  std::shared_ptr<const SegmentRow> segment;
  Hash256 head_before{};  // the chain's hash before the first op
  Hash256 head_after{};
  std::vector<Op> ops;  // op i has seq first_seq + i and arrival first_arrival + i
  // Of a channel that merges, one for each op: the retained message that it led to. Null: the op set none.
  std::vector<MessagePtr> shown = {};
};

struct Committed {
  std::vector<CommittedSegment> segments;  // in arrival order; without what was handed out before
  // Channels whose records are in the log now and must be read from there: a snapshot answer was merged (they may be
  // many), or the messages that they show took too much memory. What `segments` shows of them is not whole.
  std::vector<ChannelNo> merged;
  Arrival last_arrival = 0;
  // Frontiers of the channels that changed, whole, each ordered by replica.
  std::vector<ChannelState> frontiers;
  StoreTotals totals;
};

// Of a node's own ops in a channel, the last that others may have seen.
struct ShownOps {
  ChannelNo channel{};
  Seq last = 0;
};

// What became of a segment from a peer.
enum class ReceiveResult : std::uint8_t {
  kApplied,    // all or a new tail of it
  kDuplicate,  // held already, all of it
  kGap,        // begins beyond our frontier: pull
  kFork,       // its chain contradicts ours: refused, and reported (G5)
  kRenew,      // of our part of a counter it knows more than was written here: renew(), then it can be taken (G5)
};

class Engine {
 public:
  Engine(Storage& storage, Hasher& hasher);

  // Reads the state and defines the channels. Call once. Channels that the database knows but `channels` leaves out
  // stay stored and keep replicating with their data untouched; nothing of them is trimmed.
  // `fresh` is random, unknown and not 0: it marks what is written from here on (sync/log/lineage.hpp), and is the new
  // name where the old one has had kRunsPerReplicaMax runs in a channel, while all channels have room for a name.
  Expected<void> open(const std::vector<ChannelSettings>& channels, ReplicaId fresh);

  [[nodiscard]] ReplicaId self() const { return self_; }
  // These four speak of the last good commit only between turns.
  [[nodiscard]] Arrival last_arrival() const { return last_arrival_; }
  // Every op that was written or seen here has this stamp or a lesser one.
  [[nodiscard]] Stamp clock() const { return hlc_.last(); }
  // Ordered by number; the numbers are stable for the life of the database. ChannelState::replicas is ordered by
  // replica.
  [[nodiscard]] const std::vector<ChannelState>& channels() const { return channels_; }
  // Reads no disk.
  [[nodiscard]] StoreTotals totals() const;

  // Within a turn a mistake of the caller's or a peer's (kInvalidInput, kCorrupt, kNotFound, kLimit before anything was
  // touched) leaves the turn as it was. When the storage fails, the turn is lost: commit() then rolls back and returns
  // that first error.
  Expected<void> begin();

  // A moment to stamp a write with later: everything that is written here from now on is greater, everything before is
  // less. It ticks the clock, durably with the turn. kLimit: the clock stands beyond what a stamp holds.
  Expected<Stamp> stamp_now(const WallTime& now);

  // Stamps and sequences one write. Consecutive writes to one channel share a segment. kInvalidInput, kLimit:
  // check_op() of sync/log/segment.hpp refuses it, or prepare_write() of sync/engine/merged_cell.hpp (kNotInVersion
  // too); kLimit also: it would be one retained message too many. kNotFound: no such channel.
  Expected<void> write(const WallTime& now, const LocalWrite& write);

  // A segment as it came from a peer. kCorrupt when it breaks the grammar. kLimit: a document would grow too large, or
  // the channel would know too many replicas: it must be given again, lest nodes differ. `now` bounds what its age
  // counts from.
  Expected<ReceiveResult> receive(const WallTime& now, ChannelNo channel, ByteView segment);

  // A segment that a peer sent for a gap (ReplicaState::fill_first): it must end where the gap ends, and its chain must
  // lead to what is held above. It goes into the log under new arrival numbers, the last of them is last_arrival()
  // then; cells stay as they are, and the gap ends before it. What it brought is read from the log (Committed::merged).
  // kDuplicate: it fits no gap, or keep's age would drop it at once; kGap: keep's size leaves no room; kFork: another
  // chain. These three change nothing on disk. Errors as receive().
  Expected<ReceiveResult> fill(const WallTime& now, ChannelNo channel, ByteView segment);

  // One page of a snapshot answer: set aside, durable with the turn. kCorrupt when it breaks the grammar.
  Expected<void> stage(ChannelNo channel, std::string_view peer, std::uint64_t page_no, ByteView page);

  // The last page has come: merges cells and records of all staged pages, joins the frontiers and drops what was
  // staged, in this turn (G2). All or nothing: kCorrupt (the answer contradicts itself), kNotFound (a page is missing
  // or was lost with its turn), kFork and kRenew change nothing; drop_staged() then.
  Expected<ReceiveResult> merge_staged(const WallTime& now, ChannelNo channel, std::string_view peer,
                                       const std::vector<ReplicaState>& sender_frontier, std::uint64_t pages);

  Expected<void> drop_staged(ChannelNo channel, std::string_view peer);

  // The number of our last op in this channel, that of this turn included; 0: none.
  [[nodiscard]] Seq own_seq(ChannelNo channel) const;

  // One bounded step of retention. Returns true iff more is waiting. Age counts only while `now` is synchronised (G10).
  Expected<bool> trim(const WallTime& now);

  // Hands out what was applied since begin() or the last call, and the turn goes on: nothing of it is durable yet
  // (remote_commit.hpp). It is not taken back: when the commit fails, or rollback() is called, its arrival numbers are
  // not given again and the clock does not go back behind it; all else is as before begin(). kUnavailable: it must be
  // read from the log (Committed::merged), so commit() now. REQUIRES: nothing of our own was written in this turn.
  Expected<std::vector<CommittedSegment>> hand_out();

  // Syncs. After an error the turn is over and everything is as before begin(), but for what hand_out() says.
  Expected<Committed> commit();
  void rollback();

  // Goes on as another replica, when a peer holds more of what bears this replica's name than was ever written here:
  // the database was rolled back to an earlier state, or is one of two copies (G5). What was written since open() takes
  // the new name, from number 1 on, since under the old one the mesh knows other ops; arrival numbers stay. What was
  // there at open() keeps its name: it is taken for what the mesh knows. So does a channel of which anything written
  // since was `shown` (one that is left out: nothing was): it would be there twice. Where the mesh knows other ops
  // under that name, a fork remains: learn(). A turn of its own, synced; after an error nothing has changed. kLimit
  // also: a channel knows its most replicas. REQUIRES: not in a turn; `fresh` is random, not 0 and unknown to every
  // channel.
  Expected<void> renew(ReplicaId fresh, const std::vector<ShownOps>& shown = {});

  // What a peer holds of each replica of the channel, with lineages (DescribeAnswer). Where two nodes wrote under one
  // name, what is held here is parted as it says, and every branch goes on under its own name (G5): see
  // sync/engine/engine_fork.cpp. Returns true iff anything changed: frontiers may have gone back then, and what was
  // known of peers must be learnt anew. Where this replica's own name has ended, it goes on as `fresh`.
  // A turn of its own, synced; after an error nothing has changed. kCorrupt: the states are impossible. kLimit: too
  // many replicas. REQUIRES: not in a turn; `fresh` is random, not 0 and unknown to every channel.
  Expected<bool> learn(ChannelNo channel, const std::vector<ReplicaState>& theirs, ReplicaId fresh);

 private:
  // How a segment meets what is held of its replica.
  struct Fit {
    ReceiveResult result{};
    std::size_t first_new = 0;   // index of the first op that is new; kApplied only
    Hash256 head_after{};        // kApplied only
    std::vector<Run> runs = {};  // that begin among what is new
  };
  // Consecutive ops that will be one row.
  struct OpenSegment {
    std::size_t channel = 0;  // index in channels_
    ReplicaId replica{};
    Seq first_seq = 0;
    Hash256 head_before{};
    std::uint64_t age_base_ms = 0;
    std::vector<Op> ops;
    std::vector<MessagePtr> shown = {};  // as CommittedSegment
  };
  // A snapshot answer while its pages are walked.
  struct Merge {
    std::vector<ReplicaState>& held;  // what we hold of each replica, as the walk goes on
    const std::vector<ReplicaState>& sender;
    std::vector<Gap> gaps;
  };
  // A merge walks twice, so that a bad answer is found before anything is touched.
  enum class Pass : std::uint8_t { kCheck, kApply };

  [[nodiscard]] Expected<std::size_t> index_of(ChannelNo channel) const;
  void touch(std::size_t index);
  void restore();
  void end_turn(bool counts);
  // Passes a storage's result on and remembers its first error: the turn is lost then.
  template <class T>
  Expected<T> kept(Expected<T> result) {
    if (!result && !failed_) failed_ = result.error();
    return result;
  }

  Expected<void> add_op(std::size_t index, ReplicaId replica, std::uint64_t age_base, Op op);
  Expected<void> flush();
  Expected<void> append_row(std::size_t index, const SegmentRow& row, const std::vector<Op>& ops);
  [[nodiscard]] bool has_worn_name() const;
  [[nodiscard]] Expected<void> check_own_name(std::size_t index) const;
  [[nodiscard]] Expected<void> check_cells_bound(std::size_t index, const Op& op);
  // `name` and `arrival` are the op's. Does nothing for an op that writes no cell.
  struct OpName {
    ReplicaId replica{};
    Seq seq = 0;
  };
  // Returns what CommittedSegment::shown says of it.
  Expected<MessagePtr> take_cell_of(std::size_t index, const OpName& name, Arrival arrival, const Op& op);
  Expected<void> take_cell(std::size_t index, const Cell& cell);

  // engine_cells.cpp: channels that merge
  [[nodiscard]] bool merges(std::size_t index) const { return channels_[index].merge != MergeKind::kLastWrite; }
  Expected<void> prepare_merge(std::size_t index, Op& op);
  Expected<MessagePtr> merge_op(std::size_t index, const OpName& name, Arrival arrival, const Op& op);
  Expected<void> merge_cell(std::size_t index, const Cell& cell);
  Expected<void> put_merged(std::size_t index, const std::optional<Cell>& held, Cell next);
  // Whether every document can take what these ops bring: kLimit.
  Expected<void> check_merges(std::size_t index, const SegmentHeader& header, const std::vector<Op>& ops,
                              std::size_t first_new);
  // More than this replica has written. REQUIRES: the ops are not of our own
  [[nodiscard]] bool tells_of_self(std::size_t index, const std::vector<Op>& ops, std::size_t first_new) const;
  Expected<void> check_join(std::size_t index, const Cell& cell);
  [[nodiscard]] MessagePtr show(std::size_t index, MessagePtr shown);
  Expected<void> put_changes();
  Expected<void> put_lineage_of(const ChannelState& channel, const ReplicaState& state, const ReplicaState* before);
  void become(ReplicaId fresh);
  void remember_own();
  void take_own_for_shown();
  Expected<void> move_own(std::size_t index, ReplicaId fresh);
  [[nodiscard]] bool begins_run(std::size_t index) const;

  // engine_fork.cpp
  Expected<bool> settle(std::size_t index, const std::vector<ReplicaState>& theirs);
  bool adopt_branches(std::size_t index, const std::vector<ReplicaState>& theirs);
  Expected<void> cut(std::size_t index, ReplicaId name, Seq last);
  [[nodiscard]] Expected<void> check_size() const;
  Expected<Hash256> cut_log(std::size_t index, const ReplicaState& whole, Seq last, ReplicaId branch);

  [[nodiscard]] Fit fit(std::size_t index, const ReplicaState& held, const Segment& segment);
  Expected<void> apply_tail(const WallTime& now, std::size_t index, PageSegment item, const Fit& fitted);
  Expected<ReceiveResult> walk(const WallTime& now, std::size_t index, std::string_view peer, std::uint64_t pages,
                               Pass pass, Merge& merge);
  Expected<ReceiveResult> walk_page(const WallTime& now, std::size_t index, ByteView page, Pass pass, Merge& merge);
  Expected<ReceiveResult> walk_segment(const WallTime& now, std::size_t index, PageSegment item, Pass pass,
                                       Merge& merge);
  Expected<ReceiveResult> walk_cell(std::size_t index, Cell cell, Pass pass, const Merge& merge);
  static Expected<ReceiveResult> join(Merge& merge);
  // The ops after held.seq up to `last` are gone everywhere we know of: the frontier passes them, and the runs that
  // began there.
  static void leave_gap(std::vector<Gap>& gaps, ReplicaState& held, const ReplicaState& sender, Seq last,
                        const Hash256& head);

  // engine_fill.cpp
  Expected<void> note_trimmed(std::size_t index, const std::vector<Storage::Trimmed>& gone);
  Expected<void> find_fill(ChannelNo channel, ReplicaState& state);
  Expected<void> find_fills(ChannelState& channel);
  // The hash of op fill_last; none: it is not known.
  Expected<std::optional<Hash256>> hash_of_gap_end(ChannelNo channel, const ReplicaState& state);
  void measure_room(std::size_t index);

  Storage& storage_;
  RowGatherer rows_;
  Chain chain_;
  SegmentBuilder builder_;
  ReplicaId self_{};
  std::uint64_t run_ = 0;  // marks what is written since open(), or since the name is what it is
  Hlc hlc_{Stamp{}};
  Arrival last_arrival_ = 0;
  std::vector<ChannelState> channels_;
  // Of channels_, by index; what the database knows and the file leaves out has none.
  struct Bounds {
    std::optional<Keep> keep;
    std::optional<std::uint64_t> live_cells_max;
  };
  std::vector<Bounds> bounds_;
  std::size_t trim_next_ = 0;
  // Of channels_, by index: our own replica as open() or renew() found it, and how much of it others may have seen.
  std::vector<ReplicaState> own_at_open_;
  std::vector<Seq> own_shown_;

  // The turn: what it changed, and how to go back.
  struct Before {
    std::size_t channel = 0;
    ChannelState state;
  };
  bool in_turn_ = false;
  std::optional<Error> failed_;
  std::vector<Before> before_;
  // What a failed turn goes back to; what the disk knows may be behind it.
  Hlc hlc_before_{Stamp{}};
  Arrival last_arrival_before_ = 0;
  Stamp stamp_on_disk_;
  Arrival arrival_on_disk_ = 0;
  std::optional<OpenSegment> open_;
  bool report_ = true;  // rows go into committed_.segments; not while a merge appends them
  StagedAnswers staged_;
  std::size_t shown_bytes_ = 0;
  Committed committed_;
};

}  // namespace hedgerow::sync
