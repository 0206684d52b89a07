// "Did you mean": the known word nearest to a misspelt one.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace hedgerow::config {

// How many letters must be changed, added, dropped or swapped with their neighbour to make one word of the other
// (optimal string alignment), upper and lower case being the same.
[[nodiscard]] std::size_t edit_distance(std::string_view left, std::string_view right);

// The nearest candidate within a third of the word's length; empty when none is that near. So words of one or two
// letters, which resemble everything, get no suggestion.
[[nodiscard]] std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace hedgerow::config
