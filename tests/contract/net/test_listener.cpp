#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <iomanip>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/contract/net/network_fixture.hpp"

namespace hedgerow::test {
namespace {

using Catch::Matchers::ContainsSubstring;

class PlainNetwork : public Network {
 public:
  PlainNetwork() : listener(listen()) {}
  std::shared_ptr<Seen> connected(Peer& peer) {
    const std::size_t before = acceptor.connections.size();
    until([&] { return acceptor.connections.size() > before; }, {&peer});
    return acceptor.connections.back();
  }

  std::unique_ptr<net_asio::Listener> listener;
};

std::string random_text(std::size_t length) {
  std::string text(length, '\0');
  std::uint64_t state = 42;
  for (char& character : text) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    character = static_cast<char>(state >> 56U);
  }
  return text;
}

}  // namespace

TEST_CASE_METHOD(PlainNetwork, "port 0 becomes a real port", "[net]") {
  CHECK(listener->port() != 0);
  CHECK(listener->address() == "127.0.0.1:" + std::to_string(listener->port()));
  CHECK(listener->name() == "local");
}

TEST_CASE_METHOD(PlainNetwork, "the acceptor learns how a connection came in", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  CHECK(seen->arrived.listener == "local");
  CHECK_THAT(seen->arrived.remote, Catch::Matchers::StartsWith("127.0.0.1:"));
  CHECK_FALSE(seen->arrived.identity);
}

TEST_CASE_METHOD(PlainNetwork, "a megabyte comes back as it went", "[net]") {
  acceptor.on_bytes = echo;
  const std::string text = random_text(std::size_t{1} << 20U);
  Peer peer(listener->port());
  peer.send(text);
  until([&] { return peer.received().size() >= text.size(); }, {&peer});
  CHECK(peer.received() == text);
}

TEST_CASE_METHOD(PlainNetwork, "no read is larger than the loop's buffer", "[net][G6]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  peer.send(random_text(std::size_t{1} << 20U));
  until([&] { return seen->received.size() == std::size_t{1} << 20U; }, {&peer});
  CHECK(*std::max_element(seen->reads.begin(), seen->reads.end()) <= net_asio::kReadBufferBytes);
}

TEST_CASE_METHOD(PlainNetwork, "what a handler sends during one read leaves as one write", "[net]") {
  acceptor.on_bytes = [](Seen& seen, ByteView) {
    for (int i = 0; i < 100; ++i) {
      Bytes part = to_bytes("0123456789");
      seen.stream->send(part);
    }
    CHECK(seen.stream->queued_bytes() == 1000);
  };
  Peer peer(listener->port());
  peer.send("go");
  until([&] { return peer.received().size() == 1000; }, {&peer});
  CHECK(peer.reads() == 1);
}

TEST_CASE_METHOD(PlainNetwork, "a client that gathers small packets does not wait for our acknowledgements", "[net]") {
  constexpr std::size_t kRounds = 100;  // of 40 ms each, were they delayed
  acceptor.on_bytes = [](Seen& seen, ByteView bytes) {
    if (as_text(bytes) == "question") echo(seen, bytes);
  };
  Peer peer(listener->port());
  const auto seen = connected(peer);
  const Instant before = net_asio::EventLoop::now();
  for (std::size_t round = 1; round <= kRounds; ++round) {
    peer.send("question");  // conversation makes the kernel delay acknowledgements
    until([&] { return peer.received().size() == round * 8; }, {&peer});
    peer.send("first");
    peer.pump();
    peer.send("second");
    peer.pump();
    until([&] { return seen->received.size() == round * 19; });
  }
  CHECK(net_asio::EventLoop::now() - before < std::chrono::seconds{2});
}

TEST_CASE_METHOD(PlainNetwork, "what is posted between reads is gathered into one write", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  for (int i = 0; i < 100; ++i) {
    loop.post([seen] {
      Bytes part = to_bytes("0123456789");
      seen->stream->send(part);
    });
  }
  until([&] { return peer.received().size() == 1000; }, {&peer});
  CHECK(peer.reads() == 1);
}

