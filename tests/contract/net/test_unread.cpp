// What the node may do where a peer does not read: hand over at once what is large, and cut the connection.
#include <catch2/catch_test_macros.hpp>
#include <memory>

#include "tests/contract/net/network_fixture.hpp"

namespace hedgerow::test {
namespace {

constexpr std::size_t kMuch = std::size_t{16} << 20U;

class Unread : public Network {
 public:
  std::shared_ptr<Seen> connected(Peer& peer) {
    until([&] { return acceptor.connections.size() == 1; }, {&peer});
    return acceptor.connections.back();
  }
  // The peer does not read, and yet it is over soon.
  void check_cut(Peer& peer) {
    const auto seen = connected(peer);
    Bytes much(kMuch, 0x55);
    seen->stream->send(much);
    settle();
    REQUIRE(seen->stream->queued_bytes() > kMuch / 4);
    const Instant before = net_asio::EventLoop::now();
    seen->stream->cut();
    if (seen->stream != nullptr) CHECK(seen->stream->queued_bytes() < 100);
    until([&] { return seen->closed.has_value(); });
    CHECK(net_asio::EventLoop::now() - before < net_asio::kCloseTime);
    CHECK(*seen->closed == "closed by this node");
    until([&] { return peer.is_closed(); }, {&peer});
    CHECK(peer.received().size() < kMuch);
  }
};

}  // namespace

TEST_CASE_METHOD(Unread, "what is large goes to the kernel at once", "[net][G6]") {
  const auto listener = listen();
  Peer peer(listener->port());
  const auto seen = connected(peer);
  Bytes large(net_asio::kWriteAtOnceBytes, 0x55);
  seen->stream->send(large);
  CHECK(seen->stream->queued_bytes() < net_asio::kWriteAtOnceBytes);
  CHECK(seen->drained == 0);  // it is not called back
  until([&] { return peer.received().size() == net_asio::kWriteAtOnceBytes; }, {&peer});
  until([&] { return seen->drained == 1; });
}

TEST_CASE_METHOD(Unread, "a cut lets go of what is queued, and closes at once", "[net][G6]") {
  const auto listener = listen();
  Peer peer(listener->port());
  check_cut(peer);
}

TEST_CASE_METHOD(Unread, "so it does over TLS", "[net][G6][G7]") {
  Mesh mesh("orchard");
  const auto listener = listen(mesh.member("gw-barn"));
  Peer peer(listener->port(), mesh.member("gw-house"));
  check_cut(peer);
}

TEST_CASE_METHOD(Unread, "a cut while the connection closes ends the wait for its peer", "[net][G6]") {
  const auto listener = listen();
  Peer peer(listener->port());
  const auto seen = connected(peer);
  Bytes much(kMuch, 0x55);
  seen->stream->send(much);
  settle();
  seen->stream->close();
  settle();
  REQUIRE(seen->stream->queued_bytes() > kMuch / 4);
  const Instant before = net_asio::EventLoop::now();
  seen->stream->cut();
  until([&] { return seen->closed.has_value(); });
  CHECK(net_asio::EventLoop::now() - before < net_asio::kCloseTime);
}

}  // namespace hedgerow::test
