#include "security/pki_mbedtls/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace hedgerow::security {

namespace {

constexpr std::size_t kFileBytesMax = 64 * 1024;

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

Expected<void> sync_directory(const std::filesystem::path& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return os_error("open", path, errno);
  if (::fsync(directory.get()) != 0) return os_error("sync", path, errno);
  return {};
}

Expected<void> write_new(const std::filesystem::path& path, const NewFile& file) {
  const mode_t mode = file.secrecy == Secrecy::kSecret ? 0600 : 0644;
  const Descriptor out(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (out.get() < 0) return os_error("create", path, errno);
  std::string_view rest = file.content;
  while (!rest.empty()) {
    const ssize_t written = ::write(out.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return os_error("write", path, errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fchmod(out.get(), mode) != 0) return os_error("set the mode of", path, errno);
  if (::fsync(out.get()) != 0) return os_error("sync", path, errno);
  return {};
}

Expected<void> fill_and_rename(const std::filesystem::path& staging, const std::filesystem::path& target,
                               std::span<const NewFile> files) {
  for (const NewFile& file : files) {
    if (auto written = write_new(staging / file.name, file); !written) return written;
  }
  if (auto synced = sync_directory(staging); !synced) return synced;
  if (::rename(staging.c_str(), target.c_str()) != 0) return os_error("rename into place", target, errno);
  return sync_directory(target.parent_path());
}

}  // namespace

Expected<std::string> read_file(const std::filesystem::path& path, Secrecy secrecy) {
  const Descriptor in(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (in.get() < 0) return os_error("read", path, errno);
  struct stat status {};
  if (::fstat(in.get(), &status) != 0) return os_error("read", path, errno);
  if (!S_ISREG(status.st_mode)) return fail(Category::kInvalidInput, path.string() + " is not a regular file");
  if (secrecy == Secrecy::kSecret && (status.st_mode & 077U) != 0) {
    return fail(Category::kRefused, "the private key " + path.string() +
                                        " is open to others than its owner: close it with: chmod 600 " + path.string());
  }
  std::string content;
  while (content.size() <= kFileBytesMax) {
    char block[4096];
    const ssize_t count = ::read(in.get(), block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return os_error("read", path, errno);
    if (count == 0) return content;
    content.append(block, static_cast<std::size_t>(count));
  }
  return fail(Category::kLimit, path.string() + " is larger than 64 KiB: that is no key or certificate");
}

Expected<void> publish_directory(const std::filesystem::path& target, std::span<const NewFile> files) {
  std::error_code code;
  if (std::filesystem::exists(std::filesystem::symlink_status(target, code))) {
    return fail(Category::kInvalidInput, target.string() +
                                             " is there already and is not overwritten: move it away "
                                             "first if it really shall go");
  }
  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
  std::filesystem::create_directories(parent, code);
  if (code) return os_error("create", parent, code.value());
  std::string staging = (parent / ("." + target.filename().string() + ".XXXXXX")).string();
  if (::mkdtemp(staging.data()) == nullptr) return os_error("create a directory in", parent, errno);
  auto done = fill_and_rename(staging, parent / target.filename(), files);
  if (!done) std::filesystem::remove_all(staging, code);
  return done;
}

}  // namespace hedgerow::security
