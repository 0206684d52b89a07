#include "daemon/app/status_answer.hpp"

#include <memory>
#include <utility>

#include "daemon/cli/control_request.hpp"
#include "licenses.hpp"
#include "sync/engine/digest.hpp"

namespace hedgerow::app {

namespace {

monitor::Status status_of(const ReportSources& sources, std::vector<monitor::ListenerStatus> listeners,
                          sync::ReplicaId replica) {
  monitor::Status status;
  status.node = sources.node.settings().name;
  status.replica = static_cast<std::uint64_t>(replica);
  status.mesh = sources.node.settings().mesh;
  status.version = std::string(version());
  status.uptime_s = sources.uptime_s;
  status.clock = sources.wall.quality;
  status.listeners = std::move(listeners);
  status.alarms = alarms_of(sources);
  status.scrub = sources.scrub;
  for (monitor::LinkReport& link : link_reports(sources)) {
    status.links.push_back({.peer = std::move(link.peer),
                            .address = std::move(link.address),
                            .state = link.state,
                            .dialled = link.dialled,
                            .lag = link.lag,
                            .reason = std::move(link.reason)});
  }
  for (const node::ChannelTable::Entry& entry : sources.node.channels().entries()) {
    if (!entry.configured) continue;
    monitor::ChannelStatus channel;
    channel.name = entry.channel.name;
    channel.filter = entry.channel.filter;
    channel.scope = entry.channel.scope == config::Scope::kMesh ? "mesh" : "local";
    channel.spooled = entry.channel.spooled;
    channel.merge = sync::to_string(entry.merge);
    channel.behind = sources.node.links().replicator().behind(entry.number);
    status.channels.push_back(std::move(channel));
  }
  for (node::TrimmedReader& reader : sources.node.trimmed_readers()) {
    status.trimmed.push_back({.owner = std::move(reader.owner),
                              .client = std::move(reader.client_id),
                              .shared = std::move(reader.shared),
                              .messages = reader.messages});
  }
  return status;
}

}  // namespace

void answer_control(const std::string& request, const ReportSources& sources,
                    std::vector<monitor::ListenerStatus> listeners, sync::ReplicaId replica, node::StorePort& store,
                    Hasher& read_hasher, const std::function<void(std::string)>& reply) {
  const auto verb = cli::parse_control_request(request);
  if (!verb) return reply(monitor::error_json(verb.error().what));
  if (*verb != "status") {
    return reply(monitor::error_json("this version of hedgerowd knows no verb \"" + *verb + "\""));
  }
  auto status = std::make_shared<monitor::Status>(status_of(sources, std::move(listeners), replica));
  std::vector<std::pair<sync::ChannelNo, std::string>> channels;
  for (const node::ChannelTable::Entry& entry : sources.node.channels().entries()) {
    if (entry.configured) channels.emplace_back(entry.number, entry.channel.name);
  }
  store.read(
      [status, channels = std::move(channels), reply, &read_hasher](sync::ReadView& view) -> node::Continuation {
        for (std::size_t i = 0; i < channels.size(); ++i) {
          const auto& [number, name] = channels[i];
          const auto digest = sync::channel_digest(view, read_hasher, number, name, sync::DigestCheck::kHeads);
          if (!digest) return [reply, what = digest.error().what](Instant) { reply(monitor::error_json(what)); };
          status->channels[i].digest = to_hex(*digest);
        }
        return [reply, status](Instant) { reply(monitor::to_json(*status)); };
      },
      [reply](Instant, const Error& error) { reply(monitor::error_json(error.what)); });
}

}  // namespace hedgerow::app
