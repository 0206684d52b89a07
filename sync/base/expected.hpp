// Expected failures as values.
//
// Three kinds of trouble, never mixed: an expected failure is an Expected<T>; a fault of ours is a gsl Expects/Ensures,
// which stays in release builds and is never applied to input; a third party's exception ends in the adapter that
// provoked it.
// Thread rule: plain values.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace hedgerow {

enum class Category {
  kInvalidInput,   // what was given breaks a rule; giving it again fails again
  kNotFound,       // a file, row or name that should exist does not
  kRefused,        // policy or authentication says no
  kUnavailable,    // not now; trying again later can succeed
  kLimit,          // a documented bound was reached
  kIo,             // the operating system reported an error
  kCorrupt,        // stored or received data fails its check
  kNotInVersion,   // the design has it, this version does not
};

// A sentence that names the place and says what to do. No trailing newline.
struct Error {
  Category category;
  std::string what;
};

template <class T>
using Expected = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(Category category, std::string what) {
  return tl::unexpected<Error>(Error{category, std::move(what)});
}

}  // namespace hedgerow
