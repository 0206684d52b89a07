// Base64 of RFC 4648 section 4: with padding, without line breaks.
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sync/base/bytes.hpp"

namespace hedgerow {

inline constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

[[nodiscard]] inline std::string to_base64(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t have = bytes.size() - at < 3 ? bytes.size() - at : 3;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8U | (k < have ? bytes[at + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= have ? kBase64Digits[group >> (18U - 6U * k) & 0x3FU] : '=';
  }
  return out;
}

// Nothing: it is not base64. Bits that padding leaves over must be zero.
[[nodiscard]] inline std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t at = 0; at < text.size() - padding; ++at) {
    const std::size_t digit = kBase64Digits.find(text[at]);
    if (digit == std::string_view::npos) return std::nullopt;
    group = group << 6U | static_cast<std::uint32_t>(digit);
    if (at % 4 != 0) out.push_back(static_cast<std::uint8_t>(group >> (6U - 2U * (at % 4)) & 0xFFU));
  }
  const std::uint32_t left_over = padding == 2 ? group & 0x0FU : padding == 1 ? group & 0x03U : 0U;
  return left_over == 0 ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace hedgerow
