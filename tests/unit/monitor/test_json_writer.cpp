#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "daemon/config/cjson_reader.hpp"
#include "daemon/monitor/json_writer.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::monitor {
namespace {

std::string written(std::string_view text) { return JsonWriter{}.string(text).take(); }
std::string written(double value, int decimals) { return JsonWriter{}.number(value, decimals).take(); }

TEST_CASE("objects and arrays nest, commas stand between members", "[monitor]") {
  JsonWriter out;
  out.begin_object().field("a", std::uint64_t{1}).key("b").begin_array();
  out.begin_object().end_object().begin_array().end_array().string("x").boolean(false).null();
  out.end_array().field("c", "y").end_object();
  CHECK(out.take() == R"({"a":1,"b":[{},[],"x",false,null],"c":"y"})");
}

TEST_CASE("the writer starts anew after take", "[monitor]") {
  JsonWriter out;
  CHECK(out.begin_array().integer(-1).end_array().take() == "[-1]");
  CHECK(out.begin_array().integer(2).end_array().take() == "[2]");
}

TEST_CASE("quotes, backslashes and control characters are escaped", "[monitor]") {
  CHECK(written("\"\\/\b\f\n\r\t\x01\x1f\x7f") == "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
  CHECK(written(std::string_view{"a\0b", 3}) == "\"a\\u0000b\"");
}

TEST_CASE("UTF-8 passes, bytes that are none become U+FFFD", "[monitor]") {
  CHECK(written("é€𝄞") == "\"é€𝄞\"");
  CHECK(written("a\xFF\xC3z") == "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

TEST_CASE("whole numbers keep every digit", "[monitor]") {
  CHECK(JsonWriter{}.unsigned_integer(std::numeric_limits<std::uint64_t>::max()).take() == "18446744073709551615");
  CHECK(JsonWriter{}.integer(std::numeric_limits<std::int64_t>::min()).take() == "-9223372036854775808");
}

TEST_CASE("numbers are rounded and carry no zeros at the end", "[monitor]") {
  CHECK(written(48.25, 1) == "48.2");
  CHECK(written(48.0, 1) == "48");
  CHECK(written(0.5, 2) == "0.5");
  CHECK(written(100.0, 0) == "100");
  CHECK(written(-0.04, 1) == "0");
  CHECK(written(1e300, 1).size() == 301);
}

TEST_CASE("what is no number becomes null", "[monitor]") {
  CHECK(written(std::numeric_limits<double>::infinity(), 1) == "null");
  CHECK(written(std::numeric_limits<double>::quiet_NaN(), 1) == "null");
}

TEST_CASE("an absent number is null", "[monitor]") {
  JsonWriter out;
  out.begin_object().field("lag", std::optional<std::uint64_t>{}).field("n", std::optional<std::uint64_t>{3});
  CHECK(out.end_object().take() == R"({"lag":null,"n":3})");
}

TEST_CASE("any bytes give a string that a JSON library reads", "[monitor]") {
  test::SeededRandom random{test::pick_seed("json writer")};
  for (int round = 0; round < 2'000; ++round) {
    std::string text;
    for (std::size_t bytes = random.below(40); bytes > 0; --bytes) {
      text += static_cast<char>(static_cast<unsigned char>(1 + random.below(255)));  // cJSON has no NUL
    }
    CAPTURE(text);
    const auto value = config::read_json(written(text));
    REQUIRE(value);
    REQUIRE(written(value->text) == written(text));
  }
}

}  // namespace
}  // namespace hedgerow::monitor
