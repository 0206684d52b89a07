#include "daemon/websocket/origin.hpp"

#include <algorithm>

namespace hedgerow::websocket {
namespace {

// "http://localhost:8080" → "localhost", "https://[::1]" → "[::1]"; empty when it is no such thing.
std::string_view host_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return {};
  std::string_view host = origin.substr(scheme + 3);
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? std::string_view{} : host.substr(0, end + 1);
  }
  return host.substr(0, host.find(':'));
}

bool is_loopback_address(std::string_view host) {
  if (!host.starts_with("127.")) return false;
  // Browsers write addresses in their one normal form; a name such as 127.0.0.1.example must not pass.
  return std::count(host.begin(), host.end(), '.') == 3 &&
         std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace

bool origin_is_allowed(std::string_view origin, const OriginPolicy& policy) {
  if (policy.allowed.empty()) {
    if (!policy.loopback) return true;
    const std::string_view host = host_of(origin);
    return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || is_loopback_address(host);
  }
  return std::any_of(policy.allowed.begin(), policy.allowed.end(),
                     [origin](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

}  // namespace hedgerow::websocket
