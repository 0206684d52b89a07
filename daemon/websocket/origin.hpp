// Which pages may talk to this node. A browser lets any page open a WebSocket to any address, also to the board that it
// runs on, and names the page's origin (RFC 6454): without this check every web site could use a local listener.
// Pure. Thread rule: free functions without state.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hedgerow::websocket {

// A request without Origin comes from no browser and is always allowed.
struct OriginPolicy {
  std::span<const std::string> allowed = {};  // "https://panel.example"; "*" is any
  bool loopback = false;                      // without `allowed`: only pages of this board; else any
};

// `origin`: the value of the header field Origin, "https://panel.example:8443" or "null".
[[nodiscard]] bool origin_is_allowed(std::string_view origin, const OriginPolicy& policy);

}  // namespace hedgerow::websocket
