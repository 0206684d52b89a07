#include "sync/base/json_text.hpp"

#include <optional>

namespace hedgerow {

namespace {

constexpr std::string_view kEscapeNames = "\"\\/bfnrt";
constexpr std::string_view kEscapeMeanings = "\"\\/\b\f\n\r\t";
constexpr std::size_t kUnicodeEscapeBytes = 6;  // \uXXXX

constexpr bool is_digit(char character) { return character >= '0' && character <= '9'; }

std::optional<std::uint32_t> hex_value(char character) {
  if (is_digit(character)) return static_cast<std::uint32_t>(character - '0');
  if (character >= 'a' && character <= 'f') return static_cast<std::uint32_t>(character - 'a') + 10;
  if (character >= 'A' && character <= 'F') return static_cast<std::uint32_t>(character - 'A') + 10;
  return std::nullopt;
}

// The code unit of the \uXXXX that the text begins with; none where it begins with anything else.
std::optional<std::uint32_t> code_unit(std::string_view text) {
  if (!text.starts_with("\\u") || text.size() < kUnicodeEscapeBytes) return std::nullopt;
  std::uint32_t unit = 0;
  for (const char character : text.substr(2, 4)) {
    const std::optional<std::uint32_t> nibble = hex_value(character);
    if (!nibble) return std::nullopt;
    unit = (unit << 4U) | *nibble;
  }
  return unit;
}

constexpr bool is_high_surrogate(std::uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool is_low_surrogate(std::uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

}  // namespace

JsonEscape read_json_escape(std::string_view text) {
  using Kind = JsonEscape::Kind;
  if (text.size() < 2) return {};
  if (const std::size_t which = kEscapeNames.find(text[1]); which != std::string_view::npos) {
    return {.kind = Kind::kCharacter, .bytes = 2, .code = static_cast<unsigned char>(kEscapeMeanings[which])};
  }
  if (text[1] != 'u') return {};
  const JsonEscape no_character = {.kind = Kind::kNoCharacter};
  const std::optional<std::uint32_t> unit = code_unit(text);
  if (!unit || is_low_surrogate(*unit)) return no_character;
  if (!is_high_surrogate(*unit)) return {.kind = Kind::kCharacter, .bytes = kUnicodeEscapeBytes, .code = *unit};
  const std::optional<std::uint32_t> low = code_unit(text.substr(kUnicodeEscapeBytes));
  if (!low || !is_low_surrogate(*low)) return no_character;
  return {.kind = Kind::kCharacter,
          .bytes = 2 * kUnicodeEscapeBytes,
          .code = 0x10000 + ((*unit - 0xD800) << 10U) + (*low - 0xDC00)};
}

bool is_json_number(std::string_view token) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < token.size() && is_digit(token[at])) ++at;
    return at - begin;
  };
  const auto accept = [&](std::string_view any_of) {
    if (at >= token.size() || any_of.find(token[at]) == std::string_view::npos) return false;
    ++at;
    return true;
  };
  accept("-");
  const bool leading_zero = at < token.size() && token[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (leading_zero && whole > 1)) return false;
  if (accept(".") && digits() == 0) return false;
  if (accept("eE")) {
    accept("+-");
    if (digits() == 0) return false;
  }
  return at == token.size();
}

void append_json_escaped(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && character != '"' && character != '\\') {
      out += character;
      continue;
    }
    out += '\\';
    if (const std::size_t which = kEscapeMeanings.find(character); which != std::string_view::npos) {
      out += kEscapeNames[which];
      continue;
    }
    out += "u00";
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 0x0FU];
  }
}

}  // namespace hedgerow
