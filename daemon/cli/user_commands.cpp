#include "daemon/cli/user_commands.hpp"

#include <unistd.h>

#include <utility>

#include "daemon/cli/password_input.hpp"
#include "daemon/cli/reload.hpp"
#include "daemon/monitor/json_writer.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "security/passwords_mbedtls/password_file.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

namespace {

using security::PasswordFile;

std::string users_file(const Command& command) { return (command.data / security::kUsersFileName).string(); }

}  // namespace

Expected<std::string> user_add(const Command& command) {
  if (const Expected<void> checked = check_data(command.data); !checked) return tl::unexpected<Error>(checked.error());
  if (const Expected<void> started = security::init_crypto(); !started) return tl::unexpected<Error>(started.error());
  const Expected<std::string> password = command.password_file.empty() ? ask_password(STDIN_FILENO, command.name)
                                                                       : read_password_file(command.password_file);
  if (!password) return tl::unexpected<Error>(password.error());
  Expected<security::PasswordHash> hash = security::hash_password(*password);
  if (!hash) return tl::unexpected<Error>(hash.error());
  bool was_there = false;
  const Expected<void> changed = PasswordFile::change(command.data, [&](security::UserTable& table) -> Expected<void> {
    was_there = table.find(command.name) != nullptr;
    return table.put(command.name, std::move(*hash));
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  return tell_daemon(command.data, (was_there ? "User " + command.name + " has a new password in "
                                              : "User " + command.name + " is added to ") +
                                       users_file(command) + ".");
}

Expected<std::string> user_remove(const Command& command) {
  if (const Expected<void> checked = check_data(command.data); !checked) return tl::unexpected<Error>(checked.error());
  const Expected<void> changed = PasswordFile::change(command.data, [&](security::UserTable& table) -> Expected<void> {
    if (table.erase(command.name)) return {};
    return fail(Category::kNotFound, "there is no user " + quote_text(command.name) + " in " + users_file(command) +
                                         ": hedgerow user list shows who is");
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  return tell_daemon(command.data, "User " + command.name + " is removed from " + users_file(command) + ".");
}

Expected<std::string> user_list(const Command& command) {
  if (const Expected<void> checked = check_data(command.data); !checked) return tl::unexpected<Error>(checked.error());
  const Expected<PasswordFile> file = PasswordFile::load(command.data);
  if (!file) return tl::unexpected<Error>(file.error());
  if (command.json) {
    monitor::JsonWriter json;
    json.begin_object().key("users").begin_array();
    for (const security::User& user : file->users()) {
      json.begin_object()
          .field("name", user.name)
          .field("iterations", std::uint64_t{user.password.iterations})
          .end_object();
    }
    json.end_array().end_object();
    return json.take() + "\n";
  }
  if (file->users().empty()) return "no users: hedgerow user add NAME adds one\n";
  std::string out;
  for (const security::User& user : file->users()) out += user.name + "\n";
  return out;
}

}  // namespace hedgerow::cli
