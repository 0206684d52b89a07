#include "daemon/monitor/system_probe.hpp"

#include <sys/statvfs.h>
#include <sys/timex.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <string>
#include <system_error>

#include "daemon/monitor/system_text.hpp"

namespace hedgerow::monitor {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTextBytesMax = 16 * 1024;
constexpr int kThermalZonesMax = 64;

// What a kernel file says, up to a limit; empty where it cannot be read.
std::string read_text(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::string text(kTextBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::optional<double> hottest_zone() {
  std::optional<double> hottest;
  std::error_code error;
  fs::directory_iterator entry{"/sys/class/thermal", error};
  for (int seen = 0; !error && entry != fs::directory_iterator{} && seen < kThermalZonesMax; entry.increment(error)) {
    if (!entry->path().filename().string().starts_with("thermal_zone")) continue;
    ++seen;
    const std::optional<double> degrees = parse_temperature_c(read_text(entry->path() / "temp"));
    if (degrees) hottest = std::max(hottest.value_or(*degrees), *degrees);
  }
  return hottest;
}

std::optional<Memory> probe_memory() {
  std::optional<Memory> memory = parse_meminfo(read_text("/proc/meminfo"));
  const std::optional<std::uint64_t> rss_bytes = parse_rss_bytes(read_text("/proc/self/status"));
  if (!memory || !rss_bytes) return std::nullopt;
  memory->rss_bytes = *rss_bytes;
  return memory;
}

std::optional<Disk> probe_disk(const fs::path& directory) {
  struct statvfs facts {};
  if (::statvfs(directory.c_str(), &facts) != 0) return std::nullopt;
  const std::uint64_t block_bytes = facts.f_frsize;
  return Disk{.free_bytes = facts.f_bavail * block_bytes, .total_bytes = facts.f_blocks * block_bytes};
}

}  // namespace

SystemSample probe_system(const fs::path& data_directory) {
  return {.temperature_c = hottest_zone(),
          .memory = probe_memory(),
          .load = parse_loadavg(read_text("/proc/loadavg")),
          .disk = probe_disk(data_directory)};
}

ClockQuality probe_clock_quality() {
  struct timex facts {};  // modes = 0: only asks
  const int state = ::adjtimex(&facts);
  const bool is_disciplined = state >= 0 && state != TIME_ERROR && (facts.status & STA_UNSYNC) == 0;
  return is_disciplined ? ClockQuality::kSynchronised : ClockQuality::kUnsynchronised;
}

}  // namespace hedgerow::monitor
