#include "security/files_posix/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "security/files_posix/descriptor.hpp"

namespace hedgerow::security {

namespace {

using Reason = ReadFailure::Reason;

tl::unexpected<ReadFailure> not_read(Reason reason, int system_error = 0) {
  return tl::unexpected<ReadFailure>(ReadFailure{.reason = reason, .system_error = system_error});
}

}  // namespace

tl::expected<std::string, ReadFailure> read_regular_file(const std::filesystem::path& path, Secrecy secrecy,
                                                         std::size_t bytes_max) {
  // O_NONBLOCK: a FIFO must not hold anybody up; it is refused below.
  const Descriptor in{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!in.is_open()) return not_read(Reason::kSystem, errno);
  struct stat facts {};
  if (::fstat(in.get(), &facts) != 0) return not_read(Reason::kSystem, errno);
  if (S_ISDIR(facts.st_mode)) return not_read(Reason::kNotRegular, EISDIR);
  if (!S_ISREG(facts.st_mode)) return not_read(Reason::kNotRegular);
  if (secrecy == Secrecy::kSecret && (facts.st_mode & 077U) != 0) return not_read(Reason::kOpenToOthers);
  std::string content;
  std::array<char, 16 * 1024> block{};
  while (content.size() <= bytes_max) {
    const ssize_t count = ::read(in.get(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return not_read(Reason::kSystem, errno);
    if (count == 0) return content;
    content.append(block.data(), static_cast<std::size_t>(count));
  }
  return not_read(Reason::kTooLarge);
}

Expected<std::string> read_file(const std::filesystem::path& path, Secrecy secrecy, const FileKind& kind) {
  tl::expected<std::string, ReadFailure> content = read_regular_file(path, secrecy, kind.bytes_max);
  if (content) return *std::move(content);
  switch (content.error().reason) {
    case Reason::kSystem: break;
    case Reason::kNotRegular: return fail(Category::kInvalidInput, path.string() + " is not a regular file");
    case Reason::kOpenToOthers:
      return fail(Category::kRefused, std::string{kind.secret_name} + " " + path.string() +
                                          " is open to others than its owner: close it with: chmod 600 " +
                                          path.string());
    case Reason::kTooLarge: return fail(Category::kLimit, path.string() + " is " + std::string{kind.size_remark});
  }
  return system_failure("read", path, content.error().system_error);
}

Expected<void> write_synced(const std::filesystem::path& path, std::string_view content, Secrecy secrecy,
                            Existing existing) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (existing == Existing::kRefuse ? O_EXCL : O_TRUNC);
  const Descriptor out{::open(path.c_str(), flags, 0600)};
  if (!out.is_open()) return system_failure("create", path, errno);
  // Not left to the umask, nor to what was there before.
  if (::fchmod(out.get(), secrecy == Secrecy::kSecret ? 0600 : 0644) != 0) {
    return system_failure("set the mode of", path, errno);
  }
  while (!content.empty()) {
    const ssize_t written = ::write(out.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure("write", path, errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(out.get()) != 0) return system_failure("sync", path, errno);
  return {};
}

Expected<void> sync_directory(const std::filesystem::path& path) {
  const Descriptor directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!directory.is_open()) return system_failure("open", path, errno);
  if (::fsync(directory.get()) != 0) return system_failure("sync", path, errno);
  return {};
}

tl::unexpected<Error> system_failure(std::string_view doing, const std::filesystem::path& path, int code) {
  return fail(code == ENOENT ? Category::kNotFound : Category::kIo,
              "cannot " + std::string{doing} + " " + path.string() + ": " + std::generic_category().message(code));
}

}  // namespace hedgerow::security
