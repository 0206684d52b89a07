// DtlsThings: things that come by DTLS: the sessions of security/dtls_mbedtls on a UDP address of this board.
// Thread rule: the loop thread, or before it runs. Ownership: the loop must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/net_asio/datagram_socket.hpp"
#include "security/dtls_mbedtls/dtls_server.hpp"

namespace hedgerow::app {

class DtlsThings {
 public:
  struct Ports {
    net_asio::EventLoop& loop;
    security::FindDtlsKey key_of;
    // A message of whoever has proved to be `peer`, and comes from `remote` now.
    std::function<void(const security::DtlsPeer& peer, const std::string& remote, ByteView message)> take;
    std::function<void()> on_deadline;  // next_deadline() may have moved
  };
  // `identity`: null: keys only. Errors are those of binding and of the identity.
  [[nodiscard]] static Expected<std::unique_ptr<DtlsThings>> open(const config::HostPort& address,
                                                                  const security::Identity* identity, Ports ports);
  DtlsThings(const DtlsThings&) = delete;
  DtlsThings& operator=(const DtlsThings&) = delete;
  // Says goodbye to the things.
  ~DtlsThings();

  [[nodiscard]] std::string address() const { return socket_->address(); }
  // To the peer of that DtlsPeer::id(). Without a session it is lost, as datagrams are: the thing asks again.
  void send(const std::string& peer_id, ByteView message);
  void on_timer(Instant now) { server_.on_timer(now); }
  [[nodiscard]] Instant next_deadline() const { return server_.next_deadline(); }
  // Ends the sessions of things whose key is no more (G8). Returns their names.
  std::vector<std::string> check_keys();
  [[nodiscard]] const security::DtlsServer& server() const { return server_; }

 private:
  DtlsThings(std::shared_ptr<const security::DtlsContext> context, const security::Cookies::Secret& secret,
             Ports ports);

  std::function<void()> on_deadline_;
  std::unique_ptr<net_asio::DatagramSocket> socket_;
  security::DtlsServer server_;
};

}  // namespace hedgerow::app
