// Since when a subscription wants history: the value of kReplayProperty. DESIGN 1.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <string_view>

#include "sync/base/expected.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::node {

// A duration up to now, "90s" "15m" "24h" "7d", or a time by RFC 3339, "2026-11-22T03:00:00Z", with any offset and
// fraction (what is finer than a millisecond is cut off). In milliseconds since 1970, 0 for everything earlier. A time
// that has not come yet is `now`: no history. Else kInvalidInput, with a sentence that fits a Reason String.
[[nodiscard]] Expected<std::uint64_t> parse_since(std::string_view text, const WallTime& now);
// The same, and the sentence names the property.
[[nodiscard]] Expected<std::uint64_t> parse_replay_since(std::string_view text, const WallTime& now);

}  // namespace hedgerow::node
