// Where `hedgerow user add` gets a password from: a terminal, a pipe, a file.
// Thread rule: free functions without state; they block until the password is there.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// From a terminal: asks twice, on the terminal itself, and shows nothing of what is typed; Ctrl-C gives up. From
// anything else: the first line. The end of the line does not belong to the password.
// kInvalidInput: empty, too long, the two differ, or nothing came.
[[nodiscard]] Expected<std::string> ask_password(int descriptor, std::string_view user);

// The first line of the file.
[[nodiscard]] Expected<std::string> read_password_file(const std::filesystem::path& file);

}  // namespace hedgerow::cli
