// The alarm of a clock that cannot be right (G10). One that was never set needs none: `clock` of health says so.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sync/base/time.hpp"

namespace hedgerow::monitor {

// `said`: by the system's clock, and what the kernel thinks of it. `floor_ms`: when this program was built
// (sync/clock/trusted_time.hpp).
[[nodiscard]] std::optional<std::string> clock_alarm(const WallTime& said, std::uint64_t floor_ms);

}  // namespace hedgerow::monitor
