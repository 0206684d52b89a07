// The sync engine: turns local writes and what peers sent into durable state. DESIGN 3 to 5.
//
// A turn is: begin(), any number of write()/receive()/stage()…, commit(). Nothing that a turn returned may be
// acknowledged, delivered as durable or shown to a peer before its commit() has succeeded (G1, G5). After a failed
// commit the engine is again in the state of the last good one; the storage's error says whether it can go on.
// Pure: no clock, file, thread or random source; the storage is a port.
// Thread rule: owned by the store thread. Ownership: storage and hasher must outlive it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/expected.hpp"
#include "sync/base/hasher.hpp"
#include "sync/clock/hlc.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

// What keep allows in one channel. DESIGN 1.
struct Keep {
  std::uint64_t age_ms = 0;
  std::uint64_t size_bytes = 0;
};

struct ChannelSettings {
  std::string name;
  Keep keep;
};

struct LocalWrite {
  ChannelNo channel{};
  OpKind kind;
  std::uint64_t publisher = 0;
  MessagePtr message;
};

// Ops that a turn committed: consecutive ops of one replica in one channel. `segment` is as stored and as sent on.
struct CommittedSegment {
  ChannelNo channel{};
  std::shared_ptr<const SegmentRow> segment;
  Hash256 head_before{};  // the chain's hash before the first op
  Hash256 head_after{};
  std::vector<Op> ops;  // op i has seq first_seq + i and arrival first_arrival + i
};

struct Committed {
  std::vector<CommittedSegment> segments;  // in arrival order
  // Snapshot answers that were merged: their records are in the log now and must be read from there (they may be many).
  std::vector<ChannelNo> merged;
  Arrival last_arrival = 0;
  // Frontiers of the channels that changed, whole, each ordered by replica.
  std::vector<ChannelState> frontiers;
};

// What became of a segment from a peer.
enum class ReceiveResult : std::uint8_t {
  kApplied,    // all or a new tail of it
  kDuplicate,  // held already, all of it
  kGap,        // begins beyond our frontier: pull
  kFork,       // its chain contradicts ours: refused, and reported (G5)
};

class Engine {
 public:
  Engine(Storage& storage, Hasher& hasher);

  // Reads the state and defines the channels. Call once. Channels that the database knows but `channels` leaves out
  // stay stored and keep replicating with their data untouched.
  Expected<void> open(const std::vector<ChannelSettings>& channels);

  [[nodiscard]] ReplicaId self() const;
  [[nodiscard]] Arrival last_arrival() const;
  // By name; the local numbers are stable for the life of the database.
  [[nodiscard]] const std::vector<ChannelState>& channels() const;

  Expected<void> begin();
  // Stamps and sequences one write. Consecutive writes to one channel share a segment.
  Expected<void> write(const WallTime& now, const LocalWrite& write);
  // A segment as it came from a peer. kCorrupt when it breaks the grammar or its own chain.
  Expected<ReceiveResult> receive(const WallTime& now, ChannelNo channel, ByteView segment);
  // One page of a snapshot answer: set aside, durable with the turn.
  Expected<void> stage(ChannelNo channel, std::string_view peer, std::uint64_t page_no, ByteView page);
  // The last page has come: merges cells and records of all staged pages and joins the frontiers, in this turn (G2).
  Expected<void> merge_staged(const WallTime& now, ChannelNo channel, std::string_view peer,
                              const std::vector<ReplicaState>& sender_frontier, std::uint64_t pages);
  Expected<void> drop_staged(ChannelNo channel, std::string_view peer);
  // One bounded step of retention. Returns true iff more is waiting.
  Expected<bool> trim(const WallTime& now);
  // Syncs. The result is valid until the next begin().
  Expected<Committed> commit();
  void rollback();
};

}  // namespace hedgerow::sync
