#include "daemon/store_sqlite/rescue.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/store_sqlite/connection.hpp"
#include "daemon/store_sqlite/rows.hpp"
#include "daemon/store_sqlite/schema.hpp"

namespace hedgerow::store_sqlite {

namespace {

// A read that fails is expected, and loses what it was to read. It has a connection of its own: after some errors
// SQLite rolls back whatever is under way on the same one.
class Rescue {
 public:
  Rescue(Connection& from, Connection& to) : from_(from), to_(to) {}

  // True iff something was saved: otherwise the new database is as if nothing had been there.
  Expected<bool> run();
  [[nodiscard]] std::string lost() const;

 private:
  struct Table {
    std::string name;
    std::string placeholders;  // one for each column
    bool has_channel = false;
  };

  // Rows of the damaged database. False: not all of them could be read.
  template <class Take>
  bool each(const std::string& sql, const Take& take);
  // Of the new one.
  template <class Take>
  Expected<void> each_saved(const std::string& sql, const Take& take);
  Expected<void> change(const std::string& sql);
  // Copies rows; false: not all of them could be read.
  Expected<bool> copy(const Table& table, const std::string& where);
  Expected<bool> copy_channel(const Table& table, std::uint64_t channel);

  Expected<void> find_tables();
  Expected<bool> copy_tables();
  Expected<void> forget_channel(std::uint64_t channel);
  Expected<void> copy_segments(std::uint64_t channel);
  Expected<void> note_holes(std::uint64_t channel);
  Expected<void> count(std::uint64_t channel);

