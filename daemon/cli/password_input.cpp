#include "daemon/cli/password_input.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "security/files_posix/descriptor.hpp"
#include "security/passwords_mbedtls/password_hash.hpp"

namespace hedgerow::cli {

namespace {

constexpr char kInterrupt = '\x03';

// While it lives, the terminal shows nothing of what is typed, and Ctrl-C is a character that ends the line: a signal
// would leave the terminal dumb.
class HiddenTyping {
 public:
  explicit HiddenTyping(int terminal) : terminal_(terminal) {
    if (::tcgetattr(terminal_, &before_) != 0) return;
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    hidden.c_cc[VEOL] = static_cast<cc_t>(kInterrupt);
    is_hidden_ = ::tcsetattr(terminal_, TCSAFLUSH, &hidden) == 0;
  }
  HiddenTyping(const HiddenTyping&) = delete;
  HiddenTyping& operator=(const HiddenTyping&) = delete;
  ~HiddenTyping() {
    if (is_hidden_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  [[nodiscard]] bool is_hidden() const { return is_hidden_; }

 private:
  int terminal_;
  termios before_{};
  bool is_hidden_ = false;
};

tl::unexpected<Error> misuse(std::string what) { return fail(Category::kInvalidInput, std::move(what)); }

// Up to the end of the line or of the input, one character at a time: what follows belongs to whoever reads next.
Expected<std::string> read_line(int descriptor, std::string_view from) {
  std::string line;
  while (line.size() <= security::kPasswordBytesMax) {
    char character = 0;
    const ssize_t count = ::read(descriptor, &character, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(Category::kIo, "cannot read " + std::string{from} + ": " + std::strerror(errno));
    if (count == 0 || character == '\n') {
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty()) return misuse("there is no password in " + std::string{from} + ": its first line is empty");
      return line;
    }
    line += character;
    if (character == kInterrupt && ::isatty(descriptor) != 0) return misuse("given up: nothing was changed");
  }
  return misuse("the password in " + std::string{from} + " has more than " +
                std::to_string(security::kPasswordBytesMax) + " bytes: shorten it");
}

// A terminal that is gone shows nothing; what is typed decides.
void show(int terminal, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(terminal, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

Expected<std::string> type_once(int terminal, std::string_view prompt) {
  show(terminal, prompt);
  Expected<std::string> line = read_line(terminal, "what was typed");
  show(terminal, "\n");
  return line;
}

}  // namespace

Expected<std::string> ask_password(int descriptor, std::string_view user) {
  if (::isatty(descriptor) == 0) return read_line(descriptor, "standard input");
  const HiddenTyping hidden{descriptor};
  if (!hidden.is_hidden()) {
    return fail(Category::kIo, "this terminal cannot hide what is typed: use --password-file FILE");
  }
  Expected<std::string> password = type_once(descriptor, "Password for " + std::string{user} + ": ");
  if (!password) return password;
  const Expected<std::string> again = type_once(descriptor, "The same again: ");
  if (!again) return tl::unexpected<Error>(again.error());
  if (*again != *password) return misuse("the two passwords differ: nothing was changed");
  return password;
}

Expected<std::string> read_password_file(const std::filesystem::path& file) {
  const security::Descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!in.is_open()) {
    return fail(Category::kNotFound, "cannot read " + file.string() + ": " + std::strerror(errno));
  }
  return read_line(in.get(), file.string());
}

}  // namespace hedgerow::cli
