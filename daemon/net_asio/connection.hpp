// Connection: one accepted socket, plain or TLS, MQTT as it is or over WebSocket, from its accept to its end. Not for
// others: includes asio.
//
//   kHandshaking ──► kOpen ──► kClosing ──► kLingering ──► kClosed
//     TLS, then the            sends what     our end is shut; reads and drops
//     upgrade, if any          is queued      until the peer's end is, too
//
//   socket ⇄ cipher_ ⇄ TlsChannel ⇄ plain_ ⇄ WebSocketChannel ⇄ handler     each layer only where the listener has it
//
// An error or a time limit goes to kClosed from anywhere. Lingering is what lets the last bytes arrive: closing a
// socket that holds unread input makes TCP throw away what the peer has not received yet (RFC 1122 4.2.2.13). Thread
// rule: the loop thread. Ownership: the loop's registry and pending asio operations share it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "daemon/net_asio/limits.hpp"
#include "daemon/net_asio/listener.hpp"
#include "daemon/net_asio/loop_impl.hpp"
#include "daemon/net_asio/write_queue.hpp"
#include "daemon/node/stream.hpp"
#include "daemon/websocket/websocket_channel.hpp"
#include "security/tls_mbedtls/tls_channel.hpp"

namespace hedgerow::net_asio {

// What a listener shares with the connections that came in through it, which may outlive it.
struct ListenerState {
  ListenSettings settings;
  node::StreamAcceptor* acceptor = nullptr;
  bool loopback = false;
  Refused refused;
  std::string last_refusal;
  std::list<Connection*> handshakes;  // the oldest first
};

// The socket has nothing to read or no room now; it is as good as before.
[[nodiscard]] bool would_block(const boost::system::error_code& error);

class Connection final : public node::Stream, public std::enable_shared_from_this<Connection> {
 public:
  Connection(EventLoop::Impl& loop, std::shared_ptr<ListenerState> listener, asio::ip::tcp::socket socket,
             const asio::ip::tcp::endpoint& remote);

  // Begins: with a handshake, or by asking the acceptor. Call once, after it is registered.
  void start();

  void send(Bytes& bytes) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return plain_.bytes() + cipher_.bytes(); }
  void pause_reading(bool paused) override;
  void close() override;
  void cut() override;

  // Writes what the socket takes. Not from inside the node: it may end the connection.
  void flush();
  // Ends the connection now. Not from inside the node.
  void finish(const std::string& reason);
  // Like finish(), for a stranger whose handshake must go.
  void refuse(std::uint64_t Refused::*count, const std::string& reason);
  // The loop is going: lets go of everything without a word.
  void abandon();

  [[nodiscard]] const asio::ip::address& address() const { return address_; }

 private:
  enum class State { kHandshaking, kOpen, kClosing, kLingering, kClosed };

  [[nodiscard]] bool is_tls() const { return channel_ != nullptr; }
  [[nodiscard]] bool is_websocket() const { return websocket_ != nullptr; }
  [[nodiscard]] bool wants_input() const;
  void start_handshake();
  void leave_handshakes();
  void open();
  void wait_readable();
  void on_readable();
  // The rest of on_readable().
  void read_on();
  void acknowledge_now();
  void take_input(ByteView bytes);
  void take_ciphertext(ByteView bytes);
  void take_plaintext(ByteView bytes);
  void take_failure(std::uint64_t Refused::*count, const std::string& reason);
  void write_at_once();
  void wait_writable();
  // Up to kCiphertextBytesMax. Fails where the session has failed: the connection is to be finished.
  [[nodiscard]] Expected<void> encrypt();
  // One write of what is ready to go.
  void write_some(boost::system::error_code& error);
  void take_outgoing();
  // Queues what the WebSocket layer has to say. True: something was.
  bool take_frames();
  void flush_soon();
  void frame_all_but_last(Bytes& bytes);
  void on_flushed();
  void begin_closing(std::string reason);
  void arm_deadline(Duration time);

  EventLoop::Impl& loop_;
  std::shared_ptr<ListenerState> listener_;
  asio::ip::tcp::socket socket_;
  asio::ip::address address_;
  std::string remote_;
  std::unique_ptr<security::TlsChannel> channel_;
  std::unique_ptr<websocket::WebSocketChannel> websocket_;
  std::unique_ptr<node::StreamHandler> handler_;
  std::unique_ptr<asio::steady_timer> deadline_;
  std::list<Connection*>::iterator handshake_;
  WriteQueue plain_;   // with TLS: not yet encrypted; without: ready to go
  WriteQueue cipher_;  // only with TLS
  std::string reason_;
  State state_ = State::kHandshaking;
  bool in_handshakes_ = false;  // handshake_ is valid
  bool paused_ = false;
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool in_input_ = false;      // on_readable() flushes at its end
  bool flush_is_due_ = false;  // something was queued since the last flush()
  bool flush_listed_ = false;  // in the loop's list for the end of this turn
  bool answered_ = false;      // the last input had something sent here
  bool unsent_ = false;        // send() was called since the queue was last empty

  friend struct EventLoop::Impl;
};

}  // namespace hedgerow::net_asio
