#include "daemon/app/dtls_things.hpp"

#include <utility>

#include "security/crypto_mbedtls/crypto.hpp"

namespace hedgerow::app {

DtlsThings::DtlsThings(std::shared_ptr<const security::DtlsContext> context, const security::Cookies::Secret& secret,
                       Ports ports)
    : on_deadline_(std::move(ports.on_deadline)),
      server_(
          std::move(context), secret,
          {.key_of = std::move(ports.key_of),
           .send = [this](const std::string& remote, ByteView datagram) { socket_->send(remote, datagram); },
           .deliver = [take = std::move(ports.take)](Instant, const security::DtlsPeer& peer, const std::string& remote,
                                                     ByteView message) { take(peer, remote, message); }}) {}

DtlsThings::~DtlsThings() {
  if (socket_) server_.close(net_asio::EventLoop::now());
}

Expected<std::unique_ptr<DtlsThings>> DtlsThings::open(const config::HostPort& address,
                                                       const security::Identity* identity, Ports ports) {
  auto context = security::DtlsContext::create(identity);
  if (!context) return tl::unexpected<Error>(std::move(context.error()));
  security::Cookies::Secret secret{};
  if (auto drawn = security::random_bytes(secret); !drawn) return tl::unexpected<Error>(std::move(drawn.error()));
  net_asio::EventLoop& loop = ports.loop;
  std::unique_ptr<DtlsThings> things(new DtlsThings(std::move(*context), secret, std::move(ports)));
  auto bound = net_asio::bind_datagrams(loop, {.name = "things \"dtls\"", .host = address.host, .port = address.port},
                                        [raw = things.get()](const std::string& remote, ByteView datagram) {
                                          raw->server_.on_datagram(net_asio::EventLoop::now(), remote, datagram);
                                          raw->on_deadline_();
                                        });
  if (!bound) return tl::unexpected<Error>(std::move(bound.error()));
  things->socket_ = std::move(*bound);
  return things;
}

void DtlsThings::send(const std::string& peer_id, ByteView message) {
  server_.send(net_asio::EventLoop::now(), peer_id, message);
}

std::vector<std::string> DtlsThings::check_keys() { return server_.check_keys(net_asio::EventLoop::now()); }

}  // namespace hedgerow::app
