// The node's limits, all of them, and how they relate (G6). Those of the MQTT packets stand in daemon/mqtt/limits.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "daemon/mqtt/limits.hpp"
#include "sync/base/time.hpp"
#include "sync/limits.hpp"

namespace hedgerow::node {

// Sessions that outlive their connection, over all clients. One more is refused with Quota exceeded.
inline constexpr std::size_t kPersistentSessionsMax = 10'000;
// Levels of filters that are looked at in one turn of the loop, about: then whoever publishes at QoS 0 waits for the
// next turn, and sessions go on from the log.
inline constexpr std::size_t kLevelsPerLoopTurn = 128 * 1024;

// Subscriptions of one session. One more is answered Quota exceeded.
inline constexpr std::size_t kSubscriptionsPerSessionMax = 1'000;

// Bytes of their filters. One more is answered Quota exceeded.
inline constexpr std::size_t kFilterBytesPerSessionMax = 256 * 1024;
static_assert(kFilterBytesPerSessionMax > mqtt::kStringBytesMax, "one filter of any length must be possible");

// What the subscriptions of all sessions cost, of those that are away too: each its filter, which lies in the session
// and in the tree, and so much more. One more is answered Quota exceeded.
inline constexpr std::size_t kSubscriptionsBytesMax = 64 * 1024 * 1024;
inline constexpr std::size_t kSubscriptionCost = 512;
// Retained messages, or the past, on their way to one filter cost that much, and the filter again.
inline constexpr std::size_t kRunCost = 512;
// A filter that a session has may be subscribed again until the budget is exceeded by this part of it.
inline constexpr std::size_t kKnownFilterReserve = 4;
constexpr std::size_t subscription_cost(std::size_t filter_bytes) { return 2 * filter_bytes + kSubscriptionCost; }
constexpr std::size_t run_cost(std::size_t filter_bytes) { return filter_bytes + kRunCost; }
static_assert(kSubscriptionsBytesMax > 8 * subscription_cost(mqtt::kStringBytesMax));

// SUBSCRIBEs and UNSUBSCRIBEs of one session that wait for the disk. With so many its client is not read from.
inline constexpr std::size_t kChangesMax = 8;

// Deliveries of retained messages, or of the past, that wait for one filter: of SUBSCRIBEs that repeat it.
inline constexpr std::ptrdiff_t kRunsPerFilterMax = 16;
// They are acknowledged in stretches, so that a lost connection does not begin them anew: messages of one, stretches of
// one delivery that are on their way, and messages of the last where no more may begin.
inline constexpr std::size_t kStretchMessages = 256;
inline constexpr std::size_t kStretchesMax = 8;
inline constexpr std::size_t kStretchMessagesMax = 1'000;

// QoS 1 messages on their way to one client: the lesser of this and its Receive Maximum. It is also the most that a
// client sees twice after a crash.
inline constexpr std::uint16_t kInFlightMax = 1'000;
static_assert(kInFlightMax <= 65'535, "packet identifiers are 16 bits");

// Above this, QoS 0 messages for a client are dropped, and counted; above a quarter of it, QoS 1 and 2 messages stay in
// the log until its connection has drained.
inline constexpr std::size_t kClientQueueBytesMax = 1024 * 1024;
// The same for all clients together: above it, only clients whose queue is empty are sent anything, and above twice as
// much nobody is, until those that hold the most are closed: the fullest first, of those that have not taken all that
// they were sent for so long.
inline constexpr std::size_t kAllQueuesBytesMax = 32 * 1024 * 1024;
inline constexpr Duration kQueuePatience = std::chrono::seconds{3};
static_assert(kClientQueueBytesMax < kAllQueuesBytesMax);
static_assert(mqtt::kPacketBytesDefault + mqtt::kPacketBytesDefault / 4 < kAllQueuesBytesMax);
// So much for one client goes to its connection at once, not with the rest of the turn: what the kernel takes of it
// does not count, so that a large message reaches as many as read.
inline constexpr std::size_t kHandOverBytes = 64 * 1024;
// Above it, a client with so much in its queue is not read from: what answers it would add to that.
inline constexpr std::size_t kPressedQueueBytesMax = 16 * 1024;
// How often it is looked whom to close.
inline constexpr Duration kReliefPause = std::chrono::milliseconds{100};

// Memory for packets of all clients that are not complete. Beyond it those are closed, with Quota exceeded, that have
// held the most for the longest: bytes times time since their last whole packet.
inline constexpr std::size_t kUnfinishedBytesMax = 32 * 1024 * 1024;
static_assert(kUnfinishedBytesMax >= 2 * mqtt::kPacketBytesDefault);

// Shared subscriptions of this node; one more is answered Quota exceeded.
inline constexpr std::size_t kSharedGroupsMax = 1'000;
// How many readers that lost messages to keep are named, and the bytes of their names.
inline constexpr std::size_t kTrimmedShownMax = 100;
inline constexpr std::size_t kTrimmedShownBytesMax = 512 * 1024;
// Bytes of the wills of all clients.
inline constexpr std::size_t kWillBytesInAllMax = 8 * 1024 * 1024;
// What failed turns left to be done once the disk has room. Beyond it nobody is promised anything that the disk would
// have to know: such a CONNECT or SUBSCRIBE is refused, and a client in the middle of a QoS 2 exchange is closed.
inline constexpr std::size_t kOwedBytesMax = 2 * 1024 * 1024;
// Matters of which the operator is told when clients are refused, and how often of one that comes again.
inline constexpr std::size_t kRefusalsToldMax = 64;
inline constexpr Duration kRefusalsToldEvery = std::chrono::minutes{1};
// How long a publish in a channel with "ack": "peer" waits for another node, before it is acknowledged all the same.
inline constexpr Duration kPeerAckPatience = std::chrono::seconds{5};
// When a will that could not be published is tried again: the disk was full, or the node keeps no more retained
// messages.
inline constexpr Duration kWillRetryDisk = std::chrono::seconds{1};
inline constexpr Duration kWillRetryRetained = std::chrono::seconds{10};
// Wills that are taken at once; the others follow.
inline constexpr std::size_t kWillsAtOnce = 1'000;

// Recently committed ops that stay in memory, so that sessions that are a little behind need no disk.
inline constexpr std::size_t kRecentBytesMax = 2 * 1024 * 1024;
// What a session reads from the log at once.
inline constexpr std::size_t kReadPageBytes = 64 * 1024;
static_assert(kReadPageBytes < kRecentBytesMax, "a page must be able to reach what is in memory");
// What was read from the disk for those who have no room for it yet. Beyond it, it is read again when they have.
// Five hundred that catch up at once stay below.
inline constexpr std::size_t kPagesBytesMax = 32 * 1024 * 1024;
static_assert(kPagesBytesMax >= 500 * kReadPageBytes);
// A message in memory, beyond its topic, properties and payload.
inline constexpr std::size_t kMessageCost = 192;

// Writes handed to the store thread and not committed yet. Above it, no client is read from.
inline constexpr std::size_t kStorePendingBytesMax = 4 * 1024 * 1024;

// What peers sent that one turn of the store applies; a publish on this board waits no longer than for that.
inline constexpr std::size_t kTurnPeerBytes = 256 * 1024;

// Once the logs have grown by so much since they were trimmed, they are trimmed without waiting for the interval: a
// flood through a channel that keeps little does not fill the disk.
inline constexpr std::uint64_t kTrimGrowthBytes = 1024 * 1024;

// A packet from a peer: one link message under a topic of three names.
inline constexpr std::uint32_t kLinkPacketBytesMax = static_cast<std::uint32_t>(sync::kLinkMessageBytesMax) + 512;
// Above this, messages for a link are dropped: the peer pulls them later.
inline constexpr std::size_t kLinkQueueBytesMax = 8 * 1024 * 1024;
static_assert(kLinkPacketBytesMax < kLinkQueueBytesMax, "the largest message must fit into an empty queue");
static_assert(mqtt::kPacketBytesDefault <= sync::kPayloadBytesMax, "what a client may send, the log must hold");

// Above so many times its queue's limit, a client that does not take what it is sent is not read from either: its own
// answers would pile up.
inline constexpr std::size_t kClientQueuesPause = 2;

// Topics, and their bytes, whose QoS 0 retained message waits to be stored, and how long it waits for a newer one.
inline constexpr std::size_t kCellsSoonMax = 1'000;
inline constexpr std::size_t kCellsSoonBytesMax = 1024 * 1024;
inline constexpr Duration kCellDelay = std::chrono::seconds{1};

// Positions of sessions go to disk when half a window was acknowledged, and at the latest after this.
inline constexpr Duration kPositionDelay = std::chrono::seconds{1};
// How soon a long queue of a link is looked at again.
inline constexpr Duration kDrainLook = std::chrono::milliseconds{20};
// The disk counts as full until messages were stored and for so long none was refused.
inline constexpr Duration kRoomSettles = std::chrono::seconds{3};
// A board without a battery clock is told the time soon after it started, or got its network. For so long a session
// waits with a message that may have expired, and with what follows it (expiry.hpp).
inline constexpr Duration kClockWait = std::chrono::seconds{60};
// Links that come and go are not a network that has come.
inline constexpr Duration kAloneLong = std::chrono::minutes{10};
static_assert(kAloneLong > kClockWait);
// How long an alarm stands after a message that may have expired was withheld.
inline constexpr Duration kWithheldAlarmStands = std::chrono::hours{1};
// How long it is told that something of a peer is refused; it is tried again three times as often.
inline constexpr Duration kRefusedAlarmStands = std::chrono::seconds{90};
// Pause between two looks at what keep allows.
inline constexpr Duration kTrimInterval = std::chrono::seconds{10};

// Those that the configuration may change; each starts as above.
struct NodeLimits {
  std::size_t persistent_sessions_max = kPersistentSessionsMax;
  std::size_t subscriptions_per_session_max = kSubscriptionsPerSessionMax;
  std::uint16_t in_flight_max = kInFlightMax;
  std::size_t client_queue_bytes_max = kClientQueueBytesMax;
  std::size_t all_queues_bytes_max = kAllQueuesBytesMax;
  std::size_t subscriptions_bytes_max = kSubscriptionsBytesMax;
  std::size_t unfinished_bytes_max = kUnfinishedBytesMax;
};

}  // namespace hedgerow::node
