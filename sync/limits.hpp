// Every bound of the sync library in one place (G6). Beyond one of them the answer is an error that names it.
// Thread rule: constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hedgerow::sync {

// One op. MQTT allows topics of 65,535 bytes [MQTT-1.5.4]; larger payloads are refused by the MQTT endpoint, which
// announces this as part of its Maximum Packet Size.
inline constexpr std::size_t kTopicBytesMax = 65'535;
inline constexpr std::size_t kPropertiesBytesMax = 65'535;
inline constexpr std::size_t kPayloadBytesMax = std::size_t{1} << 20U;

// The last millisecond of the year 9999: no stamp lies beyond it, so that a forged one cannot exhaust the clock's 48
// bits.
inline constexpr std::uint64_t kStampWallMsMax = 253'402'300'799'999;
// A stamp that is ahead of its writer's clock by less does not say so (Stamp::behind_ms).
inline constexpr std::uint64_t kStampBehindMinMs = 1'000;

// Sequence and arrival numbers end here, so that they and their sums fit signed 64-bit integers, as databases have
// them.
inline constexpr std::uint64_t kSeqMax = std::uint64_t{1} << 62U;

// One segment. A builder closes it at the soft bound; the hard bound leaves room for one op of the greatest size.
inline constexpr std::size_t kSegmentOpsMax = 4096;
inline constexpr std::size_t kSegmentBytesSoft = std::size_t{256} << 10U;
// Segments of up to the first are put together in rows of up to the second: engine/row_gatherer.hpp.
inline constexpr std::size_t kGatheredPartBytesMax = std::size_t{4} << 10U;
inline constexpr std::size_t kGatheredRowBytesMax = std::size_t{32} << 10U;
static_assert(kGatheredPartBytesMax < kGatheredRowBytesMax && kGatheredRowBytesMax < kSegmentBytesSoft);
inline constexpr std::size_t kSegmentBytesMax = std::size_t{1536} << 10U;
// Topics share prefixes on the wire, so their decoded size has a bound of its own.
inline constexpr std::size_t kSegmentTopicBytesMax = std::size_t{512} << 10U;
static_assert(kSegmentTopicBytesMax >= kTopicBytesMax);
static_assert(kSegmentBytesSoft + kTopicBytesMax + kPropertiesBytesMax + kPayloadBytesMax + 256 <= kSegmentBytesMax);
// Beside the segments of one turn: the merged retained messages that its ops lead to. Beyond it they are read back.
inline constexpr std::size_t kShownBytesMax = std::size_t{4} << 20U;

// One channel. Every life of every node's database is a replica: forty boards reach this after a hundred lives each.
inline constexpr std::size_t kReplicasPerChannelMax = 4096;
// Runs of one replica that are told apart. The database goes on as a new replica then (Engine::open()).
inline constexpr std::size_t kRunsPerReplicaMax = 64;
// Replicas that are branches of one, itself included: so many boards may go on with copies of one database
// (Engine::learn()).
inline constexpr std::size_t kPathsPerRootMax = 512;
inline constexpr std::size_t kChannelNameBytesMax = 255;
inline constexpr std::size_t kPeerNameBytesMax = 255;
inline constexpr std::size_t kChannelFilterBytesMax = 1024;

// One answer to a pull: as many items as fit, at least one, so one item of the greatest size decides.
inline constexpr std::size_t kAnswerBytesDefault = std::size_t{512} << 10U;
inline constexpr std::size_t kPageBytesMax = std::size_t{2} << 20U;
static_assert(kPageBytesMax >= kSegmentBytesMax + 16);
// What one answer may read to find what the requester lacks; a page may then be short or empty.
inline constexpr std::size_t kAnswerScanBytesMax = std::size_t{4} << 20U;
inline constexpr std::size_t kResumeTokenBytesMax = 32 + kTopicBytesMax + kReplicasPerChannelMax * 18;
// Ranges of one question for what fills gaps, and rows that one answer puts together: it is one segment.
inline constexpr std::size_t kFillRangesMax = 64;
inline constexpr std::size_t kFillRowsMax = 256;
// With less room below keep's size nobody asks.
inline constexpr std::size_t kFillRoomBytesMin = 1024;
static_assert(16 + kFillRangesMax * (8 + 10 + 10) <= kResumeTokenBytesMax);
// Pages of one snapshot answer: 2^20 pages of 512 KiB are 512 GiB.
inline constexpr std::uint64_t kPagesMax = std::uint64_t{1} << 20U;

