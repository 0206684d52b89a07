#include <catch2/catch_test_macros.hpp>
#include <string>

#include "security/identity/host_address.hpp"

using namespace hedgerow;
using namespace hedgerow::security;
using Kind = HostAddress::Kind;

namespace {

HostAddress accepted(std::string_view text) {
  const Expected<HostAddress> address = parse_host_address(text);
  INFO(text << (address ? std::string{} : ": " + address.error().what));
  REQUIRE(address);
  return *address;
}

}  // namespace

TEST_CASE("a host name is read in lower case", "[identity]") {
  CHECK(accepted("gw-barn") == HostAddress{Kind::kName, "gw-barn"});
  CHECK(accepted("GW-Barn.LAN") == HostAddress{Kind::kName, "gw-barn.lan"});
  CHECK(accepted("gw_barn.2.lan") == HostAddress{Kind::kName, "gw_barn.2.lan"});
  CHECK(accepted("xn--bcher-kva.example") == HostAddress{Kind::kName, "xn--bcher-kva.example"});
}

TEST_CASE("an IP address is read as its bytes", "[identity]") {
  CHECK(accepted("192.168.1.20") == HostAddress{Kind::kIp, "\xC0\xA8\x01\x14"});
  CHECK(accepted("::1") == HostAddress{Kind::kIp, std::string(15, '\0') + '\1'});
  CHECK(accepted("FD00:0::20") == accepted("fd00::20"));
}

TEST_CASE("an address that nobody can dial is refused", "[identity]") {
  for (const char* text : {"0.0.0.0", "::", "0::0"}) {
    const auto refused = parse_host_address(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what == "stands for every address of a board: give the ones that clients dial");
  }
}

TEST_CASE("what is more or less than a host is refused with the remedy", "[identity]") {
  for (const std::string text : {"", ".", "a..b", "a.", "-a", "a-", "*.lan", "a b", "b\xC3\xA4rn", "gw:8883", "[::1]",
                                 "wss://gw", "gw/mqtt", "1.2.3", "256.0.0.1", "fe80::1%eth0"}) {
    INFO(text);
    const auto refused = parse_host_address(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().category == Category::kInvalidInput);
    CHECK(refused.error().what ==
          "is neither a host name nor an IP address: give it alone, without scheme, port or brackets, such as "
          "gw-barn.lan, 192.168.1.20 or fd00::20");
  }
  CHECK_FALSE(parse_host_address(std::string_view{"::1\0x", 5}));
  CHECK_FALSE(parse_host_address(std::string_view{"gw\0x", 4}));
}

TEST_CASE("a host name has labels of 63 bytes and 253 in all", "[identity]") {
  const std::string label(63, 'a');
  CHECK(parse_host_address(label));
  CHECK_FALSE(parse_host_address(label + "a"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  CHECK(parse_host_address(longest));
  CHECK_FALSE(parse_host_address(longest + "a"));
}
