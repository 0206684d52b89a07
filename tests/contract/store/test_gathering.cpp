// The VFS that gathers SQLite's small calls: fewer calls, the same content, and no failure that goes unheard. G1.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <vector>

#include "daemon/store_sqlite/gather.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

using store_sqlite::kGatherBytes;
using store_sqlite::ReadAhead;
using store_sqlite::WriteRun;

std::string large(std::size_t number) {
  return std::to_string(number) + std::string(100'000, static_cast<char>('a' + number % 26));
}

// A file in memory that counts what is asked of it.
struct CountedFile {
  Bytes bytes;
  std::size_t calls = 0;

  int read(void* into, std::size_t count, std::uint64_t offset) {
    ++calls;
    std::memcpy(into, bytes.data() + offset, count);
    return 0;
  }
  int write(const void* from, std::size_t count, std::uint64_t offset) {
    ++calls;
    if (bytes.size() < offset + count) bytes.resize(static_cast<std::size_t>(offset + count));
    std::memcpy(bytes.data() + offset, from, count);
    return 0;
  }
};

int write_out(WriteRun& run, CountedFile& file) {
  return run.write_out(
      [&](const void* from, std::size_t count, std::uint64_t offset) { return file.write(from, count, offset); });
}

}  // namespace

TEST_CASE("writes that follow each other become one, in place", "[store]") {
  WriteRun run;
  CountedFile file{.bytes = Bytes(3, 9)};
  const Bytes piece = {1, 2};
  REQUIRE(run.take(piece.data(), 2, 3));
  REQUIRE(run.take(piece.data(), 2, 5));
  CHECK_FALSE(run.take(piece.data(), 2, 8));
  CHECK_FALSE(run.take(piece.data(), 2, 3));
  CHECK(write_out(run, file) == 0);
  CHECK(file.calls == 1);
  CHECK(file.bytes == Bytes{9, 9, 9, 1, 2, 1, 2});
  CHECK(run.empty());
  CHECK(write_out(run, file) == 0);
  CHECK(file.calls == 1);
}

TEST_CASE("what is gathered is bounded", "[store][G6]") {
  WriteRun run;
  const Bytes half(kGatherBytes / 2);
  REQUIRE(run.take(half.data(), half.size(), 0));
  REQUIRE(run.take(half.data(), half.size(), half.size()));
  CHECK_FALSE(run.take(half.data(), 1, 2 * half.size()));
  const Bytes too_large(kGatherBytes + 1);
  run.drop();
  CHECK_FALSE(run.take(too_large.data(), too_large.size(), 0));
}

TEST_CASE("a run overlaps what shares a byte with it", "[store]") {
  WriteRun run;
  CHECK_FALSE(run.overlaps(100, 0));
  const Bytes piece(10);
  REQUIRE(run.take(piece.data(), piece.size(), 100));
  CHECK_FALSE(run.overlaps(100, 0));
  CHECK(run.overlaps(101, 0));
  CHECK(run.overlaps(1, 109));
  CHECK_FALSE(run.overlaps(1, 110));
}

TEST_CASE("a failed write is told and forgotten", "[store]") {
  WriteRun run;
  const Bytes piece(10);
  REQUIRE(run.take(piece.data(), piece.size(), 0));
  CHECK(run.write_out([](const void*, std::size_t, std::uint64_t) { return 5; }) == 5);
  CHECK(run.empty());
}

TEST_CASE("reads that go through a file become few, wherever it ends", "[store]") {
  constexpr std::size_t kStep = 536;
  CountedFile file;
  for (std::size_t i = 0; i < 1000 * kStep + 7; ++i) file.bytes.push_back(static_cast<std::uint8_t>(i * 31 / 7));
  ReadAhead ahead;
  ahead.begin(file.bytes.size());
  for (std::size_t at = 24; at + 512 <= file.bytes.size(); at += kStep) {
    Bytes page(512);
    REQUIRE(ahead.get(page.data(), page.size(), at, [&](void* into, std::size_t count, std::uint64_t offset) {
      return file.read(into, count, offset);
    }) == 0);
    REQUIRE(std::equal(page.begin(), page.end(), file.bytes.begin() + static_cast<std::ptrdiff_t>(at)));
  }
  CHECK(file.calls < 25);
}

