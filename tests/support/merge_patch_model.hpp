// A model of documents that does what RFC 7396 says, literally, with every patch in the order of writes; and patches to
// try it with. Thread rule: plain values.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {

struct JsonModel {
  std::string text;  // a scalar or an array; empty: an object
  std::map<std::string, JsonModel> members;

  [[nodiscard]] bool is_object() const { return text.empty(); }
};

// RFC 7396, section 2. `target` null: it does not exist.
inline JsonModel merge_patch(const JsonModel* target, const JsonModel& patch) {
  if (!patch.is_object()) return patch;
  JsonModel result = target != nullptr && target->is_object() ? *target : JsonModel{};
  for (const auto& [name, value] : patch.members) {
    if (value.text == "null") {
      result.members.erase(name);
      continue;
    }
    const auto old = result.members.find(name);
    result.members[name] = merge_patch(old == result.members.end() ? nullptr : &old->second, value);
  }
  return result;
}

inline std::string to_text(const JsonModel& value, std::string_view space = "") {
  if (!value.is_object()) return value.text;
  std::string out = "{";
  for (const auto& [name, member] : value.members) {
    if (out.size() > 1) out += ",";
    out += std::string{space} + "\"" + name + "\":" + std::string{space} + to_text(member, space);
  }
  return out + "}";
}

// Reads what to_text() writes, with any space: names and strings without quotes, braces and commas in them.
inline JsonModel from_text(std::string_view& in) {
  const auto skip_space = [&in] {
    while (in.starts_with(' ')) in.remove_prefix(1);
  };
  skip_space();
  JsonModel out;
  if (!in.starts_with('{')) {
    std::size_t depth = 0;
    std::size_t end = 0;
    for (; end < in.size() && (depth > 0 || (in[end] != ',' && in[end] != '}')); ++end) {
      if (in[end] == '[') ++depth;
      if (in[end] == ']') --depth;
    }
    out.text = in.substr(0, end);
    in.remove_prefix(end);
    return out;
  }
  in.remove_prefix(1);
  for (skip_space(); !in.starts_with('}'); skip_space()) {
    if (in.starts_with(',')) in.remove_prefix(1);
    skip_space();
    const std::size_t end = in.find('"', 1);
    const std::string name(in.substr(1, end - 1));
    in.remove_prefix(end + 2);
    out.members[name] = from_text(in);
  }
  in.remove_prefix(1);
  return out;
}

// The document after these patches, in this order; an empty one deletes it.
inline std::string patched_text(const std::vector<std::string>& patches) {
  std::optional<JsonModel> document;
  for (const std::string& patch : patches) {
    if (patch.empty()) {
      document.reset();
      continue;
    }
    std::string_view text = patch;
    document = merge_patch(document ? &*document : nullptr, from_text(text));
  }
  return document ? to_text(*document) : std::string{};
}

inline JsonModel random_patch_value(SeededRandom& random, std::size_t depth = 0) {
  static const std::vector<std::string> kLeaves = {
      "null", "null", "1", "-2.50", "18446744073709551615", "\"x\"", "true", "[]", "[null,{\"k\":null}]"};
  if (depth >= 3 || random.one_in(2)) return {.text = kLeaves[random.below(kLeaves.size())], .members = {}};
  JsonModel object;
  for (std::size_t count = random.below(4); count > 0; --count) {
    const std::string name(1, static_cast<char>('a' + random.below(4)));
    object.members[name] = random_patch_value(random, depth + 1);
  }
  return object;
}

}  // namespace hedgerow::test
