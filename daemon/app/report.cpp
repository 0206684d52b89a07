#include "daemon/app/report.hpp"

#include <algorithm>

#include "daemon/monitor/system_probe.hpp"
#include "licenses.hpp"

namespace hedgerow::app {

namespace {

WallTime wall_at(const ReportSources& sources, Instant moment) {
  const auto ago = std::chrono::duration_cast<std::chrono::milliseconds>(sources.now - moment).count();
  WallTime at = sources.wall;
  at.unix_ms -= std::min(at.unix_ms, static_cast<std::uint64_t>(std::max<std::int64_t>(ago, 0)));
  return at;
}

std::string address_of(const ReportSources& sources, sync::LinkId link) {
  for (const auto& dialled : sources.dialled) {
    if (dialled->link() == link) return dialled->address();
  }
  return {};
}

}  // namespace

std::vector<monitor::LinkReport> link_reports(const ReportSources& sources) {
  std::vector<monitor::LinkReport> out;
  for (const sync::LinkStatus& link : sources.node.links().replicator().links()) {
    const bool greeting = link.state == sync::LinkState::kGreeting;
    out.push_back({.peer = link.peer,
                   .address = address_of(sources, link.link),
                   .state = greeting ? monitor::LinkState::kConnecting : monitor::LinkState::kUp,
                   .dialled = link.dialled,
                   .lag = greeting ? std::nullopt : std::optional(link.peer_lag_ops),
                   .since = wall_at(sources, link.since)});
  }
  for (const auto& dialled : sources.dialled) {
    if (dialled->link() || dialled->is_self()) continue;
    out.push_back({.peer = dialled->address(),
                   .address = dialled->address(),
                   .state = monitor::LinkState::kDown,
                   .dialled = true,
                   .lag = {},
                   .since = wall_at(sources, dialled->since()),
                   .reason = dialled->reason()});
  }
  return out;
}

std::string links_report(const ReportSources& sources) {
  return monitor::links_json(sources.wall, link_reports(sources));
}

std::vector<std::string> alarms_of(const ReportSources& sources) {
  std::vector<std::string> alarms = sources.node.alarms();
  alarms.insert(alarms.end(), sources.channel_alarms.begin(), sources.channel_alarms.end());
  alarms.insert(alarms.end(), sources.node_alarms.begin(), sources.node_alarms.end());
  if (sources.identity_alarm) alarms.push_back(*sources.identity_alarm);
  if (sources.clock_alarm) alarms.push_back(*sources.clock_alarm);
  return alarms;
}

std::string health_report(const ReportSources& sources) {
  monitor::Health health;
  health.at = sources.wall;
  health.version = std::string(version());
  health.uptime_s = sources.uptime_s;
  health.system = monitor::probe_system(sources.config.data);
  health.clients = sources.node.clients();
  const node::Counters& counters = sources.node.counters();
  health.messages = {.received = counters.received,
                     .delivered = counters.delivered,
                     .refused = counters.refused,
                     .dropped = counters.dropped,
                     .denied = counters.refused_access,
                     .trimmed = counters.trimmed_beneath,
                     .withheld = counters.withheld};
  health.over_budget = {.subscriptions = counters.refused_subscriptions,
                        .readers = counters.closed_readers,
                        .writers = counters.closed_writers};
  for (const config::Listener& listener : sources.config.listeners) {
    if (listener.plaintext_accepted) health.plaintext_listeners.push_back(listener.name);
  }
  if (sources.config.things.plaintext_accepted) health.plaintext_listeners.emplace_back(config::kThingsListenerName);
  if (sources.things != nullptr) health.things = sources.things->report();
  health.alarms = alarms_of(sources);
  health.scrub = sources.scrub;
  return monitor::to_json(health);
}

}  // namespace hedgerow::app
