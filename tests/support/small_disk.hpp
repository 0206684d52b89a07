// A disk of a few MiB that a test fills to the last byte: a tmpfs, mounted over a directory where this process and its
// children see it, and nobody else does.
//
// It needs a mount namespace: root has one at once; others need the kernel's leave to make a user namespace, and a
// process that has not begun a thread yet.
// Thread rule: one thread. Ownership: the destructor takes the disk away; what was on it is gone.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "sync/base/expected.hpp"

namespace hedgerow::test {

class SmallDisk {
 public:
  // Fails with the sentence why this machine does not allow it.
  static Expected<SmallDisk> mount(const std::filesystem::path& directory, std::size_t size_bytes);
  SmallDisk(SmallDisk&& other) noexcept;
  SmallDisk& operator=(SmallDisk&&) = delete;
  ~SmallDisk();

  // Somebody else's file takes all room.
  void fill() const;
  // That file is deleted.
  void free() const;

 private:
  explicit SmallDisk(std::filesystem::path directory) : directory_(std::move(directory)) {}
  [[nodiscard]] std::filesystem::path ballast() const { return directory_ / "ballast"; }

  std::filesystem::path directory_;  // empty: moved from
};

}  // namespace hedgerow::test
