// A disk that is full, and a disk that fails. G1, G6.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>
#include <filesystem>

#include "daemon/store_sqlite/file_health.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

// So large that each turn writes many pages, and another each time: what does not change, SQLite does not write.
std::string large(std::size_t number) {
  return std::to_string(number) + std::string(20'000, static_cast<char>('a' + number % 26));
}

}  // namespace

TEST_CASE_METHOD(StoreFixture, "a full disk refuses the turn, keeps what was committed, and serves when there is room",
                 "[store][G6]") {
  REQUIRE(put("before"));
  disk.set_room(4096);
  const auto refused = put(std::string(500'000, 'x'));  // more than is allocated in advance
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kLimit);
  CHECK(refused.error().what.find("disk is full") != std::string::npos);
  CHECK(value() == "before");
  disk.set_room(std::nullopt);
  REQUIRE(put("after"));
  CHECK(value() == "after");
  reopen();
  CHECK(value() == "after");
  CHECK_FALSE(database->report().new_replica);
}

TEST_CASE_METHOD(StoreFixture, "a log that cannot grow starts over, where the database need not grow either",
                 "[store][G6]") {
  // Values of one length take the place of each other: once the file has their pages, it needs no more.
  constexpr std::size_t kFirst = 100;
  for (std::size_t i = 0; i < 4; ++i) REQUIRE(put(large(kFirst + i)));
  REQUIRE(database->checkpoint());
  for (std::size_t i = 4; i < 8; ++i) REQUIRE(put(large(kFirst + i)));
  disk.set_room(0);
  std::size_t refused = 0;
  for (std::size_t i = 8; i < 100; ++i) {
    const auto done = put(large(kFirst + i));
    if (done) continue;
    CHECK(done.error().category == Category::kLimit);
    ++refused;
  }
  // One refusal each time that the log is at its end.
  CHECK(refused > 0);
  CHECK(refused < 40);
  REQUIRE(put("after"));
  reopen();
  CHECK(value() == "after");
  CHECK_FALSE(database->report().new_replica);
}

TEST_CASE_METHOD(StoreFixture, "a disk that fills at any byte of a turn leaves the turn before", "[store][G1][G6]") {
  REQUIRE(put("before"));
  for (std::size_t room = 0; room < 24'000; room += 997) {
    disk.set_room(room);
    if (put(large(room))) break;
    CHECK(value() == "before");
  }
  disk.set_room(std::nullopt);
  REQUIRE(put("after"));
  reopen();
  CHECK(value() == "after");
}

TEST_CASE_METHOD(StoreFixture, "a disk that is full at the first start refuses, and serves when there is room",
                 "[store][G6]") {
  close();
  std::filesystem::remove(file());
  disk.set_room(2000);
  const auto refused = try_open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kLimit);
  disk.set_room(std::nullopt);
  open();
  CHECK(database->report().fresh);
  REQUIRE(put("v"));
  CHECK(value() == "v");
}

TEST_CASE_METHOD(StoreFixture, "what lacks room or quota is a full disk, by whatever code; a sync is not",
                 "[store][G6]") {
  const int os_error = GENERATE(ENOSPC, EDQUOT);
  store_sqlite::FileHealth health(file(), file() + ".none");
  using Role = store_sqlite::FileHealth::Role;
  for (const int code : {SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE}) {
    CHECK(health.judge({.code = code, .os_error = os_error}, Role::kWriter).category == Category::kLimit);
  }
  CHECK(health.check());
  CHECK(health.judge({.code = SQLITE_IOERR_FSYNC, .os_error = os_error}, Role::kWriter).category == Category::kIo);
  CHECK_FALSE(health.check());
}

TEST_CASE_METHOD(StoreFixture, "a turn in which a call failed cannot be committed", "[store][G1]") {
  REQUIRE(storage().begin());
  const auto channel = storage().define_channel("default").value();
  const sync::SegmentRow row{
      .replica = sync::ReplicaId{1}, .first_seq = 1, .count = 1, .first_arrival = 1, .bytes = {1}};
  REQUIRE(storage().append(channel, row));
  CHECK_FALSE(storage().append(channel, row));
  CHECK_FALSE(storage().put_clock(1, {}));
  CHECK_FALSE(storage().commit());
  CHECK(storage().load().value().channels.empty());
  REQUIRE(put("next"));
  CHECK(value() == "next");
}

