// The part of Daemon that the operator deals with: reports, the log, what the control socket asks, reloading.
#include <chrono>

#include "daemon/app/board.hpp"
#include "daemon/app/daemon_parts.hpp"
#include "daemon/app/log.hpp"
#include "daemon/app/settings.hpp"
#include "daemon/app/status_answer.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/monitor/identity_alarm.hpp"
#include "security/things_posix/thing_file.hpp"

namespace hedgerow::app {

namespace {

constexpr Duration kHealthEvery = std::chrono::seconds{60};
constexpr Duration kHealthWhileAlarmed = std::chrono::seconds{5};  // also finds out whether there is room again
constexpr Duration kLinksSettle = std::chrono::seconds{5};         // between two reports of changed links

}  // namespace

monitor::ScrubReport Daemon::Parts::scrub_report() const {
  const store_sqlite::ScrubStatus status = database->scrub_status();
  return {.finished_unix_ms = status.finished_unix_ms,
          .damaged_unix_ms = status.damaged_unix_ms,
          .done_bytes = status.done_bytes,
          .file_bytes = status.file_bytes};
}

ReportSources Daemon::Parts::sources() const {
  const Instant now = net_asio::EventLoop::now();
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now - started).count();
  return {.config = config,
          .node = *node,
          .dialled = dialled,
          .now = now,
          .wall = wall_clock(),
          .uptime_s = static_cast<std::uint64_t>(uptime),
          .scrub = scrub_report(),
          .things = things.get(),
          .channel_alarms = mesh_channels->alarms(),
          .node_alarms = mesh_nodes->alarms(),
          .identity_alarm = identity_alarm(),
          .clock_alarm = clock_alarm()};
}

std::optional<std::string> Daemon::Parts::identity_alarm() const {
  if (!self.identity) return std::nullopt;
  return monitor::identity_alarm(self.node, self.identity->not_after_unix_s, wall_clock());
}

void Daemon::Parts::follow_mesh_channels(Instant now) {
  if (!mesh_channels->on_tick(now)) return;
  node->reconfigure(connection_limits(config.limits), node_limits(config.limits), mesh_channels->wanted());
}

void Daemon::Parts::report(Instant now) {
  std::optional<std::string> identity = identity_alarm();
  if (identity && identity != identity_alarm_told) log_line(*identity);  // once a day: it names the days
  identity_alarm_told = std::move(identity);
  std::optional<std::string> clock = clock_alarm();
  if (clock && clock != clock_alarm_told) log_line(*clock);  // once a day: it names the day
  clock_alarm_told = std::move(clock);
  const std::size_t alarms = node->alarms().size() + mesh_channels->alarms().size() + mesh_nodes->alarms().size() +
                             (identity_alarm_told ? 1U : 0U) + (clock_alarm_told ? 1U : 0U);
  if (now >= next_health || alarms != alarms_told) {
    alarms_told = alarms;
    next_health = now + (node->alarms().empty() ? kHealthEvery : kHealthWhileAlarmed);
    node->publish_own("health", health_report(sources()));
  }
  if (now < next_links) return;
  std::string seen;
  for (const monitor::LinkReport& link : link_reports(sources())) {
    seen += link.peer + '\n' + std::string(monitor::to_string(link.state)) + '\n';
  }
  if (seen == links_seen) return;
  links_seen = std::move(seen);
  next_links = now + kLinksSettle;
  node->publish_own("links", links_report(sources()));
}

// Strangers at a listener: one line a second at most, however many knock.
void Daemon::Parts::log_refusals() {
  std::uint64_t refused = 0;
  const std::string* last = nullptr;
  for (const auto& listener : listeners) {
    const net_asio::Refused counts = listener->refused();
    refused += counts.by_limit + counts.by_handshake + counts.by_time + counts.by_upgrade + counts.by_exhaustion;
    if (!listener->last_refusal().empty()) last = &listener->last_refusal();
  }
  if (refused == refusals_logged) return;
  log_line("refused " + std::to_string(refused - refusals_logged) + " connections" +
           (last == nullptr ? std::string() : ", the last: " + *last));
  refusals_logged = refused;
}

