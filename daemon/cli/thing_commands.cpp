#include "daemon/cli/thing_commands.hpp"

#include <utility>

#include "daemon/cli/reload.hpp"
#include "daemon/monitor/json_writer.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "security/things_posix/thing_file.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

namespace {

using security::ThingEntry;
using security::ThingKeys;

std::string things_file(const Command& command) { return (command.data / security::kThingsFileName).string(); }

std::string c_bytes(ByteView bytes) {
  std::string out;
  for (const std::uint8_t byte : bytes) out += (out.empty() ? "0x" : ", 0x") + to_hex({&byte, 1});
  return "{" + out + "}";
}

// To compile into the firmware (firmware-shim/client/sealed.h).
std::string header_of(const ThingEntry& thing) {
  return "/* The key of the thing " + thing.name +
         ", from hedgerow thing add: who has it can speak as that thing. */\n"
         "#ifndef HEDGEROW_THING_KEY_H\n#define HEDGEROW_THING_KEY_H\n\n#define HR_THING_NAME \"" +
         thing.name + "\"\n#define HR_THING_ID " + c_bytes(thing.id) + "\n#define HR_THING_KEY " + c_bytes(thing.key) +
         "\n\n#endif\n";
}

std::string text_of(const ThingEntry& thing, const Command& command) {
  if (command.hex) return to_hex(thing.id) + to_hex(thing.key) + "\n";
  if (!command.json) return header_of(thing);
  monitor::JsonWriter json;
  json.begin_object()
      .field("name", thing.name)
      .field("id", to_hex(thing.id))
      .field("key", to_hex(thing.key))
      .end_object();
  return json.take() + "\n";
}

}  // namespace

Expected<std::string> thing_add(const Command& command, const Console& console) {
  if (const Expected<void> checked = check_data(command.data); !checked) return tl::unexpected<Error>(checked.error());
  if (const Expected<void> started = security::init_crypto(); !started) return tl::unexpected<Error>(started.error());
  ThingEntry thing{.name = command.name};
  const Expected<void> changed = security::change_things(command.data, [&](ThingKeys& things) -> Expected<void> {
    if (things.find_name(thing.name) != nullptr) {
      return fail(Category::kRefused, "there is a thing " + thing.name + " in " + things_file(command) +
                                          " already, and its key is told once: hedgerow thing revoke " + thing.name +
                                          " takes that one away, then it can be added anew");
    }
    if (auto drawn = security::random_bytes(thing.id); !drawn) return drawn;
    if (auto drawn = security::random_bytes(thing.key); !drawn) return drawn;
    return things.add(thing);
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  const std::string text = text_of(thing, command);
  const Expected<std::string> told = tell_daemon(
      command.data, "Thing " + thing.name + " is added to " + things_file(command) + ". Its key is shown only now.");
  if (!told) {
    if (const Expected<void> written = console.write(text); !written) return tl::unexpected<Error>(written.error());
    return tl::unexpected<Error>(told.error());
  }
  for (std::string_view rest = *told; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    console.note(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return text;
}

Expected<std::string> thing_revoke(const Command& command) {
  if (const Expected<void> checked = check_data(command.data); !checked) return tl::unexpected<Error>(checked.error());
  const Expected<void> changed = security::change_things(command.data, [&](ThingKeys& things) -> Expected<void> {
    if (things.erase(command.name)) return {};
    return fail(Category::kNotFound, "there is no thing " + quote_text(command.name) + " in " + things_file(command) +
                                         ": hedgerow thing list shows which there are");
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  return tell_daemon(command.data,
                     "Thing " + command.name + " is revoked: its key is gone from " + things_file(command) + ".");
}

Expected<std::string> thing_list(const Command& command) {
  if (const Expected<void> checked = check_data(command.data); !checked) return tl::unexpected<Error>(checked.error());
  const Expected<ThingKeys> things = security::load_things(command.data);
  if (!things) return tl::unexpected<Error>(things.error());
  if (command.json) {
    monitor::JsonWriter json;
    json.begin_object().key("things").begin_array();
    for (const ThingEntry& thing : things->entries()) {
      json.begin_object().field("name", thing.name).field("id", to_hex(thing.id)).end_object();
    }
    json.end_array().end_object();
    return json.take() + "\n";
  }
  if (things->entries().empty()) return "no things: hedgerow thing add NAME adds one\n";
  std::string out;
  for (const ThingEntry& thing : things->entries()) out += to_hex(thing.id) + " " + thing.name + "\n";
  return out;
}

}  // namespace hedgerow::cli
