#include "daemon/app/daemon.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/app/access.hpp"
#include "daemon/app/board.hpp"
#include "daemon/app/dialled_link.hpp"
#include "daemon/app/log.hpp"
#include "daemon/app/report.hpp"
#include "daemon/app/self.hpp"
#include "daemon/app/settings.hpp"
#include "daemon/app/status_answer.hpp"
#include "daemon/app/store_thread.hpp"
#include "daemon/app/things.hpp"
#include "daemon/cli/control_request.hpp"
#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "daemon/control/operator.hpp"
#include "daemon/link_paho/paho_dialler.hpp"
#include "daemon/monitor/identity_alarm.hpp"
#include "daemon/net_asio/control_server.hpp"
#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/listener.hpp"
#include "daemon/node/load_state.hpp"
#include "daemon/store_sqlite/database.hpp"
#include "licenses.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/things_posix/thing_file.hpp"
#include "security/tls_mbedtls/tls_context.hpp"

namespace hedgerow::app {

namespace {

constexpr Duration kHealthEvery = std::chrono::seconds{60};
constexpr Duration kHealthWhileAlarmed = std::chrono::seconds{5};  // also finds out whether there is room again
constexpr Duration kLinksSettle = std::chrono::seconds{5};         // between two reports of changed links
constexpr Duration kTick = std::chrono::seconds{1};
constexpr Duration kFarewell = std::chrono::milliseconds{300};
// SIGTERM to exit: what is not through by then is cut. Everything acknowledged is on disk at any moment.
constexpr Duration kShutdownMax = std::chrono::milliseconds{900};

}  // namespace

// Declared in the order of construction; destroyed in reverse, so that nobody outlives what it uses.
struct Daemon::Parts {
  Parts(config::Config daemon_config, ReadConfig read_again)
      : config(std::move(daemon_config)), read_config(std::move(read_again)) {}
  ~Parts() {
    for (auto& link : dialled) link->stop();
    control.reset();
    things.reset();
    listeners.clear();
    if (store) store->finish();
  }

  Expected<void> open_store();
  void wire();
  Expected<void> open_network();
  Expected<void> open_things();
  // Of things over DTLS.
  [[nodiscard]] std::optional<security::DtlsKey> key_of(std::string_view identity) const;
  void start_dialling();
  void arm_timer();
  void on_timer();
  void report(Instant now);
  void log_refusals();
  void log_refused_things();
  void on_control(const control::Question& question, control::AnswerPtr answer);
  [[nodiscard]] Expected<std::shared_ptr<const security::TlsContext>> tls_for(const config::Listener& listener) const;
  // Reads configuration, users and things again; returns what only a restart would change.
  Expected<std::vector<std::string>> reload();
  // Users and things alone. Whoever is not among them any more is still to be sent away: enforce_access().
  Expected<void> load_keys();
  void begin_shutdown();
  [[nodiscard]] ReportSources sources() const;
  [[nodiscard]] monitor::ScrubReport scrub_report() const;
  [[nodiscard]] std::optional<std::string> identity_alarm() const;
  // What the task gathers in the node is sent right after it.
  void post(std::function<void()> task) {
    loop.post([this, task = std::move(task)] {
      task();
      node->flush();
    });
  }

  config::Config config;
  ReadConfig read_config;
  Self self;
  std::shared_ptr<const security::TlsContext> dialler_tls;
  std::unique_ptr<store_sqlite::Database> database;
  security::Sha256 engine_hasher;
  security::Sha256 read_hasher;
  compress_zstd::ZstdCompressor compressor;
  std::optional<sync::Engine> engine;
  net_asio::EventLoop loop;
  std::optional<StoreThread> store;
  std::optional<Access> access;
  std::unique_ptr<node::Node> node;
  std::vector<std::unique_ptr<net_asio::Listener>> listeners;
  std::unique_ptr<Things> things;
  std::optional<control::Operator> operator_answers;  // outlives the server that asks it
  std::unique_ptr<net_asio::ControlServer> control;
  std::vector<std::unique_ptr<DialledLink>> dialled;

