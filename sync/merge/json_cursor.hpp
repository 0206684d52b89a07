// JsonCursor reads strict JSON (RFC 8259) once, from its beginning, for the merge of documents: it checks everything,
// and gives back each piece in one canonical spelling, so that equal pieces are equal bytes:
//
//   no white space outside of strings; strings with the escapes of append_json_escaped() and no others;
//   numbers with the digits that they came with; members of objects in the order in which they came
//
// Refused beside broken syntax: text that is not UTF-8, halves of surrogate pairs, a key that stands twice in one
// object, and more than kDocumentDepthMax objects and arrays within each other. The first mistake ends the reading.
// Pure. Thread rule: one instance belongs to one thread. Borrows the text. Bounded by the text's size.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/expected.hpp"

namespace hedgerow::sync {

class JsonCursor {
 public:
  // `depth`: of the objects around the text.
  explicit JsonCursor(std::string_view text, std::size_t depth = 0) : text_(text), depth_(depth) {}

  // What the next value, or the next token within an object, begins with; '\0' at the end. Skips white space.
  char peek();

  // REQUIRES: peek() == '{'. Then next_key() until it says none; each key is followed by one value.
  bool enter_object();

  // The next key, in canonical spelling and without its quotes; none at the end of the object, which is then left, and
  // after a mistake.
  std::optional<std::string> next_key();

  // Appends the next value, whatever it is, in canonical spelling. False after a mistake.
  bool value(std::string& out);

  // True iff nothing but white space follows and there was no mistake.
  bool finish();

  // The first mistake: "at byte N: what was found, what was expected", N counted from 0.
  // REQUIRES: something returned false, or next_key() ended early.
  [[nodiscard]] Error error() const;
  [[nodiscard]] bool failed() const { return mistake_.has_value(); }

 private:
  bool object(std::string& out);
  bool array(std::string& out);
  bool string(std::string& out);  // without the quotes
  bool number(std::string& out);
  bool word(std::string& out);
  bool enter();
  bool fail_at(std::size_t at, std::string what);
  [[nodiscard]] std::string found() const;

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;  // of each object that was entered and not left
  std::optional<std::string> mistake_;
};

}  // namespace hedgerow::sync
