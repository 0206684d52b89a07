// The status document (daemon/monitor/status.hpp) as a table for people.
// Pure but for the JSON library behind it. Thread rule: free functions without state.
#pragma once

#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// Ends with a newline. An answer {"error":…} becomes an error with that sentence. What is missing in the document (an
// older or newer daemon) is shown as "-".
[[nodiscard]] Expected<std::string> status_table(std::string_view json);

// The same of the answer to `channel list`.
[[nodiscard]] Expected<std::string> channel_table(std::string_view json);
// And of the answer to `node list`.
[[nodiscard]] Expected<std::string> node_table(std::string_view json);

}  // namespace hedgerow::cli
