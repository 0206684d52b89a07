#include "daemon/app/daemon.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "daemon/app/board.hpp"
#include "daemon/app/daemon_parts.hpp"
#include "daemon/app/log.hpp"
#include "daemon/app/settings.hpp"
#include "daemon/node/load_state.hpp"
#include "licenses.hpp"
#include "security/pki_mbedtls/identity_files.hpp"
#include "security/things_posix/thing_file.hpp"

namespace hedgerow::app {

namespace {

constexpr Duration kTick = std::chrono::seconds{1};
constexpr Duration kFarewell = std::chrono::milliseconds{300};
// SIGTERM to exit: what is not through by then is cut. Everything acknowledged is on disk at any moment.
constexpr Duration kShutdownMax = std::chrono::milliseconds{900};

}  // namespace

Expected<void> Daemon::Parts::read_mesh_state() {
  const auto stored = database->storage().load();
  if (!stored) return tl::unexpected<Error>(stored.error());
  ReadDefinitions definitions;
  NodesOfMesh nodes;
  for (const sync::ChannelState& channel : stored->channels) {
    if (channel.name != config::kSystemChannelName) continue;
    const auto view = database->views().open_view();
    if (!view) return tl::unexpected<Error>(view.error());
    auto read = read_definitions(**view, channel.number, self.mesh);
    if (!read) return tl::unexpected<Error>(std::move(read.error()));
    auto known = read_nodes(**view, channel.number, self.mesh);
    if (!known) return tl::unexpected<Error>(std::move(known.error()));
    definitions = std::move(*read);
    nodes = std::move(*known);
  }
  mesh_channels.emplace(config, self.mesh, std::move(definitions));
  mesh_nodes.emplace(self.mesh, self.node, std::move(nodes));
  return {};
}

Expected<void> Daemon::Parts::open_store() {
  auto opened = store_sqlite::open({.dir = config.data.string(),
                                    .board_identity = board_identity(),
                                    .fresh_replica = sync::ReplicaId{random_u64() | 1U},
                                    .vfs_name = {},
                                    .syncs_commits = config.durability == config::Durability::kSynced});
  if (!opened) return tl::unexpected<Error>(std::move(opened.error()));
  database = std::move(*opened);
  if (!database->report().note.empty()) log_line(database->report().note);
  if (auto read = read_mesh_state(); !read) return read;
  config.channels = mesh_channels->wanted();
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
      .on_turn =
          [this](node::TurnResult turn) {
            mesh_channels->on_turn(turn);
            mesh_nodes->on_turn(turn);
            node->on_turn(net_asio::EventLoop::now(), std::move(turn));
          },
      .on_fatal =
          [this](const Error& error) {
            fatal = error;
            loop.stop();
          },
  });
}

void Daemon::Parts::on_timer() {
  armed.reset();
  const Instant now = net_asio::EventLoop::now();
  node->on_timer(now);
  if (things) things->on_timer(now);
  if (now >= next_tick && !ending) {
    next_tick = now + kTick;
    for (auto& link : dialled) link->on_tick(now);
    follow_mesh_channels(now);
    mesh_nodes->on_tick(now);
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
  parts->mesh_channels->start(*parts->node, *parts->store);
  parts->mesh_nodes->start(parts->started, *parts->node, *parts->store);
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
