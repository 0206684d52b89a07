#include "daemon/app/mesh_channels.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "daemon/app/log.hpp"
#include "daemon/config/parse.hpp"
#include "daemon/monitor/status.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::app {

namespace {

// A link that is up for so long has told what its peer holds.
constexpr Duration kLinkSettles = std::chrono::seconds{3};

const config::Channel* find_channel(const std::vector<config::Channel>& channels, std::string_view name) {
  const auto found = std::find_if(channels.begin(), channels.end(),
                                  [name](const config::Channel& channel) { return channel.name == name; });
  return found == channels.end() ? nullptr : &*found;
}

std::string applied_json(const std::vector<config::ChannelDefinition>& next) {
  std::string out = "{\"applied\":[";
  for (const config::ChannelDefinition& definition : next) {
    if (out.back() == '}') out += ',';
    out += config::to_json(definition);
  }
  return out + "]}";
}

}  // namespace

Expected<ReadDefinitions> read_definitions(sync::ReadView& view, sync::ChannelNo number, std::string_view mesh) {
  ReadDefinitions out;
  const auto read = each_of_state(
      view, number, mesh, config::kMeshChannelsTopic, [&out](std::string_view leaf, const sync::Cell& cell) {
        const auto taken = config::take_definition(out.definitions, leaf, as_text(cell.message->payload));
        if (!taken && out.alarms.size() < config::kChannelsMax) out.alarms.push_back(taken.error().what);
      });
  if (!read) return tl::unexpected<Error>(read.error());
  return out;
}

MeshChannels::MeshChannels(const config::Config& file, std::string mesh, ReadDefinitions read)
    : file_(file.channels),
      names_channels_(file.names_channels),
      spool_(file.spool),
      mesh_(std::move(mesh)),
      state_(mesh_, config::kMeshChannelsTopic),
      read_(std::move(read)) {
  joined_ = config::join_channels(file_, names_channels_, read_.definitions, spool_);
}

void MeshChannels::start(node::Node& node, node::StorePort& store) {
  node_ = &node;
  state_.start(node, store);
  running_ = joined_.channels;
  rejoin();
}

bool MeshChannels::on_tick(Instant now) {
  state_.read_again([this](sync::ReadView& view, sync::ChannelNo number) -> Expected<FollowedState::Taken> {
    auto read = read_definitions(view, number, mesh_);
    if (!read) return tl::unexpected<Error>(std::move(read.error()));
    return [this, read = std::move(*read)] {
      const bool is_new = read.definitions != read_.definitions || read.alarms != read_.alarms;
      read_ = read;
      if (is_new) rejoin();
    };
  });
  if (state_.is_current() && seeding_ == 0 && is_level(now)) seed();
  return std::exchange(has_changed_, false);
}

void MeshChannels::reconfigure(const config::Config& file) {
  file_ = file.channels;
  names_channels_ = file.names_channels;
  spool_ = file.spool;
  rejoin();
}

void MeshChannels::rejoin() {
  joined_ = config::join_channels(file_, names_channels_, read_.definitions, spool_);
  has_changed_ = true;
  std::vector<std::string> alarms = joined_.alarms;
  alarms.insert(alarms.end(), read_.alarms.begin(), read_.alarms.end());
  // What a file newly says waits too, and the answer to `reload` says so; that the mesh does not know of it is no
  // alarm.
  std::vector<config::Channel> of_mesh;
  for (const config::Channel& channel : joined_.channels) {
    if (read_.definitions.contains(channel.name)) of_mesh.push_back(channel);
  }
  for (std::string& waiting : config::waiting_for_restart(running_, of_mesh)) alarms.push_back(std::move(waiting));
  for (const std::string& alarm : alarms) {
    if (std::find(alarms_.begin(), alarms_.end(), alarm) == alarms_.end()) log_line(alarm);
  }
  alarms_ = std::move(alarms);
}

