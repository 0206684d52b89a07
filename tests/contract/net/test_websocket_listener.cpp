#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <memory>
#include <string>

#include "tests/contract/net/network_fixture.hpp"
#include "tests/contract/net/websocket_client.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using net_asio::Protocol;

Mesh& orchard() {
  static Mesh mesh("orchard");
  return mesh;
}

// What a listener for browsers is: it asks for no certificate and knows their ALPN.
std::shared_ptr<const security::TlsContext> for_browsers() {
  static const auto context = orchard().member(
      "gw-barn", {.client_certificate = security::ClientCertificate::kNotAsked, .alpn = security::Alpn::kHttp});
  return context;
}

std::shared_ptr<const security::TlsContext> browser() {
  static const auto context = orchard().member("gw-house", {.alpn = security::Alpn::kHttp});
  return context;
}

class WebSocketNetwork : public Network {
 public:
  explicit WebSocketNetwork(std::shared_ptr<const security::TlsContext> tls = nullptr)
      : listener(listen_as({.tls = std::move(tls), .protocol = Protocol::kWebSocket})) {}

  std::shared_ptr<Seen> upgraded(Peer& peer) {
    const std::size_t before = acceptor.connections.size();
    peer.send(upgrade_request());
    until([&] { return acceptor.connections.size() > before; }, {&peer});
    until([&] { return peer.received().find("\r\n\r\n") != std::string::npos; }, {&peer});
    CHECK_THAT(peer.received(), StartsWith("HTTP/1.1 101 "));
    return acceptor.connections.back();
  }
  // All frames that came, in order; fails on anything else.
  static std::vector<ServerFrame> frames(const Peer& peer) {
    std::string_view rest = peer.received();
    rest.remove_prefix(rest.find("\r\n\r\n") + 4);
    std::vector<ServerFrame> out;
    while (auto frame = take_server_frame(rest)) out.push_back(std::move(*frame));
    return out;
  }
  static std::string payload(const Peer& peer) {
    std::string out;
    for (const ServerFrame& frame : frames(peer)) {
      if (frame.opcode == kBinaryFrame) out += frame.payload;
    }
    return out;
  }
  // Frames are taken apart only once there may be enough of them.
  void wait_for_payload(Peer& peer, std::size_t size) {
    until([&] { return peer.received().size() > size && payload(peer).size() >= size; }, {&peer});
  }

  std::unique_ptr<net_asio::Listener> listener;
};

class SecureWebSocketNetwork : public WebSocketNetwork {
 public:
  SecureWebSocketNetwork() : WebSocketNetwork(for_browsers()) {}
};

std::string long_text(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) text += "reading " + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE_METHOD(WebSocketNetwork, "the acceptor hears of a connection after the upgrade, not before",
                 "[net][websocket]") {
  Peer peer(listener->port());
  peer.send("GET /mqtt HTTP/1.1\r\n");
  until([&] { return loop.connections() == 1; }, {&peer});
  settle();
  CHECK(acceptor.connections.empty());
  Peer another(listener->port());
  const auto seen = upgraded(another);
  CHECK(seen->arrived.address == "127.0.0.1");
  CHECK(seen->arrived.loopback);
  CHECK_FALSE(seen->arrived.identity);
}