TEST_CASE_METHOD(PlainNetwork, "a peer that does not read makes the queue grow, and on_drained tells when it is gone",
                 "[net][G6]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  const std::string text = random_text(std::size_t{32} << 20U);
  Bytes bytes = to_bytes(text);
  seen->stream->send(bytes);
  settle();
  CHECK(seen->stream->queued_bytes() > 0);
  CHECK(seen->stream->queued_bytes() < text.size());
  CHECK(seen->drained == 0);
  until([&] { return peer.received().size() == text.size(); }, {&peer});
  until([&] { return seen->drained == 1; });
  CHECK(peer.received() == text);
}

TEST_CASE_METHOD(PlainNetwork, "a paused connection is not read, and a resumed one loses nothing", "[net][G6]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  seen->stream->pause_reading(true);
  const std::string text = random_text(std::size_t{32} << 20U);
  peer.send(text);
  peer.pump();
  settle();
  peer.pump();
  settle();
  CHECK(seen->received.empty());
  CHECK_FALSE(peer.is_sent());
  seen->stream->pause_reading(false);
  until([&] { return seen->received.size() == text.size(); }, {&peer});
  CHECK(seen->received == text);
}

TEST_CASE_METHOD(PlainNetwork, "pausing inside on_bytes holds from the next byte on", "[net]") {
  acceptor.on_bytes = [](Seen& seen, ByteView) { seen.stream->pause_reading(true); };
  Peer peer(listener->port());
  const auto seen = connected(peer);
  peer.send("first");
  until([&] { return seen->received == "first"; }, {&peer});
  peer.send("second");
  peer.pump();
  settle();
  CHECK(seen->received == "first");
  seen->stream->pause_reading(false);
  until([&] { return seen->received == "firstsecond"; }, {&peer});
}

TEST_CASE_METHOD(PlainNetwork, "close sends what is queued first", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  const std::string text = random_text(std::size_t{8} << 20U);
  Bytes bytes = to_bytes(text);
  seen->stream->send(bytes);
  seen->stream->close();
  CHECK_FALSE(seen->closed);
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(peer.received() == text);
}

TEST_CASE_METHOD(PlainNetwork, "close while the peer is sending still delivers the last words", "[net]") {
  acceptor.on_bytes = [](Seen& seen, ByteView) {
    Bytes last = to_bytes("goodbye");
    seen.stream->send(last);
    seen.stream->close();
  };
  Peer peer(listener->port());
  peer.send(random_text(std::size_t{1} << 20U));
  until([&] { return peer.received() == "goodbye"; }, {&peer});
}

TEST_CASE_METHOD(PlainNetwork, "on_closed follows close, once the peer is gone too", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  seen->stream->close();
  until([&] { return peer.is_closed(); }, {&peer});
  peer.shut_down_sending();
  until([&] { return seen->closed.has_value(); });
  CHECK(*seen->closed == "closed by this node");
  CHECK(loop.connections() == 0);
}

TEST_CASE_METHOD(PlainNetwork, "nothing is heard of a connection after close", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  seen->stream->close();
  peer.send("too late");
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(seen->received.empty());
}

TEST_CASE_METHOD(PlainNetwork, "the peer's close is told with its reason", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  peer.shut_down_sending();
  until([&] { return seen->closed.has_value(); });
  CHECK(*seen->closed == "closed by the peer");
}

TEST_CASE_METHOD(PlainNetwork, "an abrupt reset ends the connection", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  peer.reset();
  until([&] { return seen->closed.has_value(); });
  CHECK_THAT(*seen->closed, ContainsSubstring("connection lost"));
  CHECK(loop.connections() == 0);
}

TEST_CASE_METHOD(PlainNetwork, "a reset is noticed by writing, too", "[net]") {
  Peer peer(listener->port());
  const auto seen = connected(peer);
  seen->stream->pause_reading(true);
  peer.reset();
  until([&] {
    if (seen->stream == nullptr) return true;
    Bytes bytes = to_bytes("hello?");
    seen->stream->send(bytes);
    return false;
  });
  CHECK(loop.connections() == 0);
}

TEST_CASE_METHOD(PlainNetwork, "a refused connection is closed and counted", "[net]") {
  acceptor.refuses = true;
  Peer peer(listener->port());
  until([&] { return peer.is_closed(); }, {&peer});
  CHECK(listener->refused().by_acceptor == 1);
}

