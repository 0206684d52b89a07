// Clients that break rules, crawl, or come in crowds: each is dealt with, memory stays bounded, others are served on.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/support/raw_client.hpp"

namespace hedgerow::test {
namespace {

using mqtt::PacketType;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kMebibyte = 1024;  // in KiB
// Sanitizers keep freed memory and shadow: there only survival and service are checked.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryCounts = false;
#else
constexpr bool kMemoryCounts = true;
#endif

class Node {
 public:
  Node() {
    daemon.start();
    before_kib = daemon.resident_kib();
  }
  RawClient client(const ConnectOut& connect) {
    RawClient out(daemon.port());
    CHECK(out.connect(connect).code() == 0);
    return out;
  }
  // Others are served: a new client connects, subscribes, publishes and receives, soon.
  void check_service() {
    const auto before = steady_clock::now();
    RawClient other(daemon.port());
    REQUIRE(other.connect({.client_id = "other"}).code() == 0);
    other.subscribe({{"service", 1}});
    CHECK(other.publish({.topic = "service", .payload = "x", .qos = 1}) < 0x80);
    CHECK(other.next_message());
    if (kMemoryCounts) CHECK(steady_clock::now() - before < seconds{10});
    other.disconnect();
  }
  void check_memory(std::uint64_t more_kib) {
    if (kMemoryCounts) CHECK(daemon.resident_kib() < before_kib + more_kib);
  }

  Daemon daemon{{.listeners = {{.name = "web", .settings = R"("tls": false, "protocol": "websocket")"}},
                 .settings = R"("limits": { "connections": 600, "connections_per_address": 500,
                                            "connect_timeout": "2s", "sessions": 1000, "session_queue_bytes": 262144,
                                            "queue_bytes": "4MiB", "subscriptions_per_session": 200,
                                            "retained_messages": 1000 })"}};
  std::uint64_t before_kib = 0;
};

}  // namespace

TEST_CASE_METHOD(Node, "whoever says nothing is sent away when the time to connect is over", "[e2e][G6]") {
  RawClient silent(daemon.port());
  CHECK(silent.closed_within(seconds{10}));
}

TEST_CASE_METHOD(Node, "a CONNECT of one byte at a time is sent away when the time to connect is over", "[e2e][G6]") {
  RawClient slow(daemon.port());
  const Bytes connect = encode(ConnectOut{.client_id = std::string(200, 'x')});
  const auto before = steady_clock::now();
  std::size_t sent = 0;
  while (sent < connect.size() && !slow.closed() && slow.send(ByteView{connect}.subspan(sent, 1))) {
    sent += 1;
    (void)slow.next(milliseconds{50});  // 50 ms for each byte: 10 s in all
  }
  CHECK(slow.closed_within(seconds{1}));
  CHECK(sent < connect.size());
  CHECK(steady_clock::now() - before < seconds{8});
  check_service();
}

TEST_CASE_METHOD(Node, "a publish of one byte at a time holds nobody up", "[e2e][G6]") {
  RawClient slow = client({.client_id = "slow"});
  const Bytes publish = encode(PublishSent{.topic = "slow", .payload = std::string(60, 'x'), .qos = 1, .packet_id = 1});
  for (std::size_t i = 0; i < publish.size(); ++i) {
    REQUIRE(slow.send(ByteView{publish}.subspan(i, 1)));
    if (i % 20 == 0) check_service();
  }
  CHECK(slow.wait_for(PacketType::kPuback));
}

TEST_CASE_METHOD(Node, "a crowd that connects and says nothing does not keep others out for long", "[e2e][G6]") {
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 450; ++i) crowd.push_back(std::make_unique<RawClient>(daemon.port()));
  check_service();
  check_memory(16 * kMebibyte);
  for (const auto& one : crowd) CHECK(one->closed_within(seconds{20}));
}

