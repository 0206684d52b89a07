// Things: the gateway with its transports, UDP, DTLS and serial lines, as configured. On serial lines messages are
// sealed (firmware-shim/codec/seal.h); plain ones are taken where the configuration accepts plaintext. Thread rule: the
// loop thread, or before it runs. Ownership: loop and node must outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/app/dtls_things.hpp"
#include "daemon/config/config.hpp"
#include "daemon/monitor/health.hpp"
#include "daemon/net_asio/datagram_socket.hpp"
#include "daemon/net_asio/serial_line.hpp"
#include "firmware-shim/gateway/gateway.hpp"
#include "firmware-shim/gateway/sealed_line.hpp"

namespace hedgerow::app {

class Things {
 public:
  struct Ports {
    net_asio::EventLoop& loop;
    node::StreamAcceptor& acceptor;
    std::function<void(std::function<void()>)> post;  // onto the loop; the node flushes afterwards
    std::function<void()> on_deadline;                // next_deadline() may have moved
    std::function<void(const std::string&)> log;
    // Whose key a sealed line may prove; null: nobody's of that id.
    std::function<const security::ThingEntry*(const security::ThingId&)> find_thing;
    security::FindDtlsKey key_of;                  // of things over DTLS
    const security::Identity* identity = nullptr;  // ours, for DTLS with certificates; during open() only
  };
  // Errors are those of binding and of the identity.
  [[nodiscard]] static Expected<std::unique_ptr<Things>> open(const config::Things& settings, Ports ports);

  // The things and their keys were read again: the sessions of those that are revoked end.
  void keys_changed();
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;
  // Of UDP, with the real port; empty: none.
  [[nodiscard]] std::string udp_address() const { return udp_ ? udp_->address() : std::string(); }
  [[nodiscard]] std::string dtls_address() const { return dtls_ ? dtls_->address() : std::string(); }
  // Null: DTLS is not configured.
  [[nodiscard]] const security::DtlsServer* dtls() const { return dtls_ ? &dtls_->server() : nullptr; }
  [[nodiscard]] monitor::ThingsReport report() const;

 private:
  struct Line {
    std::unique_ptr<net_asio::SerialLine> serial;
    std::unique_ptr<gateway::SealedLine> sealed;
    std::uint64_t plain_refused = 0;
    Instant plain_told = Instant::min();  // that something is not sealed here
  };
  Things(const config::Things& settings, Ports ports);
  Expected<void> open_dtls(const config::HostPort& address);
  void open_line(const std::string& place);
  void take_frame(Line& line, ByteView frame);
  void take(const std::string& address, node::Arrived arrived, ByteView message,
            std::size_t message_bytes_max = gateway::kDatagramBytesMax);
  void send(const std::string& address, ByteView message);
  void broadcast(ByteView message);
  void work_waits();

  Ports ports_;
  gateway::Gateway gateway_;
  std::unique_ptr<net_asio::DatagramSocket> udp_;
  std::unique_ptr<DtlsThings> dtls_;
  std::vector<std::unique_ptr<Line>> lines_;
  bool plaintext_accepted_;
  bool work_posted_ = false;
};

}  // namespace hedgerow::app
