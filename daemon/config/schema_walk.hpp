// SchemaWalk reads values of known types out of a JSON tree and turns everything unexpected into a Problem that says
// where it stands, at which key, what was found and what was expected.
//
// Pure. Thread-compatible: one owner. Borrows the tree and the scan, which must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/json_scanner.hpp"
#include "daemon/config/json_value.hpp"
#include "daemon/config/problem.hpp"

namespace hedgerow::config {

enum class Presence {
  kRequired,
  kOptional,
  kLaterVersion,  // the design has this key, this version does not: refused with these words
};

// One key of an object.
struct Field {
  std::string_view key;
  Presence presence;
  std::string_view expected;                           // for messages: "true or false"
  std::function<void(const JsonValue& value)> read{};  // called with the first value of the key; none for kLaterVersion
};

// One word that a string may be.
template <class T>
struct Choice {
  std::string_view word;
  T value;
};

class SchemaWalk {
 public:
  // Begins with the duplicate keys that the scan found. REQUIRES: the trees that are read come from the text of the
  // scan.
  explicit SchemaWalk(const ScannedJson& scan) : scan_(scan), problems_(scan.duplicate_keys) {}

  // Reads the keys in the order of `fields`. A missing one that is required is a problem, and so is an unknown one,
  // with the nearest key that is not there yet as a suggestion.
  void object(const JsonValue& value, std::span<const Field> fields);

  // Calls `read` for each member. More than `members_max` members, or none where `allow_empty` is false, are a problem.
  struct ArrayLimits {
    std::string_view expected;
    std::size_t members_max;
    bool allow_empty;
  };
  void array(const JsonValue& value, const ArrayLimits& limits, const std::function<void(const JsonValue&)>& read);

  [[nodiscard]] std::optional<bool> boolean(const JsonValue& value);

  // None, without a problem, unless it is a number written with digits alone that fits.
  [[nodiscard]] std::optional<std::uint64_t> whole_number(const JsonValue& value) const;

  // The text borrows from the value.
  [[nodiscard]] std::optional<std::string_view> text(const JsonValue& value, std::string_view expected);

  template <class T>
  [[nodiscard]] std::optional<T> choice(const JsonValue& value, std::span<const Choice<T>> choices) {
    std::vector<std::string_view> words;
    for (const Choice<T>& choice : choices) words.push_back(choice.word);
    const std::optional<std::size_t> index = word(value, words);
    return index ? std::optional<T>{choices[*index].value} : std::nullopt;
  }

  // A problem with what stands at the value.
  void problem(const JsonValue& value, std::string what);
  // "found WHAT STANDS THERE, expected EXPECTED".
  void unexpected(const JsonValue& value, std::string_view expected);

  [[nodiscard]] std::string path_of(const JsonValue& value) const { return scan_.path_of(value.order); }

  [[nodiscard]] std::size_t problem_count() const { return problems_.size(); }
  // All problems so far, in the order of the text.
  [[nodiscard]] Problems take_problems();

 private:
  [[nodiscard]] std::optional<std::size_t> word(const JsonValue& value, std::span<const std::string_view> words);
  void problem_at_key(const JsonValue& value, std::string what);
  [[nodiscard]] std::string found(const JsonValue& value) const;

  const ScannedJson& scan_;
  Problems problems_;
};

}  // namespace hedgerow::config
