#include "daemon/store_sqlite/rows.hpp"

#include <algorithm>

#include "sync/log/lineage_codec.hpp"

namespace hedgerow::store_sqlite {

sync::SegmentRow segment_row(const Query& query) {
  return {.replica = query.as<sync::ReplicaId>(1),
          .first_seq = query.number(2),
          .count = query.as<std::uint32_t>(3),
          .first_arrival = arrival_of(query.number(0)),
          .newest_wall_ms = query.number(4),
          .bytes = to_bytes(query.blob(5))};
}

Expected<sync::ReplicaState> replica_state(const Query& query, Connection& connection) {
  sync::ReplicaState state{
      .replica = query.as<sync::ReplicaId>(0), .seq = query.number(1), .head = {}, .trimmed = query.number(2)};
  const ByteView head = query.blob(3);
  if (head.size() != state.head.size()) return tl::unexpected<Error>(connection.error(SQLITE_CORRUPT));
  std::copy(head.begin(), head.end(), state.head.begin());
  if (const ByteView bytes = query.blob(4); !bytes.empty()) {
    auto lineage = sync::decode_lineage(bytes);
    if (!lineage) return tl::unexpected<Error>(connection.error(SQLITE_CORRUPT));
    state.lineage = std::move(*lineage);
  }
  return state;
}

Expected<std::vector<sync::ReplicaState>> replica_states(Statement& by_channel, Connection& connection,
                                                         sync::ChannelNo channel) {
  std::vector<sync::ReplicaState> states;
  Query query(by_channel, channel);
  for (;;) {
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) break;
    auto state = replica_state(query, connection);
    if (!state) return tl::unexpected<Error>(std::move(state.error()));
    states.push_back(*state);
  }
  std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.replica < b.replica; });
  return states;
}

std::array<std::uint8_t, 3> StoredClock::head() const {
  return {static_cast<std::uint8_t>(last_stamp.quality), static_cast<std::uint8_t>(last_stamp.counter >> 8U),
          static_cast<std::uint8_t>(last_stamp.counter & 0xFFU)};
}

Expected<StoredClock> load_clock(Statement& statement, Connection& connection) {
  Query query(statement);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return StoredClock{};
  const ByteView head = query.blob(2);
  if (head.size() != 3) return tl::unexpected<Error>(connection.error(SQLITE_CORRUPT));
  return StoredClock{
      .last_arrival = query.number(0),
      .last_stamp = {.wall_ms = query.number(1),
                     .counter = static_cast<std::uint16_t>((std::uint32_t{head[1]} << 8U) | head[2]),
                     .quality = head[0] == 0 ? ClockQuality::kUnsynchronised : ClockQuality::kSynchronised}};
}

sync::Cell cell_row(const Query& query) {
  auto message = std::make_shared<sync::Message>();
  message->topic = std::string(as_text(query.blob(0)));
  if (!query.is_null(9)) message->expiry_s = query.as<std::uint32_t>(9);
  message->properties = to_bytes(query.blob(10));
  message->payload = to_bytes(query.blob(11));
  return {.order = {.stamp = stamp_at(query, 1), .replica = query.as<sync::ReplicaId>(4), .seq = query.number(5)},
          .arrival = query.number(6),
          .qos = query.as<std::uint8_t>(7),
          .publisher = query.number(8),
          .message = std::move(message),
          .state = to_bytes(query.blob(12))};
}

sync::Stamp stamp_at(const Query& query, int column) {
  const std::uint64_t quality = query.number(column + 2);
  return {.wall_ms = query.number(column),
          .counter = query.as<std::uint16_t>(column + 1),
          .quality = (quality & 1U) == 0 ? ClockQuality::kUnsynchronised : ClockQuality::kSynchronised,
          .behind_ms = quality >> 1U};
}

std::uint64_t quality_column(const sync::Stamp& stamp) {
  return (stamp.behind_ms << 1U) | static_cast<std::uint64_t>(stamp.quality);
}

}  // namespace hedgerow::store_sqlite
