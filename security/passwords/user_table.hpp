// The users that log in with a password, as the file DATA/users holds them.
//
//   file = { line LF }            line = "#" any text | nothing | name ":pbkdf2-sha512:" iterations ":" salt ":" hash
//   name = 1 to 63 of A-Z a-z 0-9 - _ . @, the first a letter or a digit
//   iterations = decimal, 1000 to 10000000        salt = 32 to 128 hexadecimal digits        hash = 128 of them
//
// Pure: hashing is the adapter's (security/passwords_mbedtls). Thread rule: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// Limits (G6).
inline constexpr std::size_t kUsersMax = 10'000;
inline constexpr std::size_t kUserNameBytesMax = 63;
inline constexpr std::size_t kUsersFileBytesMax = std::size_t{4} << 20U;
inline constexpr std::uint32_t kIterationsMin = 1'000;
inline constexpr std::uint32_t kIterationsMax = 10'000'000;
inline constexpr std::size_t kSaltBytesMin = 16;
inline constexpr std::size_t kSaltBytesMax = 64;
inline constexpr std::size_t kPasswordHashBytes = 64;  // SHA-512

static_assert(kUsersMax * (kUserNameBytesMax + 32 + 2 * (kSaltBytesMax + kPasswordHashBytes)) <= kUsersFileBytesMax,
              "a file of as many users as there may be can be read again");

struct PasswordHash {
  std::uint32_t iterations = 0;
  Bytes salt{};
  std::array<std::uint8_t, kPasswordHashBytes> hash{};

  bool operator==(const PasswordHash&) const = default;
};

struct User {
  std::string name{};
  PasswordHash password{};

  bool operator==(const User&) const = default;
};

// The error says which character is wrong.
[[nodiscard]] Expected<void> check_user_name(std::string_view name);

class UserTable {
 public:
  // kCorrupt names the line and what is wrong with it; kLimit: more than kUsersMax.
  [[nodiscard]] static Expected<UserTable> parse(std::string_view text);
  // The inverse, comments left out: a head line that says what the file is, then a line for each user, by name.
  [[nodiscard]] std::string format() const;

  // Null when there is none of that name.
  [[nodiscard]] const PasswordHash* find(std::string_view name) const;
  // Adds or replaces. kInvalidInput: the name; kLimit: one more than kUsersMax.
  [[nodiscard]] Expected<void> put(std::string_view name, PasswordHash password);
  // False: there was none of that name.
  bool erase(std::string_view name);

  // By name.
  [[nodiscard]] const std::vector<User>& users() const { return users_; }

 private:
  std::vector<User> users_;  // ordered by name
};

}  // namespace hedgerow::security
