#include "daemon/store_sqlite/views.hpp"

#include <algorithm>
#include <optional>

#include "daemon/store_sqlite/rows.hpp"

namespace hedgerow::store_sqlite {

namespace {

std::string select(std::string_view columns, std::string_view rest) {
  return "SELECT " + std::string(columns) + " FROM " + std::string(rest);
}

}  // namespace

class ViewConnection {
 public:
  explicit ViewConnection(std::unique_ptr<Connection> opened) : connection(std::move(opened)), c(*connection) {}

  std::unique_ptr<Connection> connection;
  Connection& c;

  Statement begin{c, "BEGIN"};
  Statement clock{c, kClockSql};
  Statement replicas{c, select(kReplicaColumns, "replicas WHERE channel=?")};
  // From the segment that may hold the op onwards.
  Statement by_seq{c, select(kSegmentColumns,
                             "segments WHERE channel=?1 AND replica=?2 AND first_seq>=ifnull("
                             "(SELECT first_seq FROM segments WHERE channel=?1 AND replica=?2 AND first_seq<=?3 "
                             "ORDER BY first_seq DESC LIMIT 1), 0) ORDER BY first_seq")};
  Statement by_place{c,
                     select(kSegmentColumns,
                            "segments WHERE place>=ifnull("
                            "(SELECT place FROM segments WHERE place>=?1 AND place<=?2 ORDER BY place DESC LIMIT 1), "
                            "?1) AND place<?3 ORDER BY place")};
  Statement channels{c, "SELECT number FROM channels ORDER BY number"};
  Statement first_place{c, "SELECT place, count FROM segments WHERE place>=? AND place<? ORDER BY place LIMIT 1"};
  Statement last_place{c, "SELECT place, count FROM segments WHERE place>=? AND place<=? ORDER BY place DESC LIMIT 1"};
  Statement mark_since{
      c, "SELECT place FROM log_marks WHERE place>=? AND place<? AND newest_wall_ms>=? ORDER BY place LIMIT 1"};
  Statement last_mark{c, "SELECT ifnull(max(place), 0) FROM log_marks WHERE place>=? AND place<?"};
  Statement since{c,
                  "SELECT place FROM segments WHERE place>=? AND place<? AND newest_wall_ms>=? ORDER BY place LIMIT 1"};
  Statement at_place{c, select(kSegmentColumns, "segments WHERE place=?")};
  Statement cells_from{c, select(kCellColumns, "cells WHERE channel=? AND topic>=? ORDER BY topic")};
  Statement cell{c, select(kCellColumns, "cells WHERE channel=? AND topic=?")};
  Statement gaps{c, "SELECT replica, first, last, reason FROM gaps WHERE channel=? ORDER BY replica, first"};
};

// REQUIRES of every method: the view's thread.
class View final : public sync::ReadView {
 public:
  View(Views& owner, std::unique_ptr<ViewConnection> connection) : owner_(owner), db_(std::move(connection)) {}
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View() override { owner_.give_back(std::move(db_)); }

  // The snapshot is of the moment of the first read, so the first read is here.
  Expected<void> begin() {
    if (auto begun = Query(db_->begin).run(); !begun) return begun;
    const auto clock = load_clock(db_->clock, db_->c);
    if (!clock) return tl::unexpected<Error>(clock.error());
    last_arrival_ = clock->last_arrival;
    return {};
  }

  Expected<sync::Arrival> last_arrival() override { return last_arrival_; }

  Expected<std::vector<sync::ReplicaState>> replicas(sync::ChannelNo channel) override {
    return replica_states(db_->replicas, db_->c, channel);
  }

  Expected<std::vector<sync::SegmentRow>> segments(sync::ChannelNo channel, sync::ReplicaId replica, sync::Seq from,
                                                   std::size_t bytes_max) override {
    Query query(db_->by_seq, channel, replica, from);
    return collect(query, bytes_max, [&](const Query& q) { return q.number(2) + q.number(3) > from; });
  }

  Expected<std::vector<sync::SegmentRow>> segments_after(sync::ChannelNo channel, sync::Arrival after,
                                                         std::size_t bytes_max) override {
    after = std::min(after, kArrivalMax);
    Query query(db_->by_place, place_of(channel, 0), place_of(channel, after), place_of(channel, kArrivalMax));
    return collect(query, bytes_max, [&](const Query& q) { return arrival_of(q.number(0)) + q.number(3) > after + 1; });
  }

