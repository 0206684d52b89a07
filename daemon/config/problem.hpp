// A mistake in a configuration text: where, at which key, what.
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hedgerow::config {

// Counted from 1. Columns count characters (UTF-8 code points), not bytes.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  bool operator==(const Position&) const = default;
};

struct Problem {
  Position at{};
  std::string path{};  // "listeners[1].tls"; empty for the document as a whole
  std::string what{};  // what was found, what was expected
};

using Problems = std::vector<Problem>;

// One line each, "FILE:LINE:COLUMN: PATH: WHAT", without a final newline. Shows at most 20 and counts the others.
[[nodiscard]] std::string format_problems(std::string_view file, const Problems& problems);

}  // namespace hedgerow::config
