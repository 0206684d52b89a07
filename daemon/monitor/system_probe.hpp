// Adapter: asks the kernel how the board is (/proc, /sys, statvfs, adjtimex).
// Thread rule: free functions without state. Each takes well under a millisecond, so the loop thread may call them now
// and then (a statvfs of a dying card may take longer).
#pragma once

#include <filesystem>

#include "daemon/monitor/health.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::monitor {

// What cannot be read (a container without /sys, another kernel) is left empty.
[[nodiscard]] SystemSample probe_system(const std::filesystem::path& data_directory);

// kSynchronised iff the kernel says that a time service disciplines the clock. Where adjtimex is forbidden:
// kUnsynchronised, since nothing speaks for it.
[[nodiscard]] ClockQuality probe_clock_quality();

}  // namespace hedgerow::monitor
