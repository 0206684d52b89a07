// Opening: whose life goes on, which files are refused, which are set aside. G5, G11.
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "daemon/store_sqlite/gathering_vfs.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "daemon/store_sqlite/schema.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

constexpr sync::ReplicaId kOther{42};

// Closed, with "kept" in it.
class ClosedStore : public StoreFixture {
 public:
  ClosedStore() {
    first_replica = storage().load().value().self;
    REQUIRE(put("kept"));
    close();
    next_replica = kOther;
  }

  // Runs SQL on the closed file; each page that it writes has its seal.
  void run(const std::string& sql) const {
    const store_sqlite::GatheringVfs vfs("");
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open_v2(file().c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs.name().c_str()) ==
            SQLITE_OK);
    int reserved = static_cast<int>(store_sqlite::kSealBytes);
    sqlite3_file_control(raw, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    CHECK(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(raw);
  }
  void overwrite(std::streamoff at, const std::string& bytes) const {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(at);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  // The file was set aside, and a new database serves.
  void check_set_aside(unsigned number) {
    const std::string aside = file() + ".corrupt-" + std::to_string(number);
    CHECK(std::filesystem::exists(aside));
    CHECK(database->report().fresh);
    CHECK(database->report().note.find(aside) != std::string::npos);
    CHECK(storage().load().value().self == kOther);
    REQUIRE(put("anew"));
    CHECK(value() == "anew");
  }

  sync::ReplicaId first_replica{};
};

mode_t mode_of(const std::string& path) {
  struct stat found = {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 0777U : 0;
}

}  // namespace

TEST_CASE("a data directory is made with its parents, for its owner only", "[store]") {
  const TemporaryDirectory directory;
  const std::string dir = directory.path().string() + "/a/b/data";
  const auto database = store_sqlite::open({.dir = dir + "/", .board_identity = "", .fresh_replica = kOther});
  REQUIRE(database);
  CHECK((*database)->report().fresh);
  CHECK((*database)->report().note.empty());
  CHECK(mode_of(dir) == 0700);
  CHECK(mode_of(dir + "/hedgerow.db") == 0600);
  CHECK(mode_of(dir + "/hedgerow.db-wal") == 0600);
}

TEST_CASE("a data directory that is a file is refused by name", "[store]") {
  const TemporaryDirectory directory;
  const std::string dir = directory.path().string() + "/data";
  std::ofstream(dir) << "x";
  const auto database = store_sqlite::open({.dir = dir, .board_identity = "", .fresh_replica = kOther});
  REQUIRE_FALSE(database);
  CHECK(database.error().category == Category::kInvalidInput);
  CHECK(database.error().what.find(dir) != std::string::npos);
}

TEST_CASE_METHOD(StoreFixture, "a second process on the same data is refused, with the holder's number", "[store]") {
  const auto second = store_sqlite::open(options());
  REQUIRE_FALSE(second);
  CHECK(second.error().category == Category::kRefused);
  CHECK(second.error().what.find("process " + std::to_string(::getpid())) != std::string::npos);
  close();
  CHECK(try_open());
}

TEST_CASE_METHOD(ClosedStore, "a database that is opened again goes on as the same replica", "[store][G5]") {
  open();
  CHECK_FALSE(database->report().fresh);
  CHECK_FALSE(database->report().new_replica);
  CHECK(database->report().note.empty());
  CHECK(storage().load().value().self == first_replica);
  CHECK(value() == "kept");
}

TEST_CASE_METHOD(ClosedStore, "a database on another board is a new replica that keeps what it holds", "[store][G5]") {
  board = "another board";
  open();
  CHECK(database->report().new_replica);
  CHECK_FALSE(database->report().fresh);
  CHECK_FALSE(database->report().note.empty());
  CHECK(storage().load().value().self == kOther);
  CHECK(value() == "kept");
}

TEST_CASE_METHOD(ClosedStore, "a run without syncs that ends by itself leaves the replica as it is", "[store][G5]") {
  syncs_commits = false;
  open();
  CHECK_FALSE(database->report().new_replica);
  REQUIRE(put("unsynced"));
  CHECK(std::filesystem::exists(file() + ".unsynced"));
  close();
  CHECK_FALSE(std::filesystem::exists(file() + ".unsynced"));
  lose_power();
  open();
  CHECK_FALSE(database->report().new_replica);
  CHECK(value() == "unsynced");
}

TEST_CASE_METHOD(ClosedStore, "after a run without syncs that was cut off, a synced one is a new replica",
                 "[store][G5]") {
  syncs_commits = false;
  open();
  REQUIRE(put("unsynced"));
  lose_power();
  syncs_commits = true;
  open();
  CHECK(database->report().new_replica);
  CHECK(database->report().note.find("\"durability\": \"process\"") != std::string::npos);
  CHECK(storage().load().value().self == kOther);
  reopen();
  CHECK_FALSE(database->report().new_replica);
  CHECK(storage().load().value().self == kOther);
}

TEST_CASE_METHOD(StoreFixture, "what a run without syncs left in the log is no damage of the synced run after it",
                 "[store][G1][G5]") {
  const auto read = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto write = [](const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  };
  close();
  syncs_commits = false;
  open();
  for (int turn = 0; turn < 30; ++turn) REQUIRE(put("value " + std::to_string(turn)));
  const std::string database_file = read(file());
  std::string log = read(file() + "-wal");
  lose_power();
  // Of the log a block in the middle did not reach the disk: behind it there are whole transactions.
  constexpr std::size_t kBlock = 4096;
  REQUIRE(log.size() > 10 * kBlock);
  log.replace(2 * kBlock, kBlock, kBlock, '\0');
  write(file(), database_file);
  write(file() + "-wal", log);
  syncs_commits = true;
  next_replica = kOther;
  open();
  CHECK(database->report().new_replica);
  CHECK_FALSE(database->report().fresh);
  CHECK_FALSE(std::filesystem::exists(file() + ".unsynced"));
  REQUIRE(put("after"));
  reopen();
  INFO(database->report().note);
  CHECK_FALSE(database->report().new_replica);
  CHECK(value() == "after");
}

TEST_CASE_METHOD(StoreFixture, "a database is marked as not synced before anything is committed so", "[store][G5]") {
  close();
  syncs_commits = false;
  board = "another board";  // which is the first thing that the run writes
  next_replica = kOther;
  disk.power_cut_in(0);
  CHECK_FALSE(try_open());
  CHECK(std::filesystem::exists(file() + ".unsynced"));
  lose_power();
  open();
  CHECK(database->report().new_replica);
  CHECK_FALSE(database->report().fresh);
}

TEST_CASE_METHOD(ClosedStore, "a run without syncs that could not begin leaves the replica as it is", "[store][G5]") {
  run("PRAGMA user_version=99");
  syncs_commits = false;
  CHECK_FALSE(try_open());
  CHECK_FALSE(std::filesystem::exists(file() + ".unsynced"));
}

TEST_CASE_METHOD(StoreFixture, "without syncs a commit costs none", "[store]") {
  close();
  syncs_commits = false;
  open();
  REQUIRE(put("first"));  // begins the log
  const std::uint64_t before = disk.syncs();
  for (int i = 0; i < 20; ++i) REQUIRE(put(std::to_string(i)));
  CHECK(disk.syncs() == before);
  syncs_commits = true;
  close();
  open();
  const std::uint64_t synced_before = disk.syncs();
  for (int i = 0; i < 20; ++i) REQUIRE(put(std::to_string(i)));
  CHECK(disk.syncs() >= synced_before + 20);
}

TEST_CASE_METHOD(ClosedStore, "a database that was restored from a copy is a new replica", "[store][G5]") {
  std::filesystem::copy_file(file(), file() + ".backup");
  std::filesystem::rename(file() + ".backup", file());
  open();
  CHECK(database->report().new_replica);
  CHECK(value() == "kept");
  close();
  next_replica = sync::ReplicaId{43};
  open();
  CHECK_FALSE(database->report().new_replica);
}

TEST_CASE_METHOD(ClosedStore, "an empty database of version 0 is brought to the newest schema", "[store]") {
  std::filesystem::remove(file());
  run("PRAGMA journal_mode=WAL");
  open();
  CHECK(database->report().fresh);
  REQUIRE(put("v"));
  CHECK(value() == "v");
  close();
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(file().c_str(), &raw) == SQLITE_OK);
  std::string version;
  sqlite3_exec(
      raw, "PRAGMA user_version",
      [](void* into, int, char** values, char**) {
        *static_cast<std::string*>(into) = values[0];
        return 0;
      },
      &version, nullptr);
  sqlite3_close(raw);
  CHECK(version == std::to_string(store_sqlite::migrations().size()));
}

TEST_CASE_METHOD(ClosedStore, "a database of a newer version is refused and left alone", "[store]") {
  run("PRAGMA user_version=9999");
  const auto opened = try_open();
  REQUIRE_FALSE(opened);
  CHECK(opened.error().category == Category::kRefused);
  CHECK(opened.error().what.find("9999") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(file() + ".corrupt-1"));
  run("PRAGMA user_version=" + std::to_string(store_sqlite::migrations().size()));
  open();
  CHECK(value() == "kept");
}

TEST_CASE_METHOD(ClosedStore, "a file of zeros is set aside", "[store][G11]") {
  overwrite(0, std::string(static_cast<std::size_t>(std::filesystem::file_size(file())), '\0'));
  open();
  check_set_aside(1);
}

TEST_CASE_METHOD(ClosedStore, "a file with a flipped header is set aside", "[store][G11]") {
  overwrite(3, "X");
  open();
  check_set_aside(1);
}

TEST_CASE_METHOD(ClosedStore, "a truncated file is set aside", "[store][G11]") {
  std::filesystem::resize_file(file(), std::filesystem::file_size(file()) / 2);
  open();
  check_set_aside(1);
}

TEST_CASE_METHOD(ClosedStore, "a file that lacks a table is set aside, whichever it is", "[store][G11]") {
  unsigned number = 0;
  for (const std::string table : {"node", "channels", "replicas", "segments", "cells", "gaps", "staged", "sessions",
                                  "subscriptions", "received", "releases", "wills", "share_groups", "log_marks"}) {
    run("DROP TABLE " + table);
    open();
    check_set_aside(++number);
    close();
  }
}

TEST_CASE_METHOD(ClosedStore, "a database of another program is set aside", "[store][G11]") {
  run("PRAGMA application_id=77");
  open();
  check_set_aside(1);
}

TEST_CASE_METHOD(ClosedStore, "a missing file is a fresh database", "[store][G11]") {
  std::filesystem::remove(file());
  open();
  CHECK(database->report().fresh);
  CHECK(storage().load().value().self == kOther);
}

TEST_CASE_METHOD(StoreFixture, "a file that is removed or replaced while it is used ends it, and nothing is committed",
                 "[store][G1]") {
  REQUIRE(put("kept"));
  SECTION("removed with its directory") { std::filesystem::remove_all(dir()); }
  SECTION("another in its place") {
    std::filesystem::copy_file(file(), file() + ".copy");
    std::filesystem::rename(file() + ".copy", file());
  }
  const auto done = put("lost");
  REQUIRE_FALSE(done);
  CHECK(done.error().category == Category::kIo);
  CHECK(done.error().what.find("while hedgerowd used it") != std::string::npos);
  CHECK_FALSE(database->check());
}

TEST_CASE_METHOD(ClosedStore, "files that were set aside are numbered, and the oldest goes", "[store][G6]") {
  for (unsigned number = 1; number <= 4; ++number) {
    overwrite(0, "garbage, garbage");
    open();
    check_set_aside(number);
    close();
  }
  CHECK_FALSE(std::filesystem::exists(file() + ".corrupt-1"));
  CHECK(std::filesystem::exists(file() + ".corrupt-2"));
}

TEST_CASE_METHOD(ClosedStore, "corruption found while running ends the file, and the next start sets it aside",
                 "[store][G11]") {
  // Pages beyond the first few small tables: the root of the cells' index, or the cells.
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(file()));
  run("PRAGMA wal_checkpoint(TRUNCATE)");
  open();
  overwrite(1024, std::string(size - 1024, '\x5A'));
  const auto failed = put("lost");
  if (!failed) {
    CHECK(failed.error().category == Category::kCorrupt);
    CHECK(storage().begin().error().category == Category::kCorrupt);
    CHECK_FALSE(views().open_view());
    close();
    open();
    check_set_aside(1);
  } else {
    FAIL("the damaged pages were not read");
  }
}

}  // namespace hedgerow::test