  Instant started{};
  Instant next_tick{};
  std::optional<Instant> armed;  // when the loop's timer fires
  Instant next_health{};
  std::size_t alarms_told = 0;
  std::optional<std::string> identity_alarm_told;
  std::optional<std::string> clock_alarm_told;
  Instant next_links{};
  std::string links_seen;
  std::uint64_t refusals_logged = 0;
  std::uint64_t dtls_refusals_logged = 0;
  bool ending = false;
  std::optional<Error> fatal;
};

Expected<void> Daemon::Parts::open_store() {
  auto opened = store_sqlite::open({.dir = config.data.string(),
                                    .board_identity = board_identity(),
                                    .fresh_replica = sync::ReplicaId{random_u64() | 1U},
                                    .vfs_name = {},
                                    .syncs_commits = config.durability == config::Durability::kSynced});
  if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
  database = std::move(*opened);
  if (!database->report().note.empty()) log_line(database->report().note);
  engine.emplace(database->storage(), engine_hasher);
  return engine->open(channel_settings(config), sync::ReplicaId{random_u64() | 1U});
}

void Daemon::Parts::wire() {
  store.emplace(StoreThread::Ports{
      .engine = *engine,
      .sessions = database->sessions(),
      .views = database->views(),
      .remote_commit = config.remote_commit,
      .wall_clock = wall_clock,
      .checkpoint_due = [this] { return database->checkpoint_due(); },
      .checkpoint =
          [this] {
            if (auto done = database->checkpoint(); !done) log_line(done.error().what);
          },
      .scrub = [this]() -> Duration {
        // What it finds ends the store, and is told there.
        const auto next = database->scrub(wall_clock().unix_ms);
        return std::chrono::milliseconds{next.value_or(std::uint64_t{3'600'000})};
      },
      .usable = [this] { return database->check(); },
      .post = [this](std::function<void()> task) { post(std::move(task)); },
      .now = net_asio::EventLoop::now,
      .on_turn = [this](node::TurnResult turn) { node->on_turn(net_asio::EventLoop::now(), std::move(turn)); },
      .on_fatal =
          [this](const Error& error) {
            fatal = error;
            loop.stop();
          },
  });
}

Expected<std::shared_ptr<const security::TlsContext>> Daemon::Parts::tls_for(const config::Listener& listener) const {
  if (!listener.tls) return nullptr;
  const bool by_certificate = listener.auth == config::Auth::kCertificate;
  return security::TlsContext::create(
      *self.identity,
      {// Devices that prove themselves by password may be old; the mesh is not.
       .minimum = by_certificate ? security::TlsVersion::kTls13 : security::TlsVersion::kTls12,
       .accepted_roles = security::RoleSet::all(),
       .client_certificate =
           by_certificate ? security::ClientCertificate::kRequired : security::ClientCertificate::kNotAsked,
       .alpn = listener.protocol == config::Protocol::kWebSocket ? security::Alpn::kHttp : security::Alpn::kMqtt});
}

Expected<void> Daemon::Parts::open_network() {
  for (const config::Listener& listener : config.listeners) {
    if (listener.tls && !self.identity) {
      log_line("listener " + listener.name + " (" + config::to_string(listener.address) +
               ") waits: it needs an identity in " + (config.data / "identity").string() +
               "; make one with hedgerow node add " + self.node + ", copy it there, and restart");
      continue;
    }
    auto tls = tls_for(listener);
    if (!tls) return tl::unexpected<Error>(std::move(tls.error()));
    const bool is_websocket = listener.protocol == config::Protocol::kWebSocket;
    auto bound =
        net_asio::listen(loop,
                         {.name = listener.name,
                          .host = listener.address.host,
                          .port = listener.address.port,
                          .tls = std::move(*tls),
                          .limits = network_limits(config.limits),
                          .protocol = is_websocket ? net_asio::Protocol::kWebSocket : net_asio::Protocol::kMqtt},
                         *node);
    if (!bound) return tl::unexpected<Error>(std::move(bound.error()));
    listeners.push_back(std::move(*bound));
  }
  if (listeners.empty()) {
    return fail(Category::kNotFound, "nothing to listen on: every listener wants TLS, and there is no identity in " +
                                         (config.data / "identity").string() + "; make one with hedgerow node add");
  }
  if (auto opened = open_things(); !opened) return opened;
  operator_answers.emplace(*node, *store, wall_clock);
  auto served =
      net_asio::serve_control(loop, config.data, [this](const control::Question& question, control::AnswerPtr answer) {
        on_control(question, std::move(answer));
      });
  if (!served) return tl::unexpected<Error>(std::move(served.error()));
  control = std::move(*served);
  return {};
}

Expected<void> Daemon::Parts::open_things() {
  if (!config.things.udp && !config.things.dtls && config.things.serial.empty()) return {};
  auto opened = Things::open(
      config.things, {.loop = loop,
                      .acceptor = *node,
                      .post = [this](std::function<void()> task) { post(std::move(task)); },
                      .on_deadline = [this] { arm_timer(); },
                      .log = [](const std::string& line) { log_line(line); },
                      .find_thing = [this](const security::ThingId& id) { return access->things().find_id(id); },
                      .key_of = [this](std::string_view name) { return key_of(name); },
                      .identity = self.identity ? &*self.identity : nullptr});
  if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
  things = std::move(*opened);
  return {};
}

std::optional<security::DtlsKey> Daemon::Parts::key_of(std::string_view identity) const {
  const security::ThingEntry* const thing = access->things().find_identity(identity);
  if (thing == nullptr) return std::nullopt;
  return security::DtlsKey{.name = thing->name, .key = Bytes(thing->key.begin(), thing->key.end())};
}

void Daemon::Parts::start_dialling() {
  if (config.peers.empty()) return;
  if (!dialler_tls) {
    log_line("peers are not dialled: that needs an identity in " + (config.data / "identity").string());
    return;
  }
  const auto defer = [this](std::function<void()> task) { post(std::move(task)); };
  for (const config::HostPort& peer : config.peers) {
    const std::string address = config::to_string(peer);
    // One for each address: two addresses of one peer must not take each other's connection over.
    const std::string client_id = "hedgerow-link-" + self.node + "-" + std::to_string(dialled.size() + 1);
    const auto make = [this, address, client_id, defer](link_paho::DialEvents& events) {
      return link_paho::make_dialler(
          {.host_port = address, .client_id = client_id, .node = self.node, .mesh = self.mesh, .tls = dialler_tls},
          defer, events);
    };
    dialled.push_back(std::make_unique<DialledLink>(
        DialledLink::Settings{.address = address, .mesh = self.mesh, .node = self.node}, node->links(),
        net_asio::EventLoop::now, defer, [](const std::string& line) { log_line(line); }, make));
    dialled.back()->start();
  }
}

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
          .identity_alarm = identity_alarm(),
          .clock_alarm = clock_alarm()};
}

