#include <catch2/catch_test_macros.hpp>

#include "daemon/config/host_port.hpp"

namespace hedgerow::config {
namespace {

HostPort accepted(std::string_view text) {
  const Expected<HostPort> address = parse_host_port(text);
  INFO((address ? std::string{} : address.error().what));
  REQUIRE(address);
  return *address;
}

std::string error_of(std::string_view text) {
  const Expected<HostPort> address = parse_host_port(text);
  return address ? "accepted " + to_string(*address) : address.error().what;
}

TEST_CASE("IPv4 addresses, IPv6 addresses in brackets and names are read", "[config]") {
  CHECK(accepted("127.0.0.1:1883") == HostPort{"127.0.0.1", 1883});
  CHECK(accepted("[::1]:1883") == HostPort{"::1", 1883});
  CHECK(accepted("gw-house.lan:8883") == HostPort{"gw-house.lan", 8883});
  CHECK(accepted("0.0.0.0:0") == HostPort{"0.0.0.0", 0});
  CHECK(accepted("[fe80::dead:beef]:65535") == HostPort{"fe80::dead:beef", 65535});
}

TEST_CASE("two spellings of one address become equal", "[config]") {
  CHECK(accepted("[0:0:0::0:1]:1") == accepted("[::1]:1"));
  CHECK(accepted("GW-House.LAN:1") == accepted("gw-house.lan:1"));
}

TEST_CASE("an address is written as it is read", "[config]") {
  for (const std::string text : {"127.0.0.1:1883", "[::1]:0", "gw-house.lan:8883"}) {
    CHECK(to_string(accepted(text)) == text);
  }
}

TEST_CASE("what is no address is explained", "[config]") {
  CHECK(error_of("") == "the port is missing");
  CHECK(error_of("1883") == "the port is missing");
  CHECK(error_of(":1883") == "the host before the port is missing");
  CHECK(error_of("localhost:") == "the port is no number from 0 to 65535");
  CHECK(error_of("localhost:65536") == "the port is no number from 0 to 65535");
  CHECK(error_of("localhost:-1") == "the port is no number from 0 to 65535");
  CHECK(error_of("localhost:+1") == "the port is no number from 0 to 65535");
  CHECK(error_of("localhost:18x") == "the port is no number from 0 to 65535");
  CHECK(error_of("localhost: 1") == "the port is no number from 0 to 65535");
  CHECK(error_of("::1:1883") == "an IPv6 address stands in brackets: \"[::1]:1883\"");
  CHECK(error_of("[::1:1883") == "after \"[\" \"]:PORT\" is missing");
  CHECK(error_of("[::1]") == "after \"[\" \"]:PORT\" is missing");
  CHECK(error_of("[house]:1") == "no IPv6 address stands in the brackets");
  CHECK(error_of("256.0.0.1:1") == "the host is neither an IP address nor a name");
  CHECK(error_of("1.2.3:1") == "the host is neither an IP address nor a name");
  CHECK(error_of("a b:1") == "the host is neither an IP address nor a name");
  CHECK(error_of("-a:1") == "the host is neither an IP address nor a name");
  CHECK(error_of("a..b:1") == "the host is neither an IP address nor a name");
  CHECK(error_of("mqtt://gw:1") == "an IPv6 address stands in brackets: \"[::1]:1883\"");
  CHECK(error_of(std::string(64, 'a') + ":1") == "the host is neither an IP address nor a name");
}

TEST_CASE("a NUL byte hides nothing", "[config]") {
  CHECK_FALSE(parse_host_port(std::string_view{"127.0.0.1\0x:1", 13}));
  CHECK_FALSE(parse_host_port(std::string_view{"[::1\0]:1", 8}));
}

TEST_CASE("only 127.0.0.0/8 and ::1 are loopback", "[config][G7]") {
  CHECK(is_loopback({"127.0.0.1", 1}));
  CHECK(is_loopback({"127.9.8.7", 1}));
  CHECK(is_loopback({"::1", 1}));
  CHECK_FALSE(is_loopback({"0.0.0.0", 1}));
  CHECK_FALSE(is_loopback({"::", 1}));
  CHECK_FALSE(is_loopback({"localhost", 1}));
  CHECK_FALSE(is_loopback({"127.evil.example", 1}));
}

TEST_CASE("names are no IP addresses", "[config]") {
  CHECK(is_ip_address({"10.0.0.1", 1}));
  CHECK(is_ip_address({"fe80::1", 1}));
  CHECK_FALSE(is_ip_address({"gw-house.lan", 1}));
}

}  // namespace
}  // namespace hedgerow::config
