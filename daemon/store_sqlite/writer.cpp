#include "daemon/store_sqlite/writer.hpp"

#include <gsl/assert>
#include <utility>

#include "daemon/store_sqlite/rows.hpp"

namespace hedgerow::store_sqlite {

namespace {

std::string select(std::string_view columns, std::string_view rest) {
  return "SELECT " + std::string(columns) + " " + std::string(rest);
}

}  // namespace

Writer::Statements::Statements(Connection& c)
    : begin(c, "BEGIN IMMEDIATE"),
      commit(c, "COMMIT"),
      load_node(c, "SELECT replica FROM node"),
      load_clock(c, kClockSql),
      load_channels(c,
                    "SELECT number, name, live_cells, log_bytes, log_ops, log_bytes_at, merge FROM channels "
                    "ORDER BY number"),
      load_replicas(c, select(kReplicaColumns, "FROM replicas WHERE channel=?")),
      count_log(c,
                "SELECT ifnull(sum(length(bytes)), 0), ifnull(sum(count), 0), ifnull(max(place), 0) FROM segments "
                "WHERE place>? AND place<?"),
      count_unmarked(c,
                     "SELECT ifnull(sum(length(bytes)), 0), ifnull(max(newest_wall_ms), 0) FROM segments "
                     "WHERE place>ifnull((SELECT max(place) FROM log_marks WHERE place>?1 AND place<?2), ?1) "
                     "AND place<?2"),
      put_mark(c, "REPLACE INTO log_marks(place, newest_wall_ms) VALUES(?,?)"),
      drop_marks(c, "DELETE FROM log_marks WHERE place>=? AND place<=?"),
      find_channel(c, "SELECT number FROM channels WHERE name=?"),
      add_channel(c,
                  "INSERT INTO channels(number, name) SELECT ifnull(max(number), 0)+1, ? FROM channels "
                  "RETURNING number"),
      put_size(c, "UPDATE channels SET log_bytes=?, log_ops=?, log_bytes_at=? WHERE number=?"),
      append(c,
             "INSERT INTO segments(place, channel, replica, first_seq, count, newest_wall_ms, bytes) "
             "VALUES(?,?,?,?,?,?,?)"),
      put_replica(c,
                  "INSERT INTO replicas(channel, replica, seq, trimmed, head) VALUES(?,?,?,?,?) "
                  "ON CONFLICT DO UPDATE SET seq=excluded.seq, trimmed=excluded.trimmed, head=excluded.head"),
      held_cell(c,
                "SELECT stamp_wall_ms, stamp_counter, stamp_quality, replica, seq, length(payload) FROM cells "
                "WHERE channel=? AND topic=?"),
      whole_cell(c, select(kCellColumns, "FROM cells WHERE channel=? AND topic=?")),
      put_cell(c,
               "INSERT INTO cells(channel, topic, stamp_wall_ms, stamp_counter, stamp_quality, replica, seq, arrival, "
               "qos, publisher, expiry_s, properties, payload, state) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
               "ON CONFLICT(channel, topic) DO UPDATE SET stamp_wall_ms=excluded.stamp_wall_ms, "
               "stamp_counter=excluded.stamp_counter, stamp_quality=excluded.stamp_quality, "
               "replica=excluded.replica, seq=excluded.seq, arrival=excluded.arrival, qos=excluded.qos, "
               "publisher=excluded.publisher, expiry_s=excluded.expiry_s, properties=excluded.properties, "
               "payload=excluded.payload, state=excluded.state"),
      put_live_cells(c, "UPDATE channels SET live_cells=? WHERE number=?"),
      gap_before(c,
                 "SELECT first, last, reason FROM gaps WHERE channel=? AND replica=? AND first<=? "
                 "ORDER BY first DESC LIMIT 1"),
      end_gap(c, "UPDATE gaps SET last=? WHERE channel=? AND replica=? AND first=?"),
      add_gap(c, "REPLACE INTO gaps(channel, replica, first, last, reason) VALUES(?,?,?,?,?)"),
      drop_gap(c, "DELETE FROM gaps WHERE channel=? AND replica=? AND first=?"),
      oldest(c,
             "SELECT place, replica, first_seq, count, newest_wall_ms, length(bytes) FROM segments "
             "WHERE place>=? AND place<? ORDER BY place LIMIT ?"),
      drop(c, "DELETE FROM segments WHERE place>=? AND place<=?"),
      stage(c, "REPLACE INTO staged(channel, peer, page_no, page) VALUES(?,?,?,?)"),
      staged(c, "SELECT page FROM staged WHERE channel=? AND peer=? AND page_no=?"),
      drop_staged(c, "DELETE FROM staged WHERE channel=? AND peer=?") {}

Writer::Writer(Connection& connection, Checkpointer& checkpointer)
    : connection_(connection), checkpointer_(checkpointer), sql_(connection) {}

Expected<void> Writer::count_logs() {
  struct Written {
    sync::ChannelNo channel{};
    sync::LogTotals log;
    sync::Arrival at = 0;
  };
  std::vector<Written> channels;
  {
    Query query(sql_.load_channels);
    for (;;) {
      const auto row = query.next();
      if (!row) return tl::unexpected<Error>(row.error());
      if (!*row) break;
      channels.push_back({query.as<sync::ChannelNo>(0), {query.number(4), query.number(3)}, query.number(5)});
    }
  }
  for (const Written& written : channels) {
    Query query(sql_.count_log, place_of(written.channel, written.at), place_of(written.channel, kArrivalMax));
    if (auto row = query.next(); !row) return tl::unexpected<Error>(std::move(row.error()));
    const std::uint64_t later = query.number(0);
    const sync::Arrival newest = query.number(2) == 0 ? written.at : arrival_of(query.number(2));
    Query unmarked(sql_.count_unmarked, place_of(written.channel, 0), place_of(written.channel, kArrivalMax));
    if (auto row = unmarked.next(); !row) return tl::unexpected<Error>(std::move(row.error()));
    sizes_.load(written.channel, {.log = {.ops = written.log.ops + query.number(1), .bytes = written.log.bytes + later},
                                  .bytes_unwritten = later,
                                  .newest = newest,
                                  .unmarked_bytes = unmarked.number(0),
                                  .unmarked_wall_ms = unmarked.number(1)});
  }
  return {};
}

Expected<sync::StoredState> Writer::load() {
  sync::StoredState state;
  {
    Query query(sql_.load_node);
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) return tl::unexpected<Error>(connection_.error(SQLITE_CORRUPT));
    state.self = query.as<sync::ReplicaId>(0);
  }
  const auto clock = load_clock(sql_.load_clock, connection_);
  if (!clock) return tl::unexpected<Error>(clock.error());
  state.last_arrival = clock->last_arrival;
  state.last_stamp = clock->last_stamp;
  {
    Query query(sql_.load_channels);
    for (;;) {
      const auto row = query.next();
      if (!row) return tl::unexpected<Error>(row.error());
      if (!*row) break;
      state.channels.push_back({.number = query.as<sync::ChannelNo>(0),
                                .name = std::string(query.text(1)),
                                .replicas = {},
                                .live_cells = query.number(2),
                                .merge = query.as<sync::MergeKind>(6)});
    }
  }
  for (sync::ChannelState& channel : state.channels) {
    auto replicas = replica_states(sql_.load_replicas, connection_, channel.number);
    if (!replicas) return tl::unexpected<Error>(std::move(replicas.error()));
    channel.replicas = std::move(*replicas);
  }
  return state;
}

