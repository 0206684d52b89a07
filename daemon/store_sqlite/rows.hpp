// What the writer and the views share: how rows become the values of the ports.
// Thread rule: free functions on a query of the caller's thread.
#pragma once

#include <array>
#include <string_view>

#include "daemon/store_sqlite/connection.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::store_sqlite {

// Where a channel's segments begin; they end before the next channel's.
[[nodiscard]] inline std::uint64_t place_of(sync::ChannelNo channel, sync::Arrival first_arrival) {
  return (static_cast<std::uint64_t>(channel) << kArrivalBits) | first_arrival;
}
[[nodiscard]] inline sync::ChannelNo channel_of(std::uint64_t place) {
  return static_cast<sync::ChannelNo>(place >> kArrivalBits);
}
[[nodiscard]] inline sync::Arrival arrival_of(std::uint64_t place) { return place & kArrivalMax; }

inline constexpr std::string_view kSegmentColumns = "place, replica, first_seq, count, newest_wall_ms, bytes";
[[nodiscard]] sync::SegmentRow segment_row(const Query& query);

inline constexpr std::string_view kReplicaColumns =
    "replica, seq, trimmed, head, "
    "(SELECT lineage FROM lineages WHERE lineages.channel=replicas.channel AND lineages.replica=replicas.replica)";
// kCorrupt: the head has not the length of a hash, or the lineage breaks its grammar.
[[nodiscard]] Expected<sync::ReplicaState> replica_state(const Query& query, Connection& connection);
// Ordered by replica.
[[nodiscard]] Expected<std::vector<sync::ReplicaState>> replica_states(Statement& by_channel, Connection& connection,
                                                                       sync::ChannelNo channel);

// The node's clock, kept as a row of the replicas: schema.cpp.
inline constexpr std::string_view kClockSql = "SELECT seq, trimmed, head FROM replicas WHERE channel=0 AND replica=0";
struct StoredClock {
  sync::Arrival last_arrival = 0;
  sync::Stamp last_stamp;
  // As the columns seq, trimmed, head.
  [[nodiscard]] std::array<std::uint8_t, 3> head() const;
};
[[nodiscard]] Expected<StoredClock> load_clock(Statement& statement, Connection& connection);

inline constexpr std::string_view kCellColumns =
    "topic, stamp_wall_ms, stamp_counter, stamp_quality, replica, seq, arrival, qos, publisher, expiry_s, properties, "
    "payload, state";
[[nodiscard]] sync::Cell cell_row(const Query& query);

// The three columns that order stamps, from `column` on.
[[nodiscard]] sync::Stamp stamp_at(const Query& query, int column);
// What the third of them holds: the quality in bit 0, behind_ms above it. Databases from before there was one hold 0 and
// 1.
[[nodiscard]] std::uint64_t quality_column(const sync::Stamp& stamp);

}  // namespace hedgerow::store_sqlite
