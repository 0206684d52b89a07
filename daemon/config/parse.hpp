// From the text of a configuration file to a Config, or to every mistake in it.
// Pure. Thread rule: free functions without state.
#pragma once

#include <string_view>
#include <tl/expected.hpp>

#include "daemon/config/config.hpp"
#include "daemon/config/problem.hpp"

namespace hedgerow::config {

// The text is JSON with // and /* */ comments and trailing commas. All mistakes are collected in the order of the text;
// only a mistake of syntax ends the search.
[[nodiscard]] tl::expected<Config, Problems> parse(std::string_view text);

}  // namespace hedgerow::config
