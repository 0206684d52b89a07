#include "security/identity/host_address.hpp"

#include <arpa/inet.h>

#include <array>
#include <gsl/assert>

namespace hedgerow::security {

namespace {

constexpr std::size_t kHostNameBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;

// The bytes of an IP address; none where the text is no address. inet_pton computes, it asks nobody.
std::optional<std::string> ip_bytes(const std::string& text) {
  if (text.find('\0') != std::string::npos) return std::nullopt;  // the C function would stop reading there
  std::array<char, sizeof(in6_addr)> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return std::string{bytes.data(), sizeof(in_addr)};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return std::string{bytes.data(), sizeof(in6_addr)};
  return std::nullopt;
}

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

std::optional<HostAddress> read_host(std::string_view text) {
  if (std::optional<std::string> bytes = ip_bytes(std::string{text})) {
    return HostAddress{.kind = HostAddress::Kind::kIp, .value = *std::move(bytes)};
  }
  std::string name = to_lower(text);
  if (is_host_name(name)) return HostAddress{.kind = HostAddress::Kind::kName, .value = std::move(name)};
  return std::nullopt;
}

std::string to_string(const HostAddress& host) {
  if (host.kind == HostAddress::Kind::kName) return host.value;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* const written =
      inet_ntop(host.is_v4() ? AF_INET : AF_INET6, host.value.data(), text.data(), socklen_t{INET6_ADDRSTRLEN});
  Ensures(written != nullptr);
  return written;
}

Expected<HostAddress> parse_host_address(std::string_view text) {
  if (std::optional<HostAddress> host = read_host(text)) {
    const bool is_wildcard =
        host->kind == HostAddress::Kind::kIp && host->value.find_first_not_of('\0') == std::string::npos;
    if (!is_wildcard) return *std::move(host);
    return fail(Category::kInvalidInput, "stands for every address of a board: give the ones that clients dial");
  }
  return fail(Category::kInvalidInput,
              "is neither a host name nor an IP address: give it alone, without scheme, port or brackets, such as "
              "gw-barn.lan, 192.168.1.20 or fd00::20");
}

}  // namespace hedgerow::security
