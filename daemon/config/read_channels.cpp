// "channels": topic filters with a policy (DESIGN 1), and "spool".

#include <array>
#include <optional>
#include <span>
#include <utility>

#include "daemon/config/quantity.hpp"
#include "daemon/config/readers.hpp"
#include "daemon/config/sections.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

namespace {

using enum Presence;

constexpr std::chrono::seconds kDecade = std::chrono::hours{24 * 3650};
constexpr DurationRange kKeepAge{.min = std::chrono::seconds{1}, .max = kDecade};
constexpr DurationRange kLate{
    .min = std::chrono::seconds{1}, .max = kDecade, .word = "never", .word_value = kNeverLate};
constexpr std::uint64_t kKeepSizeMin = std::uint64_t{64} << 10U;
constexpr std::uint64_t kKeepSizeMax = std::uint64_t{1} << 40U;

void channel_name(SchemaWalk& walk, const JsonValue& value, Channel& channel) {
  if (!read_name(walk, value, "channel", channel.name)) return;
  if (channel.name != kSystemChannelName) return;
  walk.problem(value, "the name \"hedgerow\" belongs to the node's own channel: choose another");
  channel.name.clear();
}

void channel_filter(SchemaWalk& walk, const JsonValue& value, Channel& channel) {
  const std::optional<std::string_view> text = walk.text(value, kExpectTopicFilter);
  if (!text || !check_filter(walk, value, *text)) return;
  if (text->starts_with('$')) {
    return walk.problem(value, "found " + quote_text(*text) +
                                   ", but topics that begin with $ are in no channel: the node alone writes them");
  }
  if (text->substr(0, text->find('/')) == kSystemTopicRoot) {
    return walk.problem(value,
                        "found " + quote_text(*text) + ", but topics under hedgerow/ are in the node's own channel");
  }
  channel.filter = *text;
}

void keep_size(SchemaWalk& walk, const JsonValue& value, Keep& out) {
  const std::optional<std::string_view> text = walk.text(value, kExpectSize);
  if (!text) return;
  const std::optional<std::uint64_t> size = parse_size(*text);
  if (!size) return walk.unexpected(value, kExpectSize);
  if (*size < kKeepSizeMin || *size > kKeepSizeMax) {
    return walk.unexpected(value, "from " + format_size(kKeepSizeMin) + " to " + format_size(kKeepSizeMax));
  }
  out.size_bytes = *size;
}

void read_keep(SchemaWalk& walk, const JsonValue& value, Keep& out) {
  const std::array fields = {
      Field{"age",
            kOptional,
            {},
            [&](const JsonValue& member) { out.age = read_duration(walk, member, kKeepAge).value_or(out.age); }},
      Field{"size", kOptional, {}, [&](const JsonValue& member) { keep_size(walk, member, out); }},
  };
  walk.object(value, fields);
}

constexpr std::uint64_t kVersionMax = std::uint64_t{1} << 53U;  // what every JSON program reads as it is
constexpr std::string_view kExpectVersion = "a whole number up to 9007199254740992";

// `version`: of a definition of the mesh; null: a file has none.
void read_channel(SchemaWalk& walk, const JsonValue& value, Channel& channel, std::uint64_t* version) {
  const std::array fields = {
      Field{"name", kRequired, kExpectName, [&](const JsonValue& member) { channel_name(walk, member, channel); }},
      Field{"filter", kRequired, kExpectTopicFilter,
            [&](const JsonValue& member) { channel_filter(walk, member, channel); }},
      Field{"scope",
            kOptional,
            {},
            [&](const JsonValue& member) {
              static constexpr std::array kScopes = {Choice<Scope>{"mesh", Scope::kMesh},
                                                     Choice<Scope>{"local", Scope::kLocal}};
              channel.scope = walk.choice<Scope>(member, kScopes).value_or(Scope::kMesh);
            }},
      Field{"keep", kOptional, {}, [&](const JsonValue& member) { read_keep(walk, member, channel.keep); }},
      Field{"late",
            kOptional,
            {},
            [&](const JsonValue& member) { channel.late = read_duration(walk, member, kLate).value_or(channel.late); }},
      Field{"conflate",
            kOptional,
            {},
            [&](const JsonValue& member) { channel.conflate = walk.boolean(member).value_or(false); }},
      Field{"merge",
            kOptional,
            {},
            [&](const JsonValue& member) {
              using enum sync::MergeKind;
              static constexpr std::array kMerges = {Choice<sync::MergeKind>{to_string(kLastWrite), kLastWrite},
                                                     Choice<sync::MergeKind>{to_string(kDocument), kDocument},
                                                     Choice<sync::MergeKind>{to_string(kCounter), kCounter}};
              channel.merge = walk.choice<sync::MergeKind>(member, kMerges).value_or(kLastWrite);
            }},
      Field{"ack",
            kOptional,
            {},
            [&](const JsonValue& member) {
              using enum ChannelAck;
              static constexpr std::array kAcks = {Choice<ChannelAck>{"local", kLocal},
                                                   Choice<ChannelAck>{"peer", kPeer}};
              channel.ack = walk.choice<ChannelAck>(member, kAcks).value_or(kLocal);
            }},
      Field{"version", kRequired, kExpectVersion,
            [&](const JsonValue& member) {
              const std::optional<std::uint64_t> number = walk.whole_number(member);
              if (!number || *number > kVersionMax) return walk.unexpected(member, kExpectVersion);
              *version = *number;
            }},
  };
  walk.object(value, std::span(fields).first(version == nullptr ? fields.size() - 1 : fields.size()));
}

}  // namespace

void read_channels(SchemaWalk& walk, const JsonValue& value, Config& config) {
  config.channels = {system_channel()};
  config.names_channels = true;
  UniqueTexts names{walk, "the name", kGiveEachItsOwn};
  UniqueTexts filters{walk, "the filter", kGiveEachItsOwn};
  const SchemaWalk::ArrayLimits limits{"an array of at least one channel", kChannelsMax, false};
  walk.array(value, limits, [&](const JsonValue& member) {
    Channel channel;
    read_channel(walk, member, channel, nullptr);
    if (!channel.name.empty()) names.insert(*member.find("name"), channel.name);
    if (!channel.filter.empty()) filters.insert(*member.find("filter"), channel.filter);
    config.channels.push_back(std::move(channel));
  });
}

void read_spool(SchemaWalk& walk, const JsonValue& value, Config& config) {
  if (!config.names_channels) {
    return walk.problem(value,
                        "without \"channels\" this node keeps all of the mesh's channels, so none is left to spool");
  }
  read_keep(walk, value, config.spool.emplace());
}

void read_definition(SchemaWalk& walk, const JsonValue& value, ChannelDefinition& definition) {
  read_channel(walk, value, definition.channel, &definition.version);
}

}  // namespace hedgerow::config
