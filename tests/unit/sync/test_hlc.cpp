#include <catch2/catch_test_macros.hpp>

#include "sync/clock/hlc.hpp"

namespace hedgerow::sync {
namespace {

constexpr WallTime sure(std::uint64_t ms) { return {.unix_ms = ms, .quality = ClockQuality::kSynchronised}; }
constexpr WallTime unsure(std::uint64_t ms) { return {.unix_ms = ms, .quality = ClockQuality::kUnsynchronised}; }

TEST_CASE("a stamp takes the wall clock when that is ahead", "[sync][G10]") {
  Hlc clock({.wall_ms = 100, .counter = 7});
  const Stamp stamp = clock.next(sure(200));
  CHECK(stamp == Stamp{.wall_ms = 200, .counter = 0});
  CHECK(stamp.quality == ClockQuality::kSynchronised);
}

TEST_CASE("stamps of one millisecond count up", "[sync][G10]") {
  Hlc clock({});
  CHECK(clock.next(sure(200)) == Stamp{.wall_ms = 200, .counter = 0});
  CHECK(clock.next(sure(200)) == Stamp{.wall_ms = 200, .counter = 1});
}

TEST_CASE("a wall clock that steps back does not take the stamps along", "[sync][G10]") {
  Hlc clock({});
  static_cast<void>(clock.next(sure(500)));
  CHECK(clock.next(sure(10)) == Stamp{.wall_ms = 500, .counter = 1});
}

TEST_CASE("a stamp says when it was written by a clock that it is ahead of", "[sync][G10]") {
  Hlc clock({.wall_ms = 50'000});
  CHECK(clock.next(sure(49'001)).behind_ms == 0);  // nearly
  const Stamp ahead = clock.next(sure(49'000));
  CHECK(ahead == Stamp{.wall_ms = 50'000, .counter = 2});
  CHECK(ahead.behind_ms == 1'000);
  CHECK(ahead.written() == sure(49'000));
  CHECK(clock.next(unsure(1'000)).behind_ms == 0);  // nobody knows
  CHECK(clock.next(sure(50'001)).written() == sure(50'001));
}

TEST_CASE("a full counter carries into the milliseconds", "[sync][G10]") {
  Hlc clock({.wall_ms = 500, .counter = 0xFFFF});
  CHECK(clock.next(sure(500)) == Stamp{.wall_ms = 501, .counter = 0});
  CHECK(clock.next(sure(500)) == Stamp{.wall_ms = 501, .counter = 1});
}

TEST_CASE("an unsynchronised node orders after what it has seen", "[sync][G10]") {
  Hlc clock({});
  clock.observe({.wall_ms = 1'700'000'000'000, .counter = 3, .quality = ClockQuality::kSynchronised});
  const Stamp stamp = clock.next(unsure(1000));
  CHECK(stamp == Stamp{.wall_ms = 1'700'000'000'000, .counter = 4});
  CHECK(stamp.quality == ClockQuality::kUnsynchronised);
}

TEST_CASE("an older stamp that is seen changes nothing", "[sync][G10]") {
  Hlc clock({.wall_ms = 500, .counter = 2});
  clock.observe({.wall_ms = 499, .counter = 9});
  clock.observe({.wall_ms = 500, .counter = 1});
  CHECK(clock.last() == Stamp{.wall_ms = 500, .counter = 2});
}

TEST_CASE("after a restart the clock goes on behind its last stamp", "[sync][G10]") {
  Hlc before({});
  const Stamp last = before.next(sure(900));
  Hlc after(last);
  CHECK(after.next(sure(100)) > last);
}

}  // namespace
}  // namespace hedgerow::sync
