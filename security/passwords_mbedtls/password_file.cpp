#include "security/passwords_mbedtls/password_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace hedgerow::security {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

tl::unexpected<Error> os_error(std::string_view doing, const std::filesystem::path& path, int code) {
  return fail(code == ENOENT ? Category::kNotFound : Category::kIo,
              "cannot " + std::string{doing} + " " + path.string() + ": " + std::generic_category().message(code));
}

Expected<std::string> read_all(const std::filesystem::path& path) {
  // O_NONBLOCK: a FIFO must not hold anybody up; it is refused below.
  const Descriptor in{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (in.get() < 0) return os_error("read", path, errno);
  struct stat facts {};
  if (::fstat(in.get(), &facts) != 0) return os_error("read", path, errno);
  if (!S_ISREG(facts.st_mode)) return fail(Category::kInvalidInput, path.string() + " is not a regular file");
  if ((facts.st_mode & 077U) != 0) {
    return fail(Category::kRefused, "the users' file " + path.string() +
                                        " is open to others than its owner: close it with: chmod 600 " + path.string());
  }
  std::string text;
  std::array<char, 16 * 1024> block{};
  while (text.size() <= kUsersFileBytesMax) {
    const ssize_t count = ::read(in.get(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return os_error("read", path, errno);
    if (count == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(count));
  }
  return fail(Category::kLimit, path.string() + " is larger than 4 MiB: that is no users' file");
}

Expected<UserTable> read_table(const std::filesystem::path& data_dir) {
  const std::filesystem::path path = data_dir / kUsersFileName;
  const Expected<std::string> text = read_all(path);
  if (!text && text.error().category == Category::kNotFound) return UserTable{};
  if (!text) return tl::unexpected<Error>(text.error());
  Expected<UserTable> table = UserTable::parse(*text);
  if (!table) return fail(table.error().category, path.string() + ": " + table.error().what);
  return table;
}

Expected<void> write_synced(const std::filesystem::path& path, std::string_view text) {
  const Descriptor out{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (out.get() < 0) return os_error("create", path, errno);
  if (::fchmod(out.get(), 0600) != 0) return os_error("set the mode of", path, errno);
  while (!text.empty()) {
    const ssize_t written = ::write(out.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return os_error("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(out.get()) != 0) return os_error("sync", path, errno);
  return {};
}

// `directory` is locked, so the name beside the file is nobody else's.
Expected<void> replace(const std::filesystem::path& data_dir, int directory, std::string_view text) {
  const std::filesystem::path target = data_dir / kUsersFileName;
  const std::filesystem::path staging = data_dir / (std::string{kUsersFileName} + ".new");
  // The daemon reads the file as the user that owns the directory, also when root has changed it.
  struct stat owner {};
  if (::fstat(directory, &owner) != 0) return os_error("look at", data_dir, errno);
  if (const Expected<void> written = write_synced(staging, text); !written) return written;
  if (::geteuid() == 0 && ::chown(staging.c_str(), owner.st_uid, owner.st_gid) != 0) {
    return os_error("set the owner of", staging, errno);
  }
  if (::rename(staging.c_str(), target.c_str()) != 0) return os_error("rename into place", target, errno);
  if (::fsync(directory) != 0) return os_error("sync", data_dir, errno);
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
  if (directory.get() < 0) return os_error("open", data_dir, errno);
  while (::flock(directory.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return os_error("lock", data_dir, errno);
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
