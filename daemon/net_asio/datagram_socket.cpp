#include "daemon/net_asio/datagram_socket.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <charconv>
#include <utility>

#include "daemon/net_asio/bind_failure.hpp"
#include "daemon/net_asio/loop_impl.hpp"

namespace hedgerow::net_asio {
namespace {

using boost::system::error_code;
using Udp = asio::ip::udp;

std::string text_of(const Udp::endpoint& endpoint) {
  return address_text(endpoint.address().to_string(), endpoint.port());
}

// The inverse of text_of().
Udp::endpoint endpoint_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  error_code error;
  return {asio::ip::make_address(host, error), port};
}

// Lives as long as its pending wait.
class Receiving : public std::enable_shared_from_this<Receiving> {
 public:
  Receiving(EventLoop::Impl& loop, DatagramSocket::Handler handler)
      : loop_(loop), socket_(loop.context), handler_(std::move(handler)) {}

  [[nodiscard]] Udp::socket& socket() { return socket_; }

  void receive_next() {
    socket_.async_wait(Udp::socket::wait_read, [self = shared_from_this()](const error_code& error) {
      if (error || !self->socket_.is_open()) return;
      self->receive();
      if (self->socket_.is_open()) self->receive_next();
    });
  }
  void stop() {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  // In turns with everything else on the loop.
  void receive() {
    for (std::size_t n = 0; n < kDatagramsPerTurn && socket_.is_open(); ++n) {
      loop_.read_buffer.resize(kReadBufferBytes);
      Udp::endpoint from;
      error_code error;
      const std::size_t size = socket_.receive_from(asio::buffer(loop_.read_buffer), from, 0, error);
      if (error == asio::error::would_block) return;
      // Others are what ICMP says of a datagram sent earlier, to somebody who is no more.
      if (!error) handler_(text_of(from), ByteView{loop_.read_buffer}.first(size));
    }
  }

  EventLoop::Impl& loop_;
  Udp::socket socket_;
  DatagramSocket::Handler handler_;
};

class AsioDatagramSocket final : public DatagramSocket {
 public:
  AsioDatagramSocket(std::shared_ptr<Receiving> receiving, std::string address)
      : receiving_(std::move(receiving)), address_(std::move(address)) {}
  ~AsioDatagramSocket() override { receiving_->stop(); }

  [[nodiscard]] std::string address() const override { return address_; }
  void send(const std::string& remote, ByteView bytes) override {
    error_code lost;
    receiving_->socket().send_to(asio::buffer(bytes.data(), bytes.size()), endpoint_of(remote), 0, lost);
  }

 private:
  std::shared_ptr<Receiving> receiving_;
  std::string address_;
};

}  // namespace

Expected<std::unique_ptr<DatagramSocket>> bind_datagrams(EventLoop& loop, DatagramSettings settings,
                                                         DatagramSocket::Handler handler) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(settings.host, error);
  if (error) return no_address(settings.name, settings.host);
  auto receiving = std::make_shared<Receiving>(loop.impl(), std::move(handler));
  Udp::socket& socket = receiving->socket();
  const Udp::endpoint endpoint(address, settings.port);
  socket.open(endpoint.protocol(), error);
  if (!error && address.is_v6()) socket.set_option(asio::ip::v6_only(true), error);
  if (!error) socket.bind(endpoint, error);
  if (!error) socket.non_blocking(true, error);
  const Udp::endpoint bound = error ? endpoint : socket.local_endpoint(error);
  if (error) return bind_failure(settings.name, settings.host, settings.port, error);
  receiving->receive_next();
  return std::make_unique<AsioDatagramSocket>(std::move(receiving), text_of(bound));
}

}  // namespace hedgerow::net_asio
