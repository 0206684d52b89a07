#include <catch2/catch_test_macros.hpp>

#include "sync/base/utf8.hpp"

namespace hedgerow {
namespace {

TEST_CASE("well-formed UTF-8 has no invalid byte", "[base]") {
  CHECK_FALSE(find_invalid_utf8(""));
  CHECK_FALSE(find_invalid_utf8("a\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"));
  CHECK_FALSE(find_invalid_utf8("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));
}

TEST_CASE("overlong forms, surrogates and what lies beyond U+10FFFF are invalid", "[base]") {
  for (const std::string_view bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                                     "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE2\x82", "\xC3("}) {
    CHECK(find_invalid_utf8(bad) == 0U);
  }
  CHECK(find_invalid_utf8("ab\xFF") == 2U);
}

TEST_CASE("every length of character is written", "[base]") {
  std::string out;
  for (const std::uint32_t code : {0x41U, 0xE9U, 0x20ACU, 0x1D11EU}) append_utf8(out, code);
  CHECK(out == "Aé€𝄞");
}

TEST_CASE("quoted text shows control characters and broken bytes, and is cut when long", "[base]") {
  CHECK(quote_text("a\n\x1b[0m\xFFé") == "\"a\\x0a\\x1b[0m\\xffé\"");
  CHECK(quote_text(std::string(61, 'a')) == "\"" + std::string(60, 'a') + "…\"");
}

}  // namespace
}  // namespace hedgerow
