#include "security/identity/identity.hpp"

#include <cstddef>

namespace hedgerow::security {

namespace {

bool is_letter_or_digit(char character) {
  return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

bool is_name_character(char character) {
  return is_letter_or_digit(character) || character == '-' || character == '_' || character == '.';
}

std::string printable(char character) {
  const auto value = static_cast<unsigned char>(character);
  if (value > 0x20 && value < 0x7F) return std::string{"\""} + character + "\"";
  constexpr std::string_view kDigits = "0123456789abcdef";
  return std::string{"byte 0x"} + kDigits[value >> 4U] + kDigits[value & 0x0FU];
}

}  // namespace

std::string_view role_text(Role role) {
  switch (role) {
    case Role::kNode: return "node";
    case Role::kApp: return "app";
    case Role::kMonitor: return "monitor";
    case Role::kAdmin: return "admin";
  }
  return "unknown";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : kAllRoles) {
    if (role_text(role) == text) return role;
  }
  return std::nullopt;
}

Expected<void> check_name(std::string_view what, std::string_view name) {
  const std::string subject{what};
  if (name.empty()) return fail(Category::kInvalidInput, subject + " is empty: give 1 to 63 of a-z 0-9 - _ .");
  if (name.size() > kNameLengthMax) {
    return fail(Category::kInvalidInput,
                subject + " has " + std::to_string(name.size()) + " characters, at most 63 are allowed: shorten it");
  }
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (!is_name_character(name[at])) {
      return fail(Category::kInvalidInput, subject + " has " + printable(name[at]) + " at position " +
                                               std::to_string(at + 1) + ": use only a-z 0-9 - _ .");
    }
  }
  if (!is_letter_or_digit(name.front())) {
    return fail(Category::kInvalidInput,
                subject + " begins with \"" + name.front() + "\": begin with a letter a-z or a digit");
  }
  return {};
}

}  // namespace hedgerow::security