TEST_CASE("reads here and there are not made longer", "[store]") {
  CountedFile file{.bytes = Bytes(100'000, 1)};
  ReadAhead ahead;
  ahead.begin(file.bytes.size());
  std::size_t longest = 0;
  for (const std::uint64_t at : {50'000U, 10'000U, 90'000U, 600U, 30'000U}) {
    Bytes page(512);
    REQUIRE(ahead.get(page.data(), page.size(), at, [&](void* into, std::size_t count, std::uint64_t offset) {
      longest = std::max(longest, count);
      return file.read(into, count, offset);
    }) == 0);
  }
  CHECK(longest == 512);
}

TEST_CASE("what was read ahead is not used once it may have changed", "[store]") {
  CountedFile file{.bytes = Bytes(100'000, 1)};
  ReadAhead ahead;
  const auto read = [&](void* into, std::size_t count, std::uint64_t offset) { return file.read(into, count, offset); };
  Bytes page(512);
  ahead.begin(file.bytes.size());
  for (const std::uint64_t at : {0U, 512U, 1024U}) REQUIRE(ahead.get(page.data(), page.size(), at, read) == 0);
  ahead.end();
  file.bytes.assign(file.bytes.size(), 2);
  ahead.begin(file.bytes.size());
  REQUIRE(ahead.get(page.data(), page.size(), 1536, read) == 0);
  CHECK(page == Bytes(512, 2));
}

TEST_CASE_METHOD(StoreFixture, "a turn's pages reach the log in few writes", "[store]") {
  REQUIRE(put(large(0)));
  const std::uint64_t before = disk.writes();
  REQUIRE(put(large(1)));
  CHECK(disk.writes() - before <= 100'000 / kGatherBytes + 4);
}

TEST_CASE_METHOD(StoreFixture, "a small turn is one write", "[store]") {
  REQUIRE(put("first"));
  const std::uint64_t before = disk.writes();
  REQUIRE(put("second"));
  CHECK(disk.writes() - before == 1);
}

TEST_CASE_METHOD(StoreFixture, "a checkpoint copies long runs of pages in few calls", "[store]") {
  REQUIRE(put(large(0)));
  REQUIRE(database->checkpoint());
  REQUIRE(put(large(1)));
  const std::uint64_t reads = disk.reads();
  const std::uint64_t writes = disk.writes();
  REQUIRE(database->checkpoint());
  CHECK(disk.reads() - reads < 25);
  CHECK(disk.writes() - writes < 12);
  CHECK(value() == large(1));
}

TEST_CASE_METHOD(StoreFixture, "what a turn wrote to the log and gave up is not there afterwards", "[store][G1]") {
  REQUIRE(put("before"));
  REQUIRE(storage().begin());
  const auto channel = storage().define_channel("default").value();
  // More than the cache holds: pages reach the log before the turn ends.
  for (std::uint32_t number = 0; number < 20; ++number) {
    REQUIRE(storage().append(channel, {.replica = sync::ReplicaId{1},
                                       .first_seq = 1 + number,
                                       .count = 1,
                                       .first_arrival = 1 + number,
                                       .bytes = Bytes(100'000, 7)}));
  }
  storage().rollback();
  CHECK(value() == "before");
  REQUIRE(put("after"));
  reopen();
  CHECK(value() == "after");
  CHECK(views().open_view().value()->segments_after(0, 1).value().empty());
}

TEST_CASE_METHOD(StoreFixture, "a write that fails, whichever it is, leaves the turn before", "[store][G1]") {
  bool went_through = false;
  for (std::uint64_t nth = 0; !went_through; ++nth) {
    REQUIRE(put("before"));
    disk.fail_write_in(nth);
    const auto done = put(large(nth));
    went_through = done.has_value();
    if (done) CHECK(value() == large(nth));
    disk.fail_write_in(std::nullopt);
    close();
    next_replica = sync::ReplicaId{nth + 100};
    open();
    CHECK(value() == (went_through ? large(nth) : "before"));
    CHECK(database->report().new_replica == !went_through);
  }
}

TEST_CASE_METHOD(StoreFixture, "a checkpoint's write that fails, whichever it is, loses nothing and shows nothing old",
                 "[store][G1]") {
  for (const bool reaches_the_end : {true, false}) {
    bool went_through = false;
    for (std::uint64_t nth = 0; !went_through; ++nth) {
      REQUIRE(put(large(nth)));
      // A view of now: what comes later stays in the log.
      auto view = reaches_the_end ? nullptr : views().open_view().value();
      if (!reaches_the_end) REQUIRE(put("newest"));
      const std::string newest = reaches_the_end ? large(nth) : "newest";
      disk.fail_write_in(nth);
      const bool checkpointed = database->checkpoint().has_value();
      went_through = !disk.fail_write_in(std::nullopt);
      if (went_through) CHECK(checkpointed);
      view.reset();
      // Right, or refused.
      const std::string seen = value();
      CHECK((seen == newest || seen.find("hedgerow.db") != std::string::npos));
      if (!went_through) CHECK_FALSE(put("not after a failed write"));
      close();
      next_replica = sync::ReplicaId{nth + 100};
      open();
      CHECK(value() == newest);
    }
  }
}

TEST_CASE_METHOD(StoreFixture, "a disk that fills during a checkpoint loses nothing, and serves when there is room",
                 "[store][G1][G6]") {
  for (std::size_t number = 0; number < 12; ++number) {
    REQUIRE(put(large(number)));
    disk.set_room(number * 10'000);
    static_cast<void>(database->checkpoint());
    CHECK(value() == large(number));
    disk.set_room(std::nullopt);
    REQUIRE(database->checkpoint());
    CHECK(value() == large(number));
    // Never smaller, so that the next checkpoint grows the file.
    REQUIRE(storage().begin());
    const auto channel = storage().define_channel("default").value();
    REQUIRE(storage().append(channel, {.replica = sync::ReplicaId{1},
                                       .first_seq = 1 + number,
                                       .count = 1,
                                       .first_arrival = 1 + number,
                                       .bytes = Bytes(100'000, 7)}));
    REQUIRE(storage().commit());
  }
  reopen();
  CHECK(value() == large(11));
}

}  // namespace hedgerow::test
