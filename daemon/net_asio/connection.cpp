#include "daemon/net_asio/connection.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <utility>

#include "security/crypto_mbedtls/sha1.hpp"

namespace hedgerow::net_asio {
namespace {

using boost::system::error_code;
using Tcp = asio::ip::tcp;
using QuickAcknowledge = asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_QUICKACK>;

std::string endpoint_text(const Tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

}  // namespace

bool would_block(const error_code& error) {
  return error == asio::error::would_block || error == asio::error::try_again || error == asio::error::interrupted;
}

Connection::Connection(EventLoop::Impl& loop, std::shared_ptr<ListenerState> listener, Tcp::socket socket,
                       const Tcp::endpoint& remote)
    : loop_(loop),
      listener_(std::move(listener)),
      socket_(std::move(socket)),
      address_(remote.address()),
      remote_(endpoint_text(remote)) {}

void Connection::start() {
  if (listener_->settings.tls || listener_->settings.protocol == Protocol::kWebSocket) {
    start_handshake();
  } else {
    open();
    wait_readable();
  }
}

void Connection::start_handshake() {
  handshake_ = listener_->handshakes.insert(listener_->handshakes.end(), this);
  in_handshakes_ = true;
  if (listener_->settings.tls) {
    auto channel = security::TlsChannel::create(listener_->settings.tls, security::TlsSide::kServer);
    if (!channel) {
      refuse(&Refused::by_handshake, channel.error().what);
      return;
    }
    channel_ = std::move(*channel);
  }
  if (listener_->settings.protocol == Protocol::kWebSocket) {
    websocket_ = std::make_unique<websocket::WebSocketChannel>(
        websocket::OriginPolicy{.allowed = listener_->settings.origins, .loopback = listener_->loopback},
        security::sha1);
  }
  arm_deadline(listener_->settings.limits.handshake_time);
  wait_readable();
}

void Connection::leave_handshakes() {
  if (std::exchange(in_handshakes_, false)) listener_->handshakes.erase(handshake_);
}

void Connection::refuse(std::uint64_t Refused::*count, const std::string& reason) {
  listener_->refused.*count += 1;
  listener_->last_refusal = remote_ + ": " + reason;
  finish(reason);
}

void Connection::open() {
  leave_handshakes();
  deadline_.reset();
  state_ = State::kOpen;
  node::Arrived arrived{.listener = listener_->settings.name,
                        .remote = remote_,
                        .address = address_.to_string(),
                        .loopback = listener_->loopback,
                        .identity = std::nullopt};
  if (is_tls()) arrived.identity = channel_->peer();
  handler_ = listener_->acceptor->on_accept(EventLoop::now(), arrived, *this);
  if (!handler_) {
    listener_->refused.by_acceptor += 1;
    listener_->last_refusal = remote_ + ": not accepted";
    begin_closing("not accepted");
  }
}

void Connection::pause_reading(bool paused) {
  paused_ = paused;
  wait_readable();
}

void Connection::close() {
  if (state_ == State::kOpen) begin_closing("closed by this node");
}

void Connection::cut() {
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  plain_.clear();
  cipher_.clear();
  if (state_ == State::kOpen) begin_closing("closed by this node");
  arm_deadline(Duration{});
}

void Connection::begin_closing(std::string reason) {
  leave_handshakes();
  if (is_websocket()) {
    websocket_->close();
    take_frames();
  }
  state_ = State::kClosing;
  reason_ = std::move(reason);
  arm_deadline(kCloseTime);
  wait_readable();
  flush_soon();
}

bool Connection::wants_input() const {
  switch (state_) {
    case State::kHandshaking:
    case State::kClosing:
    case State::kLingering: return true;
    case State::kOpen: return !paused_;
    case State::kClosed: return false;
  }
  return false;
}

void Connection::wait_readable() {
  if (waiting_readable_ || !wants_input()) return;
  waiting_readable_ = true;
  socket_.async_wait(Tcp::socket::wait_read, [self = shared_from_this()](const error_code&) {
    self->waiting_readable_ = false;
    self->on_readable();
  });
}

void Connection::on_readable() {
  if (!wants_input()) return;
  error_code error;
  const std::size_t count = socket_.read_some(asio::buffer(loop_.read_buffer), error);
  if (error && !would_block(error)) {
    const std::string reason = error == asio::error::eof ? "closed by the peer" : "connection lost: " + error.message();
    if (state_ == State::kHandshaking) {
      const bool upgrading = is_websocket() && (!is_tls() || channel_->state() == security::TlsChannel::State::kOpen);
      refuse(upgrading ? &Refused::by_upgrade : &Refused::by_handshake,
             reason + (upgrading ? " before the upgrade to WebSocket" : " during the TLS handshake"));
    } else {
      finish(reason_.empty() ? reason : reason_);
    }
    return;
  }
  in_input_ = true;
  if (!error) take_input(ByteView{loop_.read_buffer}.first(count));
  in_input_ = false;
  // What the handler sent is complete now: no reason to wait for the end of the turn.
  answered_ = flush_is_due_;
  if (flush_is_due_) flush();
  // What it sent to others goes before what this connection has to do to be read again.
  if (!loop_.read_on_later(shared_from_this())) read_on();
}

void Connection::read_on() {
  if (!answered_) acknowledge_now();
  wait_readable();
}

// When nothing is sent that would carry the acknowledgement, the kernel holds it back for 40 ms; a client that gathers
// small packets (Nagle) waits for it with the rest of its PUBACKs. Linux forgets this option, so it is set each time.
void Connection::acknowledge_now() {
  error_code ignored;
  socket_.set_option(QuickAcknowledge(true), ignored);
}

void Connection::take_input(ByteView bytes) {
  switch (state_) {
    case State::kHandshaking:
    case State::kOpen:
      if (is_tls()) {
        take_ciphertext(bytes);
      } else {
        take_plaintext(bytes);
      }
      return;
    case State::kClosing:
    case State::kLingering:
    case State::kClosed: return;
  }
}

void Connection::take_ciphertext(ByteView bytes) {
  loop_.plaintext.clear();
  const Expected<void> fed = channel_->feed(bytes, loop_.plaintext);
  take_outgoing();
  const bool ended = channel_->state() == security::TlsChannel::State::kPeerClosed;
  const bool shaken = ended || channel_->state() == security::TlsChannel::State::kOpen;
  if (state_ == State::kHandshaking && shaken && !is_websocket()) open();
  if (!loop_.plaintext.empty() && (state_ == State::kOpen || is_websocket())) take_plaintext(loop_.plaintext);
  if (!fed) {
    take_failure(&Refused::by_handshake, fed.error().what);
  } else if (ended) {
    take_failure(&Refused::by_upgrade, "closed by the peer");
  }
}

void Connection::take_plaintext(ByteView bytes) {
  if (!is_websocket()) {
    handler_->on_bytes(EventLoop::now(), bytes);
    return;
  }
  using Channel = websocket::WebSocketChannel;
  loop_.payload.clear();
  const Expected<void> fed = websocket_->feed(bytes, loop_.payload);
  // Pongs for a peer that does not read wait in the channel, which keeps one: the queue cannot be made to grow by
  // pings.
  if (plain_.bytes() <= kWriteChunkBytes || websocket_->state() != Channel::State::kOpen) take_frames();
  const bool ended = websocket_->state() == Channel::State::kPeerClosed;
  if (state_ == State::kHandshaking && (ended || websocket_->state() == Channel::State::kOpen)) open();
  if (state_ == State::kOpen && !loop_.payload.empty()) handler_->on_bytes(EventLoop::now(), loop_.payload);
  if (!fed) {
    take_failure(&Refused::by_upgrade, fed.error().what);
  } else if (ended) {
    take_failure(&Refused::by_upgrade, "closed by the peer");
  }
}

// What the peer did ends the connection; if it was a stranger still, it is counted under `count`.
void Connection::take_failure(std::uint64_t Refused::*count, const std::string& reason) {
  if (state_ == State::kHandshaking) {
    listener_->refused.*count += 1;
    listener_->last_refusal = remote_ + ": " + reason;
  }
  if (state_ == State::kHandshaking || state_ == State::kOpen) begin_closing(reason);
}

void Connection::arm_deadline(Duration time) {
  deadline_ = std::make_unique<asio::steady_timer>(loop_.context);
  deadline_->expires_at(to_steady(EventLoop::now() + time));
  deadline_->async_wait([self = shared_from_this()](const error_code& error) {
    // An expiry that was on its way when the deadline moved is none.
    if (error || !self->deadline_ || self->deadline_->expiry() > to_steady(EventLoop::now())) return;
    if (self->state_ == State::kHandshaking) {
      self->refuse(&Refused::by_time,
                   self->is_websocket() ? "the upgrade to WebSocket took too long" : "the TLS handshake took too long");
    } else {
      self->finish(self->reason_);
    }
  });
}

void Connection::finish(const std::string& reason) {
  if (state_ == State::kClosed) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  leave_handshakes();
  state_ = State::kClosed;
  error_code ignored;
  socket_.close(ignored);
  deadline_.reset();
  plain_.clear();
  cipher_.clear();
  const std::unique_ptr<node::StreamHandler> handler = std::move(handler_);
  if (handler) handler->on_closed(EventLoop::now(), reason);
  channel_.reset();
  websocket_.reset();
  loop_.remove(self);
}

void Connection::abandon() {
  state_ = State::kClosed;
  error_code ignored;
  socket_.close(ignored);
  deadline_.reset();
  handler_.reset();
  channel_.reset();
  websocket_.reset();
}

}  // namespace hedgerow::net_asio
