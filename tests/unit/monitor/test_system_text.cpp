#include <catch2/catch_test_macros.hpp>

#include "daemon/monitor/system_text.hpp"

namespace hedgerow::monitor {
namespace {

// From a Raspberry Pi 4 with Raspberry Pi OS 12.
constexpr std::string_view kMeminfo =
    "MemTotal:        3884416 kB\n"
    "MemFree:         2204876 kB\n"
    "MemAvailable:    3402272 kB\n"
    "Buffers:           65024 kB\n"
    "HugePages_Total:       0\n";

constexpr std::string_view kSelfStatus =
    "Name:\thedgerowd\n"
    "Umask:\t0022\n"
    "State:\tS (sleeping)\n"
    "VmPeak:\t   74208 kB\n"
    "VmRSS:\t    7936 kB\n"
    "RssAnon:\t    2048 kB\n";

TEST_CASE("memory comes from MemTotal and MemAvailable", "[monitor]") {
  const std::optional<Memory> memory = parse_meminfo(kMeminfo);
  REQUIRE(memory);
  CHECK(memory->total_bytes == std::uint64_t{3'884'416} * 1024);
  CHECK(memory->available_bytes == std::uint64_t{3'402'272} * 1024);
}

TEST_CASE("memory without one of the two, or in another unit, is unknown", "[monitor]") {
  CHECK_FALSE(parse_meminfo(""));
  CHECK_FALSE(parse_meminfo("MemTotal: 1 kB\n"));
  CHECK_FALSE(parse_meminfo("MemTotal: 1 kB\nMemAvailable: 1 MB\n"));
  CHECK_FALSE(parse_meminfo("MemTotal: x kB\nMemAvailable: 1 kB\n"));
  CHECK_FALSE(parse_meminfo("MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n"));
  CHECK_FALSE(parse_meminfo("MemTotal\nMemAvailable"));
}

TEST_CASE("resident memory comes from VmRSS", "[monitor]") {
  CHECK(parse_rss_bytes(kSelfStatus) == std::uint64_t{7'936} * 1024);
  CHECK_FALSE(parse_rss_bytes("VmPeak:\t 1 kB\n"));
}

TEST_CASE("load comes from the first three numbers", "[monitor]") {
  const std::optional<Load> load = parse_loadavg("0.52 1.08 10.59 1/467 12345\n");
  REQUIRE(load);
  CHECK(load->one_minute == 0.52);
  CHECK(load->five_minutes == 1.08);
  CHECK(load->fifteen_minutes == 10.59);
  CHECK_FALSE(parse_loadavg("0.52 1.08"));
  CHECK_FALSE(parse_loadavg("busy"));
}

TEST_CASE("temperatures are millidegrees", "[monitor]") {
  CHECK(parse_temperature_c("48312\n") == 48.312);
  CHECK(parse_temperature_c("-5000\n") == -5.0);
}

TEST_CASE("a broken sensor measures nothing", "[monitor]") {
  CHECK_FALSE(parse_temperature_c(""));
  CHECK_FALSE(parse_temperature_c("hot\n"));
  CHECK_FALSE(parse_temperature_c("48312 C\n"));
  CHECK_FALSE(parse_temperature_c("-274000\n"));
  CHECK_FALSE(parse_temperature_c("200001\n"));
}

}  // namespace
}  // namespace hedgerow::monitor
