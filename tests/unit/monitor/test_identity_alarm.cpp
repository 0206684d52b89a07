#include <catch2/catch_test_macros.hpp>

#include "daemon/monitor/identity_alarm.hpp"

using namespace hedgerow;
using monitor::identity_alarm;

namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kEnd = 1'800'000'000;

WallTime before_end(std::int64_t seconds) {
  return {.unix_ms = static_cast<std::uint64_t>(kEnd - seconds) * 1000, .quality = ClockQuality::kSynchronised};
}
bool says(std::int64_t seconds, const char* words) {
  const auto alarm = identity_alarm("gw-barn", kEnd, before_end(seconds));
  return alarm && alarm->find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("a certificate is an alarm from 30 days before its end on", "[monitor]") {
  CHECK_FALSE(identity_alarm("gw-barn", kEnd, before_end(31 * kDay)));
  CHECK(says(30 * kDay, "ends in 30 days"));
  CHECK(says(kDay + 1, "ends in 1 day,"));
  CHECK(says(60, "ends in less than a day"));
  CHECK(says(-3 * kDay, "ended 3 days ago"));
  CHECK(says(60, "hedgerow node add gw-barn --out"));
}

TEST_CASE("a clock that nobody vouches for raises no alarm of certificates", "[monitor][G10]") {
  WallTime now = before_end(-kDay);
  now.quality = ClockQuality::kUnsynchronised;
  CHECK_FALSE(identity_alarm("gw-barn", kEnd, now));
}
