// What a connection costs in memory: 10,000 idle ones are a goal, and the publish path allocates nothing that it need
// not. Counts every allocation of this program.
#include <malloc.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <new>

#include "daemon/mqtt/subscription_tree.hpp"
#include "tests/unit/mqtt/harness.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> live_bytes{0};

// Not inlined: where the compiler sees new beside free() it takes them for a mismatch.
[[gnu::noinline]] void release(void* memory) {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  void* memory = std::malloc(bytes > 0 ? bytes : 1);
  if (memory != nullptr) live_bytes += malloc_usable_size(memory);
  return memory;
}
void* operator new(std::size_t bytes) {
  void* memory = operator new(bytes, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }

using namespace hedgerow;
using namespace hedgerow::mqtt;
using test::property;

namespace {

// Takes everything and keeps nothing.
class QuietHandler : public ConnectionHandler {
 public:
  Connection* connection = nullptr;
  void on_connect(const ConnectRequest&) override { connection->accept({}); }
  void on_publish(const PublishRequest& request) override {
    if (request.qos == QoS::kAtLeastOnce) connection->puback(request.packet_id, ReasonCode::kSuccess);
    if (request.qos == QoS::kExactlyOnce) connection->pubrec(request.packet_id, ReasonCode::kSuccess);
  }
  void on_skipped_publish(const PublishRequest&) override {}
  void on_subscribe(const SubscribeRequest&) override {}
  void on_unsubscribe(const UnsubscribeRequest&) override {}
  void on_puback(const AckReceived&) override {}
  void on_pubrec(const AckReceived& pubrec) override { connection->pubrel(pubrec.packet_id); }
  void on_pubrel(const AckReceived& pubrel) override { connection->pubcomp(pubrel.packet_id); }
  void on_pubcomp(const AckReceived&) override {}
  void on_closed(const Closed&) override {}
};

struct QuietClient {
  Instant now{std::chrono::hours{1}};
  QuietHandler handler;
  Connection connection{{}, handler, now};

  explicit QuietClient(const Bytes& properties = {}) {
    handler.connection = &connection;
    connection.on_bytes(now, test::encode(test::ConnectOut{.properties = properties}));
    connection.output().clear();
  }
  // Allocations while these bytes are handled, the output reused.
  std::size_t cost_of(const Bytes& bytes) {
    const std::size_t before = allocations;
    connection.on_bytes(now, bytes);
    const std::size_t cost = allocations - before;
    connection.output().clear();
    return cost;
  }
};

}  // namespace

TEST_CASE("an idle connection is small", "[mqtt][G6]") { CHECK(sizeof(Connection) <= 256); }

TEST_CASE("connecting allocates no more than the CONNACK", "[mqtt][G6]") {
  const Bytes connect = test::encode(test::ConnectOut{});
  QuietHandler handler;
  Connection connection{{}, handler, Instant{}};
  handler.connection = &connection;
  const std::size_t before = allocations;
  connection.on_bytes(Instant{}, connect);
  CHECK(allocations - before == 1);
}

TEST_CASE("what came in pieces leaves no large buffer behind", "[mqtt][G6]") {
  QuietClient client;
  const Bytes publish = test::encode(test::PublishSent{.payload = std::string(100'000, 'x')});
  const ByteView bytes{publish};
  const std::size_t live_before = live_bytes;
  client.connection.on_bytes(client.now, bytes.first(50'000));
  CHECK(client.connection.held_bytes() == 50'000);
  client.connection.on_bytes(client.now, bytes.subspan(50'000));
  CHECK(client.connection.held_bytes() == 0);
  client.connection.output() = Bytes{};
  CHECK(live_bytes <= live_before + kIdleBufferBytes);
}

TEST_CASE("a publish allocates nothing", "[mqtt]") {
  QuietClient client;
  for (const unsigned qos : {0U, 1U}) {
    const Bytes publish = test::encode(test::PublishSent{.topic = "some/topic",
                                                         .payload = "payload",
                                                         .qos = qos,
                                                         .packet_id = qos,
                                                         .properties = property(0x02, test::u32(9))});
    client.cost_of(publish);
    CHECK(client.cost_of(publish) == 0);
  }
}

TEST_CASE("a QoS 2 exchange allocates nothing once it happened before", "[mqtt]") {
  QuietClient client;
  const Bytes publish = test::encode(test::PublishSent{.qos = 2, .packet_id = 5});
  const Bytes release = test::packet(PacketType::kPubrel, 2, test::u16(5));
  client.cost_of(publish);
  client.cost_of(release);
  CHECK(client.cost_of(publish) == 0);
  CHECK(client.cost_of(release) == 0);
}

TEST_CASE("finding subscribers allocates nothing, also where filters overlap", "[mqtt]") {
  SubscriptionTree tree;
  for (SubscriberId id = 0; id < 100; ++id) {
    tree.insert("a/#", id, {});
    tree.insert("+/b", id, {});
  }
  std::vector<SubscriptionTree::Match> matches;
  tree.match("a/b", matches);
  const std::size_t before = allocations;
  tree.match("a/b", matches);
  CHECK(allocations == before);
  CHECK(matches.size() == 200);
}

TEST_CASE("an alias that exists allocates nothing, in either direction", "[mqtt]") {
  QuietClient client{property(0x22, test::u16(10))};
  const Bytes alias = property(0x23, test::u16(1));
  const Bytes set =
      test::encode(test::PublishSent{.topic = "a/topic/longer/than/any/small/string", .properties = alias});
  const Bytes used = test::encode(test::PublishSent{.topic = "", .properties = alias});
  client.cost_of(set);
  CHECK(client.cost_of(set) == 0);
  CHECK(client.cost_of(used) == 0);
  const PublishOut out{.topic = "a/topic/longer/than/any/small/string"};
  REQUIRE(client.connection.publish(out) == PublishOutcome::kSent);
  client.connection.output().clear();
  const std::size_t before = allocations;
  REQUIRE(client.connection.publish(out) == PublishOutcome::kSent);
  CHECK(allocations == before);
}
