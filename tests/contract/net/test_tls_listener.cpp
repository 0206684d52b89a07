#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/contract/net/network_fixture.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

Mesh& orchard() {
  static Mesh mesh("orchard");
  return mesh;
}

class TlsNetwork : public Network {
 public:
  TlsNetwork() : listener(listen(orchard().member("gw-barn"))) {}
  std::unique_ptr<net_asio::Listener> listener;
};

}  // namespace

TEST_CASE_METHOD(TlsNetwork, "over TLS the acceptor learns who the certificate names", "[net][G7]") {
  Peer peer(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
  const auto& identity = acceptor.connections.front()->arrived.identity;
  REQUIRE(identity);
  CHECK(*identity == security::PeerIdentity{.mesh = "orchard", .node = "gw-house", .role = security::Role::kNode});
}

TEST_CASE_METHOD(TlsNetwork, "four megabytes come back over TLS as they went", "[net][G7]") {
  acceptor.on_bytes = echo;
  std::string text;
  for (int i = 0; text.size() < std::size_t{4} << 20U; ++i) text += "reading " + std::to_string(i) + "\n";
  Peer peer(listener->port(), orchard().member("gw-house"));
  peer.send(text);
  until([&] { return peer.received().size() >= text.size(); }, {&peer});
  CHECK(peer.received() == text);
  const std::string_view wire = as_text(peer.ciphertext());
  CHECK(wire.find("reading 1000") == std::string_view::npos);
}

TEST_CASE_METHOD(TlsNetwork, "what a handler sends during one read leaves as one write of TLS", "[net]") {
  acceptor.on_bytes = [](Seen& seen, ByteView) {
    for (int i = 0; i < 100; ++i) {
      Bytes part = to_bytes("0123456789");
      seen.stream->send(part);
    }
  };
  Peer peer(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
  settle();
  peer.pump();
  const int before = peer.reads();
  const std::size_t ciphertext_before = peer.ciphertext().size();
  peer.send("go");
  until([&] { return peer.received().size() == 1000; }, {&peer});
  CHECK(peer.reads() == before + 1);
  CHECK(peer.ciphertext().size() - ciphertext_before < 1100);
}

TEST_CASE_METHOD(TlsNetwork, "over TLS a peer that does not read makes the queue grow", "[net][G6]") {
  Peer peer(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
  const auto seen = acceptor.connections.front();
  Bytes much(std::size_t{16} << 20U, 0x55);
  seen->stream->send(much);
  settle();
  CHECK(seen->stream->queued_bytes() > std::size_t{1} << 20U);
  CHECK(seen->drained == 0);
  until([&] { return peer.received().size() == std::size_t{16} << 20U; }, {&peer});
  until([&] { return seen->drained == 1; });
}

TEST_CASE_METHOD(TlsNetwork, "over TLS much leaves at once, as far as the socket takes it", "[net][G6]") {
  Peer peer(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
  const auto seen = acceptor.connections.front();
  std::string text;
  for (int i = 0; text.size() < std::size_t{1} << 20U; ++i) text += "reading " + std::to_string(i) + "\n";
  Bytes much = to_bytes(text);
  seen->stream->send(much);
  CHECK(seen->stream->queued_bytes() < text.size() - net_asio::kCiphertextBytesMax);
  until([&] { return peer.received().size() == text.size(); }, {&peer});
  CHECK(peer.received() == text);
}

TEST_CASE_METHOD(TlsNetwork, "close over TLS sends what is queued and says close_notify", "[net]") {
  Peer peer(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
  const auto seen = acceptor.connections.front();
  Bytes last = to_bytes("goodbye");
  seen->stream->send(last);
  seen->stream->close();
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(peer.received() == "goodbye");
  CHECK_FALSE(peer.tls_error());
  CHECK(peer.channel()->state() == security::TlsChannel::State::kClosed);  // it answered the close_notify
}

TEST_CASE_METHOD(TlsNetwork, "the peer's close_notify ends the connection", "[net]") {
  Peer peer(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
  const auto seen = acceptor.connections.front();
  peer.channel()->close();
  until([&] { return peer.is_closed(); }, {&peer});
  peer.shut_down_sending();
  until([&] { return seen->closed.has_value(); });
  CHECK(*seen->closed == "closed by the peer");
}

TEST_CASE_METHOD(Network, "a listener that asks for no certificate learns none, and serves strangers", "[net][G7]") {
  const auto listener =
      listen(orchard().member("gw-barn", {.client_certificate = security::ClientCertificate::kNotAsked}));
  acceptor.on_bytes = echo;
  Peer peer(listener->port(), orchard().member("gw-house"));
  peer.send("hello");
  until([&] { return peer.received() == "hello"; }, {&peer});
  REQUIRE(acceptor.connections.size() == 1);
  CHECK_FALSE(acceptor.connections.front()->arrived.identity);
}

TEST_CASE_METHOD(Network, "a client checks a listener that does not ask, all the same", "[net][G7]") {
  Mesh strangers("strangers");
  const auto listener =
      listen(orchard().member("gw-barn", {.client_certificate = security::ClientCertificate::kNotAsked}));
  Peer peer(listener->port(), strangers.member("gw-house"));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(peer.tls_error());
}

TEST_CASE_METHOD(TlsNetwork, "a client that offers another protocol by ALPN is refused", "[net]") {
  Peer peer(listener->port(), orchard().member("gw-house", {.alpn = security::Alpn::kHttp}));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(listener->refused().by_handshake == 1);
}

TEST_CASE_METHOD(TlsNetwork, "a member of another mesh gets nothing", "[net][G7]") {
  Mesh strangers("strangers");
  Peer peer(listener->port(), strangers.member("gw-house"));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(acceptor.connections.empty());
  CHECK(listener->refused().by_handshake == 1);
  CHECK_THAT(listener->last_refusal(), ContainsSubstring("127.0.0.1:"));
}

TEST_CASE_METHOD(TlsNetwork, "plain MQTT on a TLS listener gets nothing but an alert", "[net][G7]") {
  Peer peer(listener->port());
  peer.send(std::string_view("\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00\x00\x00", 18));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(acceptor.connections.empty());
  CHECK(listener->refused().by_handshake == 1);
  CHECK(peer.received().size() < 16);
}

TEST_CASE_METHOD(Network, "a stranger who says nothing is cut when the handshake's time is over", "[net][G6]") {
  const auto listener = listen(orchard().member("gw-barn"), {.handshake_time = std::chrono::milliseconds{50}});
  Peer peer(listener->port());
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(listener->refused().by_time == 1);
  CHECK(loop.connections() == 0);
}

TEST_CASE_METHOD(Network, "strangers who say nothing crowd out each other, not members", "[net][G6]") {
  const auto listener = listen(orchard().member("gw-barn"), {.handshakes_max = 2});
  Peer first(listener->port());
  Peer second(listener->port());
  until([&] { return loop.connections() == 2; });
  Peer member(listener->port(), orchard().member("gw-house"));
  until([&] { return acceptor.connections.size() == 1; }, {&member});
  until([&] { return first.is_closed(); }, {&first});
  CHECK(listener->refused().by_limit == 1);
  CHECK_FALSE(second.is_closed());
}

TEST_CASE_METHOD(Network, "a flood of handshakes from one address crowds out its own", "[net][G6]") {
  const auto listener = listen(orchard().member("gw-barn"), {.handshakes_max = 4});
  Peer slow(listener->port(), "127.0.0.2");
  until([&] { return loop.connections() == 1; });
  std::vector<std::unique_ptr<Peer>> flood;
  for (std::uint64_t i = 0; i < 20; ++i) {
    flood.push_back(std::make_unique<Peer>(listener->port()));
    until([&] { return loop.connections() + listener->refused().by_limit == i + 2; });
  }
  settle();
  slow.pump();
  CHECK_FALSE(slow.is_closed());
  CHECK(listener->refused().by_limit == 17);
}

TEST_CASE_METHOD(TlsNetwork, "a listener that goes ends unfinished handshakes", "[net]") {
  Peer peer(listener->port());
  until([&] { return loop.connections() == 1; });
  listener.reset();
  CHECK(loop.connections() == 0);
  until([&] { return peer.is_closed(); }, {&peer});
}

TEST_CASE_METHOD(TlsNetwork, "a reset in the handshake is counted", "[net]") {
  Peer peer(listener->port());
  until([&] { return loop.connections() == 1; });
  peer.reset();
  until([&] { return loop.connections() == 0; });
  CHECK(listener->refused().by_handshake == 1);
}

}  // namespace hedgerow::test