TEST_CASE_METHOD(PlainNetwork, "a thousand connections come, talk and go", "[net]") {
  acceptor.on_bytes = echo;
  // Both ends are ours.
  REQUIRE(net_asio::raise_open_files_limit() > 2100);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 1000; ++i) {
    peers.push_back(std::make_unique<Peer>(listener->port()));
    peers.back()->send("hello");
    peers.back()->pump();
    if (i % 100 == 99) settle();
  }
  until([&] { return acceptor.connections.size() == 1000; });
  until([&] {
    return std::all_of(peers.begin(), peers.end(), [](const auto& peer) {
      peer->pump();
      return peer->received() == "hello";
    });
  });
  peers.clear();
  until([&] { return loop.connections() == 0; });
  CHECK(std::all_of(acceptor.connections.begin(), acceptor.connections.end(),
                    [](const auto& seen) { return seen->closed.has_value(); }));
}

TEST_CASE_METHOD(Network, "beyond the limit of connections newcomers are closed and counted", "[net][G6]") {
  const auto listener = listen(nullptr, {.connections_max = 2});
  Peer first(listener->port());
  Peer second(listener->port());
  until([&] { return acceptor.connections.size() == 2; });
  Peer third(listener->port());
  until([&] { return third.is_closed(); }, {&third});
  CHECK(listener->refused().by_limit == 1);
  CHECK(acceptor.connections.size() == 2);
}

TEST_CASE_METHOD(Network, "beyond the limit of one address newcomers wait for nobody", "[net][G6]") {
  const auto listener = listen(nullptr, {.connections_per_address_max = 1});
  auto first = std::make_unique<Peer>(listener->port());
  until([&] { return acceptor.connections.size() == 1; });
  Peer second(listener->port());
  until([&] { return second.is_closed(); }, {&second});
  first.reset();
  until([&] { return loop.connections() == 0; });
  Peer third(listener->port());
  until([&] { return acceptor.connections.size() == 2; });
}

TEST_CASE_METHOD(Network, "limits that change hold for newcomers", "[net][G6]") {
  const auto listener = listen(nullptr, {.connections_max = 1});
  Peer first(listener->port());
  until([&] { return acceptor.connections.size() == 1; });
  listener->set_limits({.connections_max = 2});
  Peer second(listener->port());
  until([&] { return acceptor.connections.size() == 2; });
  listener->set_limits({.connections_max = 1});
  Peer third(listener->port());
  until([&] { return third.is_closed(); }, {&third});
  CHECK_THAT(listener->last_refusal(), ContainsSubstring("too many connections: 1 "));
  CHECK(loop.connections() == 2);
}

TEST_CASE_METHOD(Network, "connections leave descriptors to the rest of the process", "[net][G6]") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit few{.rlim_cur = 2 * net_asio::kDescriptorsKept, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto listener = listen();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::size_t i = 0; i < net_asio::kDescriptorsKept + 1; ++i) {
    peers.push_back(std::make_unique<Peer>(listener->port()));
  }
  until([&] { return listener->refused().by_limit == 1; });
  CHECK(loop.connections() == net_asio::kDescriptorsKept);
  CHECK_THAT(listener->last_refusal(), ContainsSubstring("LimitNOFILE"));
}

TEST_CASE_METHOD(Network, "a listener on every address is no loopback listener", "[net]") {
  const auto listener = listen_as({.host = "0.0.0.0"});
  Peer peer(listener->port());
  until([&] { return acceptor.connections.size() == 1; });
  CHECK_FALSE(acceptor.connections.front()->arrived.loopback);
  CHECK(acceptor.connections.front()->arrived.address == "127.0.0.1");
}

TEST_CASE_METHOD(PlainNetwork, "TCP probes a peer that says nothing", "[net][G6]") {
  Peer peer(listener->port());
  connected(peer);
  // "local_address rem_address st tx:rx tr:when": of ours, established (01), with the keepalive timer (02) running.
  std::ifstream table("/proc/net/tcp");
  std::ostringstream port;
  port << ':' << std::uppercase << std::hex << std::setw(4) << std::setfill('0') << listener->port();
  bool probes = false;
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer;
    fields >> number >> local >> remote >> state >> queues >> timer;
    if (local.ends_with(port.str()) && state == "01") probes = probes || timer.starts_with("02:");
  }
  CHECK(probes);
}

