// What the operator is told of clients that were refused: who, where, why, and what would change it.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Catch::Matchers::ContainsSubstring;

namespace {

const node::Arrived kOnLan{
    .listener = "lan", .remote = "192.0.2.7:4711", .address = "192.0.2.7", .loopback = false, .identity = {}};

}  // namespace

TEST_CASE_METHOD(NodeHarness, "a refused CONNECT is told with its user, its address and the remedy", "[node]") {
  for (int i = 0; i < 3; ++i) {
    TestClient client(*this, {.client_id = "c", .username = "mallory", .password = "x"}, kOnLan);
    CHECK(client.stream.closed);
    const auto answer = client.received();
    CHECK(connack_code(answer) == 0x86);
    CHECK(answer[0].body.size() == 3);  // no reason: which of both is wrong is nobody's business
  }
  REQUIRE(log.size() == 1);
  CHECK_THAT(log[0], ContainsSubstring("client \"c\", user \"mallory\", from 192.0.2.7 at listener \"lan\""));
  CHECK_THAT(log[0], ContainsSubstring("its password is wrong: hedgerow user add NAME sets another"));
}

TEST_CASE_METHOD(NodeHarness, "a denied publish and a denied subscription are told with the rule that is missing",
                 "[node]") {
  TestClient client(*this, {.client_id = "c"}, kOnLan);
  client.send(encode(PublishSent{.topic = "forbidden", .qos = 1, .packet_id = 1}));
  settle();
  client.send(encode_subscribe(2, {{"forbidden", 1}}));
  settle();
  REQUIRE(log.size() == 2);
  CHECK_THAT(log[0],
             ContainsSubstring("refused a publish to \"forbidden\" of client \"c\", without a name, from 192.0.2.7"));
  CHECK_THAT(log[0], ContainsSubstring(R"({ "anonymous": true, "listener": "lan", "publish": ["forbidden"] })"));
  CHECK_THAT(log[1], ContainsSubstring("refused a subscription to \"forbidden\""));
  CHECK_THAT(log[1], ContainsSubstring(R"("subscribe": ["forbidden"] })"));
}

TEST_CASE_METHOD(NodeHarness, "a publish to the node's own topics is told", "[node]") {
  TestClient client(*this, {.client_id = "c"}, kOnLan);
  client.send(encode(PublishSent{.topic = "hedgerow/x", .qos = 0}));
  settle();
  REQUIRE(log.size() == 1);
  CHECK_THAT(log[0], ContainsSubstring("written by the node alone"));
}

TEST_CASE_METHOD(NodeHarness, "who breaks the protocol is told, before CONNECT and after", "[node]") {
  TestClient client(*this, {.client_id = "c"}, kOnLan);
  client.send(encode(PublishSent{.topic = "a/#"}));
  settle();
  CHECK(client.stream.closed);
  REQUIRE(log.size() == 1);
  CHECK_THAT(log[0], ContainsSubstring("closed client \"c\""));
  CHECK_THAT(log[0], ContainsSubstring("PUBLISH: "));
  node::Arrived other = kOnLan;
  other.address = "192.0.2.8";
  const TestClient old(*this, {.client_id = "d", .level = 3}, other);
  REQUIRE(log.size() == 2);
  CHECK_THAT(log[1], ContainsSubstring("closed a connection from 192.0.2.8 at listener \"lan\": CONNECT: "));
}

TEST_CASE_METHOD(NodeHarness, "a packet that is too large is told with the setting that says so", "[node]") {
  TestClient client(*this, {.client_id = "c"}, kOnLan);
  client.send(encode(PublishSent{.topic = "a", .payload = std::string(2 << 20, 'x'), .qos = 1, .packet_id = 1}));
  settle();
  REQUIRE(log.size() == 1);
  CHECK_THAT(log[0], ContainsSubstring("\"packet_bytes\" under \"limits\""));
}

TEST_CASE_METHOD(NodeHarness, "who goes as the standard says is not told", "[node]") {
  TestClient client(*this, {.client_id = "c"}, kOnLan);
  client.send(encode_disconnect(u8(4)));
  settle();
  CHECK(log.empty());
}
