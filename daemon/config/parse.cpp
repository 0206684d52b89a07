#include "daemon/config/parse.hpp"

#include <array>
#include <functional>
#include <gsl/gsl>
#include <optional>
#include <utility>

#include "daemon/config/cjson_reader.hpp"
#include "daemon/config/json_scanner.hpp"
#include "daemon/config/readers.hpp"
#include "daemon/config/schema_walk.hpp"
#include "daemon/config/sections.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;

constexpr std::string_view kDirectory = "a directory";

void read_data(SchemaWalk& walk, const JsonValue& value, Config& config) {
  const std::optional<std::string_view> text = walk.text(value, kDirectory);
  if (!text) return;
  if (text->empty()) return walk.unexpected(value, kDirectory);
  config.data = *text;
}

void read_remote_commit(SchemaWalk& walk, const JsonValue& value, Config& config) {
  constexpr DurationRange kRange{.min = std::chrono::seconds{0}, .max = kRemoteCommitMax};
  config.remote_commit = read_duration(walk, value, kRange).value_or(config.remote_commit);
}

void read_durability(SchemaWalk& walk, const JsonValue& value, Config& config) {
  using enum Durability;
  static constexpr std::array kLevels = {Choice<Durability>{"synced", kSynced},
                                         Choice<Durability>{"process", kProcess}};
  config.durability = walk.choice<Durability>(value, kLevels).value_or(kSynced);
}

Config defaults() {
  Config config;
  config.data = kDefaultDataDirectory;
  config.listeners.push_back({.name = "listener-1",
                              .address = {.host = "127.0.0.1", .port = 1883},
                              .tls = false,
                              .auth = Auth::kAnonymous,
                              .plaintext_accepted = false});
  config.channels = {system_channel(), default_channel()};
  return config;
}

// Where something is wrong, a problem is noted and the walk goes on with the default.
Config read_document(SchemaWalk& walk, const JsonValue& root) {
  Config config = defaults();
  const auto section = [&](void (*read)(SchemaWalk&, const JsonValue&, Config&)) {
    return [&walk, &config, read](const JsonValue& value) { read(walk, value, config); };
  };
  const std::array fields = {
      Field{"mesh", kRequired, kExpectName,
            [&](const JsonValue& value) { static_cast<void>(read_name(walk, value, "mesh", config.mesh)); }},
      Field{"node", kOptional, kExpectName,
            [&](const JsonValue& value) { static_cast<void>(read_name(walk, value, "node", config.node)); }},
      Field{"data", kOptional, kDirectory, section(read_data)},
      Field{"listeners", kOptional, {}, section(read_listeners)},
      Field{"peers", kOptional, {}, section(read_peers)},
      Field{"channels", kOptional, {}, section(read_channels)},
      Field{"spool", kOptional, {}, section(read_spool)},
      Field{"durability", kOptional, {}, section(read_durability)},
      Field{"remote_commit", kOptional, {}, section(read_remote_commit)},
      Field{"things", kOptional, {}, section(read_things)},
      Field{"access", kOptional, {}, section(read_access)},
      Field{"limits", kOptional, {}, section(read_limits)},
  };
  walk.object(root, fields);
  return config;
}

// The number of values in a tree: one more than the number of the last one.
std::size_t count_values(const JsonValue& root) {
  const JsonValue* last = &root;
  while (!last->members.empty()) last = &last->members.back().value;
  return last->order + 1;
}

// Gives the document's root to `read`.
tl::expected<void, Problems> walk_document(std::string_view text,
                                           const std::function<void(SchemaWalk&, const JsonValue&)>& read) {
  tl::expected<ScannedJson, Problems> scan = scan_json(text);
  if (!scan) return tl::unexpected<Problems>(std::move(scan.error()));
  const Expected<JsonValue> root = read_json(scan->strict);
  if (!root) return tl::unexpected<Problems>(Problems{{Position{}, {}, root.error().what}});
  Expects(count_values(*root) == scan->values.size());  // scanner and reader saw the same document
  SchemaWalk walk{*scan};
  read(walk, *root);
  Problems problems = walk.take_problems();
  if (!problems.empty()) return tl::unexpected<Problems>(std::move(problems));
  return {};
}

}  // namespace

tl::expected<Config, Problems> parse(std::string_view text) {
  Config config;
  auto walked =
      walk_document(text, [&](SchemaWalk& walk, const JsonValue& root) { config = read_document(walk, root); });
  if (!walked) return tl::unexpected<Problems>(std::move(walked.error()));
  return config;
}

tl::expected<std::vector<Channel>, Problems> parse_channels(std::string_view text) {
  Config config;
  auto walked = walk_document(text, [&](SchemaWalk& walk, const JsonValue& root) {
    const std::array fields = {Field{"channels", kRequired, "an array of at least one channel",
                                     [&](const JsonValue& value) { read_channels(walk, value, config); }}};
    walk.object(root, fields);
  });
  if (!walked) return tl::unexpected<Problems>(std::move(walked.error()));
  config.channels.erase(config.channels.begin());
  return std::move(config.channels);
}

tl::expected<ChannelDefinition, Problems> parse_definition(std::string_view text) {
  ChannelDefinition definition;
  auto walked =
      walk_document(text, [&](SchemaWalk& walk, const JsonValue& root) { read_definition(walk, root, definition); });
  if (!walked) return tl::unexpected<Problems>(std::move(walked.error()));
  return definition;
}

}  // namespace hedgerow::config
