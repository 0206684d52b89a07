#include "daemon/mqtt/topic.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "daemon/mqtt/limits.hpp"

namespace hedgerow::mqtt {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

std::uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

bool is_continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (byte_at(text, at) & 0xC0U) == 0x80;
}

// True iff the eight bytes are printable ASCII: the common case, tested at once.
bool is_plain_ascii(const char* eight) {
  constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080U;
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101U;
  std::uint64_t word = 0;
  std::memcpy(&word, eight, sizeof word);
  // Without high bits, subtracting 0x20 from each byte sets a high bit iff one is less, adding one iff one is 0x7F.
  return ((word | (word - 0x20 * kOnes) | (word + kOnes)) & kHighBits) == 0;
}

// Length of the well-formed sequence at `at`, or 0. The table of Unicode 15, section 3.9, "Well-Formed UTF-8".
std::size_t sequence_bytes(std::string_view text, std::size_t at) {
  const std::uint8_t lead = byte_at(text, at);
  if (lead < 0x20 || lead == 0x7F) return 0;  // U+0000 [MQTT-1.5.4-2]; control characters
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (!is_continuation(text, at + 1)) return 0;
  const std::uint8_t second = byte_at(text, at + 1);
  if (lead < 0xE0) return lead == 0xC2 && second < 0xA0 ? 0 : 2;  // U+0080 to U+009F: control characters
  if (!is_continuation(text, at + 2)) return 0;
  if (lead < 0xF0) {
    if (lead == 0xE0 && second < 0xA0) return 0;  // overlong
    if (lead == 0xED && second > 0x9F) return 0;  // surrogates [MQTT-1.5.4-1]
    if (lead != 0xEF) return 3;
    const std::uint8_t third = byte_at(text, at + 2);
    const bool is_non_character =  // U+FDD0 to U+FDEF, U+FFFE, U+FFFF
        (second == 0xB7 && third >= 0x90 && third <= 0xAF) || (second == 0xBF && third >= 0xBE);
    return is_non_character ? 0 : 3;
  }
  if (!is_continuation(text, at + 3)) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;  // overlong
  if (lead == 0xF4 && second > 0x8F) return 0;  // above U+10FFFF
  // U+nFFFE and U+nFFFF, the last two of each plane, are non-characters.
  const bool ends_plane = (second & 0x0FU) == 0x0F && byte_at(text, at + 2) == 0xBF && byte_at(text, at + 3) >= 0xBE;
  return ends_plane ? 0 : 4;
}

struct Split {
  std::string_view level;
  std::string_view rest;
  bool more;
};

Split split_level(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, slash), text.substr(slash + 1), true};
}

bool has_well_placed_wildcards(std::string_view filter) {
  for (;;) {
    const Split split = split_level(filter);
    const bool is_wildcard = split.level == "+" || split.level == "#";
    if (!is_wildcard && has_wildcard(split.level)) return false;  // [MQTT-4.7.1-2]
    if (!split.more) return true;
    if (split.level == "#") return false;  // [MQTT-4.7.1-1]
    filter = split.rest;
  }
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  if (text.size() > kStringBytesMax) return false;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text.size() - at >= 8 && is_plain_ascii(text.data() + at)) {
      at += 8;
      continue;
    }
    const std::size_t bytes = sequence_bytes(text, at);
    if (bytes == 0) return false;
    at += bytes;
  }
  return true;
}

bool has_wildcard(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c == '+' || c == '#'; });
}

bool is_valid_topic_name(std::string_view topic) {
  return !topic.empty() && !has_wildcard(topic) && is_valid_utf8(topic);
}

bool is_valid_topic_filter(std::string_view filter) {
  if (filter.empty() || !is_valid_utf8(filter) || !is_valid_share(filter)) return false;
  return has_well_placed_wildcards(split_shared_filter(filter).topic_filter);
}

bool is_valid_share(std::string_view filter) {
  if (!is_shared_filter(filter)) return true;
  const Split group = split_level(filter.substr(kSharePrefix.size()));
  if (group.level.empty() || has_wildcard(group.level)) return false;  // [MQTT-4.8.2-1]
  return group.more && !group.rest.empty();                            // [MQTT-4.8.2-2]
}

bool is_shared_filter(std::string_view filter) { return filter.starts_with(kSharePrefix); }

SharedFilter split_shared_filter(std::string_view filter) {
  if (!is_shared_filter(filter)) return {{}, filter};
  const Split group = split_level(filter.substr(kSharePrefix.size()));
  return {group.level, group.rest};
}

std::size_t topic_level_count(std::string_view topic) {
  return 1 + static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/'));
}

bool matches(std::string_view filter, std::string_view topic) {
  const bool starts_with_wildcard = filter.starts_with('+') || filter.starts_with('#');
  if (starts_with_wildcard && topic.starts_with('$')) return false;  // [MQTT-4.7.2-1]
  for (;;) {
    const Split wanted = split_level(filter);
    if (wanted.level == "#") return true;
    const Split given = split_level(topic);
    if (wanted.level != "+" && wanted.level != given.level) return false;
    // "sport/#" matches "sport" too: section 4.7.1.2.
    if (!given.more) return !wanted.more || wanted.rest == "#";
    if (!wanted.more) return false;
    filter = wanted.rest;
    topic = given.rest;
  }
}

}  // namespace hedgerow::mqtt
