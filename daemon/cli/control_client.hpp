// Adapter: asks the daemon of this board through DATA/control.sock (daemon/monitor/status.hpp has the protocol).
// Thread rule: free functions without state; they block until the answer is there or the time is over.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

inline constexpr std::chrono::milliseconds kControlTimeout = std::chrono::seconds{10};

// For what is answered once it is on disk: one that is busy or worn may take long to sync.
inline constexpr std::chrono::milliseconds kStoreTimeout = std::chrono::minutes{2};

// Sends one request, which ends with a newline, and returns the answer without its newline.
// kNotFound: no daemon runs there. kUnavailable: it gives no answer. kRefused: the socket belongs to another user.
// kLimit: an answer beyond kControlAnswerBytesMax.
[[nodiscard]] Expected<std::string> ask_daemon(const std::filesystem::path& data, std::string_view request,
                                               std::chrono::milliseconds timeout = kControlTimeout);

// Given each document of an answer without its newline; says whether more of it follows.
using TakeDocument = std::function<Expected<bool>(std::string_view document)>;

// Sends one request, and gives what comes to `take` until that has enough, or fails. Once the request is sent there is
// no time limit. `output`: where the documents go; when nobody reads there any more, that is the end, and no error.
[[nodiscard]] Expected<void> ask_daemon_for_all(const std::filesystem::path& data, std::string_view request, int output,
                                                const TakeDocument& take);

}  // namespace hedgerow::cli
