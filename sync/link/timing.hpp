// The replicator's delays. Thread rule: constants.
#pragma once

#include <chrono>
#include <cstdint>

#include "sync/base/time.hpp"
#include "sync/limits.hpp"

namespace hedgerow::sync {

inline constexpr Duration kGreetingTimeout = std::chrono::seconds(10);

// Announcements of one channel to one peer.
inline constexpr Duration kAnnounceInterval = std::chrono::seconds(1);
// A peer that confirms at most once a second is asked again after more than that.
inline constexpr Duration kAskAgainMin = std::chrono::milliseconds(2500);
inline constexpr Duration kAskAgainMax = std::chrono::seconds(60);
static_assert(kAskAgainMin > 2 * kAnnounceInterval);

// An announcement that overtakes a push on another link is no reason to pull yet.
inline constexpr Duration kPullGrace = std::chrono::milliseconds(100);
// What a pruned peer announces is on its way down the tree: ten links, with room.
inline constexpr Duration kTreeGrace = std::chrono::milliseconds(500);
// Who goes on pushing copies is told again.
inline constexpr Duration kPruneInterval = std::chrono::seconds(1);
inline constexpr Duration kPullTimeout = std::chrono::seconds(10);
// Doubled with each timeout in a row, so that a thin link gets its answer through.
inline constexpr unsigned kPullTimeoutDoublings = 4;
inline constexpr std::uint32_t kPullWindowMin = std::uint32_t{8} << 10U;
inline constexpr std::uint32_t kPullWindowMax = kAnswerBytesDefault;
// A peer of which nothing but a snapshot would help, and whose snapshots are refused as forks.
// Doubled from one to the next.
inline constexpr Duration kRefusedSnapshotPauseMin = std::chrono::minutes(1);
inline constexpr Duration kRefusedSnapshotPauseMax = std::chrono::minutes(10);
// Between two questions for what fills a gap, in a channel; and until a peer that had nothing is asked again, once
// anything happens in the channel.
inline constexpr Duration kFillInterval = std::chrono::milliseconds(100);
inline constexpr Duration kFillPause = std::chrono::minutes(10);
// Until a peer that could not answer for a part is asked for one again.
inline constexpr Duration kPartPause = std::chrono::minutes(1);
// After an answer that brought nothing, and after a refusal of our own store.
inline constexpr Duration kBackoffMin = std::chrono::milliseconds(200);
inline constexpr Duration kBackoffMax = std::chrono::seconds(30);

}  // namespace hedgerow::sync