// Retention: segments dropped in one step.
inline constexpr std::size_t kTrimSegmentsPerStep = 64;

// Links. Every message travels whole; the caller's transport must carry kLinkMessageBytesMax.
inline constexpr std::size_t kLinksMax = 64;
inline constexpr std::size_t kChannelsPerLinkMax = 256;
inline constexpr std::size_t kRangeSegmentsMax = 16'384;
inline constexpr std::size_t kReplicaMarkBytesMax = 8 + 10;
// Ranges of one message that compares frontiers (link/frontier_compare.hpp).
inline constexpr std::size_t kRangeClaimsMax = 4096;
inline constexpr std::size_t kReplicaStateBytesMax = 8 + 10 + 32 + 10;
inline constexpr std::size_t kLineageBytesMax = 8 + 10 + 2 + kRunsPerReplicaMax * (10 + 8);
inline constexpr std::size_t kLinkMessageHeadBytesMax = 64;  // version, type, numbers, flags, lengths
inline constexpr std::size_t kLinkMessageBytesMax =
    kLinkMessageHeadBytesMax + kPageBytesMax + kReplicasPerChannelMax * (kReplicaStateBytesMax + kLineageBytesMax);
static_assert(kResumeTokenBytesMax <= kReplicasPerChannelMax * kReplicaStateBytesMax);
static_assert(kLinkMessageHeadBytesMax + kTopicBytesMax + kPropertiesBytesMax + kPayloadBytesMax <=
              kLinkMessageBytesMax);
static_assert(kLinkMessageHeadBytesMax + kResumeTokenBytesMax + kReplicasPerChannelMax * kReplicaMarkBytesMax <=
              kLinkMessageBytesMax);
static_assert(kLinkMessageHeadBytesMax + 4 * kPeerNameBytesMax +
                  kChannelsPerLinkMax * (kChannelNameBytesMax + kChannelFilterBytesMax + 8) <=
              kLinkMessageBytesMax);
// The segments of one range, with their lengths.
inline constexpr std::size_t kRangeBytesMax = kAnswerBytesDefault + kSegmentBytesMax + kRangeSegmentsMax * 3;
static_assert(kRangeBytesMax + kLinkMessageHeadBytesMax <= kLinkMessageBytesMax);
// Small segments that follow each other are sent as one.
inline constexpr std::size_t kJoinPartBytesMax = std::size_t{4} << 10U;
inline constexpr std::size_t kJoinBytesMax = std::size_t{64} << 10U;
static_assert(kJoinBytesMax <= kSegmentBytesSoft);
// What is shorter is not worth compressing; what shrinks by less than an eighth is sent as it is.
inline constexpr std::size_t kPackBytesMin = 256;
// Above this a link's send queue takes no push and no live message: pull repairs the one, the other is counted.
inline constexpr std::size_t kLinkQueueBytesSoft = std::size_t{1} << 20U;
// What was heard from peers and waits for its commit. Beyond it nothing more is asked for, and pushes are let go (pull
// repairs). An answer that was asked for below the bound still comes.
inline constexpr std::size_t kUnappliedBytesMax = std::size_t{2} << 20U;

// Bytes of segments that wait for the sync of a turn that was left open. They count as unapplied meanwhile.
inline constexpr std::size_t kRemoteCommitBytesMax = std::size_t{256} << 10U;
static_assert(2 * kRemoteCommitBytesMax <= kUnappliedBytesMax, "questions must have room beside what waits");
// Live messages: nodes remembered at once, and how many counts behind the newest one a late copy may come.
inline constexpr std::size_t kLiveOriginsMax = 256;
inline constexpr std::size_t kLiveWindow = 512;
// Contradictions between chains that are remembered and reported, over all channels (G5).
inline constexpr std::size_t kForksMax = 256;

}  // namespace hedgerow::sync
