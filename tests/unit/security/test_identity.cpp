#include <catch2/catch_test_macros.hpp>
#include <string>

#include "security/identity/identity.hpp"

using namespace hedgerow;
using namespace hedgerow::security;

TEST_CASE("a name of letters, digits, dash, underscore and dot is accepted", "[identity]") {
  CHECK(check_name("node name", "gw-barn_2.lan"));
}

TEST_CASE("a name of 63 characters is accepted and of 64 refused with its length", "[identity]") {
  CHECK(check_name("node name", std::string(63, 'a')));
  const auto refused = check_name("node name", std::string(64, 'a'));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == "node name has 64 characters, at most 63 are allowed: shorten it");
}

TEST_CASE("an empty name is refused", "[identity]") { CHECK_FALSE(check_name("node name", "")); }

TEST_CASE("a forbidden character is named with its position", "[identity]") {
  const auto refused = check_name("node name", "gw/barn");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kInvalidInput);
  CHECK(refused.error().what == "node name has \"/\" at position 3: use only a-z 0-9 - _ .");
}

TEST_CASE("a control character is shown as a number", "[identity]") {
  const auto refused = check_name("node name", "a\nb");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == "node name has byte 0x0a at position 2: use only a-z 0-9 - _ .");
}

TEST_CASE("wildcards and capitals are no part of names", "[identity]") {
  for (const char* name : {"+", "#", "a+", "Barn", "b\xC3\xA4", "a b"}) CHECK_FALSE(check_name("node name", name));
}

TEST_CASE("a name that could climb directories or pose as an option is refused", "[identity]") {
  for (const char* name : {".", "..", "-f", "_x"}) CHECK_FALSE(check_name("node name", name));
}

TEST_CASE("every role has a text that parses back", "[identity]") {
  for (const Role role : kAllRoles) CHECK(parse_role(role_text(role)) == role);
  CHECK_FALSE(parse_role("root").has_value());
  CHECK_FALSE(parse_role("").has_value());
}

TEST_CASE("a set of roles contains what it was made of", "[identity]") {
  constexpr RoleSet kSome = {Role::kNode, Role::kAdmin};
  CHECK(kSome.contains(Role::kNode));
  CHECK(kSome.contains(Role::kAdmin));
  CHECK_FALSE(kSome.contains(Role::kApp));
  CHECK_FALSE(RoleSet{}.contains(Role::kNode));
  for (const Role role : kAllRoles) CHECK(RoleSet::all().contains(role));
}
