#include "daemon/node/replay_since.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "daemon/config/quantity.hpp"
#include "daemon/node/user_properties.hpp"

namespace hedgerow::node {

namespace {

// Reads the text from the left; the first mismatch fails everything that follows.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  unsigned digits(std::size_t count) {
    unsigned value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value * 10 + digit();
    return value;
  }
  // One of these characters; which one.
  char any_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) {
      failed_ = true;
      return '\0';
    }
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  // A point and digits, if there is one, in milliseconds.
  unsigned fraction_ms() {
    if (rest_.empty() || rest_.front() != '.') return 0;
    rest_.remove_prefix(1);
    unsigned value = digit() * 100;
    for (unsigned weight = 10; next_is_digit(); weight /= 10) value += digit() * weight;
    return value;
  }
  [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

 private:
  [[nodiscard]] bool next_is_digit() const { return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; }
  unsigned digit() {
    if (!next_is_digit()) {
      failed_ = true;
      return 0;
    }
    const unsigned value = static_cast<unsigned>(rest_.front() - '0');
    rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
  bool failed_ = false;
};

// RFC 3339 section 5.6, date-time. The leap second 23:59:60 is the second after it.
std::optional<std::int64_t> parse_rfc3339_ms(std::string_view text) {
  using namespace std::chrono;
  Scanner in(text);
  const unsigned year_number = in.digits(4);
  in.any_of("-");
  const unsigned month_number = in.digits(2);
  in.any_of("-");
  const unsigned day_number = in.digits(2);
  in.any_of("Tt ");
  const unsigned hour = in.digits(2);
  in.any_of(":");
  const unsigned minute = in.digits(2);
  in.any_of(":");
  const unsigned second = in.digits(2);
  const unsigned fraction_ms = in.fraction_ms();
  const char zone = in.any_of("Zz+-");
  unsigned zone_hours = 0;
  unsigned zone_minutes = 0;
  if (zone == '+' || zone == '-') {
    zone_hours = in.digits(2);
    in.any_of(":");
    zone_minutes = in.digits(2);
  }
  const year_month_day date{year{static_cast<int>(year_number)}, month{month_number}, day{day_number}};
  if (!in.finished() || !date.ok() || hour > 23 || minute > 59 || second > 60 || zone_hours > 23 || zone_minutes > 59) {
    return std::nullopt;
  }
  const minutes offset = hours{zone_hours} + minutes{zone_minutes};
  const seconds local = sys_days{date}.time_since_epoch() + hours{hour} + minutes{minute} + seconds{second};
  const seconds utc = zone == '-' ? local + offset : local - offset;
  return milliseconds{utc}.count() + fraction_ms;
}

// At most 40 bytes of it, and whole characters of UTF-8.
std::string excerpt(std::string_view text) {
  constexpr std::size_t kBytesMax = 40;
  if (text.size() <= kBytesMax) return "\"" + std::string(text) + "\"";
  std::size_t end = kBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return "\"" + std::string(text.substr(0, end)) + "…\"";
}

constexpr std::string_view kRemedy =
    ": give a duration such as 90s, 15m, 24h or 7d, or a time such as 2026-11-22T03:00:00Z";

std::optional<std::uint64_t> since_of(std::string_view text, const WallTime& now) {
  if (const std::optional<std::chrono::seconds> age = config::parse_duration(text)) {
    const std::uint64_t age_s = static_cast<std::uint64_t>(age->count());
    return age_s > now.unix_ms / 1'000 ? 0 : now.unix_ms - age_s * 1'000;
  }
  if (const std::optional<std::int64_t> since_ms = parse_rfc3339_ms(text)) {
    return std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(*since_ms, 0)), now.unix_ms);
  }
  return std::nullopt;
}

}  // namespace

Expected<std::uint64_t> parse_since(std::string_view text, const WallTime& now) {
  if (const auto since_ms = since_of(text, now)) return *since_ms;
  return fail(Category::kInvalidInput, excerpt(text) + " is neither a duration nor a time" + std::string(kRemedy));
}

Expected<std::uint64_t> parse_replay_since(std::string_view text, const WallTime& now) {
  if (const auto since_ms = since_of(text, now)) return *since_ms;
  return fail(Category::kInvalidInput, std::string(kReplayProperty) + " is " + excerpt(text) + std::string(kRemedy));
}

}  // namespace hedgerow::node
