// What this board is: its clock, its random numbers, its name, what tells it from others. Adapter over the system.
// Thread rule: functions are safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sync/base/time.hpp"

namespace hedgerow::app {

// The system's clock and how far it can be believed (sync::TrustedTime; the floor is the month in which this program
// was built); asks the kernel for the latter at most once a second.
[[nodiscard]] WallTime wall_clock();

// That the system's clock is so far ahead that it cannot be right.
[[nodiscard]] std::optional<std::string> clock_alarm();

// REQUIRES: security::init_crypto() has succeeded.
[[nodiscard]] std::uint64_t random_u64();

// The host name made into a node name: lower case, what a name may not hold becomes '-'.
[[nodiscard]] std::string host_name();

// Serial number and machine id, as far as the board has them.
[[nodiscard]] std::string board_identity();

}  // namespace hedgerow::app
