#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/node/replay_since.hpp"

using namespace hedgerow;

namespace {

constexpr WallTime kNow{.unix_ms = 1'795'316'400'000};  // 2026-11-22T03:00:00Z
constexpr std::uint64_t kSecond = 1'000;
constexpr std::uint64_t kHour = 3'600 * kSecond;

Expected<std::uint64_t> parse(std::string_view text) { return node::parse_replay_since(text, kNow); }

}  // namespace

TEST_CASE("a duration counts back from now", "[node][replay]") {
  CHECK(parse("90s") == kNow.unix_ms - 90 * kSecond);
  CHECK(parse("15m") == kNow.unix_ms - 900 * kSecond);
  CHECK(parse("24h") == kNow.unix_ms - 24 * kHour);
  CHECK(parse("7d") == kNow.unix_ms - 7 * 24 * kHour);
  CHECK(parse("0s") == kNow.unix_ms);
}

TEST_CASE("a duration beyond 1970 is the whole history", "[node][replay]") {
  CHECK(parse("30000d") == 0U);
  CHECK(parse("9223372036854775807s") == 0U);
}

TEST_CASE("a time is taken as RFC 3339 writes it", "[node][replay]") {
  CHECK(parse("2026-11-22T03:00:00Z") == kNow.unix_ms);
  CHECK(parse("2026-11-22t02:59:59z") == kNow.unix_ms - kSecond);
  CHECK(parse("2026-11-22 02:00:00Z") == kNow.unix_ms - kHour);
  CHECK(parse("2024-02-29T00:00:00Z") == 1'709'164'800'000U);
  CHECK(parse("1970-01-01T00:00:00Z") == 0U);
}

TEST_CASE("an offset is taken off a time", "[node][replay]") {
  CHECK(parse("2026-11-22T03:00:00+01:00") == kNow.unix_ms - kHour);
  CHECK(parse("2026-11-21T21:30:00-05:30") == kNow.unix_ms);
  CHECK(parse("2026-11-22T02:00:00-00:00") == kNow.unix_ms - kHour);
}

TEST_CASE("a fraction counts to the millisecond", "[node][replay]") {
  CHECK(parse("2026-11-22T02:00:00.5Z") == kNow.unix_ms - kHour + 500);
  CHECK(parse("2026-11-22T02:00:00.123999Z") == kNow.unix_ms - kHour + 123);
  CHECK(parse("2026-11-22T02:00:00.001+00:00") == kNow.unix_ms - kHour + 1);
}

TEST_CASE("a leap second is the second after it", "[node][replay]") {
  CHECK(parse("2016-12-31T23:59:60Z") == 1'483'228'800'000U);
}

TEST_CASE("a time before 1970 is the whole history", "[node][replay]") {
  CHECK(parse("1969-12-31T23:59:59.900Z") == 0U);
  CHECK(parse("0000-01-01T00:00:00Z") == 0U);
}

TEST_CASE("a time that has not come yet is now", "[node][replay]") {
  CHECK(parse("2026-11-22T03:00:00.001Z") == kNow.unix_ms);
  CHECK(parse("9999-12-31T23:59:59Z") == kNow.unix_ms);
}

TEST_CASE("what is neither a duration nor a time is refused with both forms named", "[node][replay]") {
  for (const std::string_view text : {"",
                                      "24",
                                      "h",
                                      "24 h",
                                      "-1h",
                                      "1.5h",
                                      "24H",
                                      "99999999999999999999s",
                                      "2026-11-22",
                                      "2026-11-22T03:00:00",
                                      "2026-11-22T03:00Z",
                                      "2026-11-22T03:00:00.Z",
                                      "2026-11-22T03:00:00Z ",
                                      "2026-11-22T03:00:00+1:00",
                                      "2026-11-22T03:00:00+0100",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-11-22T24:00:00Z",
                                      "2026-11-22T03:60:00Z",
                                      "2026-11-22T03:00:61Z",
                                      "2026-11-22T03:00:00+24:00",
                                      "2026-11-22T03:00:00+01:60",
                                      "26-11-22T03:00:00Z",
                                      "2026/11/22T03:00:00Z",
                                      "yesterday"}) {
    CAPTURE(text);
    const Expected<std::uint64_t> result = parse(text);
    REQUIRE_FALSE(result);
    CHECK(result.error().category == Category::kInvalidInput);
    CHECK(result.error().what.find("24h") != std::string::npos);
    CHECK(result.error().what.find("2026-11-22T03:00:00Z") != std::string::npos);
  }
}

TEST_CASE("an error shows the beginning of a long value, in whole characters", "[node][replay][G6]") {
  std::string text = "x";
  while (text.size() < 60'000) text += "ä";
  const Expected<std::uint64_t> result = parse(text);
  REQUIRE_FALSE(result);
  CHECK(result.error().what.size() < 200);
  std::string shown = "\"x";
  for (int i = 0; i < 19; ++i) shown += "ä";
  CHECK(result.error().what.find(shown + "…\"") != std::string::npos);
}
