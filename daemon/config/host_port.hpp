// An address as people write it: "127.0.0.1:1883", "[::1]:1883", "gw-house.lan:8883".
// Pure: nothing is resolved. Thread rule: plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::config {

struct HostPort {
  std::string host{};  // without brackets; IP addresses in their canonical form, names in lower case
  std::uint16_t port = 0;

  auto operator<=>(const HostPort&) const = default;
};

// Reads HOST:PORT; HOST is an IPv4 address, an IPv6 address in brackets or a host name (RFC 1123), PORT 0 to 65535.
// The error says what is wrong with the text, without repeating it.
[[nodiscard]] Expected<HostPort> parse_host_port(std::string_view text);

// The inverse: brackets around an IPv6 address.
[[nodiscard]] std::string to_string(const HostPort& address);

// True iff the host is an IPv4 or IPv6 address rather than a name.
[[nodiscard]] bool is_ip_address(const HostPort& address);

// True iff the host is an IP address that cannot be reached from another machine: 127.0.0.0/8, ::1. Names are not
// resolved, so "localhost" is not loopback here.
[[nodiscard]] bool is_loopback(const HostPort& address);

// True iff the host is 0.0.0.0 or ::, which stand for every address of the board.
[[nodiscard]] bool is_wildcard(const HostPort& address);

}  // namespace hedgerow::config
