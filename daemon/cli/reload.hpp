// Tells the daemon of this board to read its configuration, its users and its things again (control_request.hpp has the
// words). Thread rule: free functions without state; they block until the answer is there or the time is over.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// `request`: kReloadRequest or kReloadKeysRequest. The daemon's notes, one a line, each ended by a newline. kNotFound:
// no daemon runs there. Other errors say why it goes on as before.
[[nodiscard]] Expected<std::string> ask_reload(const std::filesystem::path& data, std::string_view request);

// Is there a data directory that this user may change? To be asked before anything else is.
[[nodiscard]] Expected<void> check_data(const std::filesystem::path& data);

// After a change of the users or the things there; `done` says what is on the disk now. The answer: that, and whether
// the daemon knows.
[[nodiscard]] Expected<std::string> tell_daemon(const std::filesystem::path& data, const std::string& done);

}  // namespace hedgerow::cli
