#include <catch2/catch_test_macros.hpp>

#include "daemon/monitor/system_probe.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::monitor {
namespace {

TEST_CASE("this machine has memory, load and a disk", "[monitor]") {
  const test::TemporaryDirectory directory;
  const SystemSample sample = probe_system(directory.path());
  REQUIRE(sample.memory);
  CHECK(sample.memory->rss_bytes > 0);
  CHECK(sample.memory->rss_bytes < sample.memory->total_bytes);
  CHECK(sample.memory->available_bytes <= sample.memory->total_bytes);
  REQUIRE(sample.load);
  CHECK(sample.load->one_minute >= 0);
  REQUIRE(sample.disk);
  CHECK(sample.disk->total_bytes > 0);
  CHECK(sample.disk->free_bytes <= sample.disk->total_bytes);
}

TEST_CASE("a data directory that is gone has no disk", "[monitor]") {
  CHECK_FALSE(probe_system("/nonexistent/data").disk);
}

TEST_CASE("the clock's quality can be asked without any privilege", "[monitor][G10]") {
  const ClockQuality quality = probe_clock_quality();
  CHECK((quality == ClockQuality::kSynchronised || quality == ClockQuality::kUnsynchronised));
}

}  // namespace
}  // namespace hedgerow::monitor
