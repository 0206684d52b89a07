// Adapter: reads the configuration file.
// Thread rule: free functions without state; they block on the disk.
#pragma once

#include <filesystem>
#include <string>

#include "daemon/config/config.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::config {

// The text of a regular file of at most kFileBytesMax. Errors name the file, as below.
[[nodiscard]] Expected<std::string> read_text(const std::filesystem::path& file);

// The error's text is ready to be shown: one line a mistake, each naming file, line, column and key, or one sentence
// about the file itself (missing, unreadable, a directory, larger than 1 MiB). It blames the caller's file in every
// case: hedgerowd answers it with exit status 2.
[[nodiscard]] Expected<Config> load(const std::filesystem::path& file);

}  // namespace hedgerow::config
