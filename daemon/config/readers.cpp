#include "daemon/config/readers.hpp"

#include <utility>

#include "daemon/config/config.hpp"
#include "daemon/config/quantity.hpp"
#include "daemon/mqtt/topic.hpp"
#include "security/identity/identity.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

bool read_name(SchemaWalk& walk, const JsonValue& value, std::string_view of, std::string& out) {
  const std::optional<std::string_view> text = walk.text(value, kExpectName);
  if (!text) return false;
  const Expected<void> checked = security::check_name("the name of a " + std::string{of}, *text);
  if (!checked) {
    walk.problem(value, checked.error().what);
    return false;
  }
  out = *text;
  return true;
}

std::optional<HostPort> read_host_port(SchemaWalk& walk, const JsonValue& value, std::string_view expected) {
  const std::optional<std::string_view> text = walk.text(value, expected);
  if (!text) return std::nullopt;
  Expected<HostPort> address = parse_host_port(*text);
  if (address) return std::move(*address);
  walk.problem(value,
               "found " + quote_text(*text) + ": " + address.error().what + ", expected " + std::string{expected});
  return std::nullopt;
}

std::optional<std::chrono::seconds> read_duration(SchemaWalk& walk, const JsonValue& value,
                                                  const DurationRange& range) {
  const std::string or_word = range.word.empty() ? std::string{} : ", or " + quote_text(range.word);
  const std::string expected = std::string{kExpectDuration} + or_word;
  const std::optional<std::string_view> text = walk.text(value, expected);
  if (!text) return std::nullopt;
  if (!range.word.empty() && *text == range.word) return range.word_value;
  const std::optional<std::chrono::seconds> duration = parse_duration(*text);
  if (!duration) {
    walk.unexpected(value, expected);
    return std::nullopt;
  }
  if (*duration < range.min || *duration > range.max) {
    walk.unexpected(value, "from " + format_duration(range.min) + " to " + format_duration(range.max) + or_word);
    return std::nullopt;
  }
  return duration;
}

bool check_filter(SchemaWalk& walk, const JsonValue& value, std::string_view text) {
  if (text.size() > kFilterBytesMax) {
    walk.problem(value, "found a filter of " + std::to_string(text.size()) + " bytes, expected at most " +
                            std::to_string(kFilterBytesMax));
    return false;
  }
  if (!mqtt::is_valid_topic_filter(text)) {
    walk.unexpected(value, std::string{kExpectTopicFilter} + ": + stands alone in its level, # alone in the last one");
    return false;
  }
  return true;
}

void UniqueTexts::insert(const JsonValue& value, const std::string& text) {
  const auto [first, is_new] = seen_.emplace(text, &value);
  if (is_new) return;
  walk_.problem(value, std::string{what_} + " " + quote_text(text) + " stands twice, first at " +
                           walk_.path_of(*first->second) + ": " + std::string{remedy_});
}

}  // namespace hedgerow::config
