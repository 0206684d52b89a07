// "limits": every bound that may be changed, its range, and how they fit together (G6).

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/limits_config.hpp"
#include "daemon/config/quantity.hpp"
#include "daemon/config/readers.hpp"
#include "daemon/config/sections.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kMi = kKi * kKi;
constexpr std::uint64_t kGi = kMi * kKi;

constexpr DurationRange kConnectTimeout{.min = std::chrono::seconds{1}, .max = std::chrono::minutes{5}};
// MQTT counts a keep alive in 16 bits of seconds (3.1.2.10).
constexpr DurationRange kKeepAliveMax{
    .min = std::chrono::seconds{5}, .max = std::chrono::seconds{65'535}, .word = "never", .word_value = {}};

struct Range {
  std::uint64_t min;
  std::uint64_t max;
};

template <class T>
struct Bound {
  std::string_view key;
  T Limits::*member;
  Range range;
};

constexpr Bound<std::uint32_t> kConnections{"connections", &Limits::connections, {1, 1'000'000}};
constexpr Bound<std::uint32_t> kConnectionsPerAddress{
    "connections_per_address", &Limits::connections_per_address, {1, 1'000'000}};
// A packet that may be sent must fit into the log; a will is part of a CONNECT.
constexpr Bound<std::uint32_t> kPacketBytes{"packet_bytes", &Limits::packet_bytes, {kKi, kMi}};
constexpr Bound<std::uint32_t> kWillBytes{"will_bytes", &Limits::will_bytes, {0, 48 * kKi}};
constexpr Bound<std::uint64_t> kSessionQueueBytes{"session_queue_bytes", &Limits::session_queue_bytes, {16 * kKi, kGi}};
// Queues are in memory, and a 32-bit board cannot address more.
constexpr Bound<std::uint64_t> kQueueBytes{"queue_bytes", &Limits::queue_bytes, {kMi, 2 * kGi}};

constexpr Bound<std::uint64_t> kSubscriptionBytes{"subscription_bytes", &Limits::subscription_bytes, {kMi, kGi}};
// Two of the largest packets.
constexpr Bound<std::uint64_t> kUnfinishedBytes{"unfinished_bytes", &Limits::unfinished_bytes, {2 * kMi, kGi}};

constexpr std::array kCounts32 = {
    kConnections,
    kConnectionsPerAddress,
    Bound<std::uint32_t>{"subscriptions_per_session", &Limits::subscriptions_per_session, {1, 100'000}},
    Bound<std::uint32_t>{"topic_levels", &Limits::topic_levels, {1, 200}},
    Bound<std::uint32_t>{"sessions", &Limits::sessions, {0, 1'000'000}},
    Bound<std::uint32_t>{"retained_messages", &Limits::retained_messages, {0, 100'000'000}},
};
constexpr std::array kCounts16 = {
    Bound<std::uint16_t>{"receive_maximum", &Limits::receive_maximum, {1, 65'535}},
    Bound<std::uint16_t>{"in_flight", &Limits::in_flight, {1, 65'535}},
    Bound<std::uint16_t>{"topic_aliases", &Limits::topic_aliases, {0, 65'535}},
};
constexpr std::array kCounts8 = {
    Bound<std::uint8_t>{"maximum_qos", &Limits::maximum_qos, {0, 2}},
};
constexpr std::array kSizes32 = {kPacketBytes, kWillBytes};
constexpr std::array kSizes64 = {kSessionQueueBytes, kQueueBytes, kSubscriptionBytes, kUnfinishedBytes};

// A size as text, or a number of bytes.
std::optional<std::uint64_t> read_bytes(SchemaWalk& walk, const JsonValue& value, const Range& range) {
  const std::string expected = std::string{kExpectSize} + ", or a number of bytes";
  std::optional<std::uint64_t> bytes;
  if (value.kind == JsonKind::kNumber) {
    bytes = walk.whole_number(value);
  } else {
    const std::optional<std::string_view> text = walk.text(value, expected);
    if (!text) return std::nullopt;
    bytes = parse_size(*text);
  }
  if (bytes && *bytes >= range.min && *bytes <= range.max) return bytes;
  walk.unexpected(value, bytes ? "from " + format_size(range.min) + " to " + format_size(range.max) : expected);
  return std::nullopt;
}

std::optional<std::uint64_t> read_count(SchemaWalk& walk, const JsonValue& value, const Range& range) {
  const std::optional<std::uint64_t> count = walk.whole_number(value);
  if (count && *count >= range.min && *count <= range.max) return count;
  walk.unexpected(value, "a whole number from " + std::to_string(range.min) + " to " + std::to_string(range.max));
  return std::nullopt;
}

template <class T, std::size_t kBounds, class Read>
void add_fields(std::vector<Field>& fields, SchemaWalk& walk, Limits& limits,
                const std::array<Bound<T>, kBounds>& bounds, Read read) {
  for (const Bound<T>& bound : bounds) {
    fields.push_back({bound.key, kOptional, {}, [&walk, &limits, &bound, read](const JsonValue& value) {
                        const std::optional<std::uint64_t> found = read(walk, value, bound.range);
                        if (found) limits.*bound.member = static_cast<T>(*found);
                      }});
  }
}

struct Amount {
  std::string_view key;
  std::uint64_t value;
  std::string shown;
};

// The lesser of two bounds, where the file does not give it, follows the greater one down.
template <class T, class U>
void fit(SchemaWalk& walk, const JsonValue& object, Limits& limits, const Bound<T>& lesser, const Bound<U>& greater,
         std::string (*show)(std::uint64_t)) {
  T& lesser_value = limits.*lesser.member;
  const U greater_value = limits.*greater.member;
  if (lesser_value <= greater_value) return;
  const JsonValue* const given = object.find(lesser.key);
  if (given == nullptr) {
    lesser_value = static_cast<T>(greater_value);
    return;
  }
  walk.problem(*given, "found " + show(lesser_value) + ", but \"" + std::string{greater.key} + "\" is " +
                           show(greater_value) + ": lower the one or raise the other");
}

std::string show_count(std::uint64_t count) { return std::to_string(count); }

}  // namespace

void read_limits(SchemaWalk& walk, const JsonValue& value, Config& config) {
  const std::size_t problems_before = walk.problem_count();
  Limits& limits = config.limits;
  std::vector<Field> fields;
  add_fields(fields, walk, limits, kCounts32, read_count);
  add_fields(fields, walk, limits, kCounts16, read_count);
  add_fields(fields, walk, limits, kCounts8, read_count);
  add_fields(fields, walk, limits, kSizes32, read_bytes);
  add_fields(fields, walk, limits, kSizes64, read_bytes);
  fields.push_back({"connect_timeout", kOptional, {}, [&](const JsonValue& member) {
                      limits.connect_timeout =
                          read_duration(walk, member, kConnectTimeout).value_or(limits.connect_timeout);
                    }});
  fields.push_back({"keep_alive_max", kOptional, {}, [&](const JsonValue& member) {
                      limits.keep_alive_max =
                          read_duration(walk, member, kKeepAliveMax).value_or(limits.keep_alive_max);
                    }});
  walk.object(value, fields);
  if (value.kind != JsonKind::kObject || walk.problem_count() != problems_before) return;
  fit(walk, value, limits, kConnectionsPerAddress, kConnections, show_count);
  fit(walk, value, limits, kWillBytes, kPacketBytes, format_size);
  fit(walk, value, limits, kSessionQueueBytes, kQueueBytes, format_size);
}

}  // namespace hedgerow::config