  Expected<std::vector<ChannelSegment>> segments_after(sync::Arrival after, std::size_t bytes_max) override;
  Expected<sync::Arrival> first_arrival_since(sync::ChannelNo channel, std::uint64_t wall_ms) override;
  Expected<std::vector<sync::Cell>> cells(sync::ChannelNo channel, std::string_view prefix,
                                          std::string_view after_topic, std::size_t bytes_max) override;
  Expected<std::optional<sync::Cell>> cell(sync::ChannelNo channel, std::string_view topic) override;
  Expected<std::vector<sync::Gap>> gaps(sync::ChannelNo channel) override;

 private:
  // Rows of kSegmentColumns, without those before the first that is `wanted`.
  template <class Wanted>
  Expected<std::vector<sync::SegmentRow>> collect(Query& query, std::size_t bytes_max, const Wanted& wanted) {
    std::vector<sync::SegmentRow> rows;
    std::size_t bytes = 0;
    while (rows.empty() || bytes < bytes_max) {
      const auto row = query.next();
      if (!row) return tl::unexpected<Error>(row.error());
      if (!*row) break;
      if (!wanted(query)) continue;
      bytes += rows.emplace_back(segment_row(query)).bytes.size();
    }
    return rows;
  }

  // The place of the channel's first segment that holds an arrival beyond `after`.
  Expected<std::optional<std::uint64_t>> place_after(sync::ChannelNo channel, sync::Arrival after);

  Views& owner_;
  std::unique_ptr<ViewConnection> db_;
  sync::Arrival last_arrival_ = 0;
};

Expected<std::optional<std::uint64_t>> View::place_after(sync::ChannelNo channel, sync::Arrival after) {
  {
    Query around(db_->last_place, place_of(channel, 0), place_of(channel, after));
    const auto row = around.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (*row && arrival_of(around.number(0)) + around.number(1) > after + 1) return around.number(0);
  }
  Query beyond(db_->first_place, place_of(channel, after) + 1, place_of(channel, kArrivalMax));
  const auto row = beyond.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return std::nullopt;
  return beyond.number(0);
}

// Merges the channels' logs, each of which lies in arrival order.
Expected<std::vector<sync::ReadView::ChannelSegment>> View::segments_after(sync::Arrival after, std::size_t bytes_max) {
  after = std::min(after, kArrivalMax);
  const auto later = [](std::uint64_t a, std::uint64_t b) { return arrival_of(a) > arrival_of(b); };
  std::vector<std::uint64_t> heads;  // a heap: the earliest arrival first
  {
    Query query(db_->channels);
    for (;;) {
      const auto row = query.next();
      if (!row) return tl::unexpected<Error>(row.error());
      if (!*row) break;
      const auto head = place_after(query.as<sync::ChannelNo>(0), after);
      if (!head) return tl::unexpected<Error>(head.error());
      if (*head) heads.push_back(**head);
    }
  }
  std::make_heap(heads.begin(), heads.end(), later);
  std::vector<ChannelSegment> rows;
  std::size_t bytes = 0;
  while (!heads.empty() && (rows.empty() || bytes < bytes_max)) {
    std::pop_heap(heads.begin(), heads.end(), later);
    const std::uint64_t place = heads.back();
    heads.pop_back();
    {
      Query query(db_->at_place, place);
      if (auto row = query.next(); !row) return tl::unexpected<Error>(std::move(row.error()));
      rows.push_back({channel_of(place), segment_row(query)});
      bytes += rows.back().row.bytes.size();
    }
    Query next(db_->first_place, place + 1, place_of(channel_of(place), kArrivalMax));
    const auto row = next.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) continue;
    heads.push_back(next.number(0));
    std::push_heap(heads.begin(), heads.end(), later);
  }
  return rows;
}

