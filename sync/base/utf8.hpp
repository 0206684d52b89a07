// UTF-8 (RFC 3629): checking, writing, and showing text in messages.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hedgerow {

// The bytes of the character that the text begins with; 1 where that is not UTF-8, 0 for an empty text.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

// Where the first byte stands that begins no character.
[[nodiscard]] std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// REQUIRES: code is a Unicode scalar value.
void append_utf8(std::string& out, std::uint32_t code);

// In double quotes, for a message: control characters as \xNN, at most 60 bytes, the rest as "…".
[[nodiscard]] std::string quote_text(std::string_view text);

}  // namespace hedgerow
