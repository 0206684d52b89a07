#include "daemon/config/host_port.hpp"

#include <charconv>
#include <optional>
#include <system_error>

#include "security/identity/host_address.hpp"

namespace hedgerow::config {

namespace {

// The host as its kind reads it; none where it is neither an IP address nor a name.
std::optional<security::HostAddress> host_of(const HostPort& address) { return security::read_host(address.host); }

}  // namespace

Expected<HostPort> parse_host_port(std::string_view text) {
  HostPort result;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find("]:");
    if (close == std::string_view::npos) return fail(Category::kInvalidInput, "after \"[\" \"]:PORT\" is missing");
    const auto host = security::read_host(text.substr(1, close - 1));
    if (!host || !host->is_v6()) return fail(Category::kInvalidInput, "no IPv6 address stands in the brackets");
    result.host = security::to_string(*host);
    port = text.substr(close + 2);
  } else {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return fail(Category::kInvalidInput, "the port is missing");
    const std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.empty()) return fail(Category::kInvalidInput, "the host before the port is missing");
    if (host.find(':') != std::string_view::npos) {
      return fail(Category::kInvalidInput, "an IPv6 address stands in brackets: \"[::1]:1883\"");
    }
    const auto read = security::read_host(host);
    if (!read) return fail(Category::kInvalidInput, "the host is neither an IP address nor a name");
    result.host = security::to_string(*read);
  }
  const char* const end = port.data() + port.size();
  const auto [rest, error] = std::from_chars(port.data(), end, result.port);
  if (error != std::errc{} || rest != end) {
    return fail(Category::kInvalidInput, "the port is no number from 0 to 65535");
  }
  return result;
}

std::string to_string(const HostPort& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_ip_address(const HostPort& address) {
  const auto host = host_of(address);
  return host && host->kind == security::HostAddress::Kind::kIp;
}

bool is_loopback(const HostPort& address) {
  const auto host = host_of(address);
  return host && ((host->is_v4() && host->value.front() == 127) || address.host == "::1");
}

bool is_wildcard(const HostPort& address) { return address.host == "0.0.0.0" || address.host == "::"; }

}  // namespace hedgerow::config
