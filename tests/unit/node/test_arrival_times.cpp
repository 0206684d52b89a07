#include <catch2/catch_test_macros.hpp>
#include <chrono>

#include "daemon/node/arrival_times.hpp"

using namespace hedgerow;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kNow = 1'800'000'000'000;

WallTime synchronised(std::uint64_t unix_ms) { return {.unix_ms = unix_ms, .quality = ClockQuality::kSynchronised}; }
WallTime unsynchronised(std::uint64_t unix_ms) { return {.unix_ms = unix_ms}; }

sync::Stamp stamp(std::uint64_t wall_ms, ClockQuality quality = ClockQuality::kSynchronised) {
  return {.wall_ms = wall_ms, .quality = quality};
}

}  // namespace

TEST_CASE("a message is as old on arrival as its commit is after its stamp", "[node][late]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  CHECK(times.arrived(1) == synchronised(kNow));
  CHECK_FALSE(times.is_late(stamp(kNow - 300'000), 1, 5min));
  CHECK(times.is_late(stamp(kNow - 300'001), 1, 5min));
}

TEST_CASE("a message is as old as its writer's clock says, where its stamp is ahead of that", "[node][late][G10]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  sync::Stamp ahead = stamp(kNow + 3'600'000);
  ahead.behind_ms = 3'900'000;
  CHECK_FALSE(times.is_late(ahead, 1, 5min));
  ahead.behind_ms += 1;
  CHECK(times.is_late(ahead, 1, 5min));
}

TEST_CASE("what waits here for a slow client does not become late", "[node][late]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  times.note(2, synchronised(kNow + 3'600'000));
  CHECK_FALSE(times.is_late(stamp(kNow - 1'000), 1, 5min));
  CHECK(times.is_late(stamp(kNow - 1'000), 2, 5min));
}

TEST_CASE("an arrival counts from the begin of its period, at most 5 s too early", "[node][late]") {
  node::ArrivalTimes times(10);
  times.note(11, synchronised(kNow));
  times.note(20, synchronised(kNow + 4'999));
  times.note(21, synchronised(kNow + 5'000));
  CHECK(times.arrived(11) == synchronised(kNow));
  CHECK(times.arrived(20) == synchronised(kNow));
  CHECK(times.arrived(21) == synchronised(kNow + 5'000));
}

TEST_CASE("what was committed before the start of the process is never late", "[node][late]") {
  node::ArrivalTimes times(10);
  times.note(11, synchronised(kNow));
  CHECK_FALSE(times.arrived(10));
  CHECK_FALSE(times.is_late(stamp(0), 10, 5min));
}

TEST_CASE("an arrival that was not noted has no time", "[node][late]") {
  node::ArrivalTimes times(0);
  CHECK_FALSE(times.arrived(1));
  times.note(1, synchronised(kNow));
  CHECK_FALSE(times.arrived(2));
}

TEST_CASE("nothing is late by a clock that is not synchronised", "[node][late][G10]") {
  node::ArrivalTimes times(0);
  times.note(1, unsynchronised(kNow));
  times.note(2, synchronised(kNow));
  CHECK_FALSE(times.is_late(stamp(1'000), 1, 5min));
  CHECK(times.is_late(stamp(1'000), 2, 5min));
  CHECK_FALSE(times.is_late(stamp(1'000, ClockQuality::kUnsynchronised), 2, 5min));
}

TEST_CASE("a clock that was set back begins a period", "[node][late][G10]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  times.note(2, synchronised(kNow - 1));
  CHECK(times.arrived(2) == synchronised(kNow - 1));
}

TEST_CASE("a message from the future is not late", "[node][late]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  CHECK_FALSE(times.is_late(stamp(kNow + 1), 1, 0s));
}

TEST_CASE("late by the greatest duration means never", "[node][late]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  CHECK_FALSE(times.is_late(stamp(0), 1, std::chrono::seconds::max()));
}

TEST_CASE("a turn that committed nothing changes nothing", "[node][late]") {
  node::ArrivalTimes times(5);
  times.note(5, synchronised(kNow));
  times.note(6, synchronised(kNow + 60'000));
  CHECK_FALSE(times.arrived(5));
  CHECK(times.arrived(6) == synchronised(kNow + 60'000));
}

TEST_CASE("the oldest periods are forgotten, and then not late", "[node][late][G6]") {
  node::ArrivalTimes times(0);
  constexpr sync::Arrival kNotes = node::ArrivalTimes::kPeriodsMax + 100;
  for (sync::Arrival arrival = 1; arrival <= kNotes; ++arrival)
    times.note(arrival, synchronised(kNow + arrival * 5'000));
  CHECK_FALSE(times.arrived(100));
  CHECK_FALSE(times.is_late(stamp(0), 100, 5min));
  CHECK(times.arrived(101) == synchronised(kNow + 101 * 5'000));
  CHECK(times.arrived(kNotes) == synchronised(kNow + kNotes * 5'000));
}

TEST_CASE("turns that committed nothing take no room", "[node][late][G6]") {
  node::ArrivalTimes times(0);
  times.note(1, synchronised(kNow));
  for (std::uint64_t turn = 1; turn <= 2 * node::ArrivalTimes::kPeriodsMax; ++turn) {
    times.note(1, synchronised(kNow + turn * 5'000));
  }
  CHECK(times.arrived(1) == synchronised(kNow));
}

TEST_CASE("what fills a gap is late, unless nothing is", "[node][late]") {
  node::ArrivalTimes times(0);
  times.note(9, synchronised(kNow));
  times.note_filled({.first = 3, .last = 4});
  times.note_filled({.first = 5, .last = 6});
  CHECK_FALSE(times.is_late(stamp(kNow), 2, 5min));
  CHECK(times.is_late(stamp(kNow), 3, 5min));
  CHECK(times.is_late(stamp(kNow, ClockQuality::kUnsynchronised), 6, 5min));
  CHECK_FALSE(times.is_late(stamp(kNow), 7, 5min));
  CHECK_FALSE(times.is_late(stamp(kNow), 3, std::chrono::seconds::max()));
}

TEST_CASE("what filled gaps long ago is forgotten", "[node][late][G6]") {
  node::ArrivalTimes times(0);
  constexpr sync::Arrival kFills = node::ArrivalTimes::kFilledMax + 1;
  times.note(2 * kFills, synchronised(kNow));
  for (sync::Arrival fill = 1; fill <= kFills; ++fill) times.note_filled({.first = 2 * fill, .last = 2 * fill});
  CHECK_FALSE(times.is_late(stamp(kNow), 2, 5min));
  CHECK(times.is_late(stamp(kNow), 4, 5min));
}
