#include "daemon/monitor/system_text.hpp"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <string>
#include <system_error>

namespace hedgerow::monitor {

namespace {

std::string_view skip_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view{} : text.substr(first);
}

// Takes a number from the front of the text.
template <class Number>
std::optional<Number> take_number(std::string_view& text) {
  text = skip_blanks(text);
  Number number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return number;
}

// The same for "0.42". Not from_chars, which has large tables for it; the daemon stays in the locale "C".
std::optional<double> take_decimal(std::string_view& text) {
  text = skip_blanks(text);
  const std::string digits(text.substr(0, text.find_first_not_of("0123456789.")));
  if (digits.empty()) return std::nullopt;
  text.remove_prefix(digits.size());
  return std::strtod(digits.c_str(), nullptr);
}

// The bytes of a line "NAME:   12345 kB".
std::optional<std::uint64_t> kib_field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (!line.starts_with(name) || line.substr(name.size()).empty() || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    const std::optional<std::uint64_t> kib = take_number<std::uint64_t>(line);
    if (!kib || skip_blanks(line) != "kB" || *kib > std::numeric_limits<std::uint64_t>::max() / 1024) return {};
    return *kib * 1024;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Memory> parse_meminfo(std::string_view text) {
  const std::optional<std::uint64_t> total = kib_field(text, "MemTotal");
  const std::optional<std::uint64_t> available = kib_field(text, "MemAvailable");
  if (!total || !available) return std::nullopt;
  return Memory{.rss_bytes = 0, .total_bytes = *total, .available_bytes = *available};
}

std::optional<std::uint64_t> parse_rss_bytes(std::string_view text) { return kib_field(text, "VmRSS"); }

std::optional<Load> parse_loadavg(std::string_view text) {
  const std::optional<double> one = take_decimal(text);
  const std::optional<double> five = take_decimal(text);
  const std::optional<double> fifteen = take_decimal(text);
  if (!one || !five || !fifteen) return std::nullopt;
  return Load{.one_minute = *one, .five_minutes = *five, .fifteen_minutes = *fifteen};
}

std::optional<double> parse_temperature_c(std::string_view text) {
  const std::optional<std::int64_t> millidegrees = take_number<std::int64_t>(text);
  if (!millidegrees || text.find_first_not_of(" \n") != std::string_view::npos) return std::nullopt;
  if (*millidegrees < -60'000 || *millidegrees > 200'000) return std::nullopt;
  return static_cast<double>(*millidegrees) / 1000.0;
}

}  // namespace hedgerow::monitor
