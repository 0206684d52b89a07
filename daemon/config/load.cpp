#include "daemon/config/load.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include "daemon/config/parse.hpp"
#include "security/files_posix/files.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::config {

namespace {

static_assert(kFileBytesMax == std::size_t{1} << 20U, "the sentence about it says 1 MiB");

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

tl::unexpected<Error> not_read(const std::string& name, const security::ReadFailure& failure) {
  using Reason = security::ReadFailure::Reason;
  switch (failure.reason) {
    case Reason::kSystem: break;
    case Reason::kNotRegular:
      if (failure.system_error == EISDIR) break;
      return fail(Category::kInvalidInput, name + ": is not a regular file, expected one");
    case Reason::kOpenToOthers: return cannot_read(name, EACCES);
    case Reason::kTooLarge:
      return fail(Category::kLimit,
                  name + ": is larger than 1 MiB, which no configuration needs: is it the right file?");
  }
  return cannot_read(name, failure.system_error);
}

}  // namespace

Expected<std::string> read_text(const std::filesystem::path& file) {
  auto text = security::read_regular_file(file, security::Secrecy::kPublic, kFileBytesMax);
  if (!text) return not_read(file.string(), text.error());
  return std::move(*text);
}

Expected<Config> load(const std::filesystem::path& file) {
  const std::string name = file.string();
  const auto text = read_text(file);
  if (!text) return tl::unexpected<Error>(text.error());
  tl::expected<Config, Problems> config = parse(*text);
  if (!config) return fail(Category::kInvalidInput, format_problems(name, config.error()));
  return std::move(*config);
}

}  // namespace hedgerow::config
