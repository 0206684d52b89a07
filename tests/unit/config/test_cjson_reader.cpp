#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/config/cjson_reader.hpp"

namespace hedgerow::config {
namespace {

TEST_CASE("values are read in the order of the text, containers before members", "[config]") {
  const Expected<JsonValue> value = read_json(R"({"a":[1.5,"x"],"b":true,"a":null})");
  REQUIRE(value);
  REQUIRE(value->members.size() == 3);
  CHECK(value->find("a")->order == 1);
  CHECK(value->find("a")->members[0].value.number == 1.5);
  CHECK(value->find("a")->members[1].value.text == "x");
  CHECK(value->find("b")->order == 4);
  CHECK(value->find("b")->boolean);
  CHECK(value->members[2].value.order == 5);
}

TEST_CASE("find gives null for a missing key and for anything but an object", "[config]") {
  CHECK(read_json("{}")->find("a") == nullptr);
  CHECK(read_json("[1]")->find("") == nullptr);
}

TEST_CASE("only white space may follow the document", "[config]") {
  CHECK(read_json("1 \r\n\t"));
  CHECK_FALSE(read_json("1 2"));
  CHECK_FALSE(read_json(""));
  CHECK_FALSE(read_json("{"));
}

TEST_CASE("the reader bounds the nesting itself", "[config][G6]") {
  CHECK(read_json(std::string(64, '[') + std::string(64, ']')));
  CHECK_FALSE(read_json(std::string(65, '[') + std::string(65, ']')));
  CHECK_FALSE(read_json(std::string(100'000, '[')));
}

}  // namespace
}  // namespace hedgerow::config
