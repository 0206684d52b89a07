// From the text of a configuration file to a Config, or to every mistake in it.
// Pure. Thread rule: free functions without state.
#pragma once

#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/mesh_channels.hpp"
#include "daemon/config/problem.hpp"

namespace hedgerow::config {

// The text is JSON with // and /* */ comments and trailing commas. All mistakes are collected in the order of the text;
// only a mistake of syntax ends the search.
[[nodiscard]] tl::expected<Config, Problems> parse(std::string_view text);

// Of a document that holds "channels" alone: what `hedgerow channel apply` takes. Without the built-in one.
[[nodiscard]] tl::expected<std::vector<Channel>, Problems> parse_channels(std::string_view text);

// The definition of one channel, as the mesh keeps it.
[[nodiscard]] tl::expected<ChannelDefinition, Problems> parse_definition(std::string_view text);

}  // namespace hedgerow::config