void Daemon::Parts::log_refused_things() {
  const security::DtlsServer* const dtls = things ? things->dtls() : nullptr;
  if (dtls == nullptr || dtls->counters().refused == dtls_refusals_logged) return;
  log_line("things \"dtls\": refused " + std::to_string(dtls->counters().refused - dtls_refusals_logged) +
           " handshakes, the last: " + dtls->last_refusal());
  dtls_refusals_logged = dtls->counters().refused;
}

void Daemon::Parts::on_control(const control::Question& question, control::AnswerPtr answer) {
  const std::string& request = question.document;
  const auto verb = cli::parse_control_request(request);
  if (verb && *verb == "reload") {
    const auto notes = reload();
    return answer->finish(notes ? monitor::reloaded_json(*notes) : monitor::error_json(notes.error().what));
  }
  if (verb && *verb == "reload-keys") {
    const auto loaded = load_keys();
    if (loaded) node->enforce_access();
    return answer->finish(loaded ? monitor::reloaded_json({}) : monitor::error_json(loaded.error().what));
  }
  if (verb && *verb == "channel-list") return answer->finish(mesh_channels->list_json());
  if (verb && *verb == "channel-apply") {
    mesh_channels->apply(question.body, answer);
    return node->flush();
  }
  if (verb && *verb == "node-list") return mesh_nodes->list(answer);
  if (verb && *verb == "node-remove") {
    mesh_nodes->remove(question.body, answer);
    return node->flush();
  }
  if (operator_answers->take(question, answer)) return node->flush();
  // Digests and lag are of what is durable. The answer does not wait for it: the disk may be what is asked about.
  store->submit(sync::CommitNow{});
  std::vector<monitor::ListenerStatus> bound;
  for (const auto& listener : listeners) {
    const config::Listener* configured = nullptr;
    for (const config::Listener& candidate : config.listeners) {
      if (candidate.name == listener->name()) configured = &candidate;
    }
    bound.push_back({.name = listener->name(),
                     .address = listener->address(),
                     .tls = configured != nullptr && configured->tls,
                     .plaintext = configured != nullptr && configured->plaintext_accepted});
  }
  const auto add_things = [&](std::string address, bool is_dtls) {
    if (address.empty()) return;
    bound.push_back({.name = std::string(config::kThingsListenerName),
                     .address = std::move(address),
                     .tls = is_dtls,
                     .plaintext = !is_dtls && config.things.plaintext_accepted});
  };
  if (things) add_things(things->udp_address(), /*is_dtls=*/false);
  if (things) add_things(things->dtls_address(), /*is_dtls=*/true);
  answer_control(request, sources(), std::move(bound), node->links().replica(), *store, read_hasher,
                 [answer](std::string document) { answer->finish(std::move(document)); });
}

Expected<void> Daemon::Parts::load_keys() {
  auto users = security::PasswordFile::load(config.data);
  if (!users) return tl::unexpected<Error>(std::move(users.error()));
  auto known_things = security::load_things(config.data);
  if (!known_things) return tl::unexpected<Error>(std::move(known_things.error()));
  access->replace(config, std::move(*users), std::move(*known_things));
  if (things) things->keys_changed();
  return {};
}

Expected<std::vector<std::string>> Daemon::Parts::reload() {
  auto wanted = read_config();
  if (!wanted) return tl::unexpected<Error>(std::move(wanted.error()));
  std::swap(config.access, wanted->access);
  if (auto loaded = load_keys(); !loaded) {
    std::swap(config.access, wanted->access);
    return tl::unexpected<Error>(std::move(loaded.error()));
  }
  mesh_channels->reconfigure(*wanted);
  wanted->channels = mesh_channels->wanted();
  std::vector<std::string> notes = restart_notes(config, *wanted);
  config.limits = wanted->limits;
  for (const auto& listener : listeners) listener->set_limits(network_limits(config.limits));
  node->reconfigure(connection_limits(config.limits), node_limits(config.limits), wanted->channels);
  node->enforce_access();
  if (auto identity = identity_note(config, self)) notes.push_back(std::move(*identity));
  return notes;
}

}  // namespace hedgerow::app
