// "ack": "peer": an acknowledgement waits until another node has said that it holds the message. DESIGN 1.
#include <catch2/catch_test_macros.hpp>

#include "daemon/node/limits.hpp"
#include "tests/unit/node/exchange.hpp"
#include "tests/unit/node/linked_peer.hpp"

using namespace hedgerow;
using namespace hedgerow::test;

namespace {

// What came to a client: "PUBACK 7", and " alone" where it says that no other node has the message.
using Answers = std::vector<std::string>;

struct PeerAckHarness : NodeHarness {
  PeerAckHarness() {
    more_channels = {
        {.name = "safe", .filter = "safe/#", .ack = config::ChannelAck::kPeer},
        {.name = "alone", .filter = "alone/#", .scope = config::Scope::kLocal, .ack = config::ChannelAck::kPeer}};
    restart();
    peer = std::make_unique<LinkedPeer>(*this, LinkedPeer::Greeting{.channels = {{.name = "safe"}}});
  }
  // The peer has what this node wrote, up to this number.
  void confirm(sync::Seq seq) {
    peer->say(sync::wire::Announcement{.channel = 0, .marks = {{sync::ReplicaId{1}, seq}}});
  }

  void publish(TestClient& client, const std::string& topic, unsigned id, unsigned qos = 1,
               mqtt::Protocol protocol = mqtt::Protocol::kV5) {
    client.send(encode(PublishSent{.protocol = protocol, .topic = topic, .payload = "x", .qos = qos, .packet_id = id}));
    settle();
  }
  static Answers answers(TestClient& client) {
    Answers out;
    for (const ServerPacket& packet : client.received()) {
      const bool is_ack = packet.type == mqtt::PacketType::kPuback || packet.type == mqtt::PacketType::kPubrec;
      if (!is_ack) continue;
      std::string answer = packet.type == mqtt::PacketType::kPuback ? "PUBACK " : "PUBREC ";
      answer += std::to_string(packet.body[0] * 256U + packet.body[1]);
      const std::string_view rest = as_text(packet.body);
      if (rest.find("hedgerow-ack") != std::string_view::npos && rest.ends_with("local")) answer += " alone";
      out.push_back(answer);
    }
    return out;
  }

  std::unique_ptr<LinkedPeer> peer;
};

}  // namespace

TEST_CASE_METHOD(PeerAckHarness, "a publish is acknowledged once a peer says that it holds it", "[node][G1]") {
  TestClient client(*this, {.client_id = "c"});
  publish(client, "safe/a", 7);
  publish(client, "safe/a", 8);
  CHECK(answers(client).empty());
  confirm(1);
  CHECK(answers(client) == Answers{"PUBACK 7"});
  confirm(2);
  CHECK(answers(client) == Answers{"PUBACK 8"});
}

TEST_CASE_METHOD(PeerAckHarness, "without a peer it is acknowledged after a while, and says so", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  publish(client, "safe/a", 7);
  CHECK(node->next_deadline() <= now + node::kPeerAckPatience);
  advance(node::kPeerAckPatience - std::chrono::milliseconds{1});
  CHECK(answers(client).empty());
  advance(std::chrono::milliseconds{1});
  CHECK(answers(client) == Answers{"PUBACK 7 alone"});
}

TEST_CASE_METHOD(PeerAckHarness, "a client that wants no such notes, or knows none, gets none", "[node]") {
  TestClient quiet(*this, {.client_id = "quiet", .properties = concat(Bytes{0x17}, Bytes{0})});
  TestClient old(*this, {.protocol = mqtt::Protocol::kV311, .client_id = "old"});
  publish(quiet, "safe/a", 7);
  publish(old, "safe/a", 8, 1, mqtt::Protocol::kV311);
  advance(node::kPeerAckPatience);
  CHECK(answers(quiet) == Answers{"PUBACK 7"});
  CHECK(answers(old) == Answers{"PUBACK 8"});
}

TEST_CASE_METHOD(PeerAckHarness, "acknowledgements leave in the order of the publishes, whatever they wait for",
                 "[node]") {
  TestClient client(*this, {.client_id = "c"});
  TestClient other(*this, {.client_id = "d"});
  publish(client, "safe/a", 1);
  publish(client, "else", 2);
  publish(client, "forbidden", 3);
  publish(client, "safe/a", 4);
  publish(client, "safe/b", 5, 2);
  publish(other, "else", 1);
  CHECK(answers(client).empty());
  CHECK(answers(other) == Answers{"PUBACK 1"});
  confirm(1);
  CHECK(answers(client) == Answers{"PUBACK 1", "PUBACK 2", "PUBACK 3"});
  confirm(3);
  CHECK(answers(client) == Answers{"PUBACK 4", "PUBREC 5"});
}

TEST_CASE_METHOD(PeerAckHarness, "a QoS 2 publish that comes again waits, too", "[node]") {
  TestClient client(*this, keeping("c"));
  publish(client, "safe/a", 7, 2);
  client.drop();
  TestClient back(*this, keeping("c"));
  publish(back, "safe/a", 7, 2);
  CHECK(answers(back).empty());
  confirm(1);
  CHECK(answers(back) == Answers{"PUBREC 7"});
  CHECK(engine->own_seq(engine->channels().back().number) <= 1);  // written once
}

TEST_CASE_METHOD(PeerAckHarness, "a publish that is refused is told so at once", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  publish(client, "safe/a", 7);
  CHECK(answers(client) == Answers{"PUBACK 7"});
}

TEST_CASE_METHOD(PeerAckHarness, "a channel that stays on the node waits for nobody", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  publish(client, "alone/a", 7);
  CHECK(answers(client) == Answers{"PUBACK 7"});
}

TEST_CASE_METHOD(PeerAckHarness, "who waits while the node is renamed is not answered for numbers of the new name",
                 "[node][G5]") {
  TestClient client(*this, {.client_id = "c"});
  publish(client, "safe/a", 7);
  submit(node::RenewIntent{.fresh = sync::ReplicaId{77}, .peer = "gw-house"});
  settle();
  peer->client.drop();
  peer = std::make_unique<LinkedPeer>(*this, LinkedPeer::Greeting{.incarnation = 501, .channels = {{.name = "safe"}}});
  peer->say(sync::wire::Announcement{.channel = 0, .marks = {{sync::ReplicaId{77}, 1}}});
  CHECK(answers(client).empty());
  advance(node::kPeerAckPatience);
  CHECK(answers(client) == Answers{"PUBACK 7 alone"});
  publish(client, "safe/a", 8);
  peer->say(sync::wire::Announcement{.channel = 0, .marks = {{sync::ReplicaId{77}, 2}}});
  CHECK(answers(client) == Answers{"PUBACK 8"});
}
