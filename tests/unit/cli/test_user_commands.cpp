#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/cli/user_commands.hpp"
#include "security/passwords_mbedtls/password_file.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/cli/one_answer.hpp"

namespace hedgerow::cli {
namespace {

class Board {
 public:
  Board() { std::ofstream{directory_.path() / "secret"} << "hidden horse\n"; }

  [[nodiscard]] const std::filesystem::path& data() const { return directory_.path(); }
  [[nodiscard]] std::string file() const { return (data() / "users").string(); }
  [[nodiscard]] Command command(Verb verb, std::string name = {}) const {
    return {.verb = verb, .data = data(), .name = std::move(name), .password_file = data() / "secret"};
  }
  [[nodiscard]] std::string at_rest() const {
    return "\nNo hedgerowd runs on " + data().string() + " now: it will know when it starts.\n";
  }

 private:
  test::TemporaryDirectory directory_;
};

TEST_CASE_METHOD(Board, "a user who is added can log in", "[cli]") {
  CHECK(user_add(command(Verb::kUserAdd, "alice")).value() == "User alice is added to " + file() + "." + at_rest());
  CHECK(security::PasswordFile::load(data())->verify("alice", "hidden horse"));
  CHECK(user_add(command(Verb::kUserAdd, "alice")).value() ==
        "User alice has a new password in " + file() + "." + at_rest());
}

TEST_CASE_METHOD(Board, "a user who is removed is gone, once", "[cli]") {
  REQUIRE(user_add(command(Verb::kUserAdd, "alice")));
  CHECK(user_remove(command(Verb::kUserRemove, "alice")).value() ==
        "User alice is removed from " + file() + "." + at_rest());
  CHECK(user_remove(command(Verb::kUserRemove, "alice")).error().what ==
        "there is no user \"alice\" in " + file() + ": hedgerow user list shows who is");
}

TEST_CASE_METHOD(Board, "users are listed by name, without their hashes", "[cli]") {
  CHECK(user_list(command(Verb::kUserList)).value() == "no users: hedgerow user add NAME adds one\n");
  Command json = command(Verb::kUserList);
  json.json = true;
  CHECK(user_list(json).value() == "{\"users\":[]}\n");
  REQUIRE(user_add(command(Verb::kUserAdd, "bob")));
  REQUIRE(user_add(command(Verb::kUserAdd, "alice")));
  CHECK(user_list(command(Verb::kUserList)).value() == "alice\nbob\n");
  CHECK(user_list(json).value() ==
        "{\"users\":[{\"name\":\"alice\",\"iterations\":210000},{\"name\":\"bob\",\"iterations\":210000}]}\n");
}

TEST_CASE_METHOD(Board, "a daemon that runs is told of a change", "[cli]") {
  OneAnswer daemon{data(), [](int client) { send_all(client, "{\"reloaded\":true}\n"); }};
  CHECK(user_add(command(Verb::kUserAdd, "alice")).value() ==
        "User alice is added to " + file() + ".\nhedgerowd knows it already.\n");
  daemon.wait();
  CHECK(daemon.request == "{\"verb\":\"reload-keys\"}\n");
}

TEST_CASE_METHOD(Board, "a daemon that could not reload is an error, the change stays", "[cli]") {
  const OneAnswer daemon{data(), [](int client) { send_all(client, "{\"error\":\"no room\"}\n"); }};
  CHECK(user_add(command(Verb::kUserAdd, "alice")).error().what ==
        "User alice is added to " + file() +
            ".\nBut hedgerowd was not told: no room\nWhen that is mended: hedgerow reload");
  CHECK(security::PasswordFile::load(data())->users().size() == 1);
}

TEST_CASE_METHOD(Board, "a data directory that is not there is named before anything is asked", "[cli]") {
  Command lost = command(Verb::kUserAdd, "alice");
  lost.data = data() / "gone";
  lost.password_file = data() / "gone-too";
  const std::string expected =
      "there is no directory " + lost.data.string() + ": name the data directory with --data DIR";
  CHECK(user_add(lost).error().what == expected);
  CHECK(user_remove(lost).error().what == expected);
  CHECK(user_list(lost).error().what == expected);
}

TEST_CASE_METHOD(Board, "a user without a password is not added", "[cli]") {
  std::ofstream{data() / "secret"} << "\n";
  CHECK_FALSE(user_add(command(Verb::kUserAdd, "alice")));
  CHECK_FALSE(std::filesystem::exists(data() / "users"));
}

}  // namespace
}  // namespace hedgerow::cli