  Connection& from_;
  Connection& to_;
  std::vector<Table> tables_;  // that are copied whole, or channel by channel
  Table segments_;
  Table marks_;
  std::vector<std::uint64_t> channels_;
  std::uint64_t lost_ops_ = 0;
  std::uint64_t lost_channels_ = 0;
};

template <class Take>
bool Rescue::each(const std::string& sql, const Take& take) {
  from_.clear_error();
  Statement statement(from_, sql);
  Query query(statement);
  for (;;) {
    const auto row = query.next();
    if (!row) return false;
    if (!*row) return true;
    take(query);
  }
}

template <class Take>
Expected<void> Rescue::each_saved(const std::string& sql, const Take& take) {
  Statement statement(to_, sql);
  Query query(statement);
  for (;;) {
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) return {};
    take(query);
  }
}

Expected<void> Rescue::change(const std::string& sql) {
  Statement statement(to_, sql);
  return Query(statement).run();
}

Expected<bool> Rescue::copy(const Table& table, const std::string& where) {
  Statement insert(to_, "INSERT OR IGNORE INTO " + table.name + " VALUES(" + table.placeholders + ")");
  Expected<void> written;
  const bool all = each("SELECT * FROM " + table.name + where, [&](const Query& row) {
    if (written) written = Query(insert, Query::Columns{row}).run();
  });
  if (!written) return tl::unexpected<Error>(std::move(written.error()));
  return all;
}

// By an index where there is one, or else by the table alone.
Expected<bool> Rescue::copy_channel(const Table& table, std::uint64_t channel) {
  const std::string which = "channel=" + std::to_string(channel);
  auto copied = copy(table, " WHERE " + which);
  if (!copied || *copied) return copied;
  return copy(table, " WHERE +" + which);
}

Expected<bool> Rescue::run() {
  if (auto found = find_tables(); !found) return tl::unexpected<Error>(std::move(found.error()));
  if (!each("SELECT number FROM channels", [&](const Query& query) { channels_.push_back(query.number(0)); })) {
    return false;
  }
  if (auto begun = change("BEGIN"); !begun) return tl::unexpected<Error>(std::move(begun.error()));
  const auto copied = copy_tables();
  if (!copied || !*copied) {
    to_.roll_back();
    return copied;
  }
  for (const std::uint64_t channel : channels_) {
    if (auto done = copy_segments(channel); !done) return tl::unexpected<Error>(std::move(done.error()));
    if (auto done = note_holes(channel); !done) return tl::unexpected<Error>(std::move(done.error()));
    if (auto done = count(channel); !done) return tl::unexpected<Error>(std::move(done.error()));
  }
  if (auto done = change("COMMIT"); !done) return tl::unexpected<Error>(std::move(done.error()));
  return true;
}

Expected<void> Rescue::find_tables() {
  return each_saved(
      "SELECT name, (SELECT count(*) FROM pragma_table_info(t.name)), "
      "EXISTS(SELECT 1 FROM pragma_table_info(t.name) WHERE name='channel') FROM sqlite_schema AS t "
      "WHERE type='table' AND name NOT LIKE 'sqlite_%'",
      [&](const Query& query) {
        Table table{.name = std::string(query.text(0)), .placeholders = "?", .has_channel = query.number(2) != 0};
        for (std::uint64_t column = 1; column < query.number(1); ++column) table.placeholders += ",?";
        if (table.name == "segments") {
          segments_ = table;
        } else if (table.name == "log_marks") {
          marks_ = table;
        } else if (table.name != "staged") {
          tables_.push_back(table);
        }
      });
}

Expected<bool> Rescue::copy_tables() {
  std::vector<std::uint64_t> forgotten;
  for (const Table& table : tables_) {
    if (!table.has_channel) {
      if (auto copied = copy(table, ""); !copied || !*copied) return copied;
      continue;
    }
    // Channel 0 is the node's clock.
    if (auto copied = copy_channel(table, 0); !copied || !*copied) return copied;
    for (const std::uint64_t channel : channels_) {
      const auto copied = copy_channel(table, channel);
      if (!copied) return copied;
      if (!*copied && std::find(forgotten.begin(), forgotten.end(), channel) == forgotten.end()) {
        forgotten.push_back(channel);
      }
    }
  }
  for (const std::uint64_t channel : forgotten) {
    if (auto done = forget_channel(channel); !done) return tl::unexpected<Error>(std::move(done.error()));
    std::erase(channels_, channel);
  }
  lost_channels_ = forgotten.size();
  if (auto copied = copy(marks_, ""); !copied) return copied;
  return true;
}

Expected<void> Rescue::forget_channel(std::uint64_t channel) {
  for (const Table& table : tables_) {
    if (!table.has_channel) continue;
    if (auto done = change("DELETE FROM " + table.name + " WHERE channel=" + std::to_string(channel)); !done) {
      return done;
    }
  }
  return change("UPDATE channels SET live_cells=0, log_bytes=0, log_ops=0, log_bytes_at=0 WHERE number=" +
                std::to_string(channel));
}

// The index names what is there even where the table cannot be followed; then the table, where the index cannot.
Expected<void> Rescue::copy_segments(std::uint64_t channel) {
  const std::string number = std::to_string(channel);
  const std::string bounds =
      std::to_string(channel << kArrivalBits) + " AND place<" + std::to_string((channel + 1) << kArrivalBits);
  const std::string by_index =
      "SELECT place FROM segments INDEXED BY segments_by_seq WHERE channel=" + number + " ORDER BY replica, first_seq";
  const std::string by_place = "SELECT place FROM segments NOT INDEXED WHERE place>=" + bounds + " ORDER BY place";
  Expected<bool> copied = true;
  const auto copy_one = [&](const Query& query) {
    if (copied) copied = copy(segments_, " WHERE place=" + std::to_string(query.number(0)));
    from_.clear_error();
  };
  for (const std::string& sql : {by_index, by_place}) {
    const bool all = each(sql, copy_one);
    if (!copied) return tl::unexpected<Error>(std::move(copied.error()));
    if (all) return {};
  }
  return {};
}

// What a frontier says is held, and is not in the log any more, goes as if it had been trimmed.
Expected<void> Rescue::note_holes(std::uint64_t channel) {
  struct Frontier {
    std::uint64_t replica = 0, seq = 0, trimmed = 0;
  };
  std::vector<Frontier> frontiers;
  const std::string of_channel = " WHERE channel=" + std::to_string(channel);
  if (auto read = each_saved("SELECT replica, seq, trimmed FROM replicas" + of_channel,
                             [&](const Query& q) {
                               frontiers.push_back({q.number(0), q.number(1), q.number(2)});
                             });
      !read) {
    return read;
  }
  Statement add(to_, "REPLACE INTO gaps(channel, replica, first, last, reason) VALUES(?,?,?,?,?)");
  Statement trim(to_, "UPDATE replicas SET trimmed=? WHERE channel=? AND replica=?");
  for (const Frontier& frontier : frontiers) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> holes;
    std::uint64_t next = frontier.trimmed + 1;
    const auto pass = [&](std::uint64_t first, std::uint64_t last) {
      if (first > next) holes.emplace_back(next, first - 1);
      next = std::max(next, last + 1);
    };
    const std::string replica = std::to_string(static_cast<std::int64_t>(frontier.replica));
    if (auto read = each_saved(
            "SELECT first_seq, count FROM segments" + of_channel + " AND replica=" + replica + " ORDER BY first_seq",
            [&](const Query& q) { pass(q.number(0), q.number(0) + q.number(1) - 1); });
        !read) {
      return read;
    }
    pass(frontier.seq + 1, frontier.seq);
    for (const auto& [first, last] : holes) {
      lost_ops_ += last - first + 1;
      if (auto put = Query(add, channel, frontier.replica, first, last, sync::GapReason::kDamaged).run(); !put) {
        return put;
      }
    }
    if (holes.empty()) continue;
    if (auto put = Query(trim, holes.back().second, channel, frontier.replica).run(); !put) return put;
  }
  return {};
}

