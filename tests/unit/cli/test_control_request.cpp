#include <catch2/catch_test_macros.hpp>

#include "daemon/cli/control_request.hpp"
#include "daemon/monitor/status.hpp"

namespace hedgerow::cli {
namespace {

TEST_CASE("the request that status sends has the verb status", "[cli]") {
  CHECK(parse_control_request(monitor::kStatusRequest).value() == "status");
}

TEST_CASE("the requests to read files again have verbs of their own", "[cli]") {
  CHECK(parse_control_request(kReloadRequest).value() == "reload");
  CHECK(parse_control_request(kReloadKeysRequest).value() == "reload-keys");
}

TEST_CASE("a line that is no request is explained", "[cli]") {
  CHECK(parse_control_request("").error().what == "the request is not JSON: the text is not JSON");
  CHECK(parse_control_request("\xFF").error().what == "the request is not JSON: the text is not UTF-8");
  for (const std::string_view line : {"{}", "[]", R"({"verb":1})", R"("status")"}) {
    CHECK(parse_control_request(line).error().what == "the request has no verb, expected {\"verb\":\"status\"}");
  }
}

}  // namespace
}  // namespace hedgerow::cli
