// What all clients together may make the node keep: G6.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <memory>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using mqtt::PacketType;
using mqtt::Protocol;
using Codes = std::vector<unsigned>;

namespace {

constexpr unsigned kRefused = 0x97;
constexpr unsigned kNothingRetained = 0x20;  // retain handling 2

struct MemoryHarness : NodeHarness {
  // Room for so many subscriptions of a filter of three bytes.
  explicit MemoryHarness(std::size_t subscriptions = 3) {
    limits.subscriptions_bytes_max = subscriptions * node::subscription_cost(3);
    restart();
  }

  unsigned subscribe(TestClient& client, const std::string& filter, unsigned options = kNothingRetained,
                     Protocol protocol = Protocol::kV5) {
    client.received();
    client.send(encode_subscribe(1, {{filter, options}}, protocol));
    settle();
    for (const ServerPacket& packet : client.received()) {
      if (packet.type == PacketType::kSuback) return packet.body.back();
    }
    FAIL("no SUBACK");
    return 0;
  }
};

}  // namespace

TEST_CASE_METHOD(MemoryHarness, "subscriptions of all sessions are bounded: one more is refused, and counted",
                 "[node][memory][G6]") {
  TestClient a(*this, {.client_id = "a"});
  TestClient b(*this, {.client_id = "b"});
  TestClient old(*this, {.protocol = Protocol::kV311, .client_id = "old"});
  CHECK(Codes{subscribe(a, "t/1"), subscribe(a, "t/2"), subscribe(b, "t/3")} == Codes{0, 0, 0});
  CHECK(subscribe(b, "t/4") == kRefused);
  CHECK(subscribe(old, "t/4", 0, Protocol::kV311) == 0x80);
  CHECK(node->counters().refused_subscriptions == 2);
  CHECK(log.size() == 1);  // not a line for each
}

TEST_CASE_METHOD(MemoryHarness, "room that an UNSUBSCRIBE, or the end of a session, leaves is others' again",
                 "[node][memory][G6]") {
  TestClient a(*this, {.client_id = "a"});
  TestClient b(*this, {.client_id = "b"});
  for (const char* filter : {"t/1", "t/2", "t/3"}) CHECK(subscribe(a, filter) == 0);
  a.send(encode_unsubscribe(2, {"t/2"}));
  CHECK(Codes{subscribe(b, "t/4"), subscribe(b, "t/5")} == Codes{0, kRefused});
  a.drop();
  CHECK(Codes{subscribe(b, "t/5"), subscribe(b, "t/6"), subscribe(b, "t/7")} == Codes{0, 0, kRefused});
}

TEST_CASE_METHOD(MemoryHarness, "subscriptions of sessions that are away count, also after a restart, until they end",
                 "[node][memory][G6]") {
  const Bytes hour = property(0x11, u32(3600));
  {
    TestClient kept(*this, {.client_id = "kept", .clean_start = false, .properties = hour});
    for (const char* filter : {"t/1", "t/2", "t/3"}) CHECK(subscribe(kept, filter) == 0);
  }
  settle();
  {
    TestClient other(*this, {.client_id = "other"});
    CHECK(subscribe(other, "t/4") == kRefused);
  }
  restart();
  TestClient other(*this, {.client_id = "other"});
  CHECK(subscribe(other, "t/4") == kRefused);
  advance(std::chrono::hours{2});
  settle();
  CHECK(subscribe(other, "t/4") == 0);
}

TEST_CASE_METHOD(MemoryHarness, "a session that returns may repeat its SUBSCRIBEs though there is no room for new ones",
                 "[node][memory][G6]") {
  limits.subscriptions_bytes_max += 4 * node::run_cost(3);
  restart();
  {
    TestClient kept(*this, keeping("kept"));
    for (const char* filter : {"t/1", "t/2", "t/3"}) CHECK(subscribe(kept, filter, 1) == 1);
  }
  TestClient other(*this, {.client_id = "other"});
  unsigned taken = 0;
  while (subscribe(other, "o/" + std::to_string(taken)) == 0) ++taken;
  TestClient kept(*this, keeping("kept"));
  for (const char* filter : {"t/1", "t/2", "t/3"}) CHECK(subscribe(kept, filter, 1) == 1);
}

