// Daemon: the composition root. The one place that names concrete adapters and wires them to the cores. DESIGN 4.
//
//   net_asio listeners ─┐                     ┌─ StoreThread ── sync::Engine ── store_sqlite::Database
//   link_paho diallers ─┴─ node::Node (loop) ─┘
//   control socket, reports under hedgerow/MESH/nodes/NODE/
//
// Thread rule: built, run and destroyed on one thread, which is the loop thread while run() lasts.
#pragma once

#include <functional>
#include <memory>

#include "daemon/config/config.hpp"
#include "sync/base/expected.hpp"

namespace hedgerow::app {

class Daemon {
 public:
  // Reads the configuration again, from where it came.
  using ReadConfig = std::function<Expected<config::Config>()>;
  // Opens the store, binds the listeners. Errors name what to do; kInvalidInput is one of the configuration.
  // `read_again` is called on SIGHUP, and when `hedgerow reload` asks.
  [[nodiscard]] static Expected<std::unique_ptr<Daemon>> create(config::Config config, ReadConfig read_again);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  // Serves until SIGTERM or SIGINT, then finishes what was acknowledged. An error: it could not go on.
  [[nodiscard]] Expected<void> run();

 private:
  struct Parts;
  explicit Daemon(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hedgerow::app
