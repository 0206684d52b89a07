#include "security/passwords/user_table.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>

namespace hedgerow::security {

namespace {

constexpr std::string_view kScheme = "pbkdf2-sha512";
constexpr std::string_view kHead = "# Users of hedgerowd: hedgerow user add|remove|list changes and shows them.\n";

bool is_letter_or_digit(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9');
}

std::optional<std::uint8_t> hex_digit(char character) {
  if (character >= '0' && character <= '9') return static_cast<std::uint8_t>(character - '0');
  if (character >= 'a' && character <= 'f') return static_cast<std::uint8_t>(character - 'a' + 10);
  if (character >= 'A' && character <= 'F') return static_cast<std::uint8_t>(character - 'A' + 10);
  return std::nullopt;
}

std::optional<Bytes> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const std::optional<std::uint8_t> high = hex_digit(text[at]);
    const std::optional<std::uint8_t> low = hex_digit(text[at + 1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(*high) << 4U | *low));
  }
  return bytes;
}

// Cuts the text at the next ":"; the last field is what is left.
std::string_view take_field(std::string_view& rest) {
  const std::size_t colon = rest.find(':');
  const std::string_view field = rest.substr(0, colon);
  rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
  return field;
}

Expected<User> parse_line(std::string_view line) {
  const auto wrong = [](std::string what) { return fail(Category::kCorrupt, std::move(what)); };
  if (std::count(line.begin(), line.end(), ':') != 4) {
    return wrong("is not NAME:pbkdf2-sha512:ITERATIONS:SALT:HASH");
  }
  User user;
  user.name = take_field(line);
  if (const Expected<void> named = check_user_name(user.name); !named) return wrong(named.error().what);
  if (take_field(line) != kScheme) return wrong("has another scheme than pbkdf2-sha512");
  const std::string_view iterations = take_field(line);
  const char* const end = iterations.data() + iterations.size();
  const auto [rest, error] = std::from_chars(iterations.data(), end, user.password.iterations);
  if (error != std::errc{} || rest != end || user.password.iterations < kIterationsMin ||
      user.password.iterations > kIterationsMax) {
    return wrong("has a number of iterations that is not from 1000 to 10000000");
  }
  std::optional<Bytes> salt = parse_hex(take_field(line));
  if (!salt || salt->size() < kSaltBytesMin || salt->size() > kSaltBytesMax) {
    return wrong("has a salt that is not 32 to 128 hexadecimal digits");
  }
  user.password.salt = std::move(*salt);
  const std::optional<Bytes> hash = parse_hex(take_field(line));
  if (!hash || hash->size() != kPasswordHashBytes) return wrong("has a hash that is not 128 hexadecimal digits");
  std::copy(hash->begin(), hash->end(), user.password.hash.begin());
  return user;
}

bool precedes(const User& user, std::string_view name) { return user.name < name; }

}  // namespace

Expected<void> check_user_name(std::string_view name) {
  if (name.empty()) return fail(Category::kInvalidInput, "the user name is empty: give 1 to 63 of A-Z a-z 0-9 - _ . @");
  if (name.size() > kUserNameBytesMax) {
    return fail(Category::kInvalidInput,
                "the user name has " + std::to_string(name.size()) + " characters, at most 63 are allowed: shorten it");
  }
  constexpr std::string_view kOthers = "-_.@";
  for (std::size_t at = 0; at < name.size(); ++at) {
    const bool is_fine = is_letter_or_digit(name[at]) || (at > 0 && kOthers.find(name[at]) != std::string_view::npos);
    if (is_fine) continue;
    return fail(Category::kInvalidInput, "the user name has a character at position " + std::to_string(at + 1) +
                                             " that is not allowed: use A-Z a-z 0-9 - _ . @, first a letter or digit");
  }
  return {};
}

Expected<UserTable> UserTable::parse(std::string_view text) {
  UserTable table;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.empty() || line.starts_with('#')) continue;
    Expected<User> user = parse_line(line);
    if (!user) return fail(Category::kCorrupt, "line " + std::to_string(number) + " " + user.error().what);
    if (table.find(user->name) != nullptr) {
      return fail(Category::kCorrupt, "line " + std::to_string(number) + " names " + user->name + " a second time");
    }
    const Expected<void> added = table.put(user->name, std::move(user->password));
    if (!added) return tl::unexpected<Error>(added.error());
  }
  return table;
}

std::string UserTable::format() const {
  std::string out{kHead};
  for (const User& user : users_) {
    out += user.name + ":" + std::string{kScheme} + ":" + std::to_string(user.password.iterations) + ":" +
           to_hex(user.password.salt) + ":" + to_hex(user.password.hash) + "\n";
  }
  return out;
}

const PasswordHash* UserTable::find(std::string_view name) const {
  const auto at = std::lower_bound(users_.begin(), users_.end(), name, precedes);
  return at != users_.end() && at->name == name ? &at->password : nullptr;
}

Expected<void> UserTable::put(std::string_view name, PasswordHash password) {
  if (const Expected<void> checked = check_user_name(name); !checked) return checked;
  const auto at = std::lower_bound(users_.begin(), users_.end(), name, precedes);
  if (at != users_.end() && at->name == name) {
    at->password = std::move(password);
    return {};
  }
  if (users_.size() == kUsersMax) {
    return fail(Category::kLimit, "there are " + std::to_string(kUsersMax) + " users already: remove some first");
  }
  users_.insert(at, User{.name = std::string{name}, .password = std::move(password)});
  return {};
}

bool UserTable::erase(std::string_view name) {
  const auto at = std::lower_bound(users_.begin(), users_.end(), name, precedes);
  if (at == users_.end() || at->name != name) return false;
  users_.erase(at);
  return true;
}

}  // namespace hedgerow::security
