// PasswordFile: the users of DATA/users (mode 0600), read, changed and asked.
//
//   daemon:   PasswordFile::load(data) at start and on "reload"; verify() on a thread that may wait
//   program:  PasswordFile::change(data, [](UserTable& table) { … })
//
// Adapter: files, mbedTLS. Thread rule: a loaded PasswordFile is immutable, so any thread may call verify(); share it
// by shared_ptr and replace it as a whole. load() and change() block on the disk.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "security/passwords/user_table.hpp"
#include "security/passwords_mbedtls/password_hash.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

inline constexpr std::string_view kUsersFileName = "users";

class PasswordFile {
 public:
  // Without the file there are no users. kRefused: others than its owner may read or write it. kCorrupt, kLimit: what
  // UserTable::parse() says, with the file's name.
  [[nodiscard]] static Expected<PasswordFile> load(const std::filesystem::path& data_dir);

  // Loads, lets `edit` change the table, and writes it in one step: a reader, also after a power cut, finds the old
  // file or the new one, whole. Waits for another change() of the same directory to end. Nothing is written when `edit`
  // returns an error, which is then the answer.
  [[nodiscard]] static Expected<void> change(const std::filesystem::path& data_dir,
                                             const std::function<Expected<void>(UserTable&)>& edit);

  // Does this user have this password? Takes as long as one hash_password(), also for a user that does not exist.
  // REQUIRES: init_crypto() has succeeded.
  [[nodiscard]] bool verify(std::string_view user, std::string_view password) const;

  // By name.
  [[nodiscard]] const std::vector<User>& users() const { return table_.users(); }

 private:
  explicit PasswordFile(UserTable table);

  UserTable table_;
  PasswordHash nobody_;  // what the password of an unknown user is compared with
};

}  // namespace hedgerow::security
