#include <catch2/catch_test_macros.hpp>

#include "sync/clock/hlc.hpp"
#include "sync/clock/trusted_time.hpp"

namespace hedgerow::sync {
namespace {

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

}  // namespace
}  // namespace hedgerow::sync
