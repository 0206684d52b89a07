// A database of an older version is brought to the newest one with all that it holds.
#include <sqlite3.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <fstream>

#include "daemon/store_sqlite/data_dir.hpp"
#include "daemon/store_sqlite/gathering_vfs.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/schema.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

// A small database as version 1 left it: two channels, of which the first has trimmed and grown since its size was
// written down.
constexpr const char* kVersion1Rows = R"sql(
  INSERT INTO channels(number, name, log_bytes, log_bytes_at) VALUES(1, 'default', 30, 4), (2, 'other', 0, 0);
  INSERT INTO replicas(channel, replica, seq, trimmed, head) VALUES
    (0, 0, 9, 1234, x'010007'),
    (1, 7, 12, 2, zeroblob(32));
  INSERT INTO segments(place, channel, replica, first_seq, count, newest_wall_ms, bytes) VALUES
    ((1 << 44) | 1, 1, 7, 3, 3, 1000, zeroblob(10)),
    ((1 << 44) | 4, 1, 7, 6, 2, 1000, zeroblob(20)),
    ((1 << 44) | 6, 1, 7, 8, 4, 1000, zeroblob(40)),
    ((2 << 44) | 10, 2, 7, 1, 5, 1000, zeroblob(50));
  INSERT INTO cells(channel, topic, stamp_wall_ms, stamp_counter, stamp_quality, replica, seq, arrival, qos, publisher,
                    properties, payload) VALUES
    (1, CAST('t' AS BLOB), 5, 0, 1, 7, 3, 1, 1, 9, x'', CAST('kept' AS BLOB)),
    (1, CAST('u' AS BLOB), 6, 0, 1, 7, 4, 2, 1, 9, x'', x'00'),
    (1, CAST('dead' AS BLOB), 7, 0, 1, 7, 5, 3, 1, 9, x'', x''),
    (2, CAST('t' AS BLOB), 8, 0, 1, 7, 1, 10, 1, 9, x'', x'01');
  INSERT INTO gaps(channel, replica, first, last, reason) VALUES(1, 7, 1, 2, 2);
  INSERT INTO sessions(id, owner, client_id, expiry_s, position) VALUES(77, 'pump', 'c', 60, 8);
  INSERT INTO subscriptions(session, filter, options, identifier, start, retained_due) VALUES(77, 'a/#', 1, NULL, 2, 0);
)sql";

class Version1 : public StoreFixture {
 public:
  Version1() {
    first_replica = storage().load().value().self;
    next_replica = sync::ReplicaId{42};
    close();
    make();
  }