TEST_CASE_METHOD(WebSocketNetwork, "four megabytes come back through WebSocket as they went", "[net][websocket]") {
  acceptor.on_bytes = echo;
  std::string text = long_text(std::size_t{4} << 20U);
  for (char& c : text) c = static_cast<char>(c | '\x80');  // no MQTT packets: each send is one message
  Peer peer(listener->port());
  const auto seen = upgraded(peer);
  peer.send(client_frame(kBinaryFrame, text.substr(0, 100'000), /*fin=*/false));
  peer.send(client_frame(kContinuationFrame, text.substr(100'000, 10)));
  peer.send(client_frame(kBinaryFrame, text.substr(100'010)));
  wait_for_payload(peer, text.size());
  CHECK(payload(peer) == text);
}

TEST_CASE_METHOD(WebSocketNetwork, "a client that sends one byte at a time is understood", "[net][websocket]") {
  acceptor.on_bytes = echo;
  Peer peer(listener->port());
  for (const char c : upgrade_request() + client_frame(kBinaryFrame, "hello")) {
    peer.send({&c, 1});
    peer.pump();
    settle();
  }
  until([&] { return peer.received().find("\r\n\r\n") != std::string::npos && payload(peer) == "hello"; }, {&peer});
}

TEST_CASE_METHOD(WebSocketNetwork, "a ping is answered", "[net][websocket]") {
  Peer peer(listener->port());
  upgraded(peer);
  peer.send(client_frame(kPingFrame, "are you there?"));
  until([&] { return !frames(peer).empty(); }, {&peer});
  CHECK(frames(peer).front().opcode == kPongFrame);
  CHECK(frames(peer).front().payload == "are you there?");
}

TEST_CASE_METHOD(WebSocketNetwork, "a flood of pings that nobody reads the answers of fills no queue",
                 "[net][websocket][G6]") {
  Peer peer(listener->port());
  const auto seen = upgraded(peer);
  std::string flood;
  for (int i = 0; i < 20'000; ++i) flood += client_frame(kPingFrame, std::string(125, 'p'));
  for (int round = 0; round < 8; ++round) {
    peer.send(flood);
    while (!peer.is_sent()) {
      peer.pump(0);
      (void)loop.run_until(net_asio::EventLoop::now() + std::chrono::milliseconds{2});
      REQUIRE(seen->stream != nullptr);
      REQUIRE(seen->stream->queued_bytes() <= 2 * net_asio::kWriteChunkBytes);
    }
  }
  peer.send(client_frame(kPingFrame, "last"));
  until([&] { return !frames(peer).empty() && frames(peer).back().payload == "last"; }, {&peer});
}

TEST_CASE_METHOD(WebSocketNetwork, "the peer's close is answered, told, and ends the connection", "[net][websocket]") {
  Peer peer(listener->port());
  const auto seen = upgraded(peer);
  peer.send(client_frame(kCloseFrame, "\x03\xE8"));
  until([&] { return peer.is_closed(); }, {&peer});
  REQUIRE(frames(peer).size() == 1);
  CHECK(frames(peer).front().opcode == kCloseFrame);
  CHECK(frames(peer).front().payload == "\x03\xE8");
  peer.shut_down_sending();
  until([&] { return seen->closed.has_value(); });
  CHECK(*seen->closed == "closed by the peer");
}

TEST_CASE_METHOD(WebSocketNetwork, "what is queued goes before our close", "[net][websocket]") {
  acceptor.on_bytes = [](Seen& seen, ByteView) {
    Bytes last = to_bytes("goodbye");
    seen.stream->send(last);
    seen.stream->close();
  };
  Peer peer(listener->port());
  const auto seen = upgraded(peer);
  peer.send(client_frame(kBinaryFrame, "x"));
  until([&] { return peer.is_closed(); }, {&peer});
  REQUIRE(frames(peer).size() == 2);
  CHECK(frames(peer)[0].payload == "goodbye");
  CHECK(frames(peer)[1].opcode == kCloseFrame);
  CHECK(frames(peer)[1].payload == "\x03\xE8");
}

TEST_CASE_METHOD(WebSocketNetwork, "what is against the protocol is told to the peer and to the handler",
                 "[net][websocket]") {
  acceptor.on_bytes = echo;  // answering in the very read that fails must do no harm
  Peer peer(listener->port());
  const auto seen = upgraded(peer);
  peer.send(client_frame(kBinaryFrame, "good") + client_frame(kTextFrame, "bad"));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(seen->received == "good");
  REQUIRE_FALSE(frames(peer).empty());
  CHECK(frames(peer).back().opcode == kCloseFrame);
  CHECK_THAT(frames(peer).back().payload, StartsWith("\x03\xEB"));
  peer.shut_down_sending();
  until([&] { return seen->closed.has_value(); });
  CHECK_THAT(*seen->closed, ContainsSubstring("text"));
}

TEST_CASE_METHOD(WebSocketNetwork, "what is no upgrade gets an answer in HTTP, and is counted", "[net][websocket]") {
  Peer peer(listener->port());
  peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK_THAT(peer.received(), StartsWith("HTTP/1.1 426 "));
  CHECK(listener->refused().by_upgrade == 1);
  CHECK_THAT(listener->last_refusal(), ContainsSubstring("127.0.0.1:") && ContainsSubstring("no upgrade"));
  CHECK(acceptor.connections.empty());
}

TEST_CASE_METHOD(WebSocketNetwork, "MQTT without WebSocket is refused at once", "[net][websocket]") {
  Peer peer(listener->port());
  peer.send(std::string_view("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 14));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK_THAT(peer.received(), StartsWith("HTTP/1.1 400 "));
}

TEST_CASE_METHOD(WebSocketNetwork, "a page from elsewhere may not use a loopback listener", "[net][websocket]") {
  Peer peer(listener->port());
  peer.send(upgrade_request("Origin: https://evil.example\r\n"));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK_THAT(peer.received(), StartsWith("HTTP/1.1 403 "));
}

TEST_CASE_METHOD(Network, "an origin that the configuration names is served", "[net][websocket]") {
  const auto listener = listen_as({.protocol = Protocol::kWebSocket, .origins = {"https://panel.example"}});
  Peer peer(listener->port());
  peer.send(upgrade_request("Origin: https://panel.example\r\n"));
  until([&] { return acceptor.connections.size() == 1; }, {&peer});
}

TEST_CASE_METHOD(Network, "an upgrade that does not come is cut in time", "[net][websocket][G6]") {
  const auto listener =
      listen_as({.limits = {.handshake_time = std::chrono::milliseconds{50}}, .protocol = Protocol::kWebSocket});
  Peer peer(listener->port());
  peer.send("GET / HTTP/1.1\r\n");
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(listener->refused().by_time == 1);
  CHECK_THAT(listener->last_refusal(), ContainsSubstring("upgrade"));
}

TEST_CASE_METHOD(Network, "upgrades that do not come crowd out each other", "[net][websocket][G6]") {
  const auto listener = listen_as({.limits = {.handshakes_max = 2}, .protocol = Protocol::kWebSocket});
  Peer first(listener->port());
  Peer second(listener->port());
  until([&] { return loop.connections() == 2; });
  Peer member(listener->port());
  member.send(upgrade_request());
  until([&] { return acceptor.connections.size() == 1; }, {&member});
  until([&] { return first.is_closed(); }, {&first});
  CHECK(listener->refused().by_limit == 1);
}

TEST_CASE_METHOD(WebSocketNetwork, "what many sends make is written at once", "[net][websocket]") {
  acceptor.on_bytes = [](Seen& seen, ByteView) {
    for (int i = 0; i < 100; ++i) {
      Bytes part = to_bytes("0123456789");
      seen.stream->send(part);
    }
  };
  Peer peer(listener->port());
  upgraded(peer);
  const int before = peer.reads();
  peer.send(client_frame(kBinaryFrame, "go"));
  until([&] { return payload(peer).size() == 1000; }, {&peer});
  CHECK(peer.reads() == before + 1);
}

TEST_CASE_METHOD(SecureWebSocketNetwork, "WebSocket within TLS carries what it is given", "[net][websocket][G7]") {
  acceptor.on_bytes = echo;
  const std::string text = long_text(std::size_t{1} << 20U);
  Peer peer(listener->port(), browser());
  const auto seen = upgraded(peer);
  CHECK_FALSE(seen->arrived.identity);
  peer.send(client_frame(kBinaryFrame, text));
  wait_for_payload(peer, text.size());
  CHECK(payload(peer) == text);
  CHECK(as_text(peer.ciphertext()).find("reading 1000") == std::string_view::npos);
  peer.send(client_frame(kCloseFrame, ""));
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK_FALSE(peer.tls_error());
}

TEST_CASE_METHOD(SecureWebSocketNetwork, "within TLS a refusal is readable too", "[net][websocket]") {
  Peer peer(listener->port(), browser());
  peer.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK_THAT(peer.received(), StartsWith("HTTP/1.1 426 "));
  CHECK(listener->refused().by_upgrade == 1);
  CHECK(listener->refused().by_handshake == 0);
}

TEST_CASE_METHOD(SecureWebSocketNetwork, "within TLS the time for both is one", "[net][websocket][G6]") {
  listener->set_limits({.handshake_time = std::chrono::milliseconds{300}});
  Peer peer(listener->port(), browser());
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(listener->refused().by_time == 1);
}

TEST_CASE_METHOD(SecureWebSocketNetwork, "a listener that goes ends unfinished upgrades", "[net][websocket]") {
  Peer peer(listener->port(), browser());
  until([&] { return peer.channel()->state() == security::TlsChannel::State::kOpen; }, {&peer});
  listener.reset();
  CHECK(loop.connections() == 0);
}

}  // namespace hedgerow::test
