#include <catch2/catch_test_macros.hpp>
#include <string>

#include "sync/base/json_text.hpp"

namespace hedgerow {
namespace {

using Kind = JsonEscape::Kind;

void check_character(std::string_view text, std::size_t bytes, std::uint32_t code) {
  INFO(text);
  const JsonEscape escape = read_json_escape(text);
  CHECK(escape.kind == Kind::kCharacter);
  CHECK(escape.bytes == bytes);
  CHECK(escape.code == code);
}

TEST_CASE("every escape of JSON is read, and nothing behind it", "[base]") {
  check_character("\\\"x", 2, '"');
  check_character("\\\\", 2, '\\');
  check_character("\\/", 2, '/');
  check_character("\\b", 2, '\b');
  check_character("\\f", 2, '\f');
  check_character("\\n", 2, '\n');
  check_character("\\r", 2, '\r');
  check_character("\\t", 2, '\t');
  check_character("\\u00e4b", 6, 0xE4);
  check_character("\\u0000", 6, 0);
  check_character("\\uD834\\uDD1Ex", 12, 0x1D11E);
}

TEST_CASE("what is no escape is told from what is no character", "[base]") {
  for (const std::string_view text : {"\\", "\\x", "\\U0041", "\\ "})
    CHECK(read_json_escape(text).kind == Kind::kUnknown);
  for (const std::string_view text : {"\\u", "\\u12", "\\u12g4", "\\uD834", "\\uD834x", "\\uD834\\n", "\\uD834\\u0041",
                                      "\\uD834\\uD834", "\\uDD1E"}) {
    INFO(text);
    CHECK(read_json_escape(text).kind == Kind::kNoCharacter);
  }
}

TEST_CASE("a number is one by RFC 8259", "[base]") {
  for (const std::string_view text : {"0", "-0", "10", "1.50", "1e5", "1E+05", "-0.1e-7", "18446744073709551616"}) {
    INFO(text);
    CHECK(is_json_number(text));
  }
  for (const std::string_view text : {"", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "1 ", "NaN"}) {
    INFO(text);
    CHECK_FALSE(is_json_number(text));
  }
}

TEST_CASE("text is escaped in the shortest way", "[base]") {
  std::string out;
  append_json_escaped(out, std::string_view{"a\"b\\c/\b\f\n\r\t\0\x1f\x7f\xC3\xA4", 16});
  CHECK(out == "a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xC3\xA4");
}

}  // namespace
}  // namespace hedgerow
