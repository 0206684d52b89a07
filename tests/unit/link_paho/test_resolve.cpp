#include <catch2/catch_test_macros.hpp>

#include "daemon/link_paho/resolve.hpp"

using namespace hedgerow;
using namespace hedgerow::link_paho;

TEST_CASE("names, IPv4 and bracketed IPv6 split into host and port", "[link]") {
  CHECK(split_host_port("gw-house.lan:8883") == HostPort{"gw-house.lan", "8883"});
  CHECK(split_host_port("10.0.0.7:1") == HostPort{"10.0.0.7", "1"});
  CHECK(split_host_port("[fe80::1%eth0]:65535") == HostPort{"fe80::1%eth0", "65535"});
}

TEST_CASE("what is no host and port is refused", "[link]") {
  for (const char* text :
       {"", "host", ":8883", "host:", "host:0", "host:65536", "host:88x", "::1:8883", "[]:1", "host:-1", "host: 1"}) {
    CAPTURE(text);
    CHECK_FALSE(split_host_port(text));
  }
}

TEST_CASE("numeric addresses resolve to themselves", "[link]") {
  CHECK(resolve({"127.0.0.1", "8883"}) == std::vector<std::string>{"127.0.0.1:8883"});
  CHECK(resolve({"::1", "8883"}) == std::vector<std::string>{"[::1]:8883"});
}