  // The file, as a hedgerowd of that version would have left it. Through the disk of the test, so that a power cut
  // knows it. `then`: what it wrote besides.
  void make(std::size_t version = 1, const std::string& then = {}) {
    const store_sqlite::GatheringVfs vfs(disk.name());
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open_v2(file().c_str(), &raw, SQLITE_OPEN_READWRITE, vfs.name().c_str()) == SQLITE_OK);
    std::string sql = "BEGIN; CREATE TEMP TABLE was AS SELECT * FROM node;";
    for (const std::string table :
         {"node", "channels", "replicas", "segments", "cells", "gaps", "staged", "sessions", "subscriptions",
          "received", "releases", "wills", "share_groups", "log_marks", "lineages"}) {
      sql += "DROP TABLE IF EXISTS main." + table + ";";
    }
    sql += store_sqlite::migrations()[0].sql;
    sql += "INSERT INTO node SELECT * FROM was;";
    sql += kVersion1Rows;
    for (std::size_t step = 1; step < version; ++step) sql += store_sqlite::migrations()[step].sql;
    sql += then + "PRAGMA user_version=" + std::to_string(version) + "; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)";
    char* message = nullptr;
    sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &message);
    INFO(std::string(message == nullptr ? "" : message));
    CHECK(message == nullptr);
    sqlite3_free(message);
    sqlite3_close(raw);
  }

  [[nodiscard]] std::size_t root_page_of(const std::string& name) const {
    const store_sqlite::GatheringVfs vfs(disk.name());
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open_v2(file().c_str(), &raw, SQLITE_OPEN_READWRITE, vfs.name().c_str()) == SQLITE_OK);
    std::size_t page = 0;
    const std::string sql = "SELECT rootpage FROM sqlite_schema WHERE name='" + name + "'";
    const auto take = [](void* into, int, char** values, char**) {
      *static_cast<std::size_t*>(into) = std::stoul(values[0]);
      return 0;
    };
    sqlite3_exec(raw, sql.c_str(), take, &page, nullptr);
    sqlite3_close(raw);
    REQUIRE(page != 0);
    return page;
  }
  // As its hedgerowd found it, which then noted that, and ended.
  void damage_index_of_log() {
    const std::size_t page = root_page_of("segments_by_seq");
    std::fstream bytes(file(), std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekp(static_cast<std::streamoff>((page - 1) * store_sqlite::kPageBytes + 400));
    bytes.write("rubbish", 7);
    REQUIRE(bytes.good());
    store_sqlite::write_end_marker(file() + ".ended", {.corrupt = true, .sentence = "a page is damaged"});
  }

  void check_kept() {
    INFO(database->report().note);
    CHECK_FALSE(database->report().new_replica);
    CHECK(value() == "kept");
    const sync::StoredState state = storage().load().value();
    CHECK(state.self == first_replica);
    CHECK(state.last_arrival == 9);
    CHECK(state.last_stamp == sync::Stamp{.wall_ms = 1234, .counter = 7});
    REQUIRE(state.channels.size() == 2);
    REQUIRE(state.channels[0].replicas.size() == 1);
    CHECK(state.channels[0].replicas[0].seq == 12);
    const auto view = views().open_view().value();
    CHECK(view->segments_after(0, 1U << 20U).value().size() == 4);
    CHECK(view->gaps(sync::ChannelNo{1}).value().size() == 1);
    const auto loaded = sessions().load_sessions().value();
    REQUIRE(loaded.size() == 1);
    CHECK(loaded[0].position == 8);
    CHECK(loaded[0].subscriptions.size() == 1);
    CHECK(loaded[0].received.empty());
    CHECK(loaded[0].releases.empty());
  }
  void check_counted() {
    const sync::StoredState state = storage().load().value();
    CHECK(state.channels.at(0).live_cells == 2);
    CHECK(state.channels.at(1).live_cells == 1);
    CHECK(storage().log_totals(sync::ChannelNo{1}).ops == 9);
    CHECK(storage().log_totals(sync::ChannelNo{1}).bytes == 70);
    CHECK(storage().log_totals(sync::ChannelNo{2}).ops == 5);
    CHECK(storage().log_totals(sync::ChannelNo{2}).bytes == 50);
  }

  sync::ReplicaId first_replica{};
};

}  // namespace

TEST_CASE_METHOD(Version1, "a database of any older version goes on with all that it holds", "[store][G5]") {
  make(GENERATE(range(std::size_t{1}, store_sqlite::migrations().size())));
  open();
  check_kept();
  reopen();
  check_kept();
}

TEST_CASE_METHOD(Version1, "replicas of a version without lineages have none, and get them", "[store][G5]") {
  make(4);
  open();
  CHECK(storage().load().value().channels.at(0).replicas.at(0).lineage == nullptr);
  const sync::Lineage lineage{.root = sync::ReplicaId{7}, .base = 0, .runs = {{.first = 13, .mark = 1}}};
  REQUIRE(storage().begin());
  REQUIRE(storage().put_lineage(sync::ChannelNo{1}, sync::ReplicaId{7}, lineage));
  REQUIRE(storage().commit());
  reopen();
  check_kept();
  REQUIRE(storage().load().value().channels.at(0).replicas.at(0).lineage != nullptr);
  CHECK(*storage().load().value().channels.at(0).replicas.at(0).lineage == lineage);
}

