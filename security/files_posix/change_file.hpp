// Changing a small secret file of a data directory, whole and for good.
// Adapter: files. Thread rule: safe from any thread and any process; it blocks on the disk, and until another change of
// the same directory is done.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "security/files_posix/files.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// The text of a secret file; empty when it is not there. Errors: read_file()'s.
[[nodiscard]] Expected<std::string> read_kept_file(const std::filesystem::path& path, const FileKind& kind);

// The new text of a file that had the text `before`.
using EditText = std::function<Expected<std::string>(const std::string& before)>;

// Reads DIRECTORY/NAME, lets `edit` say what it shall be, and writes that in one step: a reader, also after a power
// cut, finds the old file or the new one, whole. Mode 0600; its owner is the directory's, also when root has changed
// it. Nothing is written when `edit` returns an error, which is then the answer.
[[nodiscard]] Expected<void> change_file(const std::filesystem::path& directory, std::string_view name,
                                         const FileKind& kind, const EditText& edit);

}  // namespace hedgerow::security