TEST_CASE_METHOD(StoreFixture, "after a failed sync every call fails with the same sentence", "[store][G1]") {
  REQUIRE(put("before"));
  disk.fail_sync_in(0);
  const auto failed = put("unsynced");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().category == Category::kIo);
  const std::uint64_t syncs = disk.syncs();
  CHECK(put("again").error().what == failed.error().what);
  CHECK(views().open_view().error().what == failed.error().what);
  CHECK(database->checkpoint().error().what == failed.error().what);
  CHECK(disk.syncs() == syncs);
  close();
  CHECK(disk.syncs() == syncs);
}

TEST_CASE_METHOD(StoreFixture, "after a failed sync the next start is a new replica in a new file", "[store][G1]") {
  REQUIRE(put("before"));
  const auto old_file = std::filesystem::file_size(file());
  CHECK(old_file > 0);
  disk.fail_sync_in(0);
  REQUIRE_FALSE(put("unsynced"));
  close();
  next_replica = sync::ReplicaId{43};
  open();
  CHECK(database->report().new_replica);
  CHECK_FALSE(database->report().fresh);
  CHECK(database->report().note.find("new replica") != std::string::npos);
  CHECK(storage().load().value().self == sync::ReplicaId{43});
  // The turn that was not acknowledged may be there; what was acknowledged must.
  const std::string held = value();
  CHECK((held == "before" || held == "unsynced"));
  REQUIRE(put("after"));
  next_replica = sync::ReplicaId{44};
  reopen();
  CHECK(value() == "after");
  CHECK_FALSE(database->report().new_replica);
}

TEST_CASE_METHOD(StoreFixture, "a checkpoint that cannot sync ends the file as a commit does", "[store][G1]") {
  REQUIRE(put("before"));
  disk.fail_sync_in(0);
  const auto failed = database->checkpoint();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().category == Category::kIo);
  CHECK(put("again").error().what == failed.error().what);
  close();
  next_replica = sync::ReplicaId{43};
  open();
  CHECK(database->report().new_replica);
  CHECK(value() == "before");
}

TEST_CASE_METHOD(StoreFixture, "a commit syncs once", "[store][G1]") {
  REQUIRE(put("first"));
  const std::uint64_t before = disk.syncs();
  REQUIRE(put("second"));
  CHECK(disk.syncs() == before + 1);
}

TEST_CASE_METHOD(StoreFixture, "the log stays bounded where nobody runs checkpoints", "[store][G6]") {
  for (std::size_t turn = 0; turn < 700; ++turn) REQUIRE(put(large(turn)));
  CHECK(std::filesystem::file_size(file() + "-wal") < store_sqlite::kWalBytesMax + 64 * 1024);
}

TEST_CASE_METHOD(StoreFixture, "a checkpoint when due keeps the log from growing", "[store][G6]") {
  bool was_due = false;
  for (std::size_t turn = 0; turn < 400; ++turn) {
    REQUIRE(put(large(turn)));
    if (!database->checkpoint_due()) continue;
    was_due = true;
    REQUIRE(database->checkpoint());
    CHECK_FALSE(database->checkpoint_due());
  }
  CHECK(was_due);
  CHECK(std::filesystem::file_size(file() + "-wal") < store_sqlite::kWalBytesSoft + 64 * 1024);
}

TEST_CASE_METHOD(StoreFixture, "views beyond the most at one time are refused until one ends", "[store][G6]") {
  REQUIRE(put("v"));
  std::vector<std::unique_ptr<sync::ReadView>> open;
  for (std::size_t i = 0; i < store_sqlite::kViewsMax; ++i) open.push_back(views().open_view().value());
  const auto refused = views().open_view();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kUnavailable);
  open.pop_back();
  CHECK(views().open_view());
}

}  // namespace hedgerow::test
