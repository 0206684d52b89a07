#include <catch2/catch_test_macros.hpp>

#include "daemon/monitor/clock_alarm.hpp"

using namespace hedgerow;
using monitor::clock_alarm;

namespace {

constexpr std::uint64_t kFloor = 1'767'225'600'000;  // 2026-01-01
constexpr std::uint64_t kTenYearsLater = 2'083'190'400'000;

WallTime unsynchronised(std::uint64_t unix_ms) {
  return {.unix_ms = unix_ms, .quality = ClockQuality::kUnsynchronised};
}
WallTime synchronised(std::uint64_t unix_ms) { return {.unix_ms = unix_ms, .quality = ClockQuality::kSynchronised}; }

}  // namespace

TEST_CASE("a clock ten years ahead is an alarm that names the day and the remedy", "[monitor][G10]") {
  const auto alarm = clock_alarm(unsynchronised(kTenYearsLater), kFloor);
  REQUIRE(alarm);
  CHECK(alarm->find("says 2036-01-06,") != std::string::npos);
  CHECK(alarm->find("built in 2026-01.") != std::string::npos);
  CHECK(alarm->find("Set the clock") != std::string::npos);
}

TEST_CASE("a clock that may be right, or was never set, is no alarm", "[monitor][G10]") {
  CHECK_FALSE(clock_alarm(synchronised(kFloor + 1), kFloor));
  CHECK_FALSE(clock_alarm(unsynchronised(kFloor + 1), kFloor));
  CHECK_FALSE(clock_alarm(unsynchronised(0), kFloor));
}

TEST_CASE("a clock that a time service set to before the program was built is an alarm: one of both is wrong",
          "[monitor][G10]") {
  const auto alarm = clock_alarm(synchronised(kFloor - 1), kFloor);
  REQUIRE(alarm);
  CHECK(alarm->find("says 2025-12-31,") != std::string::npos);
  CHECK(alarm->find("built in 2026-01.") != std::string::npos);
  CHECK(alarm->find("install one that was built by a right clock") != std::string::npos);
}
