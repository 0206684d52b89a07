#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/node/limits.hpp"
#include "daemon/node/refusal_log.hpp"

using namespace hedgerow;
using namespace hedgerow::node;

namespace {

struct Logged {
  std::vector<std::string> lines;
  RefusalLog log{[this](const std::string& line) { lines.push_back(line); }};
  Instant now{std::chrono::hours{1}};
  void note(std::string matter, const std::string& line) {
    log.note(now, std::move(matter), [&] { return line; });
  }
  void a_minute() { log.on_tick(now += kRefusalsToldEvery); }
};

}  // namespace

TEST_CASE_METHOD(Logged, "a refusal is told at once, and what comes again once a minute, with its number",
                 "[node][G6]") {
  for (int i = 0; i < 5; ++i) note("a", "refused a");
  note("b", "refused b");
  CHECK(lines == std::vector<std::string>{"refused a", "refused b"});
  a_minute();
  REQUIRE(lines.size() == 3);
  CHECK(lines[2] == "again, 4 times in a minute: refused a");
  note("a", "refused a");
  a_minute();
  REQUIRE(lines.size() == 4);
  CHECK(lines[3] == "again, 1 times in a minute: refused a");
  a_minute();
  CHECK(lines.size() == 4);
  note("a", "refused a, for another reason");
  CHECK(lines.back() == "refused a, for another reason");
}

TEST_CASE_METHOD(Logged, "however many knock, the lines of a minute are bounded", "[node][G6]") {
  for (int i = 0; i < 100'000; ++i) note(std::to_string(i), "refused");
  CHECK(lines.size() == kRefusalsToldMax);
  a_minute();
  REQUIRE(lines.size() == kRefusalsToldMax + 1);
  CHECK(lines.back().starts_with("refused " + std::to_string(100'000 - kRefusalsToldMax) + " times more in a minute"));
}
