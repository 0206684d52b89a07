// Small files on a POSIX system: read whole with checks, written so that they are on the disk when the call returns.
// Adapter: files. Thread rule: free functions without state, safe from any thread; they block on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "sync/base/expected.hpp"

namespace hedgerow::security {

// kSecret: mode 0600, and not read when others than its owner may read or write it; kPublic: 0644.
enum class Secrecy : bool { kPublic, kSecret };

// Why a file could not be read, for callers with sentences of their own.
struct ReadFailure {
  enum class Reason : std::uint8_t { kSystem, kNotRegular, kOpenToOthers, kTooLarge };
  Reason reason{};
  int system_error = 0;  // kSystem: errno
};

// All of a regular file. A pipe holds nobody up: it is kNotRegular.
[[nodiscard]] tl::expected<std::string, ReadFailure> read_regular_file(const std::filesystem::path& path,
                                                                       Secrecy secrecy, std::size_t bytes_max);

// What a file is, for the errors of read_file().
struct FileKind {
  std::string_view secret_name;  // "the private key": begins the sentence about a secret file that is open to others
  std::string_view size_remark;  // "larger than 64 KiB: that is no key or certificate"
  std::size_t bytes_max = 0;
};

// The same with sentences: kNotFound when it is not there, kRefused when it is secret but open to others, kLimit,
// kInvalidInput when it is no regular file, else kIo.
[[nodiscard]] Expected<std::string> read_file(const std::filesystem::path& path, Secrecy secrecy, const FileKind& kind);

// What write_synced() does about a file that is there already.
enum class Existing : bool { kRefuse, kOverwrite };

// Writes the file and syncs it to the disk; its entry in the directory is synced by sync_directory(). A symbolic link
// is not followed.
[[nodiscard]] Expected<void> write_synced(const std::filesystem::path& path, std::string_view content, Secrecy secrecy,
                                          Existing existing);

[[nodiscard]] Expected<void> sync_directory(const std::filesystem::path& path);

// "cannot DOING PATH: why", for the errno in `code`: kNotFound when it says so, else kIo.
[[nodiscard]] tl::unexpected<Error> system_failure(std::string_view doing, const std::filesystem::path& path, int code);

}  // namespace hedgerow::security
