// What all clients together may make the node keep: G6.
#include <catch2/catch_test_macros.hpp>

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
