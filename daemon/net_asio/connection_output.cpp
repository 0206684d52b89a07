// What a connection sends: packets, in frames for a WebSocket, encrypted, as the socket takes them.
#include <utility>

#include "daemon/net_asio/connection.hpp"

namespace hedgerow::net_asio {

using boost::system::error_code;
using Tcp = asio::ip::tcp;

void Connection::send(Bytes& bytes) {
  // A WebSocket that has ended before its connection takes nothing after the close frame.
  const bool ended = is_websocket() && websocket_->state() != websocket::WebSocketChannel::State::kOpen;
  if (state_ != State::kOpen || ended) {
    bytes.clear();
    return;
  }
  if (bytes.empty()) return;
  unsent_ = true;
  if (is_websocket()) frame_all_but_last(bytes);
  plain_.push(bytes);
  if (plain_.bytes() >= kWriteAtOnceBytes) write_at_once();
  flush_soon();
}

// As much as the socket takes. An error is left to flush(), which may end the connection.
void Connection::write_at_once() {
  while (!waiting_writable_ && !plain_.empty()) {
    if (is_tls() && (channel_->state() != security::TlsChannel::State::kOpen || !encrypt())) return;
    error_code error;
    write_some(error);
    if (error || !cipher_.empty()) return;
  }
}

void Connection::write_some(error_code& error) {
  WriteQueue& out = is_tls() ? cipher_ : plain_;
  out.gather(loop_.pieces);
  loop_.buffers.clear();
  for (const ByteView piece : loop_.pieces) loop_.buffers.emplace_back(piece.data(), piece.size());
  out.consume(socket_.write_some(loop_.buffers, error));
}

// Leaves the last packet in `bytes`, behind its header: it may be large, and is moved.
void Connection::frame_all_but_last(Bytes& bytes) {
  ByteView rest = bytes;
  Bytes framed;
  std::size_t count = websocket::WebSocketChannel::first_message_bytes(rest);
  while (count < rest.size()) {
    append(framed, websocket_->header_for(count));
    append(framed, rest.first(count));
    rest = rest.subspan(count);
    count = websocket::WebSocketChannel::first_message_bytes(rest);
  }
  append(framed, websocket_->header_for(count));
  plain_.push(framed);
  if (count < bytes.size()) bytes = to_bytes(rest);
}

void Connection::flush_soon() {
  flush_is_due_ = true;
  if (in_input_ || waiting_writable_ || flush_listed_) return;
  flush_listed_ = true;
  loop_.flush_later(shared_from_this());
}

bool Connection::take_frames() {
  Bytes frames;
  if (!websocket_->take_outgoing(frames)) return false;
  plain_.push(frames);
  flush_is_due_ = true;
  return true;
}

void Connection::take_outgoing() {
  Bytes ciphertext;
  if (!channel_->take_outgoing(ciphertext)) return;
  cipher_.push(ciphertext);
  flush_is_due_ = true;
}

Expected<void> Connection::encrypt() {
  while (!plain_.empty() && cipher_.bytes() < kCiphertextBytesMax) {
    const Expected<std::size_t> taken = channel_->write(plain_.front());
    if (!taken) return tl::unexpected<Error>(taken.error());
    plain_.consume(*taken);
    take_outgoing();
    if (*taken == 0) break;
  }
  return {};
}

void Connection::flush() {
  flush_is_due_ = false;
  if (waiting_writable_ || state_ == State::kClosed || state_ == State::kLingering) return;
  using Tls = security::TlsChannel::State;
  if (state_ == State::kOpen && is_tls() && channel_->state() == Tls::kFailed) {
    finish("the TLS session has failed");  // in write_at_once()
    return;
  }
  WriteQueue& out = is_tls() ? cipher_ : plain_;
  for (;;) {
    if (is_tls() && channel_->state() == Tls::kOpen) {
      if (const Expected<void> done = encrypt(); !done) {
        finish(reason_.empty() ? done.error().what : reason_);
        return;
      }
    }
    if (out.empty()) break;
    error_code error;
    write_some(error);
    if (would_block(error)) {
      wait_writable();
      return;
    }
    if (error) {
      finish(reason_.empty() ? "connection lost: " + error.message() : reason_);
      return;
    }
  }
  flush_is_due_ = false;
  on_flushed();
}

void Connection::wait_writable() {
  waiting_writable_ = true;
  socket_.async_wait(Tcp::socket::wait_write, [self = shared_from_this()](const error_code&) {
    self->waiting_writable_ = false;
    self->flush();
  });
}

void Connection::on_flushed() {
  if (state_ == State::kOpen) {
    if (is_websocket() && take_frames()) {
      flush();
      return;
    }
    if (std::exchange(unsent_, false)) handler_->on_drained(EventLoop::now());
    return;
  }
  if (state_ != State::kClosing) return;
  if (is_tls() && channel_->state() != security::TlsChannel::State::kClosed) {
    channel_->close();
    take_outgoing();
    if (!cipher_.empty()) {
      flush();
      return;
    }
  }
  error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
  state_ = State::kLingering;
}

}  // namespace hedgerow::net_asio
