#include <catch2/catch_test_macros.hpp>
#include <string>

#include "sync/merge/json_cursor.hpp"
#include "sync/merge/limits.hpp"

namespace hedgerow::sync {
namespace {

std::string canonical(std::string_view text) {
  JsonCursor json{text};
  std::string out;
  return json.value(out) && json.finish() ? out : json.error().what;
}

TEST_CASE("white space outside of strings goes", "[sync][document]") {
  CHECK(canonical(" { \"a b\" :\t[ 1 ,\r\n2 , { } , [ ] ] } ") == "{\"a b\":[1,2,{},[]]}");
}

TEST_CASE("the digits of a number stay", "[sync][document]") {
  for (const std::string text : {"9223372036854775807", "18446744073709551615", "0.10", "-0", "1E+05", "1e400",
                                 "3.14159265358979323846264338327950288"}) {
    CHECK(canonical(text) == text);
  }
}

TEST_CASE("a string has one spelling", "[sync][document]") {
  CHECK(canonical(R"("\u0041\/\u00e4\ud834\udd1e\u000A\u001F\u0022\u005c")") ==
        "\"A/\xC3\xA4\xF0\x9D\x84\x9E\\n\\u001f\\\"\\\\\"");
  CHECK(canonical(R"("\u0000")") == R"("\u0000")");
}

TEST_CASE("what is no JSON is refused where it stands", "[sync][document]") {
  CHECK(canonical("") == "at byte 0: found the end, expected a JSON value");
  CHECK(canonical("on") == "at byte 0: found \"on\", expected a JSON value");
  CHECK(canonical("nullx") == "at byte 0: found \"nullx\", expected a JSON value");
  CHECK(canonical("01") == "at byte 0: found \"01\", expected a number");
  CHECK(canonical("[1,]") == "at byte 3: found \"]\", expected a JSON value");
  CHECK(canonical("[1 2]") == "at byte 3: found \"2\", expected \",\" or \"]\"");
  CHECK(canonical("{a:1}") == "at byte 1: found \"a\", expected a key in double quotes");
  CHECK(canonical("{\"a\":1,}") == "at byte 7: found \"}\", expected a key in double quotes");
  CHECK(canonical("{\"a\" 1}") == "at byte 5: found \"1\", expected \":\" after the key");
  CHECK(canonical("{\"a\":1 \"b\":2}") == "at byte 7: found \"\"\", expected \",\" or \"}\"");
  CHECK(canonical("{\"a\":1") == "at byte 6: found the end, expected \",\" or \"}\"");
  CHECK(canonical("1 // one") == "at byte 2: found \"/\" after the end of the document");
  CHECK(canonical(std::string_view{"1\0", 2}) == "at byte 1: found \"\\x00\" after the end of the document");
  CHECK(canonical("\"ab") == "at byte 0: a string that is not closed");
  CHECK(canonical("\"a\nb\"") == "at byte 2: a control character in a string: write it as an escape");
  CHECK(canonical("\"\\x\"") == "at byte 1: an escape that JSON does not have");
  CHECK(canonical("[\"\\udc00\"]") ==
        "at byte 2: no character: \\u takes four hexadecimal digits, and surrogates come in pairs");
  CHECK(canonical("\"\xFF\"") == "at byte 1: a byte that is not UTF-8");
  CHECK(canonical("\"\xE2\x82\"") == "at byte 1: a byte that is not UTF-8");
}

TEST_CASE("a key stands once in each object, however it is spelled", "[sync][document]") {
  CHECK(canonical(R"([{"a":1,"\u0061":2}])") == "at byte 8: the key \"a\" stands twice in one object");
  CHECK(canonical(R"({"a":{"a":1},"b":{"a":2}})") == R"({"a":{"a":1},"b":{"a":2}})");
}

TEST_CASE("objects and arrays nest up to the bound", "[sync][document][G6]") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(canonical(nested(kDocumentDepthMax)) == nested(kDocumentDepthMax));
  CHECK(canonical(nested(kDocumentDepthMax + 1)) ==
        "at byte 32: objects and arrays more than 32 deep within each other: make the document flatter");
}

}  // namespace
}  // namespace hedgerow::sync
