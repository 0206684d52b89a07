// ArgumentReader goes through a command line: options "--name VALUE", "--name=VALUE", "--flag" and plain words, in any
// order; after "--" only plain words. A negative number is a plain word.
// Pure. Thread-compatible: one owner. Borrows the arguments.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// An option that the program knows.
struct Option {
  std::string_view name;   // with its dashes: "--config"
  std::string_view value;  // what it takes, for messages: "FILE"; empty for a flag
  bool repeats = false;    // it may stand several times
};

// One argument as understood. The texts borrow from the command line.
struct Argument {
  std::string_view option;  // empty for a plain word
  std::string_view value;   // the option's value, or the word
};

class ArgumentReader {
 public:
  ArgumentReader(std::span<const std::string_view> arguments, std::span<const Option> options)
      : arguments_(arguments), options_(options), given_(options.size()) {}

  // The next argument; none at the end. An error names a mistake: an unknown option (with the nearest known one), a
  // value that is missing or that a flag cannot take, an option that stands twice but must not.
  [[nodiscard]] Expected<std::optional<Argument>> next();

 private:
  [[nodiscard]] Expected<std::optional<Argument>> option(std::string_view argument);

  std::span<const std::string_view> arguments_;
  std::span<const Option> options_;
  std::vector<bool> given_;
  std::size_t at_ = 0;
  bool only_words_ = false;
};

// From main's parameters; drops the program's name.
[[nodiscard]] std::vector<std::string_view> arguments_of(int argc, const char* const* argv);

}  // namespace hedgerow::cli
