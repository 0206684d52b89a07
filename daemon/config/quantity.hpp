// Durations and sizes as people write them: "7d", "90m", "64MiB", "2GB".
// Pure. Thread rule: free functions without state.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hedgerow::config {

// A whole number and one of s m h d, nothing between them. None where the text is something else or needs more than 63
// bits of seconds.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text);

// A whole number and one of B, kB MB GB TB (powers of 1000), KiB MiB GiB TiB (powers of 1024). None where the text is
// something else or needs more than 64 bits.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

// The inverse, in the largest unit that divides the value: "7d", "64MiB".
[[nodiscard]] std::string format_duration(std::chrono::seconds duration);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace hedgerow::config