TEST_CASE_METHOD(Version1, "of a damaged database of an older version is saved what can be read", "[store][G11]") {
  make(GENERATE(range(std::size_t{2}, store_sqlite::migrations().size())));
  damage_index_of_log();
  open();
  INFO(database->report().note);
  CHECK(database->report().new_replica);
  CHECK_FALSE(database->report().fresh);
  CHECK(value() == "kept");
  CHECK(views().open_view().value()->segments_after(0, 1U << 20U).value().size() == 4);
  CHECK(sessions().load_sessions().value().size() == 1);
  REQUIRE(storage().begin());
  REQUIRE(storage().put_lineage(sync::ChannelNo{1}, sync::ReplicaId{7},
                                {.root = sync::ReplicaId{7}, .base = 0, .runs = {}}));
  CHECK(storage().commit());
}

TEST_CASE_METHOD(Version1, "what version 1 did not count is counted when it is migrated", "[store][G6]") {
  open();
  check_counted();
  reopen();
  check_counted();
}

TEST_CASE_METHOD(Version1, "a replay since a time finds its start in a migrated log", "[store]") {
  open();
  const auto view = views().open_view().value();
  CHECK(view->first_arrival_since(sync::ChannelNo{1}, 1000).value() == 0);
  CHECK(view->first_arrival_since(sync::ChannelNo{1}, 1001).value() == 9);
}

TEST_CASE_METHOD(Version1, "a migrated database takes what is new", "[store]") {
  open();
  REQUIRE(storage().begin());
  REQUIRE(sessions().add_received(77, 3));
  REQUIRE(sessions().put_will({.session = 77, .principal = {}, .message = {}, .died = {}}));
  REQUIRE(storage().commit());
  reopen();
  CHECK(sessions().load_sessions().value().at(0).received.size() == 1);
  CHECK(sessions().load_wills().value().size() == 1);
}

TEST_CASE_METHOD(Version1, "a will of version 2 is its owner's, by a listener that nobody knows", "[store]") {
  using Kind = security::Principal::Kind;
  std::string rows =
      "INSERT INTO wills(session, owner, client_id, expiry_s, qos, retain, delay_s, topic, properties, payload) VALUES";
  rows += "(1, '', 'c', 0, 1, 0, 0, x'61', x'', x''), (2, 'user:ann', 'c', 0, 1, 0, 0, x'61', x'', x''),";
  rows += "(3, 'app:pump', 'c', 0, 1, 0, 0, x'61', x'', x''), (4, 'gw-barn', 'c', 0, 1, 0, 0, x'61', x'', x'');";
  make(2, rows);
  open();
  const auto wills = sessions().load_wills().value();
  REQUIRE(wills.size() == 4);
  CHECK(wills[0].principal.kind == Kind::kAnonymous);
  CHECK(wills[0].principal.name.empty());
  CHECK(wills[1].principal.kind == Kind::kUser);
  CHECK(wills[1].principal.name == "ann");
  CHECK(wills[2].principal.kind == Kind::kCertificate);
  CHECK(wills[2].principal.name == "pump");
  CHECK(wills[2].principal.role == security::Role::kApp);
  CHECK(wills[3].principal.kind == Kind::kCertificate);
  CHECK(wills[3].principal.name == "gw-barn");
  CHECK_FALSE(wills[3].principal.role);
  for (const node::StoredWill& will : wills) {
    CHECK(will.principal.client_id == "c");
    CHECK(will.principal.listener.empty());
    CHECK_FALSE(will.principal.loopback);
  }
}

TEST_CASE_METHOD(Version1, "a power cut while a database is migrated loses nothing", "[store][G1]") {
  for (std::uint64_t writes = 0; writes < 40; writes += 2) {
    disk.power_cut_in(writes);
    static_cast<void>(try_open());
    lose_power();
    open();
    check_kept();
    check_counted();
    close();
    make();
  }
}

}  // namespace hedgerow::test
