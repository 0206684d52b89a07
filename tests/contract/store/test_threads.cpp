// The store thread commits while the reader thread reads and runs checkpoints. DESIGN 4. For the thread sanitizer too.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <thread>

#include "daemon/store_sqlite/database.hpp"
#include "daemon/store_sqlite/limits.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::test {

namespace {

// What the reader saw that it should not have; counted, because assertions belong to the test's own thread.
struct Seen {
  std::atomic<int> errors{0};
  std::atomic<int> disorder{0};
  std::atomic<int> checkpoints{0};
};

void read_once(store_sqlite::Database& database, sync::Arrival& before, Seen& seen) {
  const auto view = database.views().open_view();
  if (!view) {
    ++seen.errors;
    return;
  }
  const auto last = (*view)->last_arrival();
  const auto rows = (*view)->segments_after(last ? *last - std::min<sync::Arrival>(*last, 1) : 0, 1);
  if (!last || !rows) {
    ++seen.errors;
    return;
  }
  const bool whole = *last == 0 ? rows->empty() : rows->size() == 1 && rows->front().row.first_arrival == *last;
  if (*last < before || !whole) ++seen.disorder;
  before = *last;
}

bool write_one(sync::Storage& storage, sync::Arrival number) {
  if (!storage.begin()) return false;
  const auto channel = storage.define_channel("c");
  const sync::SegmentRow row{.replica = sync::ReplicaId{5},
                             .first_seq = number,
                             .count = 1,
                             .first_arrival = number,
                             .newest_wall_ms = number,
                             .bytes = Bytes(60'000, static_cast<std::uint8_t>(number))};
  return channel && storage.append(*channel, row) && storage.put_clock(number, {.wall_ms = number}) && storage.commit();
}

}  // namespace

TEST_CASE("one thread commits while another reads and runs checkpoints", "[store][G1][G6]") {
  const TemporaryDirectory directory;
  const std::string dir = directory.path().string();
  auto opened = store_sqlite::open({.dir = dir, .board_identity = "", .fresh_replica = sync::ReplicaId{5}});
  REQUIRE(opened);
  store_sqlite::Database& database = **opened;
  std::atomic<bool> done{false};
  Seen seen;
  std::thread reader([&] {
    sync::Arrival before = 0;
    while (!done) {
      read_once(database, before, seen);
      if (!database.checkpoint_due()) continue;
      if (!database.checkpoint()) ++seen.errors;
      ++seen.checkpoints;
    }
  });
  sync::Arrival written = 0;
  while (written < 150 && write_one(database.storage(), written + 1)) ++written;
  done = true;
  reader.join();
  CHECK(written == 150);
  CHECK(seen.errors == 0);
  CHECK(seen.disorder == 0);
  CHECK(seen.checkpoints > 0);
  CHECK(std::filesystem::file_size(dir + "/hedgerow.db-wal") < store_sqlite::kWalBytesMax + (1U << 20U));
}

}  // namespace hedgerow::test