Expected<void> Rescue::count(std::uint64_t channel) {
  const std::string shift = std::to_string(kArrivalBits);
  const std::string range = " FROM segments WHERE place>=(number<<" + shift + ") AND place<((number+1)<<" + shift + ")";
  return change("UPDATE channels SET log_bytes=(SELECT ifnull(sum(length(bytes)), 0)" + range +
                "), log_ops=(SELECT ifnull(sum(count), 0)" + range + "), log_bytes_at=(SELECT ifnull(max(place), 0)" +
                range + ")&" + std::to_string(kArrivalMax) + " WHERE number=" + std::to_string(channel));
}

std::string Rescue::lost() const {
  std::string said;
  if (lost_ops_ > 0) said = std::to_string(lost_ops_) + " messages of the log (hedgerow gaps names them)";
  if (lost_channels_ > 0) {
    if (!said.empty()) said += ", and ";
    said += "what " + std::to_string(lost_channels_) + " channels held";
  }
  return said;
}

// The version of the source, if its rows can be copied: version 1 lacks the tables and columns that Rescue names.
std::optional<int> version_of(Connection& source) {
  constexpr int kOldest = 2;
  const auto text = source.value("PRAGMA user_version");
  int version = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), version);
  if (version < kOldest || version > static_cast<int>(migrations().size())) return std::nullopt;
  return version;
}

// A new database of that version in the empty file `to`.
Expected<std::unique_ptr<Connection>> open_new(FileHealth& health, const std::string& to, const std::string& vfs_name,
                                               int version) {
  auto opened = Connection::open(
      health, {.path = to, .vfs_name = vfs_name, .role = FileHealth::Role::kWriter, .cache_kib = kWriterCacheKib});
  if (!opened) return opened;
  const std::string modes =
      "PRAGMA page_size=" + std::to_string(kPageBytes) + "; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF";
  if (auto set = (*opened)->execute(modes.c_str()); !set) return tl::unexpected<Error>(std::move(set.error()));
  if (auto made = migrate(**opened, to, version); !made) return tl::unexpected<Error>(std::move(made.error()));
  return opened;
}

}  // namespace

Expected<std::string> rescue_rows(const std::string& from, const std::string& to, const std::string& vfs_name) {
  // What is found here was found before: it needs no marker.
  FileHealth from_health(from, "");
  const auto source = Connection::open(
      from_health,
      {.path = from, .vfs_name = vfs_name, .role = FileHealth::Role::kWriter, .cache_kib = kWriterCacheKib});
  if (source) sqlite3_db_config((*source)->raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  const std::optional<int> version = source ? version_of(**source) : std::nullopt;

  // Rows are copied as they are, so into a database of their own version, which is brought to the newest one after
  // that.
  FileHealth to_health(to, "");
  const int newest = static_cast<int>(migrations().size());
  const auto target = open_new(to_health, to, vfs_name, version.value_or(newest));
  if (!target) return tl::unexpected<Error>(target.error());
  const std::string everything = "everything that it held";
  if (!version) return everything;
  Rescue rescue(**source, **target);
  const auto saved = rescue.run();
  if (!saved) return tl::unexpected<Error>(saved.error());
  if (auto upgraded = migrate(**target, to); !upgraded) return tl::unexpected<Error>(std::move(upgraded.error()));
  return *saved ? rescue.lost() : everything;
}

}  // namespace hedgerow::store_sqlite
