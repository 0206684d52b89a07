// Files of keys and certificates: read with checks, written all or nothing. Not for others than this folder.
// Thread rule: safe from any thread.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "security/files_posix/files.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// Reads a whole file of at most 64 KiB. kNotFound when it is not there; kRefused when it is secret and others than its
// owner may read or write it.
[[nodiscard]] Expected<std::string> read_pki_file(const std::filesystem::path& path, Secrecy secrecy);

struct NewFile {
  std::string_view name;
  std::string_view content;
  Secrecy secrecy;  // kSecret: mode 0600; kPublic: 0644
};

// Makes the directory `target` (mode 0700) with these files, synced to the disk: all or nothing, also through a power
// cut, because they are written into a directory beside it which is then renamed. Makes missing parents.
// kInvalidInput: target exists; nothing is overwritten.
[[nodiscard]] Expected<void> publish_directory(const std::filesystem::path& target, std::span<const NewFile> files);

}  // namespace hedgerow::security
