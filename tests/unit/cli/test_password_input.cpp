#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>
#include <thread>

#include "daemon/cli/password_input.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::cli {
namespace {

Expected<std::string> piped(const std::string& input) {
  int ends[2] = {};
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(::write(ends[1], input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  ::close(ends[1]);
  Expected<std::string> password = ask_password(ends[0], "alice");
  ::close(ends[0]);
  return password;
}

// A person at a terminal: waits for each prompt, then types.
class Terminal {
 public:
  Terminal() : person_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    REQUIRE(person_ >= 0);
    REQUIRE(::grantpt(person_) == 0);
    REQUIRE(::unlockpt(person_) == 0);
    program_ = ::open(::ptsname(person_), O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(program_ >= 0);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::close(program_);
    ::close(person_);
  }

  Expected<std::string> ask(const std::string& first, const std::string& second) {
    std::thread person{[&] {
      type_after("Password for alice: ", first);
      if (!second.empty()) type_after("The same again: ", second);
    }};
    Expected<std::string> password = ask_password(program_, "alice");
    person.join();
    return password;
  }
  [[nodiscard]] bool shows_typing() const {
    termios settings{};
    return ::tcgetattr(program_, &settings) == 0 && (settings.c_lflag & ECHO) != 0 && (settings.c_lflag & ISIG) != 0;
  }

  std::string shown;

 private:
  void type_after(const std::string& prompt, const std::string& text) {
    char character = 0;
    while (!shown.ends_with(prompt) && ::read(person_, &character, 1) == 1) shown += character;
    // What could not be typed is missing in the password that comes.
    static_cast<void>(::write(person_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  int person_;
  int program_ = -1;
};

TEST_CASE("a password comes from the first line of a pipe", "[cli]") {
  CHECK(piped("secret\nmore\n").value() == "secret");
  CHECK(piped("secret").value() == "secret");
  CHECK(piped("secret\r\n").value() == "secret");
  CHECK(piped(" a b \n").value() == " a b ");
  CHECK(piped("a\x03z\n").value() == "a\x03z");
}

TEST_CASE("a pipe without a password is refused", "[cli]") {
  CHECK(piped("").error().what == "there is no password in standard input: its first line is empty");
  CHECK(piped("\nsecret\n").error().category == Category::kInvalidInput);
}

TEST_CASE("a password is bounded", "[cli][G6]") {
  CHECK(piped(std::string(1'024, 'a')).value().size() == 1'024);
  CHECK(piped(std::string(1'025, 'a')).error().what ==
        "the password in standard input has more than 1024 bytes: shorten it");
}

TEST_CASE("a password comes from a file", "[cli]") {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "secret";
  std::ofstream{file} << "hidden horse\nmore\n";
  CHECK(read_password_file(file).value() == "hidden horse");
  CHECK(read_password_file(directory.path() / "gone").error().category == Category::kNotFound);
  CHECK_FALSE(read_password_file(directory.path()));
}

TEST_CASE("what is typed on a terminal is not shown", "[cli]") {
  Terminal terminal;
  CHECK(terminal.ask("secret\n", "secret\n").value() == "secret");
  CHECK(terminal.shown.find("secret") == std::string::npos);
  CHECK(terminal.shows_typing());
}

TEST_CASE("two passwords that differ change nothing", "[cli]") {
  Terminal terminal;
  CHECK(terminal.ask("secret\n", "secrte\n").error().what == "the two passwords differ: nothing was changed");
}

TEST_CASE("after Ctrl-C nothing is changed, and the terminal shows again what is typed", "[cli]") {
  Terminal terminal;
  CHECK(terminal.ask("sec\x03", "").error().what == "given up: nothing was changed");
  CHECK(terminal.shows_typing());
}

}  // namespace
}  // namespace hedgerow::cli
