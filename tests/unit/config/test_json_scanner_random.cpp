#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <string>
#include <vector>

#include "daemon/config/cjson_reader.hpp"
#include "daemon/config/json_scanner.hpp"
#include "daemon/config/parse.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::config {
namespace {

constexpr std::string_view kSeedText = R"({ // a gateway
  "mesh": "orchard", "node": "gw-barn", "data": "/var/lib/hedgerow",
  "listeners": [ { "address": "127.0.0.1:1883", "tls": false, "name": "b\u00f6\ud834\udd1e" }, ], /* two */
  "peers": ["gw-house.lan:8883", -1.5e+10, 0.25, true, null],
  "channels": [ { "name": "default", "filter": "#", "keep": { "age": "7d", "size": "64MiB" } } ]
})";

constexpr std::string_view kTokens[] = {"{",  "}",    "[",    "]",        ",",    ":",      "\"",      "//",
                                        "/*", "*/",   "\n",   "\\u",      "\\",   "1",      "e",       "-",
                                        ".",  "true", "null", "\xC3\xA4", "\xFF", "\"a\":", "\"mesh\""};

std::string mutate(std::string text, test::SeededRandom& random) {
  for (std::size_t changes = 1 + random.below(4); changes > 0 && !text.empty(); --changes) {
    const std::size_t at = random.below(text.size());
    const std::string_view token = kTokens[random.below(std::size(kTokens))];
    switch (random.below(5)) {
      case 0: text[at] = static_cast<char>(static_cast<unsigned char>(random.below(256))); break;
      case 1: text.insert(at, token); break;
      case 2: text.erase(at, 1 + random.below(8)); break;
      case 3: text.insert(at, text.substr(random.below(text.size()), random.below(40))); break;
      case 4: text.resize(at); break;
    }
  }
  return text;
}

// Scanner and library must have seen the same kinds and keys in the same order.
void check_same(const JsonValue& value, const ScannedJson& scan, std::size_t& count) {
  const ScannedValue& scanned = scan.values.at(value.order);
  REQUIRE(scanned.kind == value.kind);
  ++count;
  for (const JsonMember& member : value.members) {
    REQUIRE(scan.values.at(member.value.order).key == member.key);
    REQUIRE(scan.values.at(member.value.order).parent == value.order);
    check_same(member.value, scan, count);
  }
}

TEST_CASE("what the scanner lets through, cJSON reads as the same document", "[config][G6]") {
  test::SeededRandom random{test::pick_seed("json scanner")};
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = mutate(std::string{kSeedText}, random);
    CAPTURE(text);
    const auto scan = scan_json(text);
    if (!scan) {
      REQUIRE_FALSE(scan.error().empty());
      continue;
    }
    ++accepted;
    REQUIRE(scan->strict.size() == text.size());
    const Expected<JsonValue> value = read_json(scan->strict);
    REQUIRE(value);
    std::size_t count = 0;
    check_same(*value, *scan, count);
    REQUIRE(count == scan->values.size());
  }
  CHECK(accepted > 1'000);
}

TEST_CASE("any text gives a configuration or a problem", "[config][G6]") {
  test::SeededRandom random{test::pick_seed("parse")};
  for (int round = 0; round < 5'000; ++round) {
    const std::string text = mutate(std::string{kSeedText}, random);
    CAPTURE(text);
    const auto config = parse(text);
    if (!config) REQUIRE_FALSE(format_problems("f", config.error()).empty());
  }
}

}  // namespace
}  // namespace hedgerow::config