TEST_CASE_METHOD(Node, "no more connections than the limit allows, and room again once they are gone", "[e2e][G6]") {
  std::vector<std::unique_ptr<RawClient>> crowd;
  unsigned refused = 0;
  for (int i = 0; i < 520; ++i) {
    auto one = std::make_unique<RawClient>(daemon.port());
    try {
      if (one->connect({.client_id = "crowd-" + std::to_string(i)}).code() != 0) refused += 1;
    } catch (const std::exception&) {
      refused += 1;  // closed without an answer
    }
    crowd.push_back(std::move(one));
  }
  CHECK(refused >= 20);
  crowd.clear();
  const auto deadline = steady_clock::now() + kPatience;
  bool served = false;
  while (!served && steady_clock::now() < deadline) {
    try {
      RawClient other(daemon.port());
      served = other.connect({.client_id = "other"}).code() == 0;
    } catch (const std::exception&) {
      // Not yet.
    }
  }
  CHECK(served);
}

TEST_CASE_METHOD(Node, "a flood from one address fills its share, and others are served on", "[e2e][G6]") {
  std::vector<std::unique_ptr<RawClient>> flood;
  unsigned taken = 0;
  for (int i = 0; i < 550; ++i) {
    auto one = std::make_unique<RawClient>(daemon.port(), "127.0.0.2");
    one->send(encode(ConnectOut{.client_id = "flood-" + std::to_string(i), .keep_alive_s = 60}));
    flood.push_back(std::move(one));
  }
  check_service();  // from 127.0.0.1
  for (const auto& one : flood) taken += one->next() ? 1U : 0U;
  CHECK(taken <= 500);
  CHECK(taken >= 490);
  check_memory(16 * kMebibyte);
}

TEST_CASE_METHOD(Node, "no more connections in all than the limit allows, from however many addresses", "[e2e][G6]") {
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 660; ++i) {
    crowd.push_back(std::make_unique<RawClient>(daemon.port(), i % 2 == 0 ? "127.0.0.2" : "127.0.0.3"));
    crowd.back()->send(encode(ConnectOut{.client_id = "crowd-" + std::to_string(i), .keep_alive_s = 60}));
  }
  unsigned taken = 0;
  for (const auto& one : crowd) taken += one->next() ? 1U : 0U;
  CHECK(taken <= 600);
  CHECK(taken >= 590);
}

TEST_CASE_METHOD(Node, "clients that connect and vanish in a flood leave nothing behind", "[e2e][G6]") {
  for (int i = 0; i < 2000; ++i) {
    RawClient brief(daemon.port());
    brief.send(encode(ConnectOut{.client_id = "brief-" + std::to_string(i)}));
    if (i % 2 == 0) (void)brief.next();
  }
  check_service();
  check_memory(16 * kMebibyte);
}

