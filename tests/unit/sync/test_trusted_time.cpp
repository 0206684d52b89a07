#include <catch2/catch_test_macros.hpp>
#include <chrono>

#include "sync/clock/hlc.hpp"
#include "sync/clock/trusted_time.hpp"

namespace hedgerow::sync {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kFloor = 1'767'225'600'000;  // 2026-01-01
constexpr std::uint64_t kYear = std::uint64_t{365} * 24 * 3600 * 1000;
constexpr std::uint64_t kMost = kFloor + 5 * kYear;

constexpr WallTime sure(std::uint64_t ms) { return {.unix_ms = ms, .quality = ClockQuality::kSynchronised}; }
constexpr WallTime unsure(std::uint64_t ms) { return {.unix_ms = ms, .quality = ClockQuality::kUnsynchronised}; }

TEST_CASE("a clock that may be right is taken as it stands", "[sync][G10]") {
  for (const WallTime& said : {sure(kFloor), sure(kFloor + kYear), unsure(kFloor + kYear), sure(kMost)}) {
    CHECK(believed(said, kFloor) == said);
  }
}

TEST_CASE("a clock before the floor is not believed, whatever the kernel says of it", "[sync][G10]") {
  CHECK(believed(unsure(0), kFloor) == unsure(kFloor));
  CHECK(believed(sure(kFloor - 1), kFloor) == unsure(kFloor));
}

TEST_CASE("a clock ten years ahead is not believed, whatever the kernel says of it", "[sync][G10]") {
  CHECK(believed(sure(kMost + 1), kFloor) == unsure(kFloor));
  CHECK(believed(sure(kFloor + 10 * kYear), kFloor) == unsure(kFloor));
  CHECK(believed(sure(~std::uint64_t{0}), kFloor) == unsure(kFloor));
}

TEST_CASE("a moment of 2040 does not stay in the stamps", "[sync][G10]") {
  Hlc clock({});
  const std::uint64_t now = kFloor + kYear;
  static_cast<void>(clock.next(believed(sure(now), kFloor)));
  const Stamp meanwhile = clock.next(believed(sure(kFloor + 14 * kYear), kFloor));
  CHECK(meanwhile == Stamp{.wall_ms = now, .counter = 1});
  CHECK(meanwhile.quality == ClockQuality::kUnsynchronised);
  CHECK(clock.next(believed(sure(now + 5), kFloor)) == Stamp{.wall_ms = now + 5, .counter = 0});
}

TEST_CASE("a board that boots in 1970 stamps from the floor on", "[sync][G10]") {
  Hlc clock({});
  CHECK(clock.next(believed(unsure(3000), kFloor)) == Stamp{.wall_ms = kFloor, .counter = 0});
}

constexpr Instant kStart{std::chrono::hours(3)};
constexpr auto kWeek = std::chrono::hours(24 * 7);

TEST_CASE("time goes on also where the clock is not believed", "[sync][G10]") {
  TrustedTime time(kFloor);
  CHECK(time.believe(unsure(3'000), kStart) == unsure(kFloor));
  CHECK(time.believe(unsure(4'000), kStart + 1s) == unsure(kFloor + 1'000));
  CHECK(time.believe(unsure(0), kStart + 1h) == unsure(kFloor + 3'600'000));
}

TEST_CASE("a clock that falls behind what has passed since the start is not believed", "[sync][G10]") {
  TrustedTime time(kFloor);
  CHECK(time.believe(sure(kFloor + 10), kStart) == sure(kFloor + 10));
  CHECK(time.believe(sure(kFloor + 59'999), kStart + 60s) == unsure(kFloor + 60'000));
  CHECK(time.believe(sure(kFloor + 60'000), kStart + 60s) == sure(kFloor + 60'000));
}

TEST_CASE("five years beyond the floor count from what has passed since the start", "[sync][G10]") {
  TrustedTime time(kFloor);
  CHECK(time.believe(sure(kMost + 1), kStart) == unsure(kFloor));
  CHECK(time.believe(sure(kMost + 1), kStart + 1ms) == sure(kMost + 1));
}

TEST_CASE("a clock that lost its time service is trusted for a week", "[sync][G10]") {
  TrustedTime time(kFloor);
  const std::uint64_t set = kFloor + kYear;
  constexpr std::uint64_t kWeekMs = std::uint64_t{7} * 24 * 3600 * 1000;
  CHECK(time.believe(unsure(set), kStart) == unsure(set));  // nothing had set it yet
  CHECK(time.believe(sure(set), kStart) == sure(set));
  CHECK(time.believe(unsure(set + 36'000'000), kStart + 10h) == sure(set + 36'000'000));
  CHECK(time.believe(unsure(set + kWeekMs), kStart + kWeek) == sure(set + kWeekMs));
  CHECK(time.believe(unsure(set + kWeekMs + 1), kStart + kWeek + 1ms) == unsure(set + kWeekMs + 1));
}

TEST_CASE("that somebody set the clock is seen before it is believed", "[sync][G10]") {
  TrustedTime time(kFloor);
  const std::uint64_t set = kFloor + kYear;
  CHECK_FALSE(time.has_jumped(set, kStart));  // nothing is known of it
  CHECK(time.believe(sure(set), kStart) == sure(set));
  CHECK_FALSE(time.has_jumped(set + 900, kStart));
  CHECK(time.has_jumped(set + 172'800'000, kStart + 100ms));
  CHECK(time.has_jumped(set - 3'000, kStart + 100ms));
  // Asked again, the kernel says that nobody vouches for it any more.
  CHECK(time.believe(unsure(set + 172'800'000), kStart + 100ms) == unsure(set + 172'800'000));
  CHECK(time.has_jumped(set + 172'800'000, kStart + 200ms));
}

TEST_CASE("a clock that did more than drift since it lost its time service is not trusted", "[sync][G10]") {
  TrustedTime time(kFloor);
  const std::uint64_t set = kFloor + kYear;
  CHECK(time.believe(sure(set), kStart) == sure(set));
  constexpr std::uint64_t kHourMs = 3'600'000;
  constexpr std::uint64_t kDriftMs = 1'000 + 1'800;  // 500 ppm of an hour
  for (const std::uint64_t off : {kDriftMs, kDriftMs + 1}) {
    const bool only_drifted = off == kDriftMs;
    CHECK((time.believe(unsure(set + kHourMs + off), kStart + 1h).quality == ClockQuality::kSynchronised) ==
          only_drifted);
    CHECK((time.believe(unsure(set + kHourMs - off), kStart + 1h).quality == ClockQuality::kSynchronised) ==
          only_drifted);
  }
  CHECK(time.believe(unsure(kFloor + 2 * kYear), kStart + 1h) == unsure(kFloor + 2 * kYear));
}

}  // namespace
}  // namespace hedgerow::sync