TEST_CASE_METHOD(Network, "a process without free descriptors rests, and goes on once it has some", "[net][G6]") {
  const auto listener = listen();
  Peer first(listener->port());
  until([&] { return acceptor.connections.size() == 1; });
  Peer second(listener->port());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::size_t turns = 0;
  const Instant end = net_asio::EventLoop::now() + net_asio::kAcceptPause * 2;
  while (net_asio::EventLoop::now() < end) turns += loop.run_until(end);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(turns < 20);
  CHECK(listener->refused().by_exhaustion >= 1);
  CHECK_THAT(listener->last_refusal(), ContainsSubstring("LimitNOFILE"));
  CHECK(acceptor.connections.size() == 1);
  until([&] { return acceptor.connections.size() == 2; });
}

TEST_CASE_METHOD(PlainNetwork, "a port in use names its holder and the way out", "[net]") {
  const auto again = net_asio::listen(
      loop, {.name = "second", .host = "127.0.0.1", .port = listener->port(), .tls = nullptr}, acceptor);
  REQUIRE_FALSE(again);
  CHECK(again.error().category == Category::kUnavailable);
  CHECK_THAT(again.error().what, ContainsSubstring("\"second\": " + listener->address() + " is in use, held by") &&
                                     ContainsSubstring("(pid " + std::to_string(::getpid()) + ")") &&
                                     ContainsSubstring("another port"));
}

TEST_CASE_METHOD(Network, "an address that the machine lacks is said to be one", "[net]") {
  const auto listener =
      net_asio::listen(loop, {.name = "lan", .host = "192.0.2.1", .port = 0, .tls = nullptr}, acceptor);
  REQUIRE_FALSE(listener);
  CHECK_THAT(listener.error().what, ContainsSubstring("no such address"));
}

TEST_CASE_METHOD(Network, "a host name is no address to listen on", "[net]") {
  const auto listener = net_asio::listen(loop, {.name = "lan", .host = "gw-barn", .port = 0, .tls = nullptr}, acceptor);
  REQUIRE_FALSE(listener);
  CHECK(listener.error().category == Category::kInvalidInput);
}

TEST_CASE_METHOD(Network, "IPv6 addresses are written in brackets", "[net]") {
  const auto listener = net_asio::listen(loop, {.name = "six", .host = "::1", .port = 0, .tls = nullptr}, acceptor);
  if (!listener) SKIP("no IPv6 here: " + listener.error().what);
  CHECK((*listener)->address() == "[::1]:" + std::to_string((*listener)->port()));
}

TEST_CASE_METHOD(PlainNetwork, "a listener that goes leaves its connections", "[net]") {
  acceptor.on_bytes = echo;
  const std::uint16_t port = listener->port();
  Peer peer(port);
  const auto seen = connected(peer);
  listener.reset();
  peer.send("still here");
  until([&] { return peer.received() == "still here"; }, {&peer});
  CHECK(net_asio::listen(loop, {.name = "next", .host = "127.0.0.1", .port = port, .tls = nullptr}, acceptor));
}

TEST_CASE_METHOD(PlainNetwork, "close_connections ends those who listen, and cuts those who do not", "[net]") {
  Peer polite(listener->port());
  const auto first = connected(polite);
  Peer deaf(listener->port());
  const auto second = connected(deaf);
  Bytes much(std::size_t{32} << 20U);
  second->stream->send(much);
  bool done = false;
  loop.close_connections(std::chrono::milliseconds{200}, [&] { done = true; });
  CHECK_FALSE(done);
  until([&] { return polite.is_closed(); }, {&polite});
  polite.shut_down_sending();
  until([&] { return done; });
  CHECK(first->closed.has_value());
  CHECK(second->closed.has_value());
}

TEST_CASE_METHOD(Network, "close_connections without any is done at the next turn", "[net]") {
  bool done = false;
  loop.close_connections(std::chrono::seconds{5}, [&] { done = true; });
  CHECK_FALSE(done);
  until([&] { return done; });
}

}  // namespace hedgerow::test
