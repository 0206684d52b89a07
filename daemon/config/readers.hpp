// What several sections of the configuration read alike: names, addresses, durations, filters. Not for others than
// this folder's parser.
// Pure. Thread rule: free functions without state; a UniqueTexts has one owner.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/config/host_port.hpp"
#include "daemon/config/schema_walk.hpp"

namespace hedgerow::config {

inline constexpr std::string_view kExpectName = "a name";
inline constexpr std::string_view kExpectTopicFilter = "an MQTT topic filter, such as \"sensors/#\"";
inline constexpr std::string_view kExpectDuration = "a duration such as \"7d\", \"24h\", \"90m\" or \"30s\"";
inline constexpr std::string_view kExpectSize = "a size such as \"64MiB\" or \"512KiB\"";
inline constexpr std::string_view kGiveEachItsOwn = "give each its own";

// Each notes a problem where it returns none or false.

// True iff `out` was set. `of`: "channel".
bool read_name(SchemaWalk& walk, const JsonValue& value, std::string_view of, std::string& out);

[[nodiscard]] std::optional<HostPort> read_host_port(SchemaWalk& walk, const JsonValue& value,
                                                     std::string_view expected);

struct DurationRange {
  std::chrono::seconds min;
  std::chrono::seconds max;
  std::string_view word = {};  // a text that is no duration and allowed, for `word_value`
  std::chrono::seconds word_value{};
};
[[nodiscard]] std::optional<std::chrono::seconds> read_duration(SchemaWalk& walk, const JsonValue& value,
                                                                const DurationRange& range);

// Valid by MQTT, not shared, at most kFilterBytesMax; `text` is what is judged where it differs from the value.
[[nodiscard]] bool check_filter(SchemaWalk& walk, const JsonValue& value, std::string_view text);

// Remembers each text, and reports the second value that has the same one.
class UniqueTexts {
 public:
  UniqueTexts(SchemaWalk& walk, std::string_view what, std::string_view remedy)
      : walk_(walk), what_(what), remedy_(remedy) {}

  void insert(const JsonValue& value, const std::string& text);

 private:
  SchemaWalk& walk_;
  std::string_view what_;
  std::string_view remedy_;
  std::map<std::string, const JsonValue*> seen_;
};

}  // namespace hedgerow::config
