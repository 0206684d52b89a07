#include "security/things/thing_keys.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "security/identity/identity.hpp"

namespace hedgerow::security {

namespace {

constexpr std::string_view kHead = "# Things of hedgerowd: hedgerow thing add|revoke|list changes and shows them.\n";
constexpr std::size_t kLineBytesMax = kNameLengthMax + 2 * (kThingIdBytes + kThingKeyBytes) + 3;
static_assert(kThingKeysMax * kLineBytesMax + kHead.size() <= kThingsFileBytesMax,
              "a file of as many things as there may be can be read again");

std::optional<std::uint8_t> hex_digit(char character) {
  if (character >= '0' && character <= '9') return static_cast<std::uint8_t>(character - '0');
  if (character >= 'a' && character <= 'f') return static_cast<std::uint8_t>(character - 'a' + 10);
  if (character >= 'A' && character <= 'F') return static_cast<std::uint8_t>(character - 'A' + 10);
  return std::nullopt;
}

// False: not exactly so many digits.
bool read_hex(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() != 2 * out.size()) return false;
  for (std::size_t at = 0; at < out.size(); ++at) {
    const std::optional<std::uint8_t> high = hex_digit(text[2 * at]);
    const std::optional<std::uint8_t> low = hex_digit(text[2 * at + 1]);
    if (!high || !low) return false;
    out[at] = static_cast<std::uint8_t>(static_cast<unsigned>(*high) << 4U | *low);
  }
  return true;
}

Expected<ThingEntry> parse_line(std::string_view line) {
  if (std::count(line.begin(), line.end(), ':') != 2) return fail(Category::kCorrupt, "is not NAME:ID:KEY");
  const std::size_t id_at = line.find(':') + 1;
  const std::size_t key_at = line.find(':', id_at) + 1;
  ThingEntry thing{.name = std::string(line.substr(0, id_at - 1))};
  if (!read_hex(line.substr(id_at, key_at - 1 - id_at), thing.id)) {
    return fail(Category::kCorrupt, "has an id that is not 16 hexadecimal digits");
  }
  if (!read_hex(line.substr(key_at), thing.key)) {
    return fail(Category::kCorrupt, "has a key that is not 32 hexadecimal digits");
  }
  return thing;
}

bool precedes(const ThingEntry& thing, std::string_view name) { return thing.name < name; }

}  // namespace

Expected<void> check_thing_name(std::string_view name) {
  if (ThingId id; read_hex(name, id)) {
    return fail(Category::kInvalidInput, "the thing name is 16 hexadecimal digits, as ids are: give it another one");
  }
  return check_name("the thing name", name);
}

Expected<ThingKeys> ThingKeys::parse(std::string_view text) {
  ThingKeys table;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.empty() || line.starts_with('#')) continue;
    Expected<ThingEntry> thing = parse_line(line);
    const Expected<void> added = thing ? table.add(std::move(*thing)) : tl::unexpected<Error>(thing.error());
    if (added) continue;
    const bool is_limit = added.error().category == Category::kLimit;
    return fail(is_limit ? Category::kLimit : Category::kCorrupt,
                "line " + std::to_string(number) + ": " + added.error().what);
  }
  return table;
}

std::string ThingKeys::format() const {
  std::string out{kHead};
  for (const ThingEntry& thing : entries_) out += thing.name + ":" + to_hex(thing.id) + ":" + to_hex(thing.key) + "\n";
  return out;
}

const ThingEntry* ThingKeys::find_name(std::string_view name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name, precedes);
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

const ThingEntry* ThingKeys::find_id(const ThingId& id) const {
  const auto at =
      std::find_if(entries_.begin(), entries_.end(), [&](const ThingEntry& thing) { return thing.id == id; });
  return at != entries_.end() ? &*at : nullptr;
}

const ThingEntry* ThingKeys::find_identity(std::string_view identity) const {
  ThingId id;
  return read_hex(identity, id) ? find_id(id) : find_name(identity);
}

Expected<void> ThingKeys::add(ThingEntry thing) {
  if (const Expected<void> checked = check_thing_name(thing.name); !checked) return checked;
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), thing.name, precedes);
  if (at != entries_.end() && at->name == thing.name) {
    return fail(Category::kRefused, "there is a thing " + thing.name + " already");
  }
  if (find_id(thing.id) != nullptr) {
    return fail(Category::kRefused, "the id " + to_hex(thing.id) + " is another thing's already");
  }
  if (entries_.size() == kThingKeysMax) {
    return fail(Category::kLimit, "there are " + std::to_string(kThingKeysMax) + " things already: revoke some first");
  }
  entries_.insert(at, std::move(thing));
  return {};
}

bool ThingKeys::erase(std::string_view name) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name, precedes);
  if (at == entries_.end() || at->name != name) return false;
  entries_.erase(at);
  return true;
}

}  // namespace hedgerow::security