TEST_CASE_METHOD(MemoryHarness, "what is on its way to filters that are subscribed again and again counts as well",
                 "[node][memory][G6]") {
  TestClient greedy(*this, {.client_id = "greedy"});
  unsigned refused = 0;
  greedy.send(encode_subscribe(1, {{"t/1", 0}}));
  for (unsigned i = 2; i < 20; ++i) greedy.send(encode_subscribe(i, {{"t/1", 0}}));  // nothing is read meanwhile
  for (const ServerPacket& packet : greedy.received()) {
    if (packet.type == PacketType::kSuback && packet.body.back() == kRefused) ++refused;
  }
  CHECK(refused > 10);
  settle();
  CHECK(subscribe(greedy, "t/1", 0) == 0);
}

TEST_CASE_METHOD(MemoryHarness, "a SUBSCRIBE that the disk refuses costs nothing", "[node][memory][G6]") {
  TestClient kept(*this, keeping("kept"));
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  CHECK(subscribe(kept, "t/1") == kRefused);
  for (const char* filter : {"t/1", "t/2", "t/3"}) CHECK(subscribe(kept, filter) == 0);
  CHECK(subscribe(kept, "t/4") == kRefused);
}

// ---- what waits for clients that do not take it

namespace {

constexpr std::size_t kMessageBytes = 50'000;

struct QueueHarness : NodeHarness {
  QueueHarness() {
    limits.client_queue_bytes_max = 2 * kMessageBytes;
    limits.all_queues_bytes_max = 4 * kMessageBytes;  // twice as much at most
    restart();
    publisher = std::make_unique<TestClient>(*this, ConnectOut{.client_id = "publisher"});
  }
  // `keeps`: they do not read.
  void add(unsigned count, unsigned qos, bool keeps, const std::string& filter = "t") {
    for (unsigned i = 0; i < count; ++i) {
      clients.push_back(
          std::make_unique<TestClient>(*this, ConnectOut{.client_id = "c" + std::to_string(clients.size())}));
      clients.back()->send(encode_subscribe(1, {{filter, qos}}));
      settle();
      clients.back()->received();
      clients.back()->stream.keeps = keeps;
    }
  }
  void publish(unsigned qos, const std::string& topic = "t") {
    publisher->send(encode(PublishSent{.topic = topic,
                                       .payload = std::string(kMessageBytes, 'x'),
                                       .qos = qos,
                                       .packet_id = qos > 0 ? ++last_id : 0U}));
    settle();
  }
  [[nodiscard]] std::size_t queued() const {
    std::size_t out = 0;
    for (const auto& client : clients) out += client->stream.queued;
    return out;
  }
  [[nodiscard]] std::size_t closed() const {
    std::size_t out = 0;
    for (const auto& client : clients) out += client->stream.closed ? 1U : 0U;
    return out;
  }

  std::unique_ptr<TestClient> publisher;
  std::vector<std::unique_ptr<TestClient>> clients;
  unsigned last_id = 0;
};

}  // namespace

TEST_CASE_METHOD(QueueHarness, "one message to many that do not read takes no more than all queues may",
                 "[node][memory][G6]") {
  const unsigned qos = GENERATE(0U, 1U);
  add(20, qos, /*keeps=*/true);
  publish(qos);
  CHECK(queued() <= 8 * kMessageBytes);
  CHECK(queued() >= 7 * kMessageBytes);
  CHECK(closed() == 0);  // nobody knows yet that they do not read
  CHECK(node->counters().dropped == (qos == 0 ? 13U : 0U));
}

TEST_CASE_METHOD(QueueHarness, "who does not read is closed when others lack the room, the fullest first",
                 "[node][memory][G6]") {
  add(20, 0, /*keeps=*/true);
  publish(0);
  clients[0]->stream.keeps = false;  // a slow one, that has taken all of it by now
  clients[0]->drained();
  clients[0]->received();
  advance(node::kQueuePatience + std::chrono::seconds{1});
  CHECK(closed() == 0);  // there is room
  add(4, 0, /*keeps=*/false, "u");
  publish(0, "u");
  CHECK(closed() > 0);
  CHECK(node->counters().closed_readers == closed());
  CHECK_FALSE(clients[0]->stream.closed);
  for (std::size_t i = 20; i < 24; ++i) clients[i]->received();
  publish(0, "u");
  for (std::size_t i = 20; i < 24; ++i) CHECK(clients[i]->messages().size() == 1);
  CHECK(log.size() == 1);
}

