// Whether a node's certificate ends soon, in a sentence. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sync/base/time.hpp"

namespace hedgerow::monitor {

// `hedgerow node add` makes certificates of 90 days: an operator hears of the end in the last third.
inline constexpr std::int64_t kIdentityAlarmDays = 30;

// Nothing: it lasts longer, or the clock is not synchronised, and nobody knows.
[[nodiscard]] std::optional<std::string> identity_alarm(const std::string& node, std::int64_t not_after_unix_s,
                                                        const WallTime& now);

}  // namespace hedgerow::monitor
