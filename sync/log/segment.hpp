// The segment: consecutive ops of one replica in one channel, as stored in one row and as sent to peers. DESIGN 2.
//
//   segment    = version:u8=1 replica:u64 first_seq:varint count:varint predecessor:32 publishers op{count}
//                  replica not 0; first_seq and count from 1, their sum up to kSeqMax; predecessor: chain hash of op
//                  first_seq - 1
//   publishers = n:varint publisher:u64{n}
//                  n from 1, at most count
//   op         = flags:u8 time [publisher] topic [properties] [expiry] payload [more]
//   flags      = bit 0 record, 1 cell, 2-3 QoS, or 3: `more` follows and tells it, 4 stamped by a synchronised clock,
//                    5 properties follow, 6 expiry follows, 7 a publisher index follows
//   time       = wall_delta:varint counter:varint
//                  wall_ms is wall_delta beyond the op's before (beyond 0 for the first op). Where both share the
//                  millisecond, the counter is `counter` + 1 beyond the op's before: stamps only rise.
//   publisher  = index:varint            into publishers; without it, as the op before (the first op: index 0)
//   topic      = shared:varint length:varint byte{length}
//                  the first `shared` bytes are those of the op's topic before;
//                  all topics of the segment together hold at most kSegmentTopicBytesMax
//   properties = length:varint byte{length}     length from 1
//   expiry     = seconds:varint
//   payload    = length:varint byte{length}
//   more       = kind:u8 [run:u64] [behind:varint] [length:varint change:byte{length}]
//                  kind: bits 0-1 QoS, 2 a run begins, whose mark follows, 3 no change follows, which needs bit 2 or 4,
//                  4 the writer's clock stood behind the stamp, by `behind` milliseconds, which needs flag 4.
//                  run not 0; behind from 1 to wall_ms; length from 1, and the op sets a cell
//
// Integers as in codec.hpp; bounds as in limits.hpp. Nothing follows the last op. The channel is not in the segment:
// the place where it lies, or the message that carries it, says so, and the chain holds it to that. Pure. Thread rule:
// free functions, and builders of one thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/base/hasher.hpp"
#include "sync/limits.hpp"
#include "sync/log/chain.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::sync {

// Publishers in one segment, so that finding one stays cheap.
inline constexpr std::size_t kSegmentPublishersMax = 256;

// Bits of `flags`, shared by the segment, the page and the chain.
inline constexpr unsigned kFlagRecord = 1U << 0U;
inline constexpr unsigned kFlagCell = 1U << 1U;
inline constexpr unsigned kFlagQosShift = 2U;
inline constexpr unsigned kFlagSynchronised = 1U << 4U;
inline constexpr unsigned kFlagProperties = 1U << 5U;
inline constexpr unsigned kFlagExpiry = 1U << 6U;
inline constexpr unsigned kFlagPublisher = 1U << 7U;
// The same bits where no publisher index and no properties are: in the chain's flags, and in a page's cell.
inline constexpr unsigned kFlagChange = 1U << 7U;
inline constexpr unsigned kFlagState = 1U << 7U;
inline constexpr unsigned kFlagBeginsRun = 1U << 5U;
// The same bit as kFlagRecord, in a page's cell.
inline constexpr unsigned kFlagBehind = 1U << 0U;

// Stands for the QoS in `flags`, where `more` tells it.
inline constexpr std::uint8_t kQosInMore = 3;
// Bits of `more`.
inline constexpr unsigned kMoreQos = 3;
inline constexpr unsigned kMoreBeginsRun = 1U << 2U;
inline constexpr unsigned kMoreNoChange = 1U << 3U;
inline constexpr unsigned kMoreBehind = 1U << 4U;

[[nodiscard]] unsigned op_flags(const OpKind& kind, ClockQuality quality);
[[nodiscard]] OpKind kind_of_flags(std::uint8_t flags);
[[nodiscard]] ClockQuality quality_of_flags(std::uint8_t flags);

// The rules that every op obeys wherever it comes from: a topic name without wildcard or NUL [MQTT-3.3.2-2]
// [MQTT-1.5.4-2], sizes and stamp within limits.hpp, a kind that does something. kInvalidInput or kLimit.
[[nodiscard]] Expected<void> check_op(const Op& op);
// The part of it that is the stamp's: kLimit, or kInvalidInput where it tells of a time before 1970, or of a clock that
// nobody trusts.
[[nodiscard]] Expected<void> check_stamp(const Stamp& stamp);

struct SegmentHeader {
  ReplicaId replica{};
  Seq first_seq = 0;
  std::uint32_t count = 0;
  Hash256 predecessor{};
  [[nodiscard]] Seq last_seq() const { return first_seq + count - 1; }
};

struct Segment {
  SegmentHeader header;
  std::vector<Op> ops;
};

// The header alone, without looking at the ops. kCorrupt names the field.
[[nodiscard]] Expected<SegmentHeader> peek_segment(ByteView bytes);

// All of it. kCorrupt names the op and the field that break the grammar. The chain is the caller's to check.
[[nodiscard]] Expected<Segment> decode_segment(ByteView bytes);

// Encodes ops one by one. Reusable: its buffers keep their capacity.
class SegmentBuilder {
 public:
  // Drops what was built.
  void start(ReplicaId replica, Seq first_seq, const Hash256& predecessor);

  // False when the segment must be finished before `op`: it has ops, and with this one it would pass bytes_max, or the
  // bounds of ops, topics or publishers, or the stamp does not rise.
  [[nodiscard]] bool fits(const Op& op, std::size_t bytes_max = kSegmentBytesSoft) const;

  // The same for ops that are consecutive in another segment: all of them, or none. It may say no where they would just
  // fit.
  [[nodiscard]] bool fits_all(const std::vector<Op>& ops, std::size_t bytes_max) const;

  // Appends. REQUIRES: check_op(op), fits(op)
  void add(const Op& op);

  [[nodiscard]] std::uint32_t count() const { return count_; }
  // Of finish(), exactly.
  [[nodiscard]] std::size_t size_bytes() const;

  // The segment; start() before the next. REQUIRES: count() > 0
  [[nodiscard]] Bytes finish();

 private:
  [[nodiscard]] std::size_t publisher_index(std::uint64_t publisher) const;  // publishers_.size(): unknown

  ReplicaId replica_{};
  Seq first_seq_ = 0;
  Hash256 predecessor_{};
  std::uint32_t count_ = 0;
  Stamp last_stamp_;
  std::size_t last_publisher_ = 0;
  MessagePtr last_message_;  // keeps the topic that the next one shares
  std::vector<std::uint64_t> publishers_;
  std::size_t topic_bytes_ = 0;
  Bytes body_;
};

// What a cut must keep within.
struct Cut {
  Seq first = 0;                             // the new segment's first op
  std::size_t bytes_max = kSegmentBytesMax;  // as many ops as fit, at least one
};
struct CutSegment {
  Bytes bytes;
  Seq last_seq = 0;
};

// Cuts a new segment out of a decoded one; the chain, which bears `name`, supplies the new predecessor.
// REQUIRES: header.first_seq <= cut.first <= header.last_seq()
[[nodiscard]] CutSegment recut(Chain& chain, const ChainName& name, const Segment& segment, const Cut& cut);

// The same ops, numbers and hashes under another name: ReplicaId of the header. REQUIRES: a segment that decodes
[[nodiscard]] Bytes rename_segment(Bytes segment, ReplicaId name);

}  // namespace hedgerow::sync
