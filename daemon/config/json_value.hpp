// A JSON document as a tree of plain values.
// Thread rule: plain values. Ownership: a value owns what is in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hedgerow::config {

enum class JsonKind { kNull, kBoolean, kNumber, kString, kArray, kObject };

struct JsonMember;

struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  bool boolean = false;             // kBoolean
  double number = 0;                // kNumber; exact digits are in ScannedValue::number
  std::string text;                 // kString, decoded, UTF-8
  std::vector<JsonMember> members;  // kArray and kObject, in the order of the text, duplicates included
  std::size_t order = 0;            // its number in the order of the text, a container before its members: the index
                                    // of the same value in ScannedJson::values

  // The first member with this key; null when there is none or this is no object.
  [[nodiscard]] const JsonValue* find(std::string_view key) const;
};

struct JsonMember {
  std::string key;  // empty in arrays
  JsonValue value;
};

}  // namespace hedgerow::config
