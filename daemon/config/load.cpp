#include "daemon/config/load.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "daemon/config/parse.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::config {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

tl::unexpected<Error> cannot_read(const std::string& name, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return fail(Category::kNotFound, name + ": there is no such file: write it, or name another with --config FILE");
    case EACCES:
    case EPERM:
      return fail(Category::kRefused, name + ": may not be read: give the user that runs hedgerowd the right to");
    case EISDIR: return fail(Category::kInvalidInput, name + ": is a directory, expected a file");
    default: return fail(Category::kIo, name + ": cannot be read: " + std::strerror(error));
  }
}

}  // namespace

Expected<Config> load(const std::filesystem::path& file) {
  const std::string name = file.string();
  // O_NONBLOCK: a FIFO must not hold the daemon up; it is refused below.
  const Descriptor descriptor{::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.get() < 0) return cannot_read(name, errno);
  struct stat facts {};
  if (::fstat(descriptor.get(), &facts) != 0) return cannot_read(name, errno);
  if (S_ISDIR(facts.st_mode)) return cannot_read(name, EISDIR);
  if (!S_ISREG(facts.st_mode)) return fail(Category::kInvalidInput, name + ": is not a regular file, expected one");

  std::string text;
  std::array<char, 16 * 1024> buffer{};
  while (true) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(name, errno);
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > kFileBytesMax) {
      return fail(Category::kLimit,
                  name + ": is larger than 1 MiB, which no configuration needs: is it the right file?");
    }
  }

  tl::expected<Config, Problems> config = parse(text);
  if (!config) return fail(Category::kInvalidInput, format_problems(name, config.error()));
  return std::move(*config);
}

}  // namespace hedgerow::config
