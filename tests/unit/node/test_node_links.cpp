// Links over accepted connections: who may, and that two nodes agree.
#include <catch2/catch_test_macros.hpp>

#include "sync/link/wire.hpp"
#include "tests/unit/node/node_harness.hpp"

using namespace hedgerow;
using namespace hedgerow::test;

namespace {

node::Arrived as(std::string name, security::Role role = security::Role::kNode) {
  node::Arrived arrived;
  arrived.identity = security::PeerIdentity{.mesh = "orchard", .node = std::move(name), .role = role};
  return arrived;
}

mqtt::ReasonCode only_code(const std::vector<ServerPacket>& packets) {
  for (const ServerPacket& packet : packets) {
    if (packet.type == mqtt::PacketType::kSuback) return static_cast<mqtt::ReasonCode>(packet.body.back());
  }
  return mqtt::ReasonCode::kUnspecifiedError;
}

}  // namespace

TEST_CASE_METHOD(NodeHarness, "a node that subscribes its link topic is greeted there", "[node]") {
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.received();
  peer.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  const auto messages = peer.messages();
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].starts_with("hedgerow/orchard/link/gw-house/gw-barn="));
  CHECK(node->links().replicator().links().size() == 1);
}

TEST_CASE_METHOD(NodeHarness, "nobody but the node itself may listen on its link topic", "[node][G7]") {
  TestClient other(*this, {.client_id = "a"}, as("gw-field"));
  other.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  CHECK(only_code(other.received()) == mqtt::ReasonCode::kNotAuthorized);
  TestClient app(*this, {.client_id = "b"}, as("gw-house", security::Role::kApp));
  app.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  CHECK(only_code(app.received()) == mqtt::ReasonCode::kNotAuthorized);
  TestClient anonymous(*this, {.client_id = "c"});
  anonymous.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  CHECK(only_code(anonymous.received()) == mqtt::ReasonCode::kNotAuthorized);
  CHECK(node->links().replicator().links().empty());
}

TEST_CASE_METHOD(NodeHarness, "a link that its peer ended is down for that reason", "[node]") {
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  peer.send(encode_disconnect());
  peer.drop();
  CHECK(log.back() == "link with gw-house is down: the other side said goodbye");
}

TEST_CASE_METHOD(NodeHarness, "link messages never reach subscribers", "[node][G7]") {
  TestClient everything(*this, {.client_id = "all"});
  everything.send(encode_subscribe(1, {{"#", 1}}));
  settle();
  everything.received();
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  peer.send(encode(PublishSent{.topic = "hedgerow/orchard/link/gw-barn/gw-house", .payload = "not a message"}));
  settle();
  advance(Duration{1});
  CHECK(everything.messages().empty());
}

TEST_CASE_METHOD(NodeHarness, "a broken link message closes the link, not the node", "[node]") {
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  peer.send(encode(PublishSent{.topic = "hedgerow/orchard/link/gw-barn/gw-house", .payload = "\xFFgarbage"}));
  advance(Duration{1});
  CHECK(peer.stream.closed);
  peer.drop();
  CHECK(node->links().replicator().links().empty());
}

TEST_CASE_METHOD(NodeHarness, "a peer may send larger packets than a program", "[node][G6]") {
  const std::string large(2 << 20, 'x');
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.send(encode(PublishSent{.topic = "hedgerow/orchard/link/gw-barn/gw-house", .payload = large}));
  CHECK_FALSE(peer.stream.closed);
  TestClient program(*this, {.client_id = "program"});
  program.send(encode(PublishSent{.topic = "a", .payload = large}));
  CHECK(program.stream.closed);
}

namespace {

// A peer that is greeted, and says that it holds so much of the replica.
void say_held(TestClient& peer, sync::ReplicaId replica, sync::Seq seq) {
  const auto say = [&](const sync::wire::AnyMessage& message) {
    peer.send(encode(PublishSent{.topic = "hedgerow/orchard/link/gw-barn/gw-house",
                                 .payload = std::string(as_text(sync::wire::encode(message)))}));
  };
  say(sync::wire::Hello{.mesh = "orchard",
                        .node = "gw-house",
                        .replica = sync::ReplicaId{77},
                        .incarnation = 78,
                        .software = "0.1.0",
                        .channels = {{.name = "default"}}});
  say(sync::wire::Announcement{.channel = 0, .answer_wanted = false, .marks = {{replica, seq}}});
}

}  // namespace

TEST_CASE_METHOD(NodeHarness, "a node whose database was rolled back goes on under another name", "[node][G5]") {
  TestClient program(*this, {.client_id = "program"});
  program.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 1}));
  settle();
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  const sync::ReplicaId before = node->links().replica();
  say_held(peer, before, 1000);
  settle();
  CHECK(node->links().replica() != before);
  CHECK(engine->self() == node->links().replica());
  CHECK(peer.stream.closed);
  CHECK_FALSE(fatal);
  REQUIRE_FALSE(log.empty());
  CHECK(log.back().find("rolled back") != std::string::npos);
  peer.drop();
  program.send(encode(PublishSent{.topic = "a", .payload = "2", .qos = 1, .packet_id = 2}));
  settle();
  CHECK(program.received().size() == 3);  // CONNACK, and both are acknowledged
}

TEST_CASE_METHOD(NodeHarness, "a disk that is full puts the new name off, not away", "[node][G5][G6]") {
  TestClient peer(*this, {.client_id = "link"}, as("gw-house"));
  peer.send(encode_subscribe(1, {{"hedgerow/orchard/link/gw-house/#", 0}}));
  const sync::ReplicaId before = node->links().replica();
  storage.fail_next_commit({Category::kLimit, "no room"});
  say_held(peer, before, 1000);
  settle();
  CHECK(node->links().replica() == before);
  advance(std::chrono::seconds{30});
  settle();
  CHECK(node->links().replica() != before);
}