bool MeshChannels::is_level(Instant now) const {
  const sync::Replicator& replicator = node_->links().replicator();
  if (!replicator.has_heard(state_.number()) || replicator.behind(state_.number()) > 0) return false;
  const std::vector<sync::LinkStatus> links = replicator.links();
  return std::any_of(links.begin(), links.end(), [now](const sync::LinkStatus& link) {
    return link.state != sync::LinkState::kGreeting && now - link.since >= kLinkSettles;
  });
}

void MeshChannels::seed() {
  if (!names_channels_) return;  // no file says anything
  for (const config::ChannelDefinition& definition : config::seeds(file_, read_.definitions)) {
    ++seeding_;
    // Where there is no room now, there may be later.
    node_->set_mesh_state(config::definition_topic(definition), config::to_json(definition),
                          [this](const std::optional<Error>&) { --seeding_; });
  }
}

std::string_view MeshChannels::here(const std::string& name, bool is_known) const {
  const config::Channel* const wanted = find_channel(joined_.channels, name);
  const config::Channel* const runs = find_channel(running_, name);
  if (wanted == nullptr) return runs == nullptr ? "left out" : "left out after a restart of this node";
  if (runs == nullptr || !config::same_log(*runs, *wanted)) return "waits for a restart of this node";
  if (wanted->spooled) return "spooled for other nodes";
  if (wanted->scope == config::Scope::kLocal) return "on this node alone";
  return is_known ? "on" : "on, not yet known to other nodes";
}

std::string MeshChannels::list_json() const {
  config::ChannelDefinitions all = read_.definitions;
  for (const auto* channels : {&running_, &joined_.channels}) {
    for (const config::Channel& channel : *channels) {
      if (channel.name == config::kSystemChannelName) continue;
      all.try_emplace(channel.name, config::ChannelDefinition{.version = 0, .channel = channel});
    }
  }
  std::string out = "{\"channels\":[";
  for (const auto& [name, definition] : all) {
    if (out.back() == '}') out += ',';
    out += config::to_json(definition);
    out.pop_back();
    out += ",\"here\":\"";
    out += here(name, read_.definitions.contains(name));
    out += "\"}";
  }
  return out + "]}";
}

void MeshChannels::apply(std::string_view text, const control::AnswerPtr& answer) {
  const auto wanted = config::parse_channels(text);
  if (!wanted) return answer->finish(monitor::error_json(config::format_problems("channels", wanted.error())));
  std::vector<config::Channel> running = running_;
  for (config::Channel& channel : running) {
    const auto& entries = node_->channels().entries();
    const auto held = std::find_if(entries.begin(), entries.end(), [&](const node::ChannelTable::Entry& entry) {
      return entry.channel.name == channel.name;
    });
    if (held != entries.end()) channel.merge = held->merge;
  }
  auto next = config::next_versions(read_.definitions, running, *wanted);
  if (!next) return answer->finish(monitor::error_json(next.error().what));
  if (next->empty()) return answer->finish(applied_json({}));
  struct Waiting {
    std::vector<config::ChannelDefinition> next;
    std::size_t left = 0;
    std::optional<Error> error;
  };
  auto waiting = std::make_shared<Waiting>(Waiting{.next = std::move(*next), .left = 0, .error = {}});
  waiting->left = waiting->next.size();
  for (const config::ChannelDefinition& definition : waiting->next) {
    node_->set_mesh_state(config::definition_topic(definition), config::to_json(definition),
                          [this, answer, waiting](const std::optional<Error>& error) {
                            if (error) waiting->error = error;
                            if (--waiting->left > 0) return;
                            if (waiting->error) return answer->finish(monitor::error_json(waiting->error->what));
                            for (const config::ChannelDefinition& stored : waiting->next) {
                              read_.definitions.insert_or_assign(stored.channel.name, stored);
                            }
                            rejoin();
                            answer->finish(applied_json(waiting->next));
                          });
  }
}

}  // namespace hedgerow::app