TEST_CASE_METHOD(QueueHarness, "who is slow is not closed for what waits for those who keep up", "[node][memory][G6]") {
  add(1, 0, /*keeps=*/true);
  publish(0);
  advance(node::kQueuePatience + std::chrono::seconds{1});
  add(20, 0, /*keeps=*/true, "u");
  publish(0, "u");
  CHECK(node->counters().dropped > 0);  // the room was not enough
  CHECK(closed() == 0);
}

TEST_CASE_METHOD(QueueHarness, "QoS 1 waits in the log while all queues are full, and is lost to nobody who reads",
                 "[node][memory][G6]") {
  add(20, 1, /*keeps=*/true);
  publish(1);
  add(1, 1, /*keeps=*/false);
  publish(1);
  CHECK(clients[20]->messages().empty());
  CHECK(closed() == 0);
  std::size_t received = 0;
  for (int i = 0; i < 40; ++i) {
    advance(std::chrono::seconds{1});
    settle();
    received += clients[20]->messages().size();
    CHECK(queued() <= 8 * kMessageBytes);
  }
  CHECK(received == 1);
  CHECK(closed() > 0);
}

TEST_CASE_METHOD(QueueHarness, "while all queues hold too much, who does not take answers is not read from",
                 "[node][memory][G6]") {
  add(5, 0, /*keeps=*/true);
  publish(0);  // more than all_queues_bytes_max
  TestClient asks(*this, {.client_id = "asks"});
  asks.stream.keeps = true;
  asks.stream.queued = node::kPressedQueueBytesMax;
  CHECK_FALSE(asks.stream.paused);
  asks.send(packet(PacketType::kPingreq, 0, {}));
  CHECK(asks.stream.paused);
  asks.stream.keeps = false;
  asks.drained();
  CHECK_FALSE(asks.stream.paused);
}

// ---- what was read for clients that have no room for it

namespace {

constexpr std::size_t kLargeBytes = 1'000'000;
constexpr std::size_t kReaders = 40;  // a page each, of one message: more than all pages may be
constexpr unsigned kMessages = 6;

struct PagesHarness : NodeHarness {
  void publish(bool retain) {
    TestClient publisher(*this, {.client_id = "publisher"});
    for (unsigned i = 1; i <= kMessages; ++i) {
      publisher.send(encode(PublishSent{.topic = "r/" + std::to_string(i),
                                        .payload = std::string(kLargeBytes, 'x'),
                                        .qos = 1,
                                        .packet_id = i,
                                        .retain = retain}));
      settle();
    }
  }
  void add(const ConnectOut& kind) {
    clients.push_back(std::unique_ptr<TestClient>(new TestClient(TestClient::unsettled(*this, kind))));
    clients.back()->stream.keeps = true;
  }
  // Each has its first message, and the second one waits: where it was kept, it comes at once. Then all of them come.
  void check_pages() {
    std::size_t kept = 0;
    std::vector<std::string> seen(clients.size());
    const auto look = [&](std::size_t i) {
      const std::size_t before = seen[i].size();
      for (const std::string& message : clients[i]->messages()) seen[i] += message.substr(2, 1);
      return seen[i].size() - before;
    };
    settle();
    for (std::size_t i = 0; i < clients.size(); ++i) CHECK(look(i) == 1);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      clients[i]->drained();
      kept += look(i);
    }
    CHECK(kept == node::kPagesBytesMax / kLargeBytes);
    for (unsigned round = 0; round < 2 * kMessages; ++round) {
      for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i]->drained();
        settle();
        look(i);
      }
    }
    for (const std::string& all : seen) CHECK(all == "123456");
  }

  std::vector<std::unique_ptr<TestClient>> clients;
};

}  // namespace

