#include "tests/support/small_disk.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

namespace hedgerow::test {
namespace {

constexpr std::size_t kPageBytes = 4096;

tl::unexpected<Error> not_allowed(const std::string& what) {
  return fail(Category::kUnavailable,
              what + " is not allowed here (" + std::generic_category().message(errno) +
                  "): run as root, or where kernel.unprivileged_userns_clone or the like permits user namespaces");
}

// Root of a namespace of its own, where it is none outside.
Expected<void> leave_namespaces() {
  if (::geteuid() == 0) {
    if (::unshare(CLONE_NEWNS) != 0) return not_allowed("a mount namespace");
    return {};
  }
  const std::string user = "0 " + std::to_string(::geteuid()) + " 1\n";
  const std::string group = "0 " + std::to_string(::getegid()) + " 1\n";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return not_allowed("a user namespace");
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << user;
  std::ofstream("/proc/self/gid_map") << group;
  return {};
}

}  // namespace

Expected<SmallDisk> SmallDisk::mount(const std::filesystem::path& directory, std::size_t size_bytes) {
  static const Expected<void> left = leave_namespaces();
  if (!left) return tl::unexpected<Error>(left.error());
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return not_allowed("a private mount");
  const std::string options = "size=" + std::to_string(size_bytes);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, options.c_str()) != 0) return not_allowed("mounting a tmpfs");
  return SmallDisk(directory);
}

SmallDisk::SmallDisk(SmallDisk&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}

SmallDisk::~SmallDisk() {
  if (!directory_.empty()) ::umount2(directory_.c_str(), MNT_DETACH);
}

void SmallDisk::fill() const {
  const int file = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) throw std::system_error(errno, std::generic_category(), ballast().string());
  constexpr std::array<char, kPageBytes> kPage{};
  while (::write(file, kPage.data(), kPage.size()) > 0) {
  }
  const int why = errno;
  ::close(file);
  if (why != ENOSPC) throw std::system_error(why, std::generic_category(), ballast().string());
}

void SmallDisk::free() const { std::filesystem::remove(ballast()); }

}  // namespace hedgerow::test
