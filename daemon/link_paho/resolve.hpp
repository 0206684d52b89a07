// Names to addresses, before Paho sees them: Paho would look them up while it holds the lock that all links share.
// Thread rule: safe from any thread. resolve() blocks as long as the system's resolver does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sync/base/expected.hpp"

namespace hedgerow::link_paho {

struct HostPort {
  std::string host;  // without brackets
  std::string port;  // 1 to 65535, in digits
  bool operator==(const HostPort&) const = default;
};

// Splits "gw-house.lan:8883", "10.0.0.7:8883" or "[::1]:8883".
[[nodiscard]] Expected<HostPort> split_host_port(std::string_view text);

// Every address of the host, as "10.0.0.7:8883" or "[fe80::1%eth0]:8883", in the order that the system prefers.
[[nodiscard]] Expected<std::vector<std::string>> resolve(const HostPort& where);

}  // namespace hedgerow::link_paho