TEST_CASE_METHOD(PagesHarness, "what was read for sessions without room is bounded in all, and read again",
                 "[node][memory][G6]") {
  for (std::size_t i = 0; i < kReaders; ++i) {
    TestClient once(*this, keeping(std::to_string(i)));
    once.send(encode_subscribe(1, {{"r/#", 1}}));
    settle();
  }
  publish(/*retain=*/false);
  for (std::size_t i = 0; i < kReaders; ++i) {
    add(keeping(std::to_string(i)));
  }
  check_pages();
}

TEST_CASE_METHOD(PagesHarness, "so are retained messages for new subscriptions", "[node][memory][G6]") {
  publish(/*retain=*/true);
  for (std::size_t i = 0; i < kReaders; ++i) {
    add({.client_id = std::to_string(i)});
    clients.back()->send(encode_subscribe(1, {{"r/#", 1}}));
    clients.back()->drained();  // it has its SUBACK
  }
  check_pages();
}

// ---- packets that are not complete

namespace {

struct UnfinishedHarness : NodeHarness {
  UnfinishedHarness() {
    limits.unfinished_bytes_max = 12'500;
    restart();
  }
  // The beginning of a publish of 20,000 bytes.
  static Bytes part(std::size_t bytes) {
    Bytes out = encode(PublishSent{.topic = "t", .payload = std::string(20'000, 'x')});
    out.resize(bytes);
    return out;
  }
};

}  // namespace

TEST_CASE_METHOD(UnfinishedHarness, "packets that are not complete are bounded in all: the longest held goes",
                 "[node][memory][G6]") {
  TestClient first(*this, {.client_id = "first"});
  TestClient second(*this, {.client_id = "second"});
  TestClient third(*this, {.protocol = Protocol::kV311, .client_id = "third"});
  second.send(part(4'000));
  advance(std::chrono::seconds{20});
  first.send(part(4'000));
  third.send(part(1'900));
  advance(std::chrono::seconds{5});
  second.received();
  CHECK_FALSE((first.stream.closed || second.stream.closed || third.stream.closed));
  first.send(Bytes(1'000, 'x'));
  CHECK(second.stream.closed);
  const auto told = second.received();
  REQUIRE(told.size() == 1);
  CHECK(told[0].type == PacketType::kDisconnect);
  CHECK(told[0].body[0] == 0x97);
  CHECK_FALSE((first.stream.closed || third.stream.closed));
  CHECK(node->counters().closed_writers == 1);
  CHECK(log.size() == 1);
  TestClient fourth(*this, {.client_id = "fourth"});
  fourth.send(part(500));  // there is room again
  CHECK_FALSE((first.stream.closed || third.stream.closed || fourth.stream.closed));
}

TEST_CASE_METHOD(UnfinishedHarness, "who completes its packets may send any number of them, in any pieces",
                 "[node][memory][G6]") {
  TestClient writer(*this, {.client_id = "writer"});
  TestClient slow(*this, {.client_id = "slow"});
  slow.send(part(3'000));
  const Bytes whole = encode(PublishSent{.topic = "t", .payload = std::string(6'000, 'x')});
  for (int i = 0; i < 100; ++i) {
    writer.send(to_bytes(ByteView(whole).first(5'000)));
    advance(std::chrono::seconds{1});
    writer.send(to_bytes(ByteView(whole).subspan(5'000)));
  }
  CHECK(node->counters().received == 100);
  CHECK_FALSE((writer.stream.closed || slow.stream.closed));
}

TEST_CASE_METHOD(UnfinishedHarness, "a packet held until the end of its connection leaves its room to others",
                 "[node][memory][G6]") {
  for (int i = 0; i < 10; ++i) {
    TestClient(*this, {.client_id = "brief"}).send(part(9'000));
  }
  CHECK(node->counters().closed_writers == 0);
}

TEST_CASE_METHOD(UnfinishedHarness, "a packet that began after now is no older than others", "[node][memory][G6]") {
  TestClient ahead(*this, {.client_id = "ahead"});
  ahead.send(part(5'000));
  now -= std::chrono::seconds{20};  // what had to wait is handled with the time at which it came
  TestClient large(*this, {.client_id = "large"});
  large.send(part(8'000));
  CHECK((large.stream.closed && !ahead.stream.closed));
}
