#include "security/passwords_mbedtls/password_file.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "security/files_posix/change_file.hpp"

namespace hedgerow::security {

namespace {

constexpr FileKind kUsersFile = {.secret_name = "the users' file",
                                 .size_remark = "larger than 4 MiB: that is no users' file",
                                 .bytes_max = kUsersFileBytesMax};
static_assert(kUsersFileBytesMax == std::size_t{4} << 20U);

Expected<UserTable> parse(const std::filesystem::path& path, const std::string& text) {
  Expected<UserTable> table = UserTable::parse(text);
  if (!table) return fail(table.error().category, path.string() + ": " + table.error().what);
  return table;
}

}  // namespace

PasswordFile::PasswordFile(UserTable table) : table_(std::move(table)) {
  std::uint32_t most = 0;
  for (const User& user : table_.users()) most = std::max(most, user.password.iterations);
  nobody_.iterations = most == 0 ? kIterationsDefault : most;
  nobody_.salt.resize(kSaltBytesMin);
}

Expected<PasswordFile> PasswordFile::load(const std::filesystem::path& data_dir) {
  const std::filesystem::path path = data_dir / kUsersFileName;
  const Expected<std::string> text = read_kept_file(path, kUsersFile);
  if (!text) return tl::unexpected<Error>(text.error());
  Expected<UserTable> table = parse(path, *text);
  if (!table) return tl::unexpected<Error>(table.error());
  return PasswordFile{std::move(*table)};
}

Expected<void> PasswordFile::change(const std::filesystem::path& data_dir,
                                    const std::function<Expected<void>(UserTable&)>& edit) {
  return change_file(data_dir, kUsersFileName, kUsersFile, [&](const std::string& before) -> Expected<std::string> {
    Expected<UserTable> table = parse(data_dir / kUsersFileName, before);
    if (!table) return tl::unexpected<Error>(table.error());
    if (const Expected<void> edited = edit(*table); !edited) return tl::unexpected<Error>(edited.error());
    return table->format();
  });
}

bool PasswordFile::verify(std::string_view user, std::string_view password) const {
  const PasswordHash* const known = table_.find(user);
  const bool is_right = is_password(password, known == nullptr ? nobody_ : *known);
  return is_right && known != nullptr;
}

}  // namespace hedgerow::security
