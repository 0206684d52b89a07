// Topic names and topic filters: MQTT 5.0 section 4.7 (the same rules in 3.1.1), and UTF-8 strings: section 1.5.4.
// Pure functions on borrowed text; no allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace hedgerow::mqtt {

// Well-formed UTF-8 without surrogates [MQTT-1.5.4-1] and without U+0000 [MQTT-1.5.4-2], at most 65,535 bytes. Control
// characters and non-characters, which section 1.5.4 lets a receiver refuse, are refused: they serve only to fool logs
// and terminals, and Mosquitto refuses them too.
[[nodiscard]] bool is_valid_utf8(std::string_view text);

// A name to publish to: valid UTF-8, not empty [MQTT-4.7.3-1], no '+' or '#' [MQTT-3.3.2-2].
[[nodiscard]] bool is_valid_topic_name(std::string_view topic);

// A filter to subscribe to: valid UTF-8, not empty, '+' alone in its level [MQTT-4.7.1-2], '#' alone in the last level
// [MQTT-4.7.1-1]. A shared filter of the form $share/GROUP/FILTER is judged by [MQTT-4.8.2-1] and [MQTT-4.8.2-2].
[[nodiscard]] bool is_valid_topic_filter(std::string_view filter);

// Does '+' or '#' occur anywhere?
[[nodiscard]] bool has_wildcard(std::string_view text);

// True for every filter that begins with "$share/", well-formed or not.
[[nodiscard]] bool is_shared_filter(std::string_view filter);

// True unless the filter begins with "$share/" without a group and a filter behind it: the part of
// is_valid_topic_filter that is about shares.
[[nodiscard]] bool is_valid_share(std::string_view filter);

struct SharedFilter {
  std::string_view share;         // the group's name; empty: not shared
  std::string_view topic_filter;  // what to match
};
// $share/GROUP/FILTER taken apart: section 4.8.2. REQUIRES: is_valid_share(filter).
[[nodiscard]] SharedFilter split_shared_filter(std::string_view filter);

// Separators plus one. Compare with kTopicLevelsMax.
[[nodiscard]] std::size_t topic_level_count(std::string_view topic);

// Does the filter match the name? Wildcards in the first level do not match names that begin with '$' [MQTT-4.7.2-1].
// REQUIRES: both valid, the filter not shared.
[[nodiscard]] bool matches(std::string_view filter, std::string_view topic);

}  // namespace hedgerow::mqtt
