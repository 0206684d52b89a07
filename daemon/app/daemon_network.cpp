// The part of Daemon that opens what it listens on, and dials its peers.
#include "daemon/app/board.hpp"
#include "daemon/app/daemon_parts.hpp"
#include "daemon/app/log.hpp"
#include "daemon/app/settings.hpp"
#include "daemon/link_paho/paho_dialler.hpp"

namespace hedgerow::app {

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

}  // namespace hedgerow::app
