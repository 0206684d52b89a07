#include "daemon/cli/user_commands.hpp"

#include <unistd.h>

#include <cerrno>
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

// Before a password is asked for.
Expected<void> check_data(const Command& command) {
  if (::access(command.data.c_str(), R_OK | X_OK) == 0) return {};
  if (errno == EACCES) {
    return fail(Category::kRefused, command.data.string() +
                                        " belongs to another user: run hedgerow as the user that runs hedgerowd, or "
                                        "with sudo");
  }
  return fail(Category::kNotFound,
              "there is no directory " + command.data.string() + ": name the data directory with --data DIR");
}

// `done` says what is on the disk now.
Expected<std::string> tell_daemon(const Command& command, const std::string& done) {
  const Expected<std::string> notes = ask_reload(command.data);
  if (notes) return done + "\nhedgerowd knows it already.\n" + *notes;
  if (notes.error().category == Category::kNotFound) {
    return done + "\nNo hedgerowd runs on " + command.data.string() + " now: it will know when it starts.\n";
  }
  return fail(notes.error().category,
              done + "\nBut hedgerowd was not told: " + notes.error().what + "\nWhen that is mended: hedgerow reload");
}

}  // namespace

Expected<std::string> user_add(const Command& command) {
  if (const Expected<void> checked = check_data(command); !checked) return tl::unexpected<Error>(checked.error());
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
  return tell_daemon(command, (was_there ? "User " + command.name + " has a new password in "
                                         : "User " + command.name + " is added to ") +
                                  users_file(command) + ".");
}

Expected<std::string> user_remove(const Command& command) {
  if (const Expected<void> checked = check_data(command); !checked) return tl::unexpected<Error>(checked.error());
  const Expected<void> changed = PasswordFile::change(command.data, [&](security::UserTable& table) -> Expected<void> {
    if (table.erase(command.name)) return {};
    return fail(Category::kNotFound, "there is no user " + quote_text(command.name) + " in " + users_file(command) +
                                         ": hedgerow user list shows who is");
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  return tell_daemon(command, "User " + command.name + " is removed from " + users_file(command) + ".");
}

Expected<std::string> user_list(const Command& command) {
  if (const Expected<void> checked = check_data(command); !checked) return tl::unexpected<Error>(checked.error());
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
