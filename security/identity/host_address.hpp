// Under what clients reach a board: a host name or an IP address, as a certificate's subjectAltName holds it.
// Pure: nothing is resolved. Thread rule: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::security {

struct HostAddress {
  enum class Kind : std::uint8_t { kName, kIp };
  Kind kind = Kind::kName;
  std::string value{};  // the name in lower case; or the 4 or 16 bytes of the address, in network order

  [[nodiscard]] bool is_v4() const { return kind == Kind::kIp && value.size() == 4; }
  [[nodiscard]] bool is_v6() const { return kind == Kind::kIp && value.size() == 16; }

  bool operator==(const HostAddress&) const = default;
};

// Beside its own name, that one certificate may hold.
inline constexpr std::size_t kHostAddressesMax = 16;

// What the text names, without judging it; none where it is neither a host name nor an IP address.
[[nodiscard]] std::optional<HostAddress> read_host(std::string_view text);

// The canonical text of an IP address, without brackets; a name as it is.
[[nodiscard]] std::string to_string(const HostAddress& host);

// Names are those of RFC 1123, "_" being allowed: up to 253 bytes. The error says what is wrong with the text and what
// to give instead, without repeating the text. Refused are also 0.0.0.0 and ::, which nobody can dial.
[[nodiscard]] Expected<HostAddress> parse_host_address(std::string_view text);

}  // namespace hedgerow::security
