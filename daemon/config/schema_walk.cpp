#include "daemon/config/schema_walk.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>
#include <utility>

#include "daemon/config/suggestion.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

namespace {

// "a", "b" or "c"
std::string list_words(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (at > 0) out += at + 1 == words.size() ? " or " : ", ";
    out += quote_text(words[at]);
  }
  return out;
}

std::string did_you_mean(std::string_view nearest) {
  return nearest.empty() ? std::string{} : "; did you mean " + quote_text(nearest) + "?";
}

bool precedes(const Problem& left, const Problem& right) {
  return left.at.line != right.at.line ? left.at.line < right.at.line : left.at.column < right.at.column;
}

}  // namespace

void SchemaWalk::object(const JsonValue& value, std::span<const Field> fields) {
  if (value.kind != JsonKind::kObject) return unexpected(value, "an object { … }");
  std::vector<std::string_view> known;
  std::vector<std::string_view> absent;  // what is there already was not meant by a misspelt key
  for (const Field& field : fields) {
    if (field.presence == Presence::kLaterVersion) continue;
    known.push_back(field.key);
    if (value.find(field.key) == nullptr) absent.push_back(field.key);
  }
  std::vector<std::string_view> misspelt;
  for (const JsonMember& member : value.members) {
    const bool is_known =
        std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.key == member.key; });
    if (is_known) continue;
    misspelt.push_back(nearest_word(member.key, absent));
    problem_at_key(member.value, "unknown key" + (misspelt.back().empty() ? ", expected " + list_words(known)
                                                                          : did_you_mean(misspelt.back())));
  }
  for (const Field& field : fields) {
    const JsonValue* const member = value.find(field.key);
    if (member != nullptr && field.presence == Presence::kLaterVersion) {
      problem_at_key(*member, "this key is not in this version: remove it");
    } else if (member != nullptr) {
      field.read(*member);
    } else if (field.presence == Presence::kRequired &&
               std::find(misspelt.begin(), misspelt.end(), field.key) == misspelt.end()) {
      problem(value, "the key " + quote_text(field.key) + " is missing, expected " + std::string{field.expected});
    }
  }
}

void SchemaWalk::array(const JsonValue& value, const ArrayLimits& limits,
                       const std::function<void(const JsonValue&)>& read) {
  if (value.kind != JsonKind::kArray) return unexpected(value, limits.expected);
  if (value.members.empty() && !limits.allow_empty) {
    return problem(value, "found an empty array, expected " + std::string{limits.expected});
  }
  if (value.members.size() > limits.members_max) {
    return problem(value, "found " + std::to_string(value.members.size()) + " members, expected at most " +
                              std::to_string(limits.members_max));
  }
  for (const JsonMember& member : value.members) read(member.value);
}

std::optional<bool> SchemaWalk::boolean(const JsonValue& value) {
  if (value.kind == JsonKind::kBoolean) return value.boolean;
  unexpected(value, "true or false");
  return std::nullopt;
}

std::optional<std::uint64_t> SchemaWalk::whole_number(const JsonValue& value) const {
  if (value.kind != JsonKind::kNumber) return std::nullopt;
  const std::string_view digits = scan_.values[value.order].number;
  const char* const end = digits.data() + digits.size();
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc{} && rest == end ? std::optional{number} : std::nullopt;
}

std::optional<std::string_view> SchemaWalk::text(const JsonValue& value, std::string_view expected) {
  if (value.kind == JsonKind::kString) return value.text;
  unexpected(value, expected);
  return std::nullopt;
}

std::optional<std::size_t> SchemaWalk::word(const JsonValue& value, std::span<const std::string_view> words) {
  const std::string expected = list_words(words);
  if (value.kind != JsonKind::kString) {
    unexpected(value, expected);
    return std::nullopt;
  }
  const auto at = std::find(words.begin(), words.end(), value.text);
  if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  problem(value, "found " + found(value) + ", expected " + expected + did_you_mean(nearest_word(value.text, words)));
  return std::nullopt;
}

void SchemaWalk::problem(const JsonValue& value, std::string what) {
  problems_.push_back({scan_.values[value.order].at, path_of(value), std::move(what)});
}

void SchemaWalk::problem_at_key(const JsonValue& value, std::string what) {
  problems_.push_back({scan_.values[value.order].key_at, path_of(value), std::move(what)});
}

void SchemaWalk::unexpected(const JsonValue& value, std::string_view expected) {
  problem(value, "found " + found(value) + ", expected " + std::string{expected});
}

Problems SchemaWalk::take_problems() {
  std::stable_sort(problems_.begin(), problems_.end(), precedes);
  return std::exchange(problems_, {});
}

std::string SchemaWalk::found(const JsonValue& value) const {
  switch (value.kind) {
    case JsonKind::kNull: return "null";
    case JsonKind::kBoolean: return value.boolean ? "true" : "false";
    case JsonKind::kNumber: return "the number " + scan_.values[value.order].number;
    case JsonKind::kString: return "the text " + quote_text(value.text);
    case JsonKind::kArray: return "an array";
    case JsonKind::kObject: return "an object";
  }
  return "something else";
}

}  // namespace hedgerow::config
