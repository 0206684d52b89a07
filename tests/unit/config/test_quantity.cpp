#include <catch2/catch_test_macros.hpp>

#include "daemon/config/quantity.hpp"

namespace hedgerow::config {
namespace {

using std::chrono::seconds;

TEST_CASE("durations are a whole number and one of s m h d", "[config]") {
  CHECK(parse_duration("30s") == seconds{30});
  CHECK(parse_duration("90m") == seconds{5'400});
  CHECK(parse_duration("24h") == seconds{86'400});
  CHECK(parse_duration("7d") == seconds{604'800});
  CHECK(parse_duration("0s") == seconds{0});
}

TEST_CASE("sizes are a whole number and a decimal or binary unit", "[config]") {
  CHECK(parse_size("100B") == 100U);
  CHECK(parse_size("2kB") == 2'000U);
  CHECK(parse_size("3MB") == 3'000'000U);
  CHECK(parse_size("512KiB") == 524'288U);
  CHECK(parse_size("64MiB") == 67'108'864U);
  CHECK(parse_size("1GiB") == 1'073'741'824U);
  CHECK(parse_size("1TiB") == 1'099'511'627'776U);
}

TEST_CASE("anything else is no quantity", "[config]") {
  for (const std::string_view bad : {"", "7", "d", "7 d", " 7d", "7d ", "7D", "-7d", "+7d", "1.5h", "7dd", "7w"}) {
    CHECK_FALSE(parse_duration(bad));
  }
  for (const std::string_view bad : {"", "64", "MiB", "64 MiB", "64mib", "64M", "-1B", "1.5MiB", "0x10B"}) {
    CHECK_FALSE(parse_size(bad));
  }
}

TEST_CASE("a quantity that overflows is none", "[config]") {
  CHECK(parse_size("18446744073709551615B") == 18'446'744'073'709'551'615U);
  CHECK_FALSE(parse_size("18446744073709551616B"));
  CHECK_FALSE(parse_size("16777216TiB"));
  CHECK_FALSE(parse_duration("9223372036854775808s"));
  CHECK_FALSE(parse_duration("106751991167301d"));
}

TEST_CASE("quantities are shown in the largest unit that divides them", "[config]") {
  CHECK(format_duration(seconds{604'800}) == "7d");
  CHECK(format_duration(seconds{90}) == "90s");
  CHECK(format_duration(seconds{0}) == "0s");
  CHECK(format_size(67'108'864) == "64MiB");
  CHECK(format_size(1'500) == "1500B");
  CHECK(format_size(3'000'000) == "3MB");
}

}  // namespace
}  // namespace hedgerow::config
