// What a client asks over the control socket (daemon/monitor/status.hpp has the protocol).
// Pure but for the JSON library behind it. Thread rule: free functions without state.
#pragma once

#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// The verb of one request line; an error says what is wrong with the line, for monitor::error_json.
[[nodiscard]] Expected<std::string> parse_control_request(std::string_view line);

}  // namespace hedgerow::cli