TEST_CASE_METHOD(Node, "sessions that nobody comes back to are bounded", "[e2e][G6]") {
  unsigned refused = 0;
  for (int i = 0; i < 1200; ++i) {
    RawClient one(daemon.port());
    const Received connack = one.connect({.client_id = "gone-" + std::to_string(i),
                                          .clean_start = true,
                                          .properties = property(0x11, u32(0xFFFF'FFFF))});
    refused += connack.code() != 0 ? 1U : 0U;
    one.close();
  }
  CHECK(refused >= 200);
  check_memory(32 * kMebibyte);
  check_service();
}

TEST_CASE_METHOD(Node, "a reader that does not read costs no more than its queue", "[e2e][G6]") {
  RawClient lazy(daemon.port());
  lazy.shrink_receive_buffer();
  REQUIRE(lazy.connect({.client_id = "lazy"}).code() == 0);
  lazy.subscribe({{"flood", 0}});
  RawClient writer = client({.client_id = "writer"});
  const Bytes publish = encode(PublishSent{.topic = "flood", .payload = std::string(10'000, 'x')});
  for (int i = 0; i < 10'000; ++i) REQUIRE(writer.send(publish));  // 100 MB
  check_service();
  check_memory(16 * kMebibyte);
}

TEST_CASE_METHOD(Node, "a QoS 1 reader that does not read costs no more than its window", "[e2e][G6]") {
  RawClient lazy(daemon.port());
  lazy.shrink_receive_buffer();
  REQUIRE(lazy.connect({.client_id = "lazy"}).code() == 0);
  lazy.subscribe({{"flood", 1}});
  RawClient writer = client({.client_id = "writer"});
  for (int i = 0; i < 3000; ++i) {
    CHECK(writer.publish({.topic = "flood", .payload = std::string(10'000, 'x'), .qos = 1}) < 0x80);
  }
  check_service();
  check_memory(24 * kMebibyte);
}

TEST_CASE_METHOD(Node, "many readers that do not read cost no more than all queues may", "[e2e][G6]") {
  std::vector<std::unique_ptr<RawClient>> lazy;
  for (int i = 0; i < 60; ++i) {
    lazy.push_back(std::make_unique<RawClient>(daemon.port()));
    lazy.back()->shrink_receive_buffer();
    REQUIRE(lazy.back()->connect({.client_id = "lazy-" + std::to_string(i)}).code() == 0);
    lazy.back()->subscribe({{"flood", 0}});
  }
  RawClient writer = client({.client_id = "writer"});
  const Bytes publish = encode(PublishSent{.topic = "flood", .payload = std::string(10'000, 'x')});
  for (int i = 0; i < 400; ++i) REQUIRE(writer.send(publish));  // 240 MB in all
  check_service();
  check_memory(24 * kMebibyte);  // 60 queues of their own would be 15 MiB, and all may have 4
}

TEST_CASE_METHOD(Node, "a client with a half-open connection is given up when its keep alive is over", "[e2e][G6]") {
  RawClient silent = client({.client_id = "silent", .keep_alive_s = 1});
  CHECK(silent.closed_within(seconds{10}));
}

TEST_CASE_METHOD(Node, "a packet above the limit is refused before it is here", "[e2e][G6][MQTT-4.13.1-1]") {
  RawClient raw = client({.client_id = "raw"});
  raw.send(concat(u8(0x30), varint(268'435'455)));
  const auto answer = raw.wait_for(PacketType::kDisconnect);
  REQUIRE(answer);
  CHECK(answer->code() == 0x95);
  CHECK(raw.closed_within());
  check_memory(4 * kMebibyte);
}

TEST_CASE_METHOD(Node, "a CONNECT of more than 64 KiB is refused before it is here", "[e2e][G6]") {
  RawClient raw(daemon.port());
  raw.send(concat(u8(0x10), varint(65'537)));
  CHECK(raw.closed_within());
  Bytes properties;
  while (properties.size() < 60'000) append(properties, user_property(std::string(40, 'k'), std::string(4000, 'v')));
  (void)client({.client_id = "giant", .properties = properties});
  check_memory(4 * kMebibyte);
}

TEST_CASE_METHOD(Node, "wills are bounded, each and in all", "[e2e][G6]") {
  const auto with_lasting_will = [](const std::string& client_id, std::size_t bytes) {
    return with_will({.client_id = client_id, .clean_start = true, .properties = property(0x11, u32(3600))},
                     {.payload = std::string(bytes, 'x'), .properties = property(0x18, u32(3600))});
  };
  CHECK(RawClient(daemon.port()).connect(with_lasting_will("giant", 17'000)).code() == 0x97);
  unsigned refused = 0;
  for (int i = 0; i < 560; ++i) {  // each dies, and its will waits for an hour
    RawClient dying(daemon.port());
    refused += dying.connect(with_lasting_will("dying-" + std::to_string(i), 16'000)).code() == 0x97 ? 1U : 0U;
  }
  CHECK(refused >= 20);  // 8 MiB are 524 of them
  CHECK(refused <= 100);
  check_memory(24 * kMebibyte);
  check_service();
}

TEST_CASE_METHOD(Node, "many user properties are carried, and cost no more than they are", "[e2e][G6]") {
  Bytes properties;
  while (properties.size() < 60'000) append(properties, user_property(std::string(40, 'k'), std::string(4000, 'v')));
  RawClient reader = client({.client_id = "reader"});
  reader.subscribe({{"big", 1}});
  RawClient writer = client({.client_id = "writer"});
  for (int i = 0; i < 20; ++i) {
    CHECK(writer.publish({.topic = "big", .qos = 1, .properties = properties}) < 0x80);
    const auto message = reader.next_message();
    REQUIRE(message);
    CHECK(message->properties.user().size() > 10);
  }
  check_memory(24 * kMebibyte);
  while (properties.size() < 200'000) append(properties, user_property("k", std::string(4000, 'v')));
  CHECK(writer.publish({.topic = "big", .qos = 1, .properties = properties}) == 0x97);
}

TEST_CASE_METHOD(Node, "subscriptions are bounded, filter by filter", "[e2e][G6]") {
  RawClient raw = client({.client_id = "raw"});
  unsigned refused = 0;
  for (int i = 0; i < 300; ++i) refused += raw.subscribe({{"s/" + std::to_string(i), 0}}).code() == 0x97 ? 1U : 0U;
  CHECK(refused == 100);
  check_service();
}

TEST_CASE_METHOD(Node, "a flood of subscriptions costs no more than they are, and nothing once they are gone",
                 "[e2e][G6]") {
  const auto flood = [&] {
    std::vector<std::unique_ptr<RawClient>> crowd;
    for (int i = 0; i < 60; ++i) {
      crowd.push_back(std::make_unique<RawClient>(daemon.port()));
      REQUIRE(crowd.back()->connect({.client_id = "crowd-" + std::to_string(i)}).code() == 0);
      std::vector<FilterSent> filters;
      for (int j = 0; j < 200; ++j) {
        filters.push_back({std::to_string(i) + "/" + std::string(200, 'x') + "/+/" + std::to_string(j), 1});
      }
      CHECK(crowd.back()->subscribe(filters).codes == std::vector<unsigned>(200, 1U));
    }
    check_service();
    check_memory(24 * kMebibyte);  // 12,000 filters of 207 bytes are 2.4 MB, and each has its nodes in the tree
  };
  flood();
  const std::uint64_t once_kib = daemon.resident_kib();
  flood();
  if (kMemoryCounts) CHECK(daemon.resident_kib() < once_kib + 4 * kMebibyte);
}

TEST_CASE_METHOD(Node, "a flood of large retained messages goes to disk, not to memory", "[e2e][G6]") {
  RawClient raw = client({.client_id = "raw"});
  const std::string payload(60'000, 'x');
  for (int i = 0; i < 400; ++i) {  // 24 MB
    CHECK(raw.publish({.topic = "r/" + std::to_string(i), .payload = payload, .qos = 1, .retain = true}) < 0x80);
  }
  RawClient lazy(daemon.port());
  lazy.shrink_receive_buffer();
  REQUIRE(lazy.connect({.client_id = "lazy"}).code() == 0);
  lazy.subscribe({{"r/#", 1}});  // and reads none of them
  check_service();
  check_memory(24 * kMebibyte);
}

TEST_CASE_METHOD(Node, "retained messages are bounded, and those that are there may still change", "[e2e][G6]") {
  RawClient raw = client({.client_id = "raw"});
  unsigned refused = 0;
  for (int i = 0; i < 1200; ++i) {
    refused +=
        raw.publish({.topic = "r/" + std::to_string(i), .payload = "x", .qos = 1, .retain = true}) == 0x97 ? 1U : 0U;
  }
  CHECK(refused >= 100);
  CHECK(raw.publish({.topic = "r/0", .payload = "y", .qos = 1, .retain = true}) < 0x80);
  CHECK(raw.publish({.topic = "r/1", .payload = "", .qos = 1, .retain = true}) < 0x80);
  check_service();
}

TEST_CASE_METHOD(Node, "deep topics and filters are refused by their name", "[e2e][G6]") {
  std::string deep = "a";
  for (int i = 0; i < 30'000; ++i) deep += "/a";
  RawClient raw = client({.client_id = "raw"});
  CHECK(raw.subscribe({{deep, 0}}).code() == 0x8F);
  raw.send(encode(PublishSent{.topic = deep, .qos = 1, .packet_id = 1}));
  const auto answer = raw.next();
  REQUIRE(answer);
  CHECK((answer->type == PacketType::kPuback || answer->type == PacketType::kDisconnect));
  CHECK(answer->code() == 0x90);
  check_service();
}

TEST_CASE_METHOD(Node, "wildcards that are meant to be expensive are not", "[e2e][G6]") {
  RawClient raw = client({.client_id = "raw"});
  std::string filter = "+";
  for (int i = 0; i < 100; ++i) {
    raw.subscribe({{filter, 0}, {filter + "/#", 0}});
    filter += i % 2 == 0 ? "/+" : "/a";
  }
  std::string topic = "a";
  for (int i = 0; i < 100; ++i) topic += "/a";
  RawClient writer = client({.client_id = "writer"});
  const auto before = steady_clock::now();
  for (int i = 0; i < 200; ++i) CHECK(writer.publish({.topic = topic, .payload = "x", .qos = 1}) < 0x80);
  if (kMemoryCounts) CHECK(steady_clock::now() - before < seconds{10});
  check_service();
}

TEST_CASE_METHOD(Node, "more publishes under way than allowed end the connection with the reason",
                 "[e2e][MQTT-3.3.4-7]") {
  RawClient raw(daemon.port());
  const Received connack = raw.connect({.client_id = "raw"});
  const std::uint64_t allowed = connack.properties.has(0x21) ? connack.properties.number(0x21) : 65'535U;
  for (std::uint64_t i = 0; i <= allowed; ++i) {
    if (!raw.send(encode(PublishSent{.topic = "q", .qos = 2, .packet_id = static_cast<unsigned>(i + 1)}))) break;
  }
  const auto answer = raw.wait_for(PacketType::kDisconnect);
  REQUIRE(answer);
  CHECK(answer->code() == 0x93);
}

TEST_CASE_METHOD(Node, "noise of any kind ends the connection and nothing else", "[e2e]") {
  const Bytes noise = GENERATE(Bytes{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, Bytes{0x00, 0x00}, Bytes{0x10, 0x00},
                               Bytes{0x16, 0x03, 0x01, 0x00, 0x05},
                               to_bytes(as_bytes(std::string_view{"GET / HTTP/1.1\r\nHost: barn\r\n\r\n"})),
                               Bytes{0xC0, 0x00}, Bytes{0x30, 0x02, 0x00, 0x00});
  RawClient raw(daemon.port());
  raw.send(noise);
  CHECK(raw.closed_within(seconds{10}));
  check_service();
}

TEST_CASE_METHOD(Node, "whoever breaks the rules of WebSocket is sent away", "[e2e][G6]") {
  const std::string upgrade =
      "GET /mqtt HTTP/1.1\r\nHost: barn\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n";
  const auto bytes = [](const std::string& text) { return to_bytes(as_bytes(std::string_view{text})); };
  const Bytes first = GENERATE_COPY(bytes(upgrade + "Cookie: " + std::string(100'000, 'x')),  // a giant header
                                    bytes("POST / HTTP/1.1\r\nHost: barn\r\n\r\n"),           // no upgrade
                                    concat(bytes(upgrade + "\r\n"), Bytes{0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF,
                                                                          0xFF, 0xFF, 0xFF, 0, 0, 0, 0}),  // 2^63 bytes
                                    concat(bytes(upgrade + "\r\n"), Bytes{0x82, 0x02, 0xC0, 0x00}),        // not masked
                                    concat(bytes(upgrade + "\r\n"), Bytes{0x81, 0x80, 0, 0, 0, 0}),        // text
                                    Bytes{});                                                              // silence
  RawClient raw(daemon.port_of("web"));
  raw.send(first);
  // What comes is HTTP, if anything: nobody reads it as MQTT.
  CHECK(raw.closed_within(seconds{20}));
  check_service();
  check_memory(4 * kMebibyte);
}

TEST_CASE("handshakes that are never finished keep nobody out", "[e2e][G6][G7]") {
  const Authority authority;
  Daemon daemon({.settings = R"("limits": { "connect_timeout": "2s" })"});
  authority.enrol(daemon);
  daemon.start();
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 300; ++i) {
    crowd.push_back(std::make_unique<RawClient>(daemon.tls_port()));
    crowd.back()->send(Bytes{0x16, 0x03, 0x01, 0x02, 0x00});  // a ClientHello of 512 bytes begins
  }
  authority.issue("visitor", daemon.data() / "visitor", "app");
  const std::filesystem::path identity = daemon.data() / "visitor" / "identity";
  const Finished finished =
      run({"mosquitto_pub", "-h", "127.0.0.1", "-p", std::to_string(daemon.tls_port()), "--cafile",
           (daemon.data() / "identity" / "authority.crt").string(), "--cert", (identity / "node.crt").string(), "--key",
           (identity / "node.key").string(), "-q", "1", "-t", "any/topic", "-m", "hello"});
  INFO(finished.out << finished.error << daemon.log());
  CHECK(finished.status == ExitStatus{.code = 0, .signal = 0});
  for (const auto& one : crowd) CHECK(one->closed_within(seconds{20}));
}

}  // namespace hedgerow::test
