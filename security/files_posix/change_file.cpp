#include "security/files_posix/change_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "security/files_posix/descriptor.hpp"

namespace hedgerow::security {

namespace {

// `directory` is locked, so the name beside the file is nobody else's.
Expected<void> replace(const std::filesystem::path& data_dir, int directory, std::string_view name,
                       std::string_view text) {
  const std::filesystem::path target = data_dir / name;
  const std::filesystem::path staging = data_dir / (std::string{name} + ".new");
  // The daemon reads the file as the user that owns the directory, also when root has changed it.
  struct stat owner {};
  if (::fstat(directory, &owner) != 0) return system_failure("look at", data_dir, errno);
  if (const Expected<void> written = write_synced(staging, text, Secrecy::kSecret, Existing::kOverwrite); !written) {
    return written;
  }
  if (::geteuid() == 0 && ::chown(staging.c_str(), owner.st_uid, owner.st_gid) != 0) {
    return system_failure("set the owner of", staging, errno);
  }
  if (::rename(staging.c_str(), target.c_str()) != 0) return system_failure("rename into place", target, errno);
  if (::fsync(directory) != 0) return system_failure("sync", data_dir, errno);
  return {};
}

}  // namespace

Expected<std::string> read_kept_file(const std::filesystem::path& path, const FileKind& kind) {
  Expected<std::string> text = read_file(path, Secrecy::kSecret, kind);
  if (!text && text.error().category == Category::kNotFound) return std::string{};
  return text;
}

Expected<void> change_file(const std::filesystem::path& directory, std::string_view name, const FileKind& kind,
                           const EditText& edit) {
  const Descriptor opened{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (opened.get() < 0) return system_failure("open", directory, errno);
  while (::flock(opened.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return system_failure("lock", directory, errno);
  }
  const Expected<std::string> before = read_kept_file(directory / name, kind);
  if (!before) return tl::unexpected<Error>(before.error());
  const Expected<std::string> after = edit(*before);
  if (!after) return tl::unexpected<Error>(after.error());
  return replace(directory, opened.get(), name, *after);
}

}  // namespace hedgerow::security
