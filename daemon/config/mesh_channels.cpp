#include "daemon/config/mesh_channels.hpp"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include "daemon/config/parse.hpp"
#include "daemon/config/quantity.hpp"
#include "sync/base/json_text.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::config {

namespace {

constexpr std::string_view kSeed = "/seed";

const Channel* find_channel(const std::vector<Channel>& channels, std::string_view name) {
  const auto found =
      std::find_if(channels.begin(), channels.end(), [name](const Channel& channel) { return channel.name == name; });
  return found == channels.end() ? nullptr : &*found;
}

// Once for all sentences, which as sums would be several times the code.
std::string sentence(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

std::string named(std::string_view name) { return "channel " + quote_text(name); }

void contradiction(const ChannelDefinition& definition, std::string_view key, std::string_view of_file,
                   std::string_view of_mesh, std::vector<std::string>& alarms) {
  if (of_file == of_mesh) return;
  alarms.push_back(sentence({named(definition.channel.name), ": the configuration says ", key, " ", quote_text(of_file),
                             ", but version ", std::to_string(definition.version), " of the mesh's definition says ",
                             quote_text(of_mesh),
                             ", which counts: write that into the configuration, or change it for all with hedgerow "
                             "channel apply FILE"}));
}

bool has_unique_filters(const std::vector<Channel>& channels) {
  std::set<std::string_view> seen;
  return std::all_of(channels.begin(), channels.end(),
                     [&](const Channel& channel) { return seen.insert(channel.filter).second; });
}

// A seed that takes the place of the built-in channel, in which a node without a file keeps everything: what is on its
// way there would be stranded by what one configuration says.
bool replaces_default(const ChannelDefinition& definition) {
  const Channel builtin = default_channel();
  const Channel& channel = definition.channel;
  if (definition.version > 0 || (channel.name != builtin.name && channel.filter != builtin.filter)) return false;
  return channel.name != builtin.name || channel.filter != builtin.filter || channel.merge != builtin.merge;
}

Keep smaller(const Keep& left, const Keep& right) {
  return {.age = std::min(left.age, right.age), .size_bytes = std::min(left.size_bytes, right.size_bytes)};
}

Channel joined(const Channel& of_file, const Channel& of_mesh) {
  Channel out = of_file;
  out.filter = of_mesh.filter;
  out.merge = of_mesh.merge;
  out.keep = smaller(of_file.keep, of_mesh.keep);
  return out;
}

void add_spooled(const ChannelDefinitions& mesh, const Keep& bound, std::vector<Channel>& channels) {
  for (const auto& [name, definition] : mesh) {
    if (find_channel(channels, name) != nullptr) continue;
    Channel& channel = channels.emplace_back(definition.channel);
    channel.keep = smaller(channel.keep, bound);
    channel.spooled = true;
  }
}

}  // namespace

std::string definition_topic(const ChannelDefinition& definition) {
  return std::string(kMeshChannelsTopic) + definition.channel.name +
         std::string(definition.version == 0 ? kSeed : std::string_view{});
}

std::string to_json(const ChannelDefinition& definition) {
  const Channel& channel = definition.channel;
  std::string filter;
  append_json_escaped(filter, channel.filter);
  const std::string late = channel.late == kNeverLate ? "never" : format_duration(channel.late);
  return sentence({R"({"version":)", std::to_string(definition.version), R"(,"name":")", channel.name,
                   R"(","filter":")", filter, R"(","merge":")", sync::to_string(channel.merge), R"(","keep":{"age":")",
                   format_duration(channel.keep.age), R"(","size":")", format_size(channel.keep.size_bytes),
                   R"("},"late":")", late, R"(","conflate":)", channel.conflate ? "true" : "false", R"(,"ack":")",
                   to_string(channel.ack), R"("})"});
}

Expected<void> take_definition(ChannelDefinitions& definitions, std::string_view leaf, std::string_view payload) {
  const bool is_seed = leaf.ends_with(kSeed);
  const std::string_view name = is_seed ? leaf.substr(0, leaf.size() - kSeed.size()) : leaf;
  const auto parsed = parse_definition(payload);
  const bool is_sound = parsed && parsed->channel.name == name && is_seed == (parsed->version == 0) &&
                        parsed->channel.scope == Scope::kMesh;
  if (!is_sound) {
    return fail(Category::kNotInVersion,
                sentence({named(name),
                          ": this version of hedgerowd does not understand the mesh's definition: update "
                          "it here"}));
  }
  const auto found = definitions.find(name);
  if (found == definitions.end() && definitions.size() == kChannelsMax) {
    return fail(Category::kLimit, sentence({named(name), ": the mesh defines more channels than the ",
                                            std::to_string(kChannelsMax), " that a node keeps"}));
  }
  if (found == definitions.end()) {
    definitions.emplace(name, *parsed);
  } else if (found->second.version <= parsed->version) {
    found->second = *parsed;
  }
  return {};
}

