#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/json_scanner.hpp"

namespace hedgerow::config {
namespace {

std::string strict(std::string_view text) {
  const auto scan = scan_json(text);
  return scan ? scan->strict : format_problems("f", scan.error());
}

// The problems as they are shown for a file named f.
std::string problems(std::string_view text) {
  const auto scan = scan_json(text);
  return format_problems("f", scan ? scan->duplicate_keys : scan.error());
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (; times > 0; --times) out += text;
  return out;
}

TEST_CASE("strict JSON passes unchanged", "[config]") {
  const std::string text = R"({"a":[1,-2.5e+3,"x\u00e9\n",true,false,null,{}],"b":{"c":[]}})";
  CHECK(strict(text) == text);
}

TEST_CASE("comments become blanks and every byte keeps its place", "[config]") {
  CHECK(strict("{ // x\n\"a\": /* y\nz */ 1 }") == "{     \n\"a\":     \n     1 }");
}

TEST_CASE("a comment within a string is text", "[config]") {
  const std::string text = R"(["// no", "/* no */"])";
  CHECK(strict(text) == text);
}

TEST_CASE("a comment may end the file without a newline", "[config]") { CHECK(strict("1 // x") == "1     "); }

TEST_CASE("trailing commas become blanks", "[config]") {
  CHECK(strict(R"({"a":[1,2,],})") == R"({"a":[1,2 ] })");
  CHECK(strict("[1, // one\n]") == "[1        \n]");
}

TEST_CASE("a byte order mark is passed over and shifts no column", "[config]") {
  CHECK(strict("\xEF\xBB\xBF{}") == "   {}");
  CHECK(problems("\xEF\xBB\xBF{x") == "f:1:2: found \"x\", expected a key in double quotes");
}

TEST_CASE("every value has the position of its first character and of its key", "[config]") {
  const auto scan = scan_json("{\n  \"a\": [1,\n   true]\n}");
  REQUIRE(scan);
  REQUIRE(scan->values.size() == 4);
  CHECK(scan->values[0].at == Position{1, 1});
  CHECK(scan->values[1].key_at == Position{2, 3});
  CHECK(scan->values[1].at == Position{2, 8});
  CHECK(scan->values[2].at == Position{2, 9});
  CHECK(scan->values[3].at == Position{3, 4});
}

TEST_CASE("columns count characters, not bytes", "[config]") {
  const auto scan = scan_json(R"(["äöü€𝄞", 1])");
  REQUIRE(scan);
  CHECK(scan->values[2].at == Position{1, 11});
}

TEST_CASE("paths name keys and places, odd keys in quotes", "[config]") {
  const auto scan = scan_json(R"({"a":[0,{"b c":1,"d-e":2}],"":3})");
  REQUIRE(scan);
  CHECK(scan->path_of(0).empty());
  CHECK(scan->path_of(2) == "a[0]");
  CHECK(scan->path_of(4) == "a[1][\"b c\"]");
  CHECK(scan->path_of(5) == "a[1].d-e");
  CHECK(scan->path_of(6) == "[\"\"]");
}

TEST_CASE("numbers keep their digits", "[config]") {
  const auto scan = scan_json("[18446744073709551615, 1.10]");
  REQUIRE(scan);
  CHECK(scan->values[1].number == "18446744073709551615");
  CHECK(scan->values[2].number == "1.10");
}

TEST_CASE("a duplicate key names both places, also when one is spelt with escapes", "[config]") {
  CHECK(problems("{\"a\": 1,\n \"\\u0061\": 2}") == "f:2:2: a: the key stands twice, first at 1:2: remove one of them");
}

TEST_CASE("the same key in two objects is no duplicate", "[config]") {
  CHECK(problems(R"([{"a":1},{"a":{"a":1}}])").empty());
}

TEST_CASE("a mistake of syntax is reported with the duplicate keys before it", "[config]") {
  CHECK(problems("{\"a\":1,\n\"a\":2,\n?}") ==
        "f:2:1: a: the key stands twice, first at 1:2: remove one of them\n"
        "f:3:1: found \"?\", expected a key in double quotes");
}

TEST_CASE("an empty file is named as such", "[config]") {
  CHECK(problems("") == "f:1:1: the file is empty, expected { … }");
  CHECK(problems(" // nothing\n") == "f:2:1: the file is empty, expected { … }");
}

TEST_CASE("what follows the document is refused", "[config]") {
  CHECK(problems("{}\n{}") == "f:2:1: found \"{\" after the end of the document, expected nothing more");
  CHECK(problems("1 two") == "f:1:3: found \"two\" after the end of the document, expected nothing more");
}

TEST_CASE("an unterminated comment is reported where it begins", "[config]") {
  CHECK(problems("{} /* x\ny *") == "f:1:4: the comment is not closed, expected */");
  CHECK(problems("/*/ {}") == "f:1:1: the comment is not closed, expected */");
}

TEST_CASE("an unterminated string is reported where it begins", "[config]") {
  CHECK(problems("[\"abc\n\"]") == "f:1:2: the string is not closed, expected \" before the end of the line");
  CHECK(problems("[\"abc\\\"") == "f:1:2: the string is not closed, expected \" before the end of the line");
}

TEST_CASE("unclosed containers say what is missing", "[config]") {
  CHECK(problems("{") == "f:1:2: found the end of the file, expected \"}\"");
  CHECK(problems("[1,") == "f:1:4: found the end of the file, expected \"]\"");
  CHECK(problems("{\"a\": [1") ==
        "f:1:9: a: found the end of the file, expected \",\" or \"]\" after the member before it");
  CHECK(problems("{\"a\":") == "f:1:6: a: found the end of the file, expected a value");
}

TEST_CASE("a missing comma is reported at the next member", "[config]") {
  CHECK(problems("{\"a\": 1\n \"b\": 2}") ==
        "f:2:2: found a string, expected \",\" or \"}\" after the member before it");
}

TEST_CASE("a missing colon is reported", "[config]") {
  CHECK(problems(R"({"a" 1})") == "f:1:6: found \"1\", expected \":\" after the key");
}

TEST_CASE("commas without a value between them are refused", "[config]") {
  CHECK(problems("[1,,2]") == "f:1:4: [1]: found \",\", expected a value");
  CHECK(problems("[,]") == "f:1:2: [0]: found \",\", expected a value");
  CHECK(problems("{,}") == "f:1:2: found \",\", expected a key in double quotes");
}

TEST_CASE("bare words are told about quotes", "[config]") {
  CHECK(problems("{node: 1}") == "f:1:2: found \"node\", expected a key in double quotes");
  CHECK(problems(R"({"a": yes})") == "f:1:7: a: found \"yes\", expected a value: text stands in double quotes");
  CHECK(problems("truely") == "f:1:1: found \"truely\", expected a value: text stands in double quotes");
  CHECK(problems("['a']") == "f:1:2: [0]: found \"'\", expected a value");
}

TEST_CASE("numbers follow RFC 8259", "[config]") {
  for (const std::string good : {"0", "-0", "10", "1.5", "1e9", "1E-9", "-12.50e+10"}) CHECK(strict(good) == good);
  for (const std::string bad : {"01", "-", "1.", "1.e5", "1e", "1e+", "0x10", "1_000", "7d", "1.2.3", "-a"}) {
    CHECK(problems(bad) ==
          "f:1:1: found \"" + bad + "\", expected a number such as 8883; text stands in double quotes");
  }
  CHECK(problems("+1") == "f:1:1: found \"+\", expected a value");
}

TEST_CASE("escapes follow RFC 8259", "[config]") {
  CHECK(strict(R"("\"\\\/\b\f\n\r\t\u20AC\uD834\uDD1E")") == R"("\"\\\/\b\f\n\r\t\u20AC\uD834\uDD1E")");
  CHECK(problems(R"("\x")") ==
        R"(f:1:2: an unknown escape in a string, expected one of \" \\ \/ \b \f \n \r \t \uXXXX)");
  for (const std::string bad : {R"("\u12g4")", R"("\uD834")", R"("\uD834\u0041")", R"("\uDD1E")", R"("\u12")"}) {
    CHECK(problems(bad) ==
          R"(f:1:2: not a character: \u takes four hexadecimal digits, and \uD800 to \uDFFF only in pairs)");
  }
  CHECK(problems(R"("\u0000")") == "f:1:2: a NUL character, which no text here may hold");
}

TEST_CASE("control characters in strings are refused", "[config]") {
  CHECK(problems("\"a\tb\"") == "f:1:3: a control character in a string: write it as an escape such as \\t");
}

TEST_CASE("bytes that are not UTF-8 are refused where they stand", "[config]") {
  CHECK(problems("{}\n// \xFF") == "f:2:4: this is not UTF-8: save the file in that encoding");
  CHECK(problems("\"\xC0\x80\"") == "f:1:2: this is not UTF-8: save the file in that encoding");
}

TEST_CASE("nesting is bounded", "[config][G6]") {
  const auto nested = [](std::size_t depth) { return repeat("[", depth) + repeat("]", depth); };
  CHECK(strict(nested(32)) == nested(32));
  CHECK(problems(nested(33)) == "f:1:33: an array nested more than 32 deep, at most that is read");
  CHECK(problems(repeat("{\"a\":", 100'000)) == "f:1:161: an object nested more than 32 deep, at most that is read");
}

TEST_CASE("size, values, keys and numbers are bounded", "[config][G6]") {
  CHECK(problems(repeat(" ", kJsonBytesMax + 1)) == "f:1:1: the text has 1048577 bytes, at most 1 MiB is read");
  CHECK(problems("[" + repeat("1,", 9'999) + "]").empty());
  CHECK(problems("[" + repeat("1,", 10'000) + "]") == "f:1:20000: more than 10000 values, at most that many are read");
  CHECK(problems("{\"" + repeat("k", 257) + "\":1}") == "f:1:2: a key longer than 256 bytes");
  CHECK(problems(repeat("1", 41)) == "f:1:1: a number longer than 40 characters");
}

TEST_CASE("the count of remembered duplicate keys is bounded", "[config][G6]") {
  const auto scan = scan_json("{" + repeat("\"a\":1,", 5'000) + "}");
  REQUIRE(scan);
  CHECK(scan->duplicate_keys.size() == 100);
}

}  // namespace
}  // namespace hedgerow::config
