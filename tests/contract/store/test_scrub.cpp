// Reading through the file to find damage before it matters. G11.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "daemon/store_sqlite/limits.hpp"
#include "tests/contract/store/store_fixture.hpp"

namespace hedgerow::test {

namespace {

using store_sqlite::kPageBytes;
using store_sqlite::kScrubBytes;

class ScrubbedStore : public StoreFixture {
 public:
  // Steps until a round is over; what it came to.
  Expected<void> round() {
    for (int step = 0; step < 1000; ++step) {
      const auto next = database->scrub(now);
      if (!next) return tl::unexpected<Error>(next.error());
      if (*next > store_sqlite::kScrubPauseMs || database->scrub_status().finished_unix_ms == now) return {};
    }
    return fail(Category::kLimit, "the round does not end");
  }
  void overwrite(std::uint64_t at, const std::string& bytes) const {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(at));
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  [[nodiscard]] std::uint64_t file_bytes() const { return std::filesystem::file_size(file()); }

  std::uint64_t now = 1'700'000'000'000;
};

std::string large(std::size_t number) {
  return std::to_string(number) + std::string(300'000, static_cast<char>('a' + number % 26));
}

}  // namespace

TEST_CASE_METHOD(ScrubbedStore, "a sound file is read through once a day", "[store][G11]") {
  REQUIRE(put(large(1)));
  REQUIRE(database->checkpoint());
  CHECK(database->scrub_status().finished_unix_ms == 0);
  REQUIRE(round());
  CHECK(database->scrub_status().finished_unix_ms == now);
  CHECK(database->scrub_status().done_bytes == file_bytes());
  CHECK(database->scrub(now + 1000).value() == store_sqlite::kScrubEveryMs - 1000);
  now += store_sqlite::kScrubEveryMs;
  REQUIRE(round());
  CHECK(database->scrub_status().finished_unix_ms == now);
}

TEST_CASE_METHOD(ScrubbedStore, "a step is bounded, and a restart goes on where the note says", "[store][G6][G11]") {
  REQUIRE(put(large(1)));
  REQUIRE(database->checkpoint());
  REQUIRE(database->scrub(now));
  CHECK(database->scrub_status().done_bytes == kScrubBytes);
  REQUIRE(database->scrub(now));
  CHECK(database->scrub_status().done_bytes == 2 * kScrubBytes);
  close();
  std::ofstream(file() + ".scrub") << "began 5\nfinished 4\ndamaged 0\nread 131072 of 900000\n";
  open();
  CHECK(database->scrub_status().finished_unix_ms == 4);
  REQUIRE(database->scrub(now));
  CHECK(database->scrub_status().done_bytes == 3 * kScrubBytes);
  CHECK(database->scrub_status().began_unix_ms == 5);
}

TEST_CASE_METHOD(ScrubbedStore, "a note of rubbish begins anew", "[store][G11]") {
  REQUIRE(put("v"));
  REQUIRE(database->checkpoint());
  for (const std::string note : {"", "x", "began 99999999999999999999999\nfinished", "\xFF\xFF\xFF"}) {
    close();
    std::ofstream(file() + ".scrub") << note;
    open();
    REQUIRE(round());
    now += store_sqlite::kScrubEveryMs;
  }
}

TEST_CASE_METHOD(ScrubbedStore, "a bit that flips in an old row ends the file, with the place", "[store][G11]") {
  REQUIRE(put(large(1)));
  REQUIRE(database->checkpoint());
  const std::uint64_t at = file_bytes() / 2;
  overwrite(at, "!");
  const auto found = round();
  REQUIRE_FALSE(found);
  CHECK(found.error().category == Category::kCorrupt);
  CHECK(found.error().what.find("byte " + std::to_string(at - at % kPageBytes)) != std::string::npos);
  CHECK(database->scrub_status().damaged_unix_ms == now);
  CHECK_FALSE(database->check());
  CHECK_FALSE(storage().begin());
  close();
  next_replica = sync::ReplicaId{42};
  open();
  CHECK(database->report().new_replica);
  CHECK(database->scrub_status().damaged_unix_ms == now);
  REQUIRE(put("goes on"));
  now += store_sqlite::kScrubEveryMs;
  CHECK(round());
}

TEST_CASE_METHOD(ScrubbedStore, "a page that the log has whole is no damage", "[store][G11]") {
  REQUIRE(put(large(1)));
  REQUIRE(database->checkpoint());
  REQUIRE(put(large(2)));
  // The value's pages take those of the one before: the log has them all.
  overwrite(file_bytes() / 2, "!");
  REQUIRE(round());
  CHECK(value() == large(2));
}

TEST_CASE_METHOD(ScrubbedStore, "while a view keeps the log from being folded in, a doubt waits", "[store][G11]") {
  REQUIRE(put(large(1)));
  REQUIRE(database->checkpoint());
  const auto view = views().open_view().value();
  REQUIRE(put(large(2)));
  overwrite(file_bytes() / 2, "!");
  for (int step = 0; step < 20; ++step) REQUIRE(database->scrub(now));
  CHECK(database->scrub_status().finished_unix_ms == 0);
  CHECK(database->check());
}

TEST_CASE_METHOD(ScrubbedStore, "what a free page holds is nobody's loss", "[store][G11]") {
  REQUIRE(put(large(1)));
  REQUIRE(put("small"));
  REQUIRE(database->checkpoint());
  overwrite(file_bytes() - kPageBytes, std::string(kPageBytes, '\0'));
  REQUIRE(round());
  REQUIRE(put(large(3)));
  CHECK(value() == large(3));
}

TEST_CASE_METHOD(ScrubbedStore, "a loss of power is no damage", "[store][G1][G11]") {
  for (std::uint64_t cut = 1; cut < 30; ++cut) {
    disk.power_cut_in(cut);
    for (std::size_t turn = 0; turn < 4; ++turn) {
      static_cast<void>(put(large(cut + turn)));
      static_cast<void>(database->checkpoint());
    }
    reopen();
    CHECK_FALSE(database->report().new_replica);
    now += store_sqlite::kScrubEveryMs;
    const auto sound = round();
    INFO((sound ? std::string() : sound.error().what));
    REQUIRE(sound);
    REQUIRE(put("v"));
  }
}

}  // namespace hedgerow::test
