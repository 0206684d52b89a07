// The tokens of JSON (RFC 8259) that every reader and writer of it shares: escapes and numbers.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hedgerow {

struct JsonEscape {
  enum class Kind : std::uint8_t {
    kCharacter,    // `code` is a Unicode scalar value
    kUnknown,      // no escape begins like this
    kNoCharacter,  // \u without four hexadecimal digits, or half of a surrogate pair
  };
  Kind kind = Kind::kUnknown;
  std::size_t bytes = 0;   // kCharacter: its length in the text, both halves of a pair together
  std::uint32_t code = 0;  // kCharacter
};

// The escape that the text begins with. REQUIRES: the text begins with a backslash.
[[nodiscard]] JsonEscape read_json_escape(std::string_view text);

// Is the whole token a number? RFC 8259: [ "-" ] ( "0" | digit1-9 { digit } ) [ "." digit { digit } ]
//                                         [ ( "e" | "E" ) [ "+" | "-" ] digit { digit } ]
[[nodiscard]] bool is_json_number(std::string_view token);

// Appends what stands between the quotes of a JSON string: quotation mark, backslash and control characters in their
// shortest escape, \u00XX with lower-case digits; everything else as it is. REQUIRES: UTF-8, for valid JSON.
void append_json_escaped(std::string& out, std::string_view text);

}  // namespace hedgerow
