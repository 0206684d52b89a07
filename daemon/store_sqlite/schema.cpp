#include "daemon/store_sqlite/schema.hpp"

#include <array>
#include <charconv>
#include <string>

namespace hedgerow::store_sqlite {

namespace {

// Version 1. Columns are unsigned numbers unless they say otherwise; topics are bytes, so that their order is MQTT's.
//
//   node        the one row of this database: whose it is
//   channels    log_bytes: what the channel's segments of up to log_bytes_at (an arrival number) hold; what came later
//               is counted at open
//   replicas    the frontiers. The row of channel 0, replica 0, which nobody else has, is the node's clock: seq is the
//   last
//               arrival number, trimmed the last stamp's milliseconds, head its quality and counter. So the two things
//               that every commit changes share a page: 540 B less to write for each (of 3,081; see limits.hpp)
//   segments    place = channel << 44 | arrival number of the first op: each channel's log lies in arrival order, and
//               is trimmed from its low end
//   cells       the retained messages, and the tombstones of those deleted; stamp_quality: quality_column() of rows.hpp.
//               Not WITHOUT ROWID: an index page of 512 B holds 102 B of a row, a table page 477 B; a cell that is
//               written again changes its table page only
//   staged      pages of snapshot answers that are not whole yet
constexpr const char* kVersion1 = R"sql(
  CREATE TABLE node(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    replica INTEGER NOT NULL,
    identity TEXT NOT NULL
  ) STRICT;
  CREATE TABLE channels(
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    log_bytes INTEGER NOT NULL DEFAULT 0,
    log_bytes_at INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE replicas(
    channel INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    trimmed INTEGER NOT NULL,
    head BLOB NOT NULL,
    PRIMARY KEY (channel, replica)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE segments(
    place INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    newest_wall_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX segments_by_seq ON segments(channel, replica, first_seq);
  CREATE TABLE cells(
    id INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    topic BLOB NOT NULL,
    stamp_wall_ms INTEGER NOT NULL,
    stamp_counter INTEGER NOT NULL,
    stamp_quality INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    qos INTEGER NOT NULL,
    publisher INTEGER NOT NULL,
    expiry_s INTEGER,
    properties BLOB NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (channel, topic)
  ) STRICT;
  CREATE TABLE gaps(
    channel INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (channel, replica, first)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE staged(
    channel INTEGER NOT NULL,
    peer TEXT NOT NULL,
    page_no INTEGER NOT NULL,
    page BLOB NOT NULL,
    UNIQUE (channel, peer, page_no)
  ) STRICT;
  CREATE TABLE sessions(
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    client_id TEXT NOT NULL,
    expiry_s INTEGER NOT NULL,
    position INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE subscriptions(
    session INTEGER NOT NULL,
    filter TEXT NOT NULL,
    options INTEGER NOT NULL,
    identifier INTEGER,
    start INTEGER NOT NULL,
    retained_due INTEGER NOT NULL,
    PRIMARY KEY (session, filter)
  ) STRICT, WITHOUT ROWID;
)sql";

// Version 2: QoS 2, wills, shared subscriptions, replays since a time, and what $SYS counts.
//
//   channels       live_cells: how many of its cells are no tombstones; log_ops: as log_bytes
//   log_marks      the newest newest_wall_ms of a channel's segments, from behind the mark before up to this place
//   received       QoS 2 from the client: published, not released yet
//   releases       QoS 2 to the client: received there, not completed yet
//   wills          one a session; died_…: the stamp of its connection's death, NULL while it lives
//   share_groups   positions of shared subscriptions
constexpr const char* kVersion2 = R"sql(
  ALTER TABLE channels ADD COLUMN live_cells INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE channels ADD COLUMN log_ops INTEGER NOT NULL DEFAULT 0;
  UPDATE channels SET
    live_cells=(SELECT count(*) FROM cells WHERE channel=number AND length(payload)>0),
    log_ops=(SELECT ifnull(sum(count), 0) FROM segments
             WHERE place>(number << 44) AND place<=((number << 44) | log_bytes_at));
  CREATE TABLE log_marks(
    place INTEGER PRIMARY KEY,
    newest_wall_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE received(
    session INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE releases(
    session INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    PRIMARY KEY (session, packet_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE wills(
    session INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    client_id TEXT NOT NULL,
    expiry_s INTEGER NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    delay_s INTEGER NOT NULL,
    died_wall_ms INTEGER,
    died_counter INTEGER,
    died_quality INTEGER,
    message_expiry_s INTEGER,
    topic BLOB NOT NULL,
    properties BLOB NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE TABLE share_groups(
    share TEXT NOT NULL,
    filter TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (share, filter)
  ) STRICT, WITHOUT ROWID;
)sql";

// Version 3: who left a will, so that the access rules can be asked when it is published; how far retained messages and
// replays came, so that they go on there.
//
//   wills          name, client_id, kind, role, listener, loopback: the security::Principal; kind is NULL in rows of
//                  version 2, whose name is the owner of a session
//   subscriptions  retained_channel, retained_topic: up to there all came, while retained_due; replay_…: NULL when none
//                  is on its way
constexpr const char* kVersion3 = R"sql(
  ALTER TABLE wills RENAME COLUMN owner TO name;
  ALTER TABLE wills ADD COLUMN kind INTEGER;
  ALTER TABLE wills ADD COLUMN role TEXT;
  ALTER TABLE wills ADD COLUMN listener TEXT NOT NULL DEFAULT '';
  ALTER TABLE wills ADD COLUMN loopback INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE subscriptions ADD COLUMN retained_channel INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE subscriptions ADD COLUMN retained_topic BLOB NOT NULL DEFAULT x'';
  ALTER TABLE subscriptions ADD COLUMN replay_since INTEGER;
  ALTER TABLE subscriptions ADD COLUMN replay_last INTEGER;
  ALTER TABLE subscriptions ADD COLUMN replay_after INTEGER;
)sql";

// Version 4: channels whose retained messages merge.
//
//   channels       merge: a sync::MergeKind
//   cells          state: what there is to merge, where the channel merges; beside it payload is what it shows
constexpr const char* kVersion4 = R"sql(
  ALTER TABLE channels ADD COLUMN merge INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE cells ADD COLUMN state BLOB NOT NULL DEFAULT x'';
)sql";

// Version 5: where replicas come from.
//
//   lineages       of replicas: sync/log/lineage_codec.hpp. Apart, since every commit writes the node's own row there
constexpr const char* kVersion5 = R"sql(
  CREATE TABLE lineages(
    channel INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    lineage BLOB NOT NULL,
    PRIMARY KEY (channel, replica)
  ) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array kMigrations = {Migration{kVersion1}, Migration{kVersion2}, Migration{kVersion3},
                                    Migration{kVersion4}, Migration{kVersion5}};

Expected<int> number_of(Connection& connection, const char* sql) {
  const auto text = connection.value(sql);
  if (!text) return tl::unexpected<Error>(text.error());
  int number = 0;
  std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

Expected<int> migrate(Connection& connection, std::string_view path) {
  return migrate(connection, path, static_cast<int>(kMigrations.size()));
}

Expected<int> migrate(Connection& connection, std::string_view path, int to) {
  const auto application = number_of(connection, "PRAGMA application_id");
  if (!application) return application;
  const auto version = number_of(connection, "PRAGMA user_version");
  if (!version) return version;
  const auto tables = number_of(connection, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables;
  if (*application != kApplicationId && (*application != 0 || *tables != 0)) {
    return fail(Category::kCorrupt, std::string(path) + ": is not a database of hedgerowd");
  }
  const int newest = static_cast<int>(kMigrations.size());
  if (*version > newest) {
    return fail(Category::kRefused, std::string(path) + ": a newer hedgerowd wrote it (schema " +
                                        std::to_string(*version) + "; this one knows up to " + std::to_string(newest) +
                                        "); install that version again, or move the file away to start anew");
  }
  if (*version < 0) return fail(Category::kCorrupt, std::string(path) + ": its schema has no valid version");
  for (int next = *version; next < to; ++next) {
    const std::string script = "BEGIN IMMEDIATE; PRAGMA application_id=" + std::to_string(kApplicationId) + ";" +
                               kMigrations[static_cast<std::size_t>(next)].sql +
                               "PRAGMA user_version=" + std::to_string(next + 1) + "; COMMIT";
    if (auto done = connection.execute(script.c_str()); !done) {
      connection.roll_back();
      return tl::unexpected<Error>(std::move(done.error()));
    }
  }
  return version;
}

}  // namespace hedgerow::store_sqlite
