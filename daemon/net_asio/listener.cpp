#include "daemon/net_asio/listener.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/socket_base.hpp>
#include <list>
#include <utility>

#include "daemon/net_asio/bind_failure.hpp"
#include "daemon/net_asio/connection.hpp"
#include "daemon/net_asio/loop_impl.hpp"

namespace hedgerow::net_asio {
namespace {

using boost::system::error_code;
using Tcp = asio::ip::tcp;
using ProbeIdle = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
using ProbeInterval = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>;
using ProbeCount = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>;

// Accepts until its listener goes.
class Accepting : public std::enable_shared_from_this<Accepting> {
 public:
  Accepting(EventLoop::Impl& loop, std::shared_ptr<ListenerState> state)
      : loop_(loop), state_(std::move(state)), acceptor_(loop.context), pause_(loop.context) {}

  [[nodiscard]] Tcp::acceptor& acceptor() { return acceptor_; }
  [[nodiscard]] ListenerState& state() { return *state_; }
  [[nodiscard]] const ListenerState& state() const { return *state_; }

  void accept_next() {
    acceptor_.async_accept([self = shared_from_this()](const error_code& error, Tcp::socket socket) {
      if (!self->acceptor_.is_open()) return;
      if (error && is_exhaustion(error)) {
        self->rest(error);
        return;
      }
      if (!error) self->take(std::move(socket));
      self->accept_next();
    });
  }

  void stop() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    while (!state_->handshakes.empty()) state_->handshakes.front()->finish("the listener closed");
  }

 private:
  static bool is_exhaustion(const error_code& error) {
    return error == boost::system::errc::too_many_files_open ||
           error == boost::system::errc::too_many_files_open_in_system ||
           error == boost::system::errc::no_buffer_space || error == boost::system::errc::not_enough_memory;
  }

  // The connection that could not be accepted stays ready: going on at once would spin.
  void rest(const error_code& cause) {
    state_->refused.by_exhaustion += 1;
    state_->last_refusal = "nobody can be accepted: " + cause.message() +
                           "; raise LimitNOFILE= in the service unit, or allow fewer connections";
    pause_.expires_at(to_steady(EventLoop::now() + kAcceptPause));
    pause_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->acceptor_.is_open()) self->accept_next();
    });
  }

  // Who must go for a newcomer: an address that has its share of the unfinished handshakes already makes room itself,
  // so that a flood from one place crowds out nobody else. REQUIRES: there is an unfinished handshake.
  Connection& longest_unfinished(const asio::ip::address& newcomer) {
    const std::list<Connection*>& all = state_->handshakes;
    const auto is_own = [&newcomer](const Connection* one) { return one->address() == newcomer; };
    const auto own = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), is_own));
    const bool has_share = own * kHandshakeShares >= std::max<std::size_t>(all.size(), 1);
    return has_share && own > 0 ? **std::find_if(all.begin(), all.end(), is_own) : *all.front();
  }

  void take(Tcp::socket socket) {
    error_code error;
    const Tcp::endpoint remote = socket.remote_endpoint(error);
    if (!error) socket.non_blocking(true, error);
    if (error) return;  // gone already
    if (const std::string why = loop_.refusal(remote.address(), state_->settings.limits); !why.empty()) {
      state_->refused.by_limit += 1;
      state_->last_refusal = remote.address().to_string() + ": " + why;
      return;
    }
    if (state_->handshakes.size() >= state_->settings.limits.handshakes_max) {
      longest_unfinished(remote.address()).refuse(&Refused::by_limit, "crowded out by newer handshakes");
    }
    // Hints to the kernel: a socket works without them.
    socket.set_option(Tcp::no_delay(true), error);
    socket.set_option(asio::socket_base::keep_alive(true), error);
    socket.set_option(ProbeIdle(static_cast<int>(kTcpProbeAfter.count())), error);
    socket.set_option(ProbeInterval(static_cast<int>(kTcpProbeEvery.count())), error);
    socket.set_option(ProbeCount(kTcpProbes), error);
    const auto connection = std::make_shared<Connection>(loop_, state_, std::move(socket), remote);
    loop_.add(connection);
    connection->start();
  }

  EventLoop::Impl& loop_;
  std::shared_ptr<ListenerState> state_;
  Tcp::acceptor acceptor_;
  asio::steady_timer pause_;
};

class AsioListener final : public Listener {
 public:
  AsioListener(std::shared_ptr<Accepting> accepting, const Tcp::endpoint& bound)
      : accepting_(std::move(accepting)), bound_(bound) {}
  ~AsioListener() override { accepting_->stop(); }

  [[nodiscard]] const std::string& name() const override { return accepting_->state().settings.name; }
  [[nodiscard]] std::string address() const override {
    return address_text(bound_.address().to_string(), bound_.port());
  }
  [[nodiscard]] std::uint16_t port() const override { return bound_.port(); }
  [[nodiscard]] Refused refused() const override { return accepting_->state().refused; }
  [[nodiscard]] const std::string& last_refusal() const override { return accepting_->state().last_refusal; }
  void set_limits(const Limits& limits) override { accepting_->state().settings.limits = limits; }

 private:
  std::shared_ptr<Accepting> accepting_;
  Tcp::endpoint bound_;
};

}  // namespace

Expected<std::unique_ptr<Listener>> listen(EventLoop& loop, ListenSettings settings, node::StreamAcceptor& acceptor) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(settings.host, error);
  const std::string who = "listener \"" + settings.name + "\"";
  if (error) return no_address(who, settings.host);
  auto state = std::make_shared<ListenerState>();
  state->settings = std::move(settings);
  state->acceptor = &acceptor;
  state->loopback = address.is_loopback();
  loop.impl().measure_descriptors();
  auto accepting = std::make_shared<Accepting>(loop.impl(), state);
  Tcp::acceptor& socket = accepting->acceptor();
  const Tcp::endpoint endpoint(address, state->settings.port);
  socket.open(endpoint.protocol(), error);
  // A restarted daemon must not wait for old connections to time out; Linux still refuses a port that is listened on.
  if (!error) socket.set_option(asio::socket_base::reuse_address(true), error);
  // One listener, one family: 0.0.0.0 and :: can stand side by side.
  if (!error && address.is_v6()) socket.set_option(asio::ip::v6_only(true), error);
  if (!error) socket.bind(endpoint, error);
  if (!error) socket.listen(kListenBacklog, error);
  const Tcp::endpoint bound = error ? endpoint : socket.local_endpoint(error);
  if (error) return bind_failure(who, state->settings.host, state->settings.port, error);
  accepting->accept_next();
  return std::make_unique<AsioListener>(std::move(accepting), bound);
}

}  // namespace hedgerow::net_asio
