// daemon/docs/configuration.md says what the parser does.

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/parse.hpp"

namespace hedgerow::config {
namespace {

std::string documentation() {
  std::ifstream file{HEDGEROW_SOURCE_DIR "/daemon/docs/configuration.md"};
  REQUIRE(file);
  return {std::istreambuf_iterator<char>{file}, {}};
}

// What lies between two texts, from the first occurrence of `begin` on.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  REQUIRE(from != std::string::npos);
  const std::size_t to = text.find(end, from + begin.size());
  return text.substr(from + begin.size(), to == std::string::npos ? to : to - from - begin.size());
}

// `10s` is a text, 10240 a number.
std::string as_json(std::string cell) {
  return cell.starts_with('`') ? "\"" + cell.substr(1, cell.size() - 2) + "\"" : cell;
}

struct Row {
  std::string key;
  std::string initial;  // as JSON, like the others
  std::string least;
  std::string greatest;
};

std::vector<Row> documented_limits() {
  std::string table = between(documentation(), "\n## Limits\n", "\n## ");
  std::vector<Row> rows;
  for (std::size_t at = table.find("\n| `"); at != std::string::npos; at = table.find("\n| `", at + 1)) {
    std::string line = table.substr(at + 4, table.find('\n', at + 1) - at - 4);
    const std::string key = line.substr(0, line.find('`'));
    line = line.substr(line.find(" | ") + 3);
    const std::string initial = line.substr(0, line.find(" | "));
    line = line.substr(line.find(" | ") + 3);
    const std::string range = line.substr(0, line.find(" | "));
    const std::size_t to = range.find(" to ");
    rows.push_back({.key = key,
                    .initial = as_json(initial),
                    .least = as_json(range.substr(0, to)),
                    .greatest = as_json(range.substr(to + 4, range.find(',') - to - 4))});
  }
  return rows;
}

tl::expected<Config, Problems> with_limits(const std::string& members) {
  return parse("{\"mesh\":\"m\",\"limits\":{" + members + "}}");
}

TEST_CASE("every limit is documented, with its default", "[config]") {
  std::string members;
  for (const Row& row : documented_limits()) {
    CAPTURE(row.key, row.initial);
    const auto config = with_limits("\"" + row.key + "\":" + row.initial);
    REQUIRE(config);
    CHECK(config->limits == Limits{});
    members += "\"" + row.key + "\":" + row.initial + ",";
  }
  REQUIRE(with_limits(members));
  // An unknown key is answered with those that are not there: here, with none that the documentation forgot.
  const auto unknown = with_limits(members + "\"zzzzzzzzzzzzzz\":1");
  REQUIRE_FALSE(unknown);
  std::size_t known = 0;
  for (const char character : unknown.error()[0].what) known += character == '"' ? 1U : 0U;
  CHECK(known / 2 == documented_limits().size());
}

TEST_CASE("every limit takes the ends of its documented range", "[config]") {
  for (const Row& row : documented_limits()) {
    CAPTURE(row.key, row.least, row.greatest);
    // The wider limit is raised, so that the narrower one can be.
    const std::string wider = row.key == "connections_per_address" ? "\"connections\":1000000,"
                              : row.key == "session_queue_bytes"   ? "\"queue_bytes\":\"2GiB\","
                                                                   : "";
    CHECK(with_limits(wider + "\"" + row.key + "\":" + row.least));
    CHECK(with_limits(wider + "\"" + row.key + "\":" + row.greatest));
  }
}

TEST_CASE("the documented access rules are accepted", "[config]") {
  const std::string rules = between(between(documentation(), "\n## Access\n", "\n## "), "```jsonc\n", "```");
  const auto config = parse(R"({"mesh":"m","listeners":[{"address":"0.0.0.0:8883"},
      {"name":"phones","address":"0.0.0.0:8884","auth":"password"},
      {"name":"web","address":"0.0.0.0:8885","auth":"anonymous","protocol":"websocket"}],)" +
                            rules + "}");
  INFO((config ? std::string{} : format_problems("f", config.error())));
  REQUIRE(config);
  CHECK(config->access.size() == 5);
}

}  // namespace
}  // namespace hedgerow::config
