// The alarm of a clock that cannot be right (G10). One that was never set needs none: `clock` of health says so.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hedgerow::monitor {

// `said_ms`: by the system's clock. `floor_ms`: when this program was built (sync/clock/trusted_time.hpp).
[[nodiscard]] std::optional<std::string> clock_alarm(std::uint64_t said_ms, std::uint64_t floor_ms);

}  // namespace hedgerow::monitor