sync::LogTotals Writer::log_totals(sync::ChannelNo channel) const { return sizes_.of(channel); }

Expected<void> Writer::begin() {
  Expects(!in_turn_);
  if (auto usable = connection_.health().check_in_place(); !usable) return usable;
  if (lacked_room_ && !room_tried_) room_tried_ = checkpointer_.make_room();
  lacked_room_ = false;
  if (auto bounded = checkpointer_.bound(); !bounded) return bounded;
  connection_.clear_error();
  if (auto begun = Query(sql_.begin).run(); !begun) return begun;
  sizes_.begin();
  in_turn_ = true;
  return {};
}

Expected<void> Writer::commit() {
  Expects(in_turn_);
  auto done = write_sizes();
  if (done) done = Query(sql_.commit).run();
  if (!done) {
    rollback();
    return done;
  }
  in_turn_ = false;
  room_tried_ = false;
  return {};
}

void Writer::rollback() {
  if (!in_turn_) return;
  in_turn_ = false;
  sizes_.rollback();
  connection_.roll_back();
  const auto& why = connection_.first_error();
  lacked_room_ = why.has_value() && why->category == Category::kLimit;
  connection_.clear_error();
}

Expected<void> Writer::write_sizes() {
  for (const auto& [channel, size] : sizes_.all()) {
    if (size.mark_due()) {
      const std::uint64_t place = place_of(channel, size.newest);
      if (auto put = Query(sql_.put_mark, place, size.unmarked_wall_ms).run(); !put) return put;
      sizes_.marked(channel);
    }
    if (!size.due) continue;
    if (auto put = Query(sql_.put_size, size.log.bytes, size.log.ops, size.newest, channel).run(); !put) return put;
    sizes_.written(channel);
  }
  return {};
}

