#include "daemon/monitor/clock_alarm.hpp"

#include <chrono>

#include "sync/clock/trusted_time.hpp"

namespace hedgerow::monitor {

namespace {

// 2026-03-01
std::string day_of(std::uint64_t unix_ms) {
  using namespace std::chrono;
  const year_month_day day(sys_days(days(static_cast<days::rep>(unix_ms / 86'400'000))));
  const auto two = [](unsigned number) { return (number < 10 ? "-0" : "-") + std::to_string(number); };
  return std::to_string(static_cast<int>(day.year())) + two(static_cast<unsigned>(day.month())) +
         two(static_cast<unsigned>(day.day()));
}

}  // namespace

std::optional<std::string> clock_alarm(const WallTime& said, std::uint64_t floor_ms) {
  const std::string built_in = day_of(floor_ms).substr(0, 7);
  if (said.unix_ms < floor_ms && said.quality == ClockQuality::kSynchronised) {
    return "the clock of this board says " + day_of(said.unix_ms) +
           ", a time service vouches for it, and it is not believed: this program says that it was built in " +
           built_in +
           ". Messages are ordered without it, and none is trimmed by age. If the clock is right, the machine that "
           "built hedgerowd had a wrong one: install one that was built by a right clock; else mend the time service";
  }
  if (!sync::is_beyond_trust(said.unix_ms, floor_ms)) return std::nullopt;
  return "the clock of this board says " + day_of(said.unix_ms) + ", and is not believed: this program was built in " +
         built_in +
         ". Messages are ordered without it, and none is trimmed by age. Set the clock, or mend the time service that "
         "sets it; if it is right, install a newer hedgerowd";
}

}  // namespace hedgerow::monitor
