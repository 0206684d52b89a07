#include "daemon/monitor/identity_alarm.hpp"

namespace hedgerow::monitor {

namespace {

constexpr std::int64_t kSecondsADay = 86'400;

std::string days(std::int64_t seconds) {
  const std::int64_t count = seconds / kSecondsADay;
  if (count == 0) return "less than a day";
  return count == 1 ? "1 day" : std::to_string(count) + " days";
}

}  // namespace

std::optional<std::string> identity_alarm(const std::string& node, std::int64_t not_after_unix_s, const WallTime& now) {
  if (now.quality != ClockQuality::kSynchronised) return std::nullopt;
  const std::int64_t left_s = not_after_unix_s - static_cast<std::int64_t>(now.unix_ms / 1000);
  if (left_s > kIdentityAlarmDays * kSecondsADay) return std::nullopt;
  const std::string when = left_s > 0 ? "ends in " + days(left_s) + ", and then peers and TLS clients refuse it"
                                      : "ended " + days(-left_s) + " ago, and peers and TLS clients refuse it";
  return "the certificate of this node " + when + ": issue another where the authority is (hedgerow node add " + node +
         " --out DIR), put DIR/identity in the place of the one in the data directory, and restart hedgerowd";
}

}  // namespace hedgerow::monitor
