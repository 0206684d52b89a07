#include "security/pki_mbedtls/files.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace hedgerow::security {

namespace {

constexpr FileKind kKeyOrCertificate = {.secret_name = "the private key",
                                        .size_remark = "larger than 64 KiB: that is no key or certificate",
                                        .bytes_max = std::size_t{64} * 1024};

Expected<void> fill_and_rename(const std::filesystem::path& staging, const std::filesystem::path& target,
                               std::span<const NewFile> files) {
  for (const NewFile& file : files) {
    auto written = write_synced(staging / file.name, file.content, file.secrecy, Existing::kRefuse);
    if (!written) return written;
  }
  if (auto synced = sync_directory(staging); !synced) return synced;
  if (::rename(staging.c_str(), target.c_str()) != 0) return system_failure("rename into place", target, errno);
  return sync_directory(target.parent_path());
}

}  // namespace

Expected<std::string> read_pki_file(const std::filesystem::path& path, Secrecy secrecy) {
  return read_file(path, secrecy, kKeyOrCertificate);
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
  if (code) return system_failure("create", parent, code.value());
  std::string staging = (parent / ("." + target.filename().string() + ".XXXXXX")).string();
  if (::mkdtemp(staging.data()) == nullptr) return system_failure("create a directory in", parent, errno);
  auto done = fill_and_rename(staging, parent / target.filename(), files);
  if (!done) std::filesystem::remove_all(staging, code);
  return done;
}

}  // namespace hedgerow::security
