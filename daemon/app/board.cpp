#include "daemon/app/board.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <fstream>
#include <gsl/assert>
#include <iterator>
#include <mutex>
#include <span>
#include <utility>

#include "daemon/monitor/clock_alarm.hpp"
#include "daemon/monitor/system_probe.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "security/identity/identity.hpp"
#include "sync/clock/trusted_time.hpp"

namespace hedgerow::app {

namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line, '\n');
  std::erase(line, '\0');
  return line;
}

// Whatever the clock of the machine that built it said, this program is not older.
constexpr auto kSourcesBegan = std::chrono::sys_days(std::chrono::year(2026) / std::chrono::January / 1);
constexpr auto kBuilt =
    std::max(kSourcesBegan, std::chrono::sys_days(std::chrono::year(HEDGEROW_BUILT_MONTH / 100) /
                                                  std::chrono::month(HEDGEROW_BUILT_MONTH % 100) / 1));
constexpr auto kFloorMs = static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::milliseconds>(kBuilt.time_since_epoch()).count());

std::uint64_t system_clock_ms() {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  return ms > 0 ? static_cast<std::uint64_t>(ms) : 0;
}

}  // namespace

WallTime wall_clock() {
  static std::mutex guard;
  static sync::TrustedTime trusted(kFloorMs);
  static std::int64_t asked_s = -1;
  static ClockQuality quality = ClockQuality::kUnsynchronised;
  const std::scoped_lock lock(guard);
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const std::int64_t now_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  // Read before the kernel is asked about it: what is set in between is not vouched for.
  const std::uint64_t said_ms = system_clock_ms();
  const bool asks = std::exchange(asked_s, now_s) != now_s || trusted.has_jumped(said_ms, Instant{Duration{now}});
  if (asks) quality = monitor::probe_clock_quality();
  return trusted.believe({.unix_ms = said_ms, .quality = quality}, Instant{Duration{now}});
}

std::optional<std::string> clock_alarm() {
  return monitor::clock_alarm({.unix_ms = system_clock_ms(), .quality = monitor::probe_clock_quality()}, kFloorMs);
}

std::uint64_t random_u64() {
  std::array<std::uint8_t, 8> bytes{};
  const auto drawn = security::random_bytes(bytes);
  Ensures(drawn.has_value());
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = (value << 8U) | byte;
  return value;
}

std::string host_name() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) return "node";
  std::string name(buffer.data());
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' ? static_cast<char>(std::tolower(c)) : '-';
  });
  name.resize(std::min(name.size(), security::kNameLengthMax));
  return security::check_name("node name", name) ? name : "node";
}

std::string board_identity() {
  return first_line("/proc/device-tree/serial-number") + "/" + first_line("/etc/machine-id");
}

}  // namespace hedgerow::app
