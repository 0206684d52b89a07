// Who somebody is in a mesh, as their certificate says: pure values and rules, no cryptography.
//
// Certificate subject:  O = mesh, CN = node (or program) name, OU = role.
// Thread rule: plain values. Ownership: everything owns its text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::security {

enum class Role : std::uint8_t { kNode, kApp, kMonitor, kAdmin };

inline constexpr std::array kAllRoles = {Role::kNode, Role::kApp, Role::kMonitor, Role::kAdmin};

// "node", "app", "monitor", "admin": the text in the certificate's OU.
[[nodiscard]] std::string_view role_text(Role role);
[[nodiscard]] std::optional<Role> parse_role(std::string_view text);

// A small set of roles, for policies.
class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) bits_ = static_cast<std::uint8_t>(bits_ | bit(role));
  }
  [[nodiscard]] static constexpr RoleSet all() { return {Role::kNode, Role::kApp, Role::kMonitor, Role::kAdmin}; }
  [[nodiscard]] constexpr bool contains(Role role) const { return (bits_ & bit(role)) != 0; }

 private:
  [[nodiscard]] static constexpr std::uint8_t bit(Role role) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(role));
  }
  std::uint8_t bits_ = 0;
};

// What a verified certificate says about the one who holds its key.
struct PeerIdentity {
  std::string mesh;
  std::string node;
  Role role = Role::kNode;
  bool operator==(const PeerIdentity&) const = default;
};

inline constexpr std::size_t kNameLengthMax = 63;

// Names of meshes, nodes and programs are levels of topics, parts of file names and host names: 1 to 63 characters of
// a-z 0-9 - _ . beginning with a letter or a digit. The error names `what` ("node name") and the first offence.
[[nodiscard]] Expected<void> check_name(std::string_view what, std::string_view name);

}  // namespace hedgerow::security
