// Readers for the texts that Linux offers in /proc and /sys (proc(5), sysfs thermal ABI).
// Pure. Thread rule: free functions without state. Anything unexpected in a text gives nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/monitor/health.hpp"

namespace hedgerow::monitor {

// /proc/meminfo: MemTotal and MemAvailable; rss_bytes stays 0.
[[nodiscard]] std::optional<Memory> parse_meminfo(std::string_view text);

// /proc/self/status: VmRSS in bytes.
[[nodiscard]] std::optional<std::uint64_t> parse_rss_bytes(std::string_view text);

// /proc/loadavg.
[[nodiscard]] std::optional<Load> parse_loadavg(std::string_view text);

// /sys/class/thermal/thermal_zoneN/temp: millidegrees Celsius. Readings outside -60 to 200 degrees are a broken sensor.
[[nodiscard]] std::optional<double> parse_temperature_c(std::string_view text);

}  // namespace hedgerow::monitor
