#include "security/passwords_mbedtls/password_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "security/files_posix/descriptor.hpp"
#include "security/files_posix/files.hpp"
namespace hedgerow::security {

namespace {

constexpr FileKind kUsersFile = {.secret_name = "the users' file",
                                 .size_remark = "larger than 4 MiB: that is no users' file",
                                 .bytes_max = kUsersFileBytesMax};
static_assert(kUsersFileBytesMax == std::size_t{4} << 20U);

Expected<UserTable> read_table(const std::filesystem::path& data_dir) {
  const std::filesystem::path path = data_dir / kUsersFileName;
  const Expected<std::string> text = read_file(path, Secrecy::kSecret, kUsersFile);
  if (!text && text.error().category == Category::kNotFound) return UserTable{};
  if (!text) return tl::unexpected<Error>(text.error());
  Expected<UserTable> table = UserTable::parse(*text);
  if (!table) return fail(table.error().category, path.string() + ": " + table.error().what);
  return table;
}

// `directory` is locked, so the name beside the file is nobody else's.
Expected<void> replace(const std::filesystem::path& data_dir, int directory, std::string_view text) {
  const std::filesystem::path target = data_dir / kUsersFileName;
  const std::filesystem::path staging = data_dir / (std::string{kUsersFileName} + ".new");
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

PasswordFile::PasswordFile(UserTable table) : table_(std::move(table)) {
  std::uint32_t most = 0;
  for (const User& user : table_.users()) most = std::max(most, user.password.iterations);
  nobody_.iterations = most == 0 ? kIterationsDefault : most;
  nobody_.salt.resize(kSaltBytesMin);
}

Expected<PasswordFile> PasswordFile::load(const std::filesystem::path& data_dir) {
  Expected<UserTable> table = read_table(data_dir);
  if (!table) return tl::unexpected<Error>(table.error());
  return PasswordFile{std::move(*table)};
}

Expected<void> PasswordFile::change(const std::filesystem::path& data_dir,
                                    const std::function<Expected<void>(UserTable&)>& edit) {
  const Descriptor directory{::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.get() < 0) return system_failure("open", data_dir, errno);
  while (::flock(directory.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return system_failure("lock", data_dir, errno);
  }
  Expected<UserTable> table = read_table(data_dir);
  if (!table) return tl::unexpected<Error>(table.error());
  if (const Expected<void> edited = edit(*table); !edited) return edited;
  return replace(data_dir, directory.get(), table->format());
}

bool PasswordFile::verify(std::string_view user, std::string_view password) const {
  const PasswordHash* const known = table_.find(user);
  const bool is_right = is_password(password, known == nullptr ? nobody_ : *known);
  return is_right && known != nullptr;
}

}  // namespace hedgerow::security