// The first mark that is not older says between which two marks to look; without one, behind the last.
Expected<sync::Arrival> View::first_arrival_since(sync::ChannelNo channel, std::uint64_t wall_ms) {
  wall_ms = std::min(wall_ms, sync::kAgeUnknown);
  const std::uint64_t begin = place_of(channel, 0);
  const std::uint64_t end = place_of(channel, kArrivalMax);
  std::uint64_t marked = end;
  {
    Query mark(db_->mark_since, begin, end, wall_ms);
    const auto row = mark.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (*row) marked = mark.number(0);
  }
  std::uint64_t after = 0;
  {
    Query mark(db_->last_mark, begin, marked);
    if (auto row = mark.next(); !row) return tl::unexpected<Error>(std::move(row.error()));
    after = mark.number(0);
  }
  Query query(db_->since, std::max(begin, after + 1), end, wall_ms);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  return *row ? arrival_of(query.number(0)) - 1 : last_arrival_;
}

Expected<std::vector<sync::Cell>> View::cells(sync::ChannelNo channel, std::string_view prefix,
                                              std::string_view after_topic, std::size_t bytes_max) {
  std::vector<sync::Cell> cells;
  std::size_t bytes = 0;
  const ByteView start = as_bytes(std::max(prefix, after_topic));
  Query query(db_->cells_from, channel, start);
  while (cells.empty() || bytes < bytes_max) {
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) break;
    const std::string_view topic = as_text(query.blob(0));
    if (topic == after_topic) continue;
    if (!topic.starts_with(prefix)) break;
    const sync::Cell& cell = cells.emplace_back(cell_row(query));
    const sync::Message& message = *cell.message;
    bytes += message.topic.size() + message.properties.size() + message.payload.size() + cell.state.size();
  }
  return cells;
}

Expected<std::optional<sync::Cell>> View::cell(sync::ChannelNo channel, std::string_view topic) {
  const ByteView key = as_bytes(topic);
  Query query(db_->cell, channel, key);
  const auto row = query.next();
  if (!row) return tl::unexpected<Error>(row.error());
  if (!*row) return std::nullopt;
  return cell_row(query);
}

Expected<std::vector<sync::Gap>> View::gaps(sync::ChannelNo channel) {
  std::vector<sync::Gap> gaps;
  Query query(db_->gaps, channel);
  for (;;) {
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) return gaps;
    gaps.push_back({.replica = query.as<sync::ReplicaId>(0),
                    .first = query.number(1),
                    .last = query.number(2),
                    .reason = query.as<sync::GapReason>(3)});
  }
}

Views::Views(FileHealth& health, std::string path, std::string vfs_name)
    : health_(health), path_(std::move(path)), vfs_name_(std::move(vfs_name)) {}

Views::~Views() = default;

Expected<std::unique_ptr<sync::ReadView>> Views::open_view() {
  if (auto usable = health_.check(); !usable) return tl::unexpected<Error>(std::move(usable.error()));
  auto connection = take();
  if (!connection) return tl::unexpected<Error>(std::move(connection.error()));
  auto view = std::make_unique<View>(*this, std::move(*connection));
  if (auto begun = view->begin(); !begun) return tl::unexpected<Error>(std::move(begun.error()));
  return view;
}

Expected<std::unique_ptr<ViewConnection>> Views::take() {
  {
    const std::lock_guard lock(mutex_);
    if (open_ >= kViewsMax) {
      return fail(Category::kUnavailable,
                  path_ + ": " + std::to_string(kViewsMax) +
                      " reads are under way, the most at one time; try again when one has ended");
    }
    ++open_;
    if (!pool_.empty()) {
      auto pooled = std::move(pool_.back());
      pool_.pop_back();
      return pooled;
    }
  }
  auto opened = Connection::open(
      health_, {.path = path_, .vfs_name = vfs_name_, .role = FileHealth::Role::kReader, .cache_kib = kViewCacheKib});
  if (opened) {
    auto made = std::make_unique<ViewConnection>(std::move(*opened));
    if (!made->c.first_error()) return made;
    opened = tl::unexpected<Error>(*made->c.first_error());
  }
  const std::lock_guard lock(mutex_);
  --open_;
  return tl::unexpected<Error>(std::move(opened.error()));
}

void Views::give_back(std::unique_ptr<ViewConnection> connection) {
  connection->c.roll_back();
  const bool sound = !connection->c.first_error();
  const std::lock_guard lock(mutex_);
  --open_;
  if (sound && pool_.size() < kViewsPooled) pool_.push_back(std::move(connection));
}

}  // namespace hedgerow::store_sqlite
