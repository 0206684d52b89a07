// What the writer does when the database goes on under another name, or a channel begins to merge. It is rare, so its
// statements are not kept.
#include <gsl/assert>

#include "daemon/store_sqlite/rows.hpp"
#include "daemon/store_sqlite/writer.hpp"
#include "sync/log/lineage_codec.hpp"

namespace hedgerow::store_sqlite {

Expected<void> Writer::put_merge(sync::ChannelNo channel, sync::MergeKind merge) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Statement update(connection_, "UPDATE channels SET merge=? WHERE number=?");
  return Query(update, merge, channel).run();
}

Expected<void> Writer::put_self(sync::ReplicaId self) {
  Expects(in_turn_);
  Statement update(connection_, "UPDATE node SET replica=?");
  return Query(update, self).run();
}

Expected<std::optional<sync::SegmentRow>> Writer::segment_from(sync::ChannelNo channel, sync::ReplicaId replica,
                                                               sync::Seq from) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Statement find(connection_, "SELECT " + std::string(kSegmentColumns) +
                                  " FROM segments WHERE channel=?1 AND replica=?2 AND first_seq+count>?3 AND "
                                  "first_seq>=ifnull((SELECT max(first_seq) FROM segments WHERE channel=?1 AND "
                                  "replica=?2 AND first_seq<=?3), 0) ORDER BY first_seq LIMIT 1");
  Query query(find, channel, replica, from);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return std::nullopt;
  return segment_row(query);
}

Expected<std::optional<sync::Cell>> Writer::cell_behind(sync::ChannelNo channel, std::string_view after_topic) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Statement find(connection_, "SELECT " + std::string(kCellColumns) +
                                  " FROM cells WHERE channel=? AND topic>? ORDER BY topic LIMIT 1");
  const ByteView key = as_bytes(after_topic);
  Query query(find, channel, key);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  return *row ? std::optional(cell_row(query)) : std::nullopt;
}

Expected<std::uint64_t> Writer::row_bytes(std::uint64_t place) {
  Statement length(connection_, "SELECT length(bytes) FROM segments WHERE place=?");
  Query query(length, place);
  const auto found = query.next();
  if (!found) return tl::unexpected<Error>(found.error());
  Expects(*found);
  return query.number(0);
}

Expected<void> Writer::replace(sync::ChannelNo channel, const sync::SegmentRow& row) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  const std::uint64_t place = place_of(channel, row.first_arrival);
  const auto before = row_bytes(place);
  if (!before) return tl::unexpected<Error>(before.error());
  sizes_.drop(channel, {.ops = row.count, .bytes = *before});
  sizes_.append(channel, row);
  Statement update(connection_, "UPDATE segments SET replica=?, first_seq=?, bytes=? WHERE place=?");
  return Query(update, row.replica, row.first_seq, row.bytes, place).run();
}

Expected<void> Writer::rename(sync::ChannelNo channel, sync::ReplicaId from, sync::Seq after, sync::ReplicaId to) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  for (const char* sql : {
           "UPDATE cells SET replica=?4, seq=seq-?3 WHERE channel=?1 AND replica=?2 AND seq>?3",
           "INSERT INTO gaps(channel, replica, first, last, reason) SELECT channel, ?4, max(first, ?3+1)-?3, last-?3, "
           "reason FROM gaps WHERE channel=?1 AND replica=?2 AND last>?3",
           "DELETE FROM gaps WHERE channel=?1 AND replica=?2 AND first>?3 AND ?4=?4",
           "UPDATE gaps SET last=?3 WHERE channel=?1 AND replica=?2 AND last>?3 AND ?4=?4",
       }) {
    Statement statement(connection_, sql);
    if (auto done = Query(statement, channel, from, after, to).run(); !done) return done;
  }
  return {};
}

Expected<void> Writer::put_lineage(sync::ChannelNo channel, sync::ReplicaId replica, const sync::Lineage& lineage) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Statement put(connection_, "REPLACE INTO lineages(channel, replica, lineage) VALUES(?,?,?)");
  const Bytes bytes = sync::encode_lineage(lineage);
  return Query(put, channel, replica, bytes).run();
}

Expected<void> Writer::branch_off(sync::ChannelNo channel, sync::ReplicaId from, sync::Seq after, sync::ReplicaId to) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  for (const char* sql : {
           "UPDATE cells SET replica=?4 WHERE channel=?1 AND replica=?2 AND seq>?3",
           "INSERT INTO gaps(channel, replica, first, last, reason) SELECT channel, ?4, max(first, ?3+1), last, "
           "reason FROM gaps WHERE channel=?1 AND replica=?2 AND last>?3",
           "DELETE FROM gaps WHERE channel=?1 AND replica=?2 AND first>?3 AND ?4=?4",
           "UPDATE gaps SET last=?3 WHERE channel=?1 AND replica=?2 AND last>?3 AND ?4=?4",
       }) {
    Statement statement(connection_, sql);
    if (auto done = Query(statement, channel, from, after, to).run(); !done) return done;
  }
  return {};
}

Expected<void> Writer::divide(sync::ChannelNo channel, const sync::SegmentRow& first, const sync::SegmentRow& second) {
  if (auto known = check_turn(channel); !known) return tl::unexpected<Error>(std::move(known.error()));
  Expects(second.first_arrival == first.first_arrival + first.count);
  const std::uint64_t place = place_of(channel, first.first_arrival);
  const auto before = row_bytes(place);
  if (!before) return tl::unexpected<Error>(before.error());
  sizes_.drop(channel, {.ops = std::uint64_t{first.count} + second.count, .bytes = *before});
  Statement remove(connection_, "DELETE FROM segments WHERE place=?");
  if (auto done = Query(remove, place).run(); !done) return done;
  if (auto done = append(channel, first); !done) return done;
  return append(channel, second);
}

}  // namespace hedgerow::store_sqlite
