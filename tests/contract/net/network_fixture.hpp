// What the contract tests of the network share: a loop that is driven by hand, acceptors that record what they are
// told, and peers made of bare sockets, so that the other end is not the code under test. Thread rule: one thread runs
// both ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/net_asio/event_loop.hpp"
#include "daemon/net_asio/listener.hpp"
#include "daemon/node/stream.hpp"
#include "security/tls_mbedtls/tls_channel.hpp"
#include "sync/base/bytes.hpp"
#include "tests/support/temporary_directory.hpp"

namespace hedgerow::test {

// What the acceptor's side of one connection saw. Outlives the connection.
struct Seen {
  node::Arrived arrived;
  node::Stream* stream = nullptr;  // null once closed
  std::string received;
  std::vector<std::size_t> reads;
  int drained = 0;
  std::optional<std::string> closed;
};

// Accepts everything, notes everything, and calls `on_bytes` so that a test can answer.
class RecordingAcceptor final : public node::StreamAcceptor {
 public:
  std::unique_ptr<node::StreamHandler> on_accept(Instant now, const node::Arrived& arrived,
                                                 node::Stream& stream) override;

  std::vector<std::shared_ptr<Seen>> connections;
  std::function<void(Seen&, ByteView)> on_bytes = [](Seen&, ByteView) {};
  bool refuses = false;
};

// Sends back what comes.
void echo(Seen& seen, ByteView bytes);

// A client on a non-blocking socket. Connecting to loopback is done when the constructor returns.
class Peer {
 public:
  // `from`: the address to come from, any of 127.0.0.0/8.
  explicit Peer(std::uint16_t port, const char* from = "127.0.0.1");
  Peer(std::uint16_t port, const std::shared_ptr<const security::TlsContext>& tls);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  void send(std::string_view text);
  // Moves what the sockets take and give; reads at most `read_max` bytes.
  void pump(std::size_t read_max = std::size_t{1} << 20U);
  void shut_down_sending();
  void reset();  // closes with RST

  [[nodiscard]] const std::string& received() const { return received_; }
  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] bool is_sent() const { return to_send_.empty(); }
  [[nodiscard]] int reads() const { return reads_; }
  [[nodiscard]] const std::optional<Error>& tls_error() const { return tls_error_; }
  [[nodiscard]] security::TlsChannel* channel() { return channel_.get(); }
  [[nodiscard]] const Bytes& ciphertext() const { return ciphertext_; }

 private:
  void take(ByteView bytes);

  int fd_ = -1;
  std::unique_ptr<security::TlsChannel> channel_;
  Bytes to_send_;
  Bytes plaintext_to_send_;
  Bytes ciphertext_;  // all that ever came in
  std::string received_;
  std::optional<Error> tls_error_;
  int reads_ = 0;
  bool closed_ = false;
};

class Network {
 public:
  // Turns the loop and pumps the peers until `done`; fails the test after ten seconds.
  void until(const std::function<bool()>& done, std::vector<Peer*> peers = {});
  // Turns until nothing has happened for a moment.
  void settle();

  std::unique_ptr<net_asio::Listener> listen(std::shared_ptr<const security::TlsContext> tls = nullptr,
                                             net_asio::Limits limits = {});
  // On a free port of loopback unless the settings say otherwise.
  std::unique_ptr<net_asio::Listener> listen_as(net_asio::ListenSettings settings);

  RecordingAcceptor acceptor;
  net_asio::EventLoop loop;
};

// One mesh authority and the TLS contexts of its members, made once a process: key generation takes its time.
class Mesh {
 public:
  explicit Mesh(std::string name);
  [[nodiscard]] std::shared_ptr<const security::TlsContext> member(const std::string& node);
  // With other options than those between nodes.
  [[nodiscard]] std::shared_ptr<const security::TlsContext> member(const std::string& node,
                                                                   const security::TlsOptions& options);

 private:
  TemporaryDirectory directory_;
  std::string name_;
  std::map<std::string, std::shared_ptr<const security::TlsContext>> members_;
};

}  // namespace hedgerow::test
