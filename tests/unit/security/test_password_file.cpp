#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "security/crypto_mbedtls/crypto.hpp"
#include "security/passwords_mbedtls/password_file.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::security {
namespace {

namespace fs = std::filesystem;

Expected<void> set(const fs::path& data, const std::string& user, const std::string& password) {
  REQUIRE(init_crypto());
  return PasswordFile::change(data, [&](UserTable& table) -> Expected<void> {
    return table.put(user, hash_password(password, kIterationsMin).value());
  });
}

void write(const fs::path& path, const std::string& text, mode_t mode) {
  std::ofstream{path} << text;
  ::chmod(path.c_str(), mode);
}

TEST_CASE("a directory without users' file has no users", "[passwords]") {
  const test::TemporaryDirectory directory;
  const Expected<PasswordFile> file = PasswordFile::load(directory.path());
  REQUIRE(file);
  CHECK(file->users().empty());
}

TEST_CASE("a user who was set logs in, with that password", "[passwords]") {
  const test::TemporaryDirectory directory;
  REQUIRE(set(directory.path(), "alice", "secret"));
  const PasswordFile file = PasswordFile::load(directory.path()).value();
  CHECK(file.verify("alice", "secret"));
  CHECK_FALSE(file.verify("alice", "Secret"));
  CHECK_FALSE(file.verify("alice", ""));
  CHECK_FALSE(file.verify("bob", "secret"));
  CHECK_FALSE(file.verify("", ""));
}

TEST_CASE("the users' file is for its owner alone", "[passwords][G7]") {
  const test::TemporaryDirectory directory;
  REQUIRE(set(directory.path(), "alice", "secret"));
  const fs::path path = directory.path() / "users";
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  ::chmod(path.c_str(), 0640);
  const Expected<PasswordFile> file = PasswordFile::load(directory.path());
  REQUIRE_FALSE(file);
  CHECK(file.error().category == Category::kRefused);
  CHECK(file.error().what == "the users' file " + path.string() +
                                 " is open to others than its owner: close it with: chmod 600 " + path.string());
  CHECK_FALSE(set(directory.path(), "bob", "secret"));
}

TEST_CASE("a damaged users' file is named with its line, and not overwritten", "[passwords]") {
  const test::TemporaryDirectory directory;
  const fs::path path = directory.path() / "users";
  write(path, "# head\nalice\n", 0600);
  CHECK(PasswordFile::load(directory.path()).error().what ==
        path.string() + ": line 2 is not NAME:pbkdf2-sha512:ITERATIONS:SALT:HASH");
  CHECK_FALSE(set(directory.path(), "bob", "secret"));
  CHECK(fs::file_size(path) == 13);
}

TEST_CASE("a users' file larger than any is refused", "[passwords][G6]") {
  const test::TemporaryDirectory directory;
  write(directory.path() / "users", std::string((std::size_t{4} << 20U) + 1, '#'), 0600);
  CHECK(PasswordFile::load(directory.path()).error().category == Category::kLimit);
}

TEST_CASE("an edit that fails writes nothing", "[passwords]") {
  const test::TemporaryDirectory directory;
  const Expected<void> changed = PasswordFile::change(
      directory.path(), [](UserTable&) -> Expected<void> { return fail(Category::kNotFound, "no such user"); });
  REQUIRE_FALSE(changed);
  CHECK(changed.error().what == "no such user");
  CHECK_FALSE(fs::exists(directory.path() / "users"));
}

TEST_CASE("what a broken attempt left behind is no hindrance", "[passwords]") {
  const test::TemporaryDirectory directory;
  write(directory.path() / "users.new", "half a li", 0644);
  REQUIRE(set(directory.path(), "alice", "secret"));
  CHECK(PasswordFile::load(directory.path())->users().size() == 1);
  CHECK_FALSE(fs::exists(directory.path() / "users.new"));
}

TEST_CASE("changes at one time all count", "[passwords]") {
  const test::TemporaryDirectory directory;
  REQUIRE(init_crypto());
  const PasswordHash hash = hash_password("secret", kIterationsMin).value();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int at = 0; at < 5; ++at) {
        const std::string name = "u" + std::to_string(thread) + "-" + std::to_string(at);
        static_cast<void>(
            PasswordFile::change(directory.path(), [&](UserTable& table) { return table.put(name, hash); }));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(PasswordFile::load(directory.path())->users().size() == 20);
}

TEST_CASE("a directory that is not there is named", "[passwords]") {
  const test::TemporaryDirectory directory;
  const fs::path gone = directory.path() / "gone";
  CHECK(set(gone, "alice", "secret").error().what == "cannot open " + gone.string() + ": No such file or directory");
}

}  // namespace
}  // namespace hedgerow::security
