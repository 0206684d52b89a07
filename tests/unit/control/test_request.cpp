#include <catch2/catch_test_macros.hpp>
#include <string>

#include "daemon/control/request.hpp"

using namespace hedgerow;
using namespace hedgerow::control;

namespace {

std::string again(const Request& request) {
  const auto parsed = parse_request(to_json(request));
  INFO((parsed ? std::string{} : parsed.error().what));
  REQUIRE(parsed);
  REQUIRE(*parsed);
  return to_json(**parsed);
}

std::string refused(std::string_view document) {
  const auto parsed = parse_request(document);
  return parsed ? "accepted" : parsed.error().what;
}

std::string checked(const Request& request) {
  const auto result = check_request(request);
  return result ? "good" : result.error().what;
}

}  // namespace

TEST_CASE("a request is read as it was written", "[control]") {
  CHECK(again({.verb = Verb::kGet, .filter = "a/+"}) == R"({"verb":"get","filter":"a/+"})");
  CHECK(again({.verb = Verb::kSet, .filter = "a", .retain = false}) == R"({"verb":"set","topic":"a","retain":false})");
  CHECK(again({.verb = Verb::kWatch, .filter = "#", .most = 3}) == R"({"verb":"watch","filter":"#","count":3})");
  CHECK(again({.verb = Verb::kHistory, .filter = "a", .since = "24h", .most = 10}) ==
        R"({"verb":"history","filter":"a","since":"24h","limit":10})");
  CHECK(again({.verb = Verb::kGaps}) == R"({"verb":"gaps"})");
}

TEST_CASE("other verbs are left to others", "[control]") {
  CHECK_FALSE(parse_request(R"({"verb":"status"})").value());
  CHECK_FALSE(parse_request(R"({"verb":1})").value());
  CHECK_FALSE(parse_request("[]").value());
}

TEST_CASE("a request that cannot be understood is explained", "[control]") {
  CHECK(refused("get") == "the request is not JSON: the text is not JSON");
  CHECK(refused("\xFF") == "the request is not UTF-8");
  CHECK(refused(R"({"verb":"get"})") == "the request's \"filter\" is not a text");
  CHECK(refused(R"({"verb":"get","filter":""})") == "the request's \"filter\" is not a text");
  CHECK(refused(R"({"verb":"gaps","filter":7})") == "the request's \"filter\" is not a text");
  CHECK(refused(R"({"verb":"set","filter":"a"})") == "the request's \"topic\" is not a text");
  CHECK(refused(R"({"verb":"set","topic":"a","retain":1})") == "the request's \"retain\" is not true or false");
  CHECK(refused(R"({"verb":"history","filter":"a","since":1})") == "the request's \"since\" is not a text");
  for (const std::string_view number : {"0", "-1", "1.5", "1e99", "100001", "\"1\"", "null"}) {
    CHECK(refused(R"({"verb":"watch","filter":"a","count":)" + std::string(number) + "}") ==
          "the request's \"count\" is not a whole number from 1 to 100000");
  }
}

TEST_CASE("what cannot be asked for is told before it is asked", "[control]") {
  CHECK(checked({.verb = Verb::kGet, .filter = "a/#"}) == "good");
  CHECK(checked({.verb = Verb::kGet, .filter = "$SYS/#"}) == "good");
  CHECK(checked({.verb = Verb::kGaps}) == "good");
  CHECK(checked({.verb = Verb::kWatch, .filter = "a#"}) ==
        "\"a#\" is no topic and no filter: + stands alone in its level, # alone in the last one, as in "
        "sensors/+/state or sensors/#");
  CHECK(checked({.verb = Verb::kWatch, .filter = "$share/g/a"}) ==
        "\"$share/g/a\" is a shared subscription, which divides messages: give the filter alone");
  CHECK(checked({.verb = Verb::kSet, .filter = "a/+"}) ==
        "\"a/+\" is no topic to publish to: + and # and control characters are not allowed");
  CHECK(checked({.verb = Verb::kHistory, .filter = "a", .since = "soon"}) ==
        "\"soon\" is neither a duration nor a time: give a duration such as 90s, 15m, 24h or 7d, or a time such as "
        "2026-11-22T03:00:00Z");
  CHECK(checked({.verb = Verb::kGet, .filter = std::string(201, '/')})
            .ends_with(" has more than 200 levels: make it shorter"));
  CHECK(checked({.verb = Verb::kGet, .filter = std::string(65'535, 'a')})
            .ends_with(" is too long to ask for: make it shorter"));
}