Expected<sync::ChannelNo> Writer::define_channel(std::string_view name) {
  Expects(in_turn_);
  {
    Query found(sql_.find_channel, name);
    const auto row = found.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (*row) return found.as<sync::ChannelNo>(0);
  }
  if (sizes_.all().size() >= kChannelsMax) {
    return fail(Category::kLimit, "channel \"" + std::string(name) + "\": this database has had " +
                                      std::to_string(kChannelsMax) + " channels, the most that it can number");
  }
  sync::ChannelNo number{};
  {
    Query added(sql_.add_channel, name);
    if (auto row = added.next(); !row) return tl::unexpected<Error>(std::move(row.error()));
    number = added.as<sync::ChannelNo>(0);
  }
  sizes_.load(number, {});
  return number;
}

Expected<void> Writer::check_turn(sync::ChannelNo channel) const {
  Expects(in_turn_);
  if (sizes_.all().contains(channel)) return {};
  return fail(Category::kNotFound, "no channel has number " + std::to_string(static_cast<std::uint32_t>(channel)));
}

Expected<void> Writer::append(sync::ChannelNo channel, const sync::SegmentRow& row) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  if (row.first_arrival > kArrivalMax - row.count) {
    return fail(Category::kLimit,
                "arrival number " + std::to_string(row.first_arrival) + " is beyond what can be stored");
  }
  sizes_.append(channel, row);
  return Query(sql_.append, place_of(channel, row.first_arrival), channel, row.replica, row.first_seq, row.count,
               row.newest_wall_ms, row.bytes)
      .run();
}

Expected<void> Writer::put_replica(sync::ChannelNo channel, const sync::ReplicaState& state) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  return Query(sql_.put_replica, channel, state.replica, state.seq, state.trimmed, ByteView(state.head)).run();
}

Expected<void> Writer::put_clock(sync::Arrival last_arrival, const sync::Stamp& last_stamp) {
  Expects(in_turn_);
  const StoredClock clock{.last_arrival = last_arrival, .last_stamp = last_stamp};
  const auto head = clock.head();
  return Query(sql_.put_replica, 0U, 0U, last_arrival, last_stamp.wall_ms, ByteView(head)).run();
}

Expected<std::optional<sync::HeldCell>> Writer::held_cell(sync::ChannelNo channel, std::string_view topic) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  const ByteView key = as_bytes(topic);
  Query query(sql_.held_cell, channel, key);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return std::nullopt;
  return sync::HeldCell{
      .order = {.stamp = stamp_at(query, 0), .replica = query.as<sync::ReplicaId>(3), .seq = query.number(4)},
      .is_tombstone = query.number(5) == 0};
}

Expected<void> Writer::put_cell(sync::ChannelNo channel, const sync::Cell& cell) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  const sync::Message& message = *cell.message;
  return Query(sql_.put_cell, channel, as_bytes(message.topic), cell.order.stamp.wall_ms, cell.order.stamp.counter,
               quality_column(cell.order.stamp), cell.order.replica, cell.order.seq, cell.arrival, cell.qos, cell.publisher,
               message.expiry_s, message.properties, message.payload, cell.state)
      .run();
}

