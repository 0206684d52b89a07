// Scanner for JSON with comments and trailing commas.
//
//   document = ws value ws                     ws    = { space | tab | CR | LF | "//" … LF | "/*" … "*/" }
//   object   = "{" [ member { "," member } [ "," ] ] "}"          member = ws string ws ":" ws value ws
//   array    = "[" [ value { "," value } [ "," ] ] "]"            string, number, true, false, null as in RFC 8259
//
// It checks the whole syntax and finds what a JSON library does not tell: positions, duplicate keys and the digits of
// numbers as written. It builds no values; what it lets through as strict() is JSON that any library accepts.
// Pure. Thread rule: plain values. Bounded: see the limits below.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "daemon/config/json_value.hpp"
#include "daemon/config/problem.hpp"

namespace hedgerow::config {

inline constexpr std::size_t kJsonBytesMax = std::size_t{1} << 20U;
inline constexpr std::size_t kJsonDepthMax = 32;
inline constexpr std::size_t kJsonValuesMax = 10'000;
inline constexpr std::size_t kJsonKeyBytesMax = 256;
inline constexpr std::size_t kJsonNumberBytesMax = 40;

struct ScannedValue {
  static constexpr std::size_t kNoParent = SIZE_MAX;

  JsonKind kind = JsonKind::kNull;
  Position at;                     // where the value begins
  Position key_at;                 // where its key begins; same as `at` for the document and for members of arrays
  std::size_t parent = kNoParent;  // index of the object or array around it
  std::size_t ordinal = 0;         // its place among the members of the parent, from 0
  std::string key;                 // decoded; empty for members of arrays
  std::string number;              // kNumber: the token as written
};

struct ScannedJson {
  std::string strict;                // the text with comments and trailing commas blanked: every byte keeps its place
  std::vector<ScannedValue> values;  // in the order of the text, a container before its members; never empty
  Problems duplicate_keys;           // each repetition of a key within one object

  // "listeners[1].tls"; a key that is not a plain word stands as ["in quotes"]. Empty for the document itself.
  [[nodiscard]] std::string path_of(std::size_t index) const;
};

// Stops at the first mistake of syntax or limit, which is then the last of the returned problems (duplicate keys that
// stand before it come first).
[[nodiscard]] tl::expected<ScannedJson, Problems> scan_json(std::string_view text);

}  // namespace hedgerow::config
