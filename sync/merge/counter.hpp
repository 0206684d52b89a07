// merge: counter. A retained number that every node adds to at once. DESIGN 1 and 5.
//
// A publish with retain to such a topic is an increment, a decimal integer; an empty payload deletes the counter, which
// begins again from nothing with the next increment. The retained message is the sum.
//
// Each replica has a part: the running total of what was published on it, and the number of the last op that touched
// it. Nobody else ever changes it, so of two versions of a part the one with the greater number knows everything of the
// other, and each increment counts once, however often its op comes. The part of a replica that is gone (a new board, a
// restored database) stays; the successor is a part of its own.
//
// A deletion must not hide what its node had not seen, and must hide what it had for good. It raises a base under each
// part that it knows: the total as of some number. Of two bases the one with the greater number counts; the sum is that
// of total - base over all parts. An increment that nobody had told the deleting node of survives, everywhere. So a
// deletion cannot be told by its op alone, nor can an increment to whom has forgotten the counter:
//
//   publishing node   changed = counter.add(…) or counter.reset(…): the op carries changed->encode() beside its message
//   every other node  counter.join(Counter::decode(…))
//
// join() takes maxima over each part's life, base and total, so it is commutative, associative and idempotent, and
// states converge (G3).
//
// Forgetting: a cell whose counter is not visible may be dropped once every member has merged all of its writes() and
// everything else beneath the cell's stamp. A replica that has forgotten its own part begins a new life of it, named by
// the number of its first op; that life takes the place of the one before, and of the base beneath it. It can, because
// a part is forgotten only where all of it was hidden, and everybody knew.
//
// Pure. Thread rule: plain value. Bounded: kReplicasPerChannelMax parts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

// What an increment's payload says: an optional sign and decimal digits, within the signed 64-bit integers.
// kInvalidInput: anything else, empty included; the endpoint answers 0x99 Payload format invalid.
[[nodiscard]] Expected<std::int64_t> parse_increment(ByteView payload);

class Counter {
 public:
  // Never written.
  Counter() = default;

  // The op `seq` of replica `self` adds `amount`. Returns what has changed, for everybody else to join.
  // kLimit: the part's running total would leave the signed 64-bit integers, or there are kReplicasPerChannelMax parts.
  // kCorrupt: others say that `self` has used this number already (G5). Then nothing has changed.
  [[nodiscard]] Expected<Counter> add(std::int64_t amount, ReplicaId self, Seq seq);

  // The op `seq` of replica `self` deletes what is counted here. Returns as above.
  [[nodiscard]] Expected<Counter> reset(ReplicaId self, Seq seq);

  // Merges all of `other` into this. kLimit: too many parts; then nothing has changed.
  // Returns true iff this state changed, be it visible or not.
  [[nodiscard]] Expected<bool> join(const Counter& other);

  // True iff something was counted that no deletion hides. The sum may be 0.
  [[nodiscard]] bool is_visible() const;

  // The sum in decimal; empty when it is not visible. Exact: concurrent increments may lead beyond 64 bits.
  [[nodiscard]] Bytes render() const;

  // The last op of each replica that this state holds, by replica. A receiver whose frontier has all of them lacks
  // nothing of this state.
  struct LastOp {
    ReplicaId replica{};
    Seq seq = 0;
    friend bool operator==(const LastOp&, const LastOp&) = default;
  };
  [[nodiscard]] std::vector<LastOp> writes() const;

  // The state, in one canonical form: equal states have equal bytes. Grammar in counter.cpp.
  [[nodiscard]] Bytes encode() const;

  // kCorrupt: not exactly what encode() writes for some state.
  [[nodiscard]] static Expected<Counter> decode(ByteView bytes);

  friend bool operator==(const Counter&, const Counter&) = default;

 private:
  friend class CounterRename;

  // The total as of an op of the part's replica.
  struct Count {
    Seq seq = 0;
    std::int64_t total = 0;
    auto operator<=>(const Count&) const = default;
  };
  struct Part {
    ReplicaId replica{};
    Seq life = 0;               // the op that began this part
    Count now;                  // life <= now.seq
    std::optional<Count> base;  // life <= base->seq <= now.seq
    friend bool operator==(const Part&, const Part&) = default;

    [[nodiscard]] bool is_hidden() const { return base && base->seq == now.seq; }
  };

  static Part joined(const Part& a, const Part& b);
  [[nodiscard]] Part* find(ReplicaId replica);
  // The part of `self` as op `seq` finds it; none when there are too many.
  [[nodiscard]] Expected<Part> part_for(ReplicaId self, Seq seq);
  void put(const Part& part);

  std::vector<Part> parts_;  // by replica
};

}  // namespace hedgerow::sync
