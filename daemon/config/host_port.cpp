#include "daemon/config/host_port.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <system_error>

namespace hedgerow::config {

namespace {

constexpr std::size_t kHostNameBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;

// The canonical text of an IP address of the family; empty where the host is none. inet_pton and inet_ntop compute,
// they ask nobody.
template <int kFamily, class Address, std::size_t kTextBytes>
std::string canonical(const std::string& host) {
  Address address{};
  std::array<char, kTextBytes> text{};
  if (host.find('\0') != std::string::npos) return {};  // the C functions would stop reading there
  if (inet_pton(kFamily, host.c_str(), &address) != 1) return {};
  if (inet_ntop(kFamily, &address, text.data(), static_cast<socklen_t>(text.size())) == nullptr) return {};
  return text.data();
}

std::string canonical_v4(const std::string& host) { return canonical<AF_INET, in_addr, INET_ADDRSTRLEN>(host); }
std::string canonical_v6(const std::string& host) { return canonical<AF_INET6, in6_addr, INET6_ADDRSTRLEN>(host); }

std::string to_lower(std::string_view text) {
  std::string out{text};
  for (char& character : out) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return out;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelBytesMax || label.front() == '-' || label.back() == '-') return false;
  return label.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string_view::npos;
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > kHostNameBytesMax) return false;
  if (name.find_first_not_of("0123456789.") == std::string_view::npos) return false;  // a broken IPv4 address
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

Expected<HostPort> parse_host_port(std::string_view text) {
  HostPort result;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find("]:");
    if (close == std::string_view::npos) return fail(Category::kInvalidInput, "after \"[\" \"]:PORT\" is missing");
    result.host = canonical_v6(std::string{text.substr(1, close - 1)});
    if (result.host.empty()) return fail(Category::kInvalidInput, "no IPv6 address stands in the brackets");
    port = text.substr(close + 2);
  } else {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return fail(Category::kInvalidInput, "the port is missing");
    const std::string host = to_lower(text.substr(0, colon));
    port = text.substr(colon + 1);
    if (host.empty()) return fail(Category::kInvalidInput, "the host before the port is missing");
    if (host.find(':') != std::string::npos) {
      return fail(Category::kInvalidInput, "an IPv6 address stands in brackets: \"[::1]:1883\"");
    }
    result.host = canonical_v4(host);
    if (result.host.empty() && is_host_name(host)) result.host = host;
    if (result.host.empty()) return fail(Category::kInvalidInput, "the host is neither an IP address nor a name");
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
  return !canonical_v4(address.host).empty() || !canonical_v6(address.host).empty();
}

bool is_loopback(const HostPort& address) {
  return address.host == "::1" || (address.host.starts_with("127.") && !canonical_v4(address.host).empty());
}

bool is_wildcard(const HostPort& address) { return address.host == "0.0.0.0" || address.host == "::"; }

}  // namespace hedgerow::config
