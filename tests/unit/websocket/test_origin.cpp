#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "daemon/websocket/origin.hpp"

namespace hedgerow::websocket {

TEST_CASE("a loopback listener serves the pages of this board alone", "[websocket]") {
  const OriginPolicy policy{.allowed = {}, .loopback = true};
  for (const char* origin : {"http://localhost", "http://localhost:8080", "https://127.0.0.1:8443", "http://127.1.2.3",
                             "http://[::1]:3000", "http://panel.localhost"}) {
    INFO(origin);
    CHECK(origin_is_allowed(origin, policy));
  }
}

TEST_CASE("a loopback listener refuses the pages of others", "[websocket]") {
  const OriginPolicy policy{.allowed = {}, .loopback = true};
  for (const char* origin :
       {"https://evil.example", "null", "", "file://", "http://127.0.0.1.evil.example", "http://localhost.evil.example",
        "http://evillocalhost", "http://127.0.0.evil", "localhost", "http://[::1", "http://1270.0.0.1"}) {
    INFO(origin);
    CHECK_FALSE(origin_is_allowed(origin, policy));
  }
}

TEST_CASE("another listener serves any page, unless it is told which", "[websocket]") {
  CHECK(origin_is_allowed("https://evil.example", {}));
  const std::vector<std::string> allowed{"https://panel.example", "http://panel.example:8080"};
  const OriginPolicy policy{.allowed = allowed, .loopback = false};
  CHECK(origin_is_allowed("https://panel.example", policy));
  CHECK(origin_is_allowed("http://panel.example:8080", policy));
  CHECK_FALSE(origin_is_allowed("http://panel.example", policy));
  CHECK_FALSE(origin_is_allowed("https://panel.example.evil", policy));
}

TEST_CASE("a star allows any page, also on loopback", "[websocket]") {
  const std::vector<std::string> any{"*"};
  CHECK(origin_is_allowed("https://panel.example", {.allowed = any, .loopback = true}));
}

TEST_CASE("what is allowed on loopback is what is listed, and no more", "[websocket]") {
  const std::vector<std::string> allowed{"https://panel.example"};
  CHECK_FALSE(origin_is_allowed("http://localhost", {.allowed = allowed, .loopback = true}));
}

}  // namespace hedgerow::websocket
