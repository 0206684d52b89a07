#include "daemon/link_paho/resolve.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

namespace hedgerow::link_paho {

Expected<HostPort> split_host_port(std::string_view text) {
  const auto bad = [&] {
    return fail(Category::kInvalidInput, "\"" + std::string{text} + "\" is no peer: write HOST:PORT or [IPV6]:PORT");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return bad();
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535) return bad();
  return HostPort{.host = std::string{host}, .port = std::to_string(number)};
}

Expected<std::vector<std::string>> resolve(const HostPort& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int status = getaddrinfo(where.host.c_str(), where.port.c_str(), &hints, &list); status != 0) {
    return fail(Category::kUnavailable, "cannot look up \"" + where.host + "\": " + gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> host{};
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, host.data(), static_cast<socklen_t>(host.size()), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      continue;
    }
    const std::string text = entry->ai_family == AF_INET6 ? "[" + std::string{host.data()} + "]" : host.data();
    const std::string address = text + ":" + where.port;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  if (addresses.empty()) return fail(Category::kUnavailable, "\"" + where.host + "\" has no IP address");
  return addresses;
}

}  // namespace hedgerow::link_paho
