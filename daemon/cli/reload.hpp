// Tells the daemon of this board to read its configuration and its users again (control_request.hpp has the words).
// Thread rule: free functions without state; they block until the answer is there or the time is over.
#pragma once

#include <filesystem>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// The daemon's notes, one a line, each ended by a newline. kNotFound: no daemon runs there. Other errors say why it
// goes on as before.
[[nodiscard]] Expected<std::string> ask_reload(const std::filesystem::path& data);

}  // namespace hedgerow::cli
