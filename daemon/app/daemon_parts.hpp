// What a Daemon is made of, and how the parts are joined. Private to daemon*.cpp: daemon.cpp makes and ends it,
// daemon_network.cpp opens what it listens on and dials, daemon_operator.cpp answers and tells the operator.
// Thread rule: the loop thread, which is whoever called Daemon::run().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/app/access.hpp"
#include "daemon/app/daemon.hpp"
#include "daemon/app/dialled_link.hpp"
#include "daemon/app/mesh_channels.hpp"
#include "daemon/app/mesh_nodes.hpp"
#include "daemon/app/report.hpp"
#include "daemon/app/self.hpp"
#include "daemon/app/store_thread.hpp"
#include "daemon/app/things.hpp"
#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "daemon/control/operator.hpp"
#include "daemon/net_asio/control_server.hpp"
#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/listener.hpp"
#include "daemon/store_sqlite/database.hpp"
#include "security/crypto_mbedtls/crypto.hpp"
#include "security/tls_mbedtls/tls_context.hpp"

namespace hedgerow::app {

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
  // What the database knows of the mesh, before anything is defined in it.
  Expected<void> read_mesh_state();
  void wire();
  Expected<void> open_network();
  Expected<void> open_things();
  // Of things over DTLS.
  [[nodiscard]] std::optional<security::DtlsKey> key_of(std::string_view identity) const;
  void start_dialling();
  void arm_timer();
  void on_timer();
  void follow_mesh_channels(Instant now);
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
  std::optional<MeshChannels> mesh_channels;
  std::optional<MeshNodes> mesh_nodes;
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

}  // namespace hedgerow::app