Expected<std::optional<sync::Cell>> Writer::whole_cell(sync::ChannelNo channel, std::string_view topic) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  const ByteView key = as_bytes(topic);
  Query query(sql_.whole_cell, channel, key);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  return *row ? std::optional(cell_row(query)) : std::nullopt;
}

Expected<void> Writer::put_live_cells(sync::ChannelNo channel, std::uint64_t live_cells) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  return Query(sql_.put_live_cells, live_cells, channel).run();
}

// Neighbours of one reason become one row: what age trims step by step stays one gap.
Expected<void> Writer::add_gap(sync::ChannelNo channel, const sync::Gap& gap) {
  const auto before = gap_from_below(channel, gap.replica, gap.first);
  if (!before) return tl::unexpected<Error>(before.error());
  if (*before && (*before)->last >= gap.last) return {};
  if (*before && (*before)->reason == gap.reason && (*before)->last + 1 >= gap.first) {
    return end_gap(channel, **before, gap.last);
  }
  return Query(sql_.add_gap, channel, gap.replica, gap.first, gap.last, gap.reason).run();
}

Expected<std::optional<sync::Gap>> Writer::gap_from_below(sync::ChannelNo channel, sync::ReplicaId replica,
                                                          sync::Seq seq) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Query found(sql_.gap_before, channel, replica, seq);
  const auto row = found.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return std::nullopt;
  return sync::Gap{
      .replica = replica, .first = found.number(0), .last = found.number(1), .reason = found.as<sync::GapReason>(2)};
}

Expected<void> Writer::end_gap(sync::ChannelNo channel, const sync::Gap& gap, sync::Seq last) {
  if (auto known = check_turn(channel); !known) return known;
  if (last < gap.first) return Query(sql_.drop_gap, channel, gap.replica, gap.first).run();
  return Query(sql_.end_gap, last, channel, gap.replica, gap.first).run();
}

Expected<std::vector<sync::Storage::Trimmed>> Writer::trim(sync::ChannelNo channel, std::uint64_t size_bytes,
                                                           std::uint64_t oldest_wall_ms, std::size_t segments_max) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  std::vector<Trimmed> trimmed;
  const std::uint64_t held_bytes = sizes_.of(channel).bytes;
  sync::LogTotals gone;
  std::uint64_t last_place = 0;
  {
    Query query(sql_.oldest, place_of(channel, 0), place_of(channel, kArrivalMax), segments_max);
    for (;;) {
      const auto row = query.next();
      if (!row) return tl::unexpected<Error>(row.error());
      if (!*row) break;
      const bool too_old = query.number(4) < oldest_wall_ms;
      if (!too_old && held_bytes - gone.bytes <= size_bytes) break;
      const sync::Seq first = query.number(2);
      trimmed.push_back({.replica = query.as<sync::ReplicaId>(1),
                         .first = first,
                         .last = first + query.number(3) - 1,
                         .reason = too_old ? sync::GapReason::kAge : sync::GapReason::kSize});
      gone.ops += query.number(3);
      gone.bytes += query.number(5);
      last_place = query.number(0);
    }
  }
  if (trimmed.empty()) return trimmed;
  sizes_.drop(channel, gone);
  for (Statement* drop : {&sql_.drop, &sql_.drop_marks}) {
    if (auto dropped = Query(*drop, place_of(channel, 0), last_place).run(); !dropped) {
      return tl::unexpected<Error>(std::move(dropped.error()));
    }
  }
  return trimmed;
}

Expected<void> Writer::stage_page(sync::ChannelNo channel, std::string_view peer, std::uint64_t page_no,
                                  ByteView page) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  return Query(sql_.stage, channel, peer, page_no, page).run();
}

Expected<std::optional<Bytes>> Writer::staged_page(sync::ChannelNo channel, std::string_view peer,
                                                   std::uint64_t page_no) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Query query(sql_.staged, channel, peer, page_no);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return std::nullopt;
  return to_bytes(query.blob(0));
}

Expected<void> Writer::drop_staged(sync::ChannelNo channel, std::string_view peer) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  return Query(sql_.drop_staged, channel, peer).run();
}

}  // namespace hedgerow::store_sqlite
