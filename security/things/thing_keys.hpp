// The things that may speak to this board, and the key of each, as the file DATA/things holds them.
//
//   file = { line LF }            line = "#" any text | nothing | name ":" id ":" key
//   name = as security::check_name, but not 16 hexadecimal digits, so that nobody is named like another's id
//   id = 16 hexadecimal digits    key = 32 hexadecimal digits
//
// The id stands for the thing where bytes are dear (the first frame on a serial line); it is drawn anew with each key,
// so a board that was revoked is not taken for its successor of the same name. As identity of a pre-shared key a thing
// may give its name or its id. Pure: keys are drawn by whoever adds a thing. Thread rule: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::security {

// Limits (G6).
inline constexpr std::size_t kThingKeysMax = 2'000;
inline constexpr std::size_t kThingsFileBytesMax = std::size_t{512} << 10U;
inline constexpr std::size_t kThingIdBytes = 8;
inline constexpr std::size_t kThingKeyBytes = 16;  // AES-128

using ThingId = std::array<std::uint8_t, kThingIdBytes>;
using ThingKey = std::array<std::uint8_t, kThingKeyBytes>;

struct ThingEntry {
  std::string name{};
  ThingId id{};
  ThingKey key{};

  bool operator==(const ThingEntry&) const = default;
};

// The error says which character is wrong.
[[nodiscard]] Expected<void> check_thing_name(std::string_view name);

class ThingKeys {
 public:
  // kCorrupt names the line and what is wrong with it; kLimit: more than kThingKeysMax.
  [[nodiscard]] static Expected<ThingKeys> parse(std::string_view text);
  // The inverse, comments left out: a head line that says what the file is, then a line for each thing, by name.
  [[nodiscard]] std::string format() const;

  // Each: null when there is none. Pointers are valid until the next change.
  [[nodiscard]] const ThingEntry* find_name(std::string_view name) const;
  [[nodiscard]] const ThingEntry* find_id(const ThingId& id) const;
  // By the identity of a pre-shared key: a name, or an id as 16 hexadecimal digits.
  [[nodiscard]] const ThingEntry* find_identity(std::string_view identity) const;

  // Adds. kInvalidInput: the name; kRefused: the name or the id is taken; kLimit: one more than kThingKeysMax.
  [[nodiscard]] Expected<void> add(ThingEntry thing);
  // False: there was none of that name.
  bool erase(std::string_view name);

  // By name.
  [[nodiscard]] const std::vector<ThingEntry>& entries() const { return entries_; }

 private:
  std::vector<ThingEntry> entries_;  // ordered by name
};

}  // namespace hedgerow::security