std::optional<std::string> Daemon::Parts::identity_alarm() const {
  if (!self.identity) return std::nullopt;
  return monitor::identity_alarm(self.node, self.identity->not_after_unix_s, wall_clock());
}

void Daemon::Parts::report(Instant now) {
  std::optional<std::string> identity = identity_alarm();
  if (identity && identity != identity_alarm_told) log_line(*identity);  // once a day: it names the days
  identity_alarm_told = std::move(identity);
  std::optional<std::string> clock = clock_alarm();
  if (clock && clock != clock_alarm_told) log_line(*clock);  // once a day: it names the day
  clock_alarm_told = std::move(clock);
  const std::size_t alarms = node->alarms().size() + (identity_alarm_told ? 1U : 0U) + (clock_alarm_told ? 1U : 0U);
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

void Daemon::Parts::on_timer() {
  armed.reset();
  const Instant now = net_asio::EventLoop::now();
  node->on_timer(now);
  if (things) things->on_timer(now);
  if (now >= next_tick && !ending) {
    next_tick = now + kTick;
    for (auto& link : dialled) link->on_tick(now);
    report(now);
    log_refusals();
    log_refused_things();
  }
  arm_timer();
}

void Daemon::Parts::arm_timer() {
  if (ending) return;
  Instant next = std::min(next_tick, node->next_deadline());
  if (things) next = std::min(next, things->next_deadline());
  if (armed && *armed <= next) return;
  armed = next;
  loop.set_timer(next, [this] { on_timer(); });
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

void Daemon::Parts::begin_shutdown() {
  if (ending) return;
  ending = true;
  loop.set_timer(net_asio::EventLoop::now() + kShutdownMax, [this] { loop.stop(); });
  listeners.clear();
  control.reset();
  for (auto& link : dialled) link->stop();
  node->stop_taking(net_asio::EventLoop::now());
  // What was handed to the store is committed and acknowledged; then positions are saved; then everybody is told.
  store->when_committed([this] {
    node->say_goodbye(net_asio::EventLoop::now());
    store->when_committed([this] { loop.close_connections(kFarewell, [this] { loop.stop(); }); });
  });
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
  std::vector<std::string> notes = restart_notes(config, *wanted);
  config.limits = wanted->limits;
  for (const auto& listener : listeners) listener->set_limits(network_limits(config.limits));
  node->reconfigure(connection_limits(config.limits), node_limits(config.limits), wanted->channels);
  node->enforce_access();
  if (auto identity = identity_note(config, self)) notes.push_back(std::move(*identity));
  return notes;
}

Expected<std::unique_ptr<Daemon>> Daemon::create(config::Config config, ReadConfig read_again) {
  static_cast<void>(net_asio::raise_open_files_limit());
  if (auto ready = security::init_crypto(); !ready) return tl::unexpected<Error>(std::move(ready.error()));
  auto parts = std::make_unique<Parts>(std::move(config), std::move(read_again));
  auto self = who_we_are(parts->config);
  if (!self) return tl::unexpected<Error>(std::move(self.error()));
  parts->self = std::move(*self);
  if (parts->self.identity) {
    auto dialler_tls = security::TlsContext::create(*parts->self.identity, {.accepted_roles = {security::Role::kNode}});
    if (!dialler_tls) return tl::unexpected<Error>(std::move(dialler_tls.error()));
    parts->dialler_tls = std::move(*dialler_tls);
  }
  auto users = security::PasswordFile::load(parts->config.data);
  if (!users) return tl::unexpected<Error>(std::move(users.error()));
  auto known_things = security::load_things(parts->config.data);
  if (!known_things) return tl::unexpected<Error>(std::move(known_things.error()));
  if (auto opened = parts->open_store(); !opened) return tl::unexpected<Error>(std::move(opened.error()));
  auto state = node::load_state(*parts->engine, parts->database->sessions(), wall_clock());
  if (!state) return tl::unexpected<Error>(std::move(state.error()));
  parts->wire();
  parts->started = net_asio::EventLoop::now();
  Parts* raw = parts.get();
  parts->access.emplace(parts->config, std::move(*users), std::move(*known_things),
                        [raw](std::function<void()> task) { raw->post(std::move(task)); });
  node::NodeSettings settings{.mesh = parts->self.mesh,
                              .name = parts->self.node,
                              .version = std::string(version()),
                              .connection_limits = connection_limits(parts->config.limits),
                              .limits = node_limits(parts->config.limits)};
  node::NodePorts ports{.store = *parts->store,
                        .access = *parts->access,
                        .read_hasher = parts->read_hasher,
                        .compressor = parts->compressor,
                        .wall_clock = wall_clock,
                        .random = random_u64,
                        .log = [](const std::string& line) { log_line(line); },
                        .on_deadline = [raw] { raw->arm_timer(); },
                        .on_fatal =
                            [raw](const Error& error) {
                              raw->fatal = error;
                              raw->loop.stop();
                            }};
  parts->node = std::make_unique<node::Node>(parts->started, std::move(settings), std::move(ports),
                                             node::ChannelTable(parts->config.channels, parts->engine->channels()),
                                             std::move(*state));
  if (auto open = parts->open_network(); !open) return tl::unexpected<Error>(std::move(open.error()));
  return std::unique_ptr<Daemon>(new Daemon(std::move(parts)));
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Daemon::~Daemon() = default;

Expected<void> Daemon::run() {
  Parts& parts = *parts_;
  auto signals = parts.loop.on_signals([&parts](net_asio::Signal signal) {
    if (signal == net_asio::Signal::kTerminate) return parts.begin_shutdown();
    const auto notes = parts.reload();
    log_line(notes ? "configuration, users and things were read again" : "nothing changed: " + notes.error().what);
    for (const std::string& note : notes.value_or(std::vector<std::string>{})) log_line(note);
  });
  if (!signals) return signals;
  parts.store->start();
  for (const auto& listener : parts.listeners) log_line("listening " + listener->name() + " " + listener->address());
  if (parts.things && !parts.things->udp_address().empty()) {
    log_line("listening " + std::string(config::kThingsListenerName) + " " + parts.things->udp_address());
  }
  if (parts.things && !parts.things->dtls_address().empty()) {
    log_line("listening " + std::string(config::kThingsListenerName) + " dtls " + parts.things->dtls_address());
  }
  parts.start_dialling();
  parts.next_tick = parts.started;
  parts.arm_timer();
  parts.loop.run();
  if (parts.fatal) return tl::unexpected<Error>(*parts.fatal);
  return {};
}

}  // namespace hedgerow::app