JoinedChannels join_channels(const std::vector<Channel>& file, bool names_channels, const ChannelDefinitions& mesh,
                             const std::optional<Keep>& spool) {
  JoinedChannels out;
  if (!names_channels) {
    out.channels = {system_channel()};
    for (const auto& [name, definition] : mesh) {
      if (replaces_default(definition)) {
        out.alarms.push_back(sentence(
            {named(name), " with the filter ", quote_text(definition.channel.filter),
             " stands in another node's configuration only, and is left out here, where the built-in channel has "
             "its name or its filter: change that configuration, or make it all nodes' with hedgerow channel "
             "apply FILE"}));
        continue;
      }
      out.channels.push_back(definition.channel);
      if (has_unique_filters(out.channels)) continue;
      out.channels.pop_back();
      out.alarms.push_back(
          sentence({named(name), " is left out here, since its filter ", quote_text(definition.channel.filter),
                    " is that of another: give one of them another filter with hedgerow channel apply FILE"}));
    }
    const bool is_named = find_channel(out.channels, default_channel().name) != nullptr;
    out.channels.push_back(default_channel());
    if (is_named || !has_unique_filters(out.channels)) out.channels.pop_back();
    return out;
  }
  out.channels = file;
  for (Channel& channel : out.channels) {
    const auto known = mesh.find(channel.name);
    if (known == mesh.end() || channel.scope == Scope::kLocal) continue;
    const Channel& of_mesh = known->second.channel;
    contradiction(known->second, "filter", channel.filter, of_mesh.filter, out.alarms);
    contradiction(known->second, "merge", sync::to_string(channel.merge), sync::to_string(of_mesh.merge), out.alarms);
    channel = joined(channel, of_mesh);
  }
  if (!has_unique_filters(out.channels)) {
    out.channels = file;
    out.alarms.emplace_back(
        "the configuration counts, not the mesh's definitions of channels: with them two channels of this node would "
        "have one filter; write the mesh's filters into the configuration (hedgerow channel list)");
  }
  if (spool) add_spooled(mesh, *spool, out.channels);
  return out;
}

bool same_log(const Channel& left, const Channel& right) {
  return left.name == right.name && left.filter == right.filter && left.scope == right.scope &&
         left.keep == right.keep && left.merge == right.merge && left.ack == right.ack && left.spooled == right.spooled;
}

std::vector<std::string> waiting_for_restart(const std::vector<Channel>& running, const std::vector<Channel>& wanted) {
  std::vector<std::string> out;
  for (const Channel& channel : wanted) {
    const Channel* const now = find_channel(running, channel.name);
    if (now != nullptr && same_log(*now, channel)) continue;
    out.push_back(sentence({named(channel.name), ": the mesh's definition (filter ", quote_text(channel.filter),
                            ") waits for a restart of this node"}));
  }
  return out;
}

std::vector<ChannelDefinition> seeds(const std::vector<Channel>& file, const ChannelDefinitions& mesh) {
  std::vector<ChannelDefinition> out;
  for (const Channel& channel : file) {
    if (channel.name == kSystemChannelName || channel.scope == Scope::kLocal || mesh.contains(channel.name)) continue;
    const bool is_taken = std::any_of(mesh.begin(), mesh.end(),
                                      [&](const auto& known) { return known.second.channel.filter == channel.filter; });
    if (!is_taken && mesh.size() + out.size() < kChannelsMax) out.push_back({.version = 0, .channel = channel});
  }
  return out;
}

Expected<std::vector<ChannelDefinition>> next_versions(const ChannelDefinitions& mesh,
                                                       const std::vector<Channel>& running,
                                                       const std::vector<Channel>& wanted) {
  std::vector<ChannelDefinition> out;
  ChannelDefinitions after = mesh;
  for (const Channel& channel : wanted) {
    if (channel.scope == Scope::kLocal) {
      return fail(Category::kInvalidInput,
                  sentence({named(channel.name),
                            " has scope local, and the mesh defines only what is on every node: write it into the "
                            "configuration of the nodes that want it"}));
    }
    const auto known = mesh.find(channel.name);
    // What the node holds counts: another one's seed may say what none of them can do.
    const Channel* old = find_channel(running, channel.name);
    if (old == nullptr && known != mesh.end()) old = &known->second.channel;
    if (old != nullptr && old->merge != channel.merge) {
      return fail(Category::kRefused,
                  sentence({named(channel.name), " merges by ", quote_text(sync::to_string(old->merge)),
                            ", and its messages cannot be merged by ", quote_text(sync::to_string(channel.merge)),
                            ": give the channel another name"}));
    }
    if (known != mesh.end() && known->second.channel == channel) continue;
    ChannelDefinition next{.version = known == mesh.end() ? 1 : known->second.version + 1, .channel = channel};
    after.insert_or_assign(channel.name, next);
    out.push_back(std::move(next));
  }
  if (after.size() > kChannelsMax) {
    return fail(Category::kLimit, sentence({"the mesh would have ", std::to_string(after.size()),
                                            " channels, and may have at most ", std::to_string(kChannelsMax)}));
  }
  for (const Channel& channel : running) {
    if (channel.scope == Scope::kMesh) after.try_emplace(channel.name, ChannelDefinition{.channel = channel});
  }
  for (const ChannelDefinition& next : out) {
    for (const auto& [name, other] : after) {
      if (name == next.channel.name || other.channel.filter != next.channel.filter) continue;
      return fail(Category::kInvalidInput,
                  sentence({named(next.channel.name), " would have the filter ", quote_text(next.channel.filter),
                            " of ", named(name), ": give each its own"}));
    }
  }
  return out;
}

}  // namespace hedgerow::config
