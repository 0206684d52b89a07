// Adapter: cJSON builds the values of strict JSON.
// Thread rule: free functions without state.
#pragma once

#include <string_view>

#include "daemon/config/json_value.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::config {

// Strict JSON, nothing but white space after it, nested at most 64 deep.
[[nodiscard]] Expected<JsonValue> read_json(std::string_view text);

}  // namespace hedgerow::config
