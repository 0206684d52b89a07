#include "tests/contract/net/network_fixture.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <utility>

#include "security/pki_mbedtls/authority.hpp"
#include "security/pki_mbedtls/identity_files.hpp"

namespace hedgerow::test {
namespace {

constexpr Duration kPatience = std::chrono::seconds{60};
constexpr Duration kTurn = std::chrono::milliseconds{2};

class RecordingHandler final : public node::StreamHandler {
 public:
  RecordingHandler(RecordingAcceptor& acceptor, std::shared_ptr<Seen> seen)
      : acceptor_(acceptor), seen_(std::move(seen)) {}

  void on_bytes(Instant, ByteView bytes) override {
    CHECK_FALSE(seen_->closed);
    seen_->received.append(as_text(bytes));
    seen_->reads.push_back(bytes.size());
    acceptor_.on_bytes(*seen_, bytes);
  }
  void on_drained(Instant) override {
    seen_->drained += 1;
    CHECK(seen_->stream->queued_bytes() == 0);
  }
  void on_closed(Instant, const std::string& reason) override {
    CHECK_FALSE(seen_->closed);
    seen_->closed = reason;
    seen_->stream = nullptr;
  }

 private:
  RecordingAcceptor& acceptor_;
  std::shared_ptr<Seen> seen_;
};

}  // namespace

std::unique_ptr<node::StreamHandler> RecordingAcceptor::on_accept(Instant, const node::Arrived& arrived,
                                                                  node::Stream& stream) {
  if (refuses) return nullptr;
  auto seen = std::make_shared<Seen>();
  seen->arrived = arrived;
  seen->stream = &stream;
  connections.push_back(seen);
  return std::make_unique<RecordingHandler>(*this, seen);
}

void echo(Seen& seen, ByteView bytes) {
  Bytes copy = to_bytes(bytes);
  seen.stream->send(copy);
  CHECK(copy.empty());
}

Peer::Peer(std::uint16_t port, const char* from) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(fd_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  REQUIRE(::inet_pton(AF_INET, from, &address.sin_addr) == 1);
  REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
}

Peer::Peer(std::uint16_t port, const std::shared_ptr<const security::TlsContext>& tls) : Peer(port) {
  auto channel = security::TlsChannel::create(tls, security::TlsSide::kClient);
  REQUIRE(channel);
  channel_ = std::move(*channel);
}

Peer::~Peer() {
  if (fd_ >= 0) ::close(fd_);
}

void Peer::send(std::string_view text) { append(channel_ ? plaintext_to_send_ : to_send_, hedgerow::as_bytes(text)); }

void Peer::pump(std::size_t read_max) {
  if (fd_ < 0) return;
  if (channel_) {
    if (!plaintext_to_send_.empty() && channel_->state() == security::TlsChannel::State::kOpen) {
      const auto taken = channel_->write(plaintext_to_send_);
      REQUIRE(taken);
      plaintext_to_send_.erase(plaintext_to_send_.begin(),
                               plaintext_to_send_.begin() + static_cast<std::ptrdiff_t>(*taken));
    }
    Bytes outgoing;
    if (channel_->take_outgoing(outgoing)) append(to_send_, outgoing);
  }
  while (!to_send_.empty()) {
    const ssize_t count = ::send(fd_, to_send_.data(), to_send_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count <= 0) break;
    to_send_.erase(to_send_.begin(), to_send_.begin() + count);
  }
  std::array<std::uint8_t, 65536> buffer{};
  while (read_max > 0 && !closed_) {
    const ssize_t count = ::recv(fd_, buffer.data(), std::min(buffer.size(), read_max), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (count <= 0) {
      closed_ = true;
      break;
    }
    reads_ += 1;
    read_max -= static_cast<std::size_t>(count);
    take(ByteView{buffer}.first(static_cast<std::size_t>(count)));
  }
}

void Peer::take(ByteView bytes) {
  if (!channel_) {
    received_.append(as_text(bytes));
    return;
  }
  append(ciphertext_, bytes);
  if (tls_error_) return;
  Bytes plaintext;
  const Expected<void> fed = channel_->feed(bytes, plaintext);
  received_.append(as_text(plaintext));
  if (!fed) tls_error_ = fed.error();
  if (channel_->state() == security::TlsChannel::State::kPeerClosed) channel_->close();
}

void Peer::shut_down_sending() { ::shutdown(fd_, SHUT_WR); }

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  REQUIRE(::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
  ::close(std::exchange(fd_, -1));
}

void Network::until(const std::function<bool()>& done, std::vector<Peer*> peers) {
  const Instant give_up = net_asio::EventLoop::now() + kPatience;
  while (!done()) {
    if (net_asio::EventLoop::now() >= give_up) FAIL("waited in vain for what did not happen");
    for (Peer* peer : peers) peer->pump();
    (void)loop.run_until(net_asio::EventLoop::now() + kTurn);
  }
}

void Network::settle() {
  while (loop.run_until(net_asio::EventLoop::now() + kTurn) > 0) {
  }
}

std::unique_ptr<net_asio::Listener> Network::listen(std::shared_ptr<const security::TlsContext> tls,
                                                    net_asio::Limits limits) {
  return listen_as({.name = "local", .host = "127.0.0.1", .port = 0, .tls = std::move(tls), .limits = limits});
}

std::unique_ptr<net_asio::Listener> Network::listen_as(net_asio::ListenSettings settings) {
  if (settings.name.empty()) settings.name = "local";
  if (settings.host.empty()) settings.host = "127.0.0.1";
  auto listener = net_asio::listen(loop, std::move(settings), acceptor);
  REQUIRE(listener);
  return std::move(*listener);
}

Mesh::Mesh(std::string name) : name_(std::move(name)) {
  const Expected<void> made = security::create_authority(directory_.path(), name_);
  INFO((made ? "" : made.error().what));
  REQUIRE(made);
}

std::shared_ptr<const security::TlsContext> Mesh::member(const std::string& node) {
  if (const auto known = members_.find(node); known != members_.end()) return known->second;
  return members_[node] = member(node, {});
}

std::shared_ptr<const security::TlsContext> Mesh::member(const std::string& node, const security::TlsOptions& options) {
  const std::filesystem::path data = directory_.path() / node;
  if (!std::filesystem::exists(data)) REQUIRE(security::issue_node(directory_.path() / "authority", node, data));
  const auto identity = security::load_identity(data);
  REQUIRE(identity);
  auto context = security::TlsContext::create(*identity, options);
  REQUIRE(context);
  return *context;
}

}  // namespace hedgerow::test
