#include "daemon/config/suggestion.hpp"

#include <algorithm>
#include <vector>

namespace hedgerow::config {

namespace {

constexpr std::size_t kWordBytesMax = 64;  // nobody misspells a longer one; bounds the work

char lower(char character) {
  return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
  // Three rows of the usual table: two back (for swaps), one back, and the one being filled.
  std::vector<std::size_t> older(right.size() + 1);
  std::vector<std::size_t> old(right.size() + 1);
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j <= right.size(); ++j) old[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t change = lower(left[i - 1]) == lower(right[j - 1]) ? 0U : 1U;
      row[j] = std::min({old[j] + 1, row[j - 1] + 1, old[j - 1] + change});
      const bool swapped =
          i > 1 && j > 1 && lower(left[i - 1]) == lower(right[j - 2]) && lower(left[i - 2]) == lower(right[j - 1]);
      if (swapped) row[j] = std::min(row[j], older[j - 2] + 1);
    }
    older.swap(old);
    old.swap(row);
  }
  return old[right.size()];
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > kWordBytesMax) return {};
  std::size_t allowed = word.size() / 3;
  std::string_view nearest;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > allowed || (distance == allowed && !nearest.empty())) continue;
    nearest = candidate;
    allowed = distance;
  }
  return nearest;
}

}  // namespace hedgerow::config
