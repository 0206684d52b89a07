// Channels whose retained messages merge, as clients see them. daemon/docs/mqtt.md, "Documents and counters".
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/exchange.hpp"
#include "tests/unit/node/node_harness.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

const Bytes kThousandSeconds = property(0x11, u32(1000));

// A harness with the channels of DESIGN 1's configuration, and a counter.
class MergingNode : public NodeHarness {
 public:
  MergingNode() {
    more_channels = {{.name = "setpoints", .filter = "setpoint/#", .merge = sync::MergeKind::kDocument},
                     {.name = "counters", .filter = "count/#", .merge = sync::MergeKind::kCounter}};
    restart();
  }

  static Bytes subscribe(const std::string& filter, unsigned options = 1) {
    return encode_subscribe(1, {{filter, options}});
  }
  // The reason code of the answer; QoS 1, with retain.
  std::uint8_t publish(TestClient& client, const std::string& topic, const std::string& payload) {
    client.received();
    client.send(encode(
        PublishSent{.topic = topic, .payload = payload, .qos = 1, .packet_id = ++last_packet_id_, .retain = true}));
    settle();
    for (const ServerPacket& packet : client.received()) {
      if (packet.type == mqtt::PacketType::kPuback) return packet.body.size() > 2 ? packet.body[2] : 0;
    }
    FAIL("no PUBACK");
    return 0xFF;
  }
  void publish_qos0(TestClient& client, const std::string& topic, const std::string& payload) {
    client.send(encode(PublishSent{.topic = topic, .payload = payload, .qos = 0, .retain = true}));
    settle();
  }
  // Another node wrote it an hour ago, and it comes now.
  void receive_older(const std::string& topic, const std::string& payload) {
    MemoryStorage disk{sync::ReplicaId{2}};
    security::Sha256 its_hasher;
    sync::Engine writer(disk, its_hasher);
    const sync::Keep keep{.age_ms = 86'400'000, .size_bytes = 1'000'000};
    REQUIRE(
        writer.open({{.name = "setpoints", .keep = keep, .merge = sync::MergeKind::kDocument}}, sync::ReplicaId{9}));
    REQUIRE(writer.begin());
    auto message = std::make_shared<const sync::Message>(
        sync::Message{.topic = topic, .properties = {}, .payload = to_bytes(payload), .expiry_s = {}});
    WallTime then = wall;
    then.unix_ms -= 3'600'000;
    REQUIRE(writer.write(then, {.channel = writer.channels().at(0).number,
                                .kind = {.record = true, .cell = true, .qos = 1},
                                .publisher = 1,
                                .message = std::move(message)}));
    const auto committed = writer.commit();
    REQUIRE(committed);
    settle();
    std::vector<node::Intent> turn;
    for (const sync::ChannelState& channel : engine->channels()) {
      if (channel.name != "setpoints") continue;
      turn.emplace_back(
          sync::ApplySegment{.channel = channel.number, .segment = committed->segments.at(0).segment->bytes});
    }
    node::TurnResult result = store_turn->run(wall, turn);
    REQUIRE(result.received.at(0).result == sync::ReceiveResult::kApplied);
    result.received.clear();  // no link waits for it
    node->on_turn(now, std::move(result));
    settle();
  }
  Texts retained(const std::string& filter) {
    TestClient fresh(*this, {.client_id = "fresh"});
    fresh.send(subscribe(filter));
    settle();
    return fresh.messages();
  }

 private:
  std::uint16_t last_packet_id_ = 0;
};

}  // namespace

TEST_CASE_METHOD(MergingNode, "a new subscriber gets the merged document, and the sum", "[node][document][counter]") {
  TestClient client(*this, {});
  CHECK(publish(client, "setpoint/barn", R"({"target":21,"mode":"heat"})") == 0);
  CHECK(publish(client, "setpoint/barn", R"({"target":22})") == 0);
  CHECK(publish(client, "count/a", "5") == 0);
  CHECK(publish(client, "count/a", "-2") == 0);
  CHECK(retained("setpoint/#") == Texts{R"(setpoint/barn={"mode":"heat","target":22} retained)"});
  CHECK(retained("count/#") == Texts{"count/a=3 retained"});
}

TEST_CASE_METHOD(MergingNode, "a live subscriber is shown what a publish led to", "[node][document][counter]") {
  TestClient subscriber(*this, {.client_id = "subscriber"});
  subscriber.send(subscribe("#"));
  settle();
  subscriber.messages();
  TestClient client(*this, {});
  publish(client, "setpoint/barn", R"({"mode":"heat"})");
  publish(client, "setpoint/barn", R"({"target":22})");
  publish(client, "count/a", "5");
  publish(client, "count/a", "1");
  CHECK(subscriber.messages() == Texts{R"(setpoint/barn={"mode":"heat"})",
                                       R"(setpoint/barn={"mode":"heat","target":22})", "count/a=5", "count/a=6"});
}

TEST_CASE_METHOD(MergingNode, "what is published without retain is delivered as it is", "[node][document]") {
  TestClient subscriber(*this, {.client_id = "subscriber"});
  subscriber.send(subscribe("#"));
  settle();
  TestClient client(*this, {});
  client.send(encode(PublishSent{.topic = "setpoint/barn", .payload = "no JSON", .qos = 1, .packet_id = 1}));
  client.send(encode(PublishSent{.topic = "setpoint/barn", .payload = "live", .qos = 0}));
  settle();
  CHECK(subscriber.messages() == Texts{"setpoint/barn=live", "setpoint/barn=no JSON"});
  CHECK(retained("setpoint/#").empty());
}

TEST_CASE_METHOD(MergingNode, "QoS 0 with retain counts each time, and is delivered once it is merged",
                 "[node][document][counter]") {
  TestClient subscriber(*this, {.client_id = "subscriber"});
  subscriber.send(subscribe("#"));
  settle();
  TestClient client(*this, {});
  for (int i = 0; i < 3; ++i) client.send(encode(PublishSent{.topic = "count/a", .payload = "2", .retain = true}));
  settle();
  CHECK(subscriber.messages() == Texts{"count/a=2", "count/a=4", "count/a=6"});
  CHECK(retained("count/a") == Texts{"count/a=6 retained"});
}

TEST_CASE_METHOD(MergingNode, "a payload that does not merge is refused with payload format invalid",
                 "[node][document][counter]") {
  TestClient client(*this, {});
  CHECK(publish(client, "setpoint/barn", "{") == 0x99);
  CHECK(publish(client, "count/a", "1.5") == 0x99);
  CHECK(publish(client, "setpoint/barn", "1") == 0);
  CHECK(retained("#").size() == 1);
}

TEST_CASE_METHOD(MergingNode, "QoS 0 that does not merge is dropped and counted", "[node][counter][G6]") {
  TestClient client(*this, {});
  const std::uint64_t before = node->counters().refused;
  publish_qos0(client, "count/a", "one");
  CHECK(node->counters().refused == before + 1);
  CHECK(retained("count/#").empty());
}

TEST_CASE_METHOD(MergingNode, "a retained publish that expires is refused where messages merge", "[node][document]") {
  TestClient client(*this, {});
  client.received();
  client.send(encode(PublishSent{.topic = "setpoint/a",
                                 .payload = "{}",
                                 .qos = 1,
                                 .packet_id = 1,
                                 .retain = true,
                                 .properties = concat(u8(0x02), u32(60))}));
  settle();
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  CHECK(packets[0].body[2] == 0x83);
}

TEST_CASE_METHOD(MergingNode, "a document that grew too large is refused with quota exceeded", "[node][document][G6]") {
  TestClient client(*this, {});
  CHECK(publish(client, "setpoint/a", "\"" + std::string(300'000, 'x') + "\"") == 0x97);
}

TEST_CASE_METHOD(MergingNode, "an empty payload deletes what was merged", "[node][document][counter]") {
  TestClient client(*this, {});
  publish(client, "setpoint/barn", R"({"target":21})");
  publish(client, "count/a", "5");
  publish(client, "setpoint/barn", "");
  publish(client, "count/a", "");
  CHECK(retained("#").empty());
  publish(client, "count/a", "1");
  CHECK(retained("#") == Texts{"count/a=1 retained"});
}

TEST_CASE_METHOD(MergingNode, "a session that was away is shown what its topics show by now", "[node][counter]") {
  const ConnectOut persistent{.client_id = "away", .properties = kThousandSeconds};
  {
    TestClient away(*this, persistent);
    away.send(subscribe("#"));
    settle();
    away.drop();
  }
  TestClient client(*this, {});
  publish(client, "count/a", "1");
  publish(client, "other", "between");
  publish(client, "count/a", "2");
  client.drop();
  restart();  // so that it is read from disk
  TestClient back(*this, {.client_id = "away", .clean_start = false, .properties = kThousandSeconds});
  settle();
  CHECK(back.messages() == Texts{"count/a=3 dup", "other=between dup", "count/a=3 dup"});
}

TEST_CASE_METHOD(MergingNode, "what is read from disk in pages stops at its bound, and goes on",
                 "[node][document][G6]") {
  const ConnectOut persistent{.client_id = "away", .properties = kThousandSeconds};
  {
    TestClient away(*this, persistent);
    away.send(subscribe("#"));
    settle();
    away.drop();
  }
  TestClient client(*this, {});
  publish(client, "setpoint/a", R"({"x":")" + std::string(100'000, 'x') + "\"}");
  for (int i = 0; i < 12; ++i) publish(client, "setpoint/a", R"({"n":)" + std::to_string(i) + "}");
  client.drop();
  restart();
  TestClient back(*this, {.client_id = "away", .clean_start = false, .properties = kThousandSeconds});
  std::size_t got = 0;
  for (int rounds = 0; rounds < 40; ++rounds) {
    settle();
    got += back.messages().size();
  }
  CHECK(got == 13);
}

TEST_CASE_METHOD(MergingNode, "a will merges", "[node][counter]") {
  TestClient client(*this, with_will({.client_id = "leaver"}, {.topic = "count/gone", .payload = "1", .retain = true}));
  TestClient subscriber(*this, {.client_id = "subscriber"});
  subscriber.send(subscribe("#"));
  settle();
  client.drop();
  settle();
  CHECK(subscriber.messages() == Texts{"count/gone=1"});
  CHECK(retained("count/#") == Texts{"count/gone=1 retained"});
}

TEST_CASE_METHOD(MergingNode, "a file that says otherwise of a channel in use is an alarm, and changes nothing",
                 "[node][G3]") {
  TestClient client(*this, {});
  publish(client, "count/a", "5");
  CHECK(node->alarms().empty());
  more_channels[1].merge = sync::MergeKind::kLastWrite;
  client.drop();
  settle();
  restart();
  REQUIRE(node->alarms().size() == 1);
  CHECK(node->alarms()[0].find("channel \"counters\" goes on with merge \"counter\"") == 0);
  TestClient again(*this, {});
  publish(again, "count/a", "1");
  CHECK(retained("count/#") == Texts{"count/a=6 retained"});
}

TEST_CASE_METHOD(MergingNode, "a bridge of 3.1.1 is told that what its channel cannot take is stored, and it is logged",
                 "[node][document]") {
  TestClient bridge(*this, {.protocol = mqtt::Protocol::kV311, .client_id = "bridge", .level = 0x84U});
  bridge.received();
  for (const unsigned qos : {1U, 2U}) {
    bridge.send(encode(PublishSent{.protocol = mqtt::Protocol::kV311,
                                   .topic = "setpoint/barn",
                                   .payload = "not json",
                                   .qos = qos,
                                   .packet_id = qos,
                                   .retain = true}));
    settle();
    const auto answer = bridge.received();
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].type == (qos == 1 ? mqtt::PacketType::kPuback : mqtt::PacketType::kPubrec));
  }
  bridge.send(encode_pubrel(2));
  settle();
  CHECK(bridge.received().size() == 1);
  CHECK_FALSE(bridge.stream.closed);
  CHECK(node->counters().refused == 2);
  CHECK(retained("setpoint/#").empty());
  REQUIRE(log.size() == 1);
  CHECK(log[0].starts_with("dropped, and acknowledged"));
  CHECK(log[0].find("a publish to \"setpoint/barn\" of client \"bridge\"") != std::string::npos);
}

TEST_CASE_METHOD(MergingNode, "a bridge of 3.1.1 keeps what a full disk does not take, and comes back", "[node][G1]") {
  TestClient bridge(*this, {.protocol = mqtt::Protocol::kV311, .client_id = "bridge", .level = 0x84U});
  bridge.send(encode(PublishSent{
      .protocol = mqtt::Protocol::kV311, .topic = "setpoint/barn", .payload = "{}", .qos = 1, .packet_id = 1}));
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  commit();
  CHECK(bridge.stream.closed);
}

TEST_CASE_METHOD(MergingNode,
                 "where writes are merged, a conflated session is told also of a lesser one that came later",
                 "[node][document]") {
  const auto keeping_latest = [] { return keeping("lasting", user_property("hedgerow-conflate", "true")); };
  {
    TestClient lasting(*this, keeping_latest());
    lasting.send(subscribe("#"));
    settle();
  }
  TestClient client(*this, {});
  REQUIRE(publish(client, "setpoint/barn", R"({"mode":"heat"})") == 0);
  receive_older("setpoint/barn", R"({"target":22})");
  TestClient back(*this, keeping_latest());
  CHECK(back.messages() == Texts{R"(setpoint/barn={"mode":"heat","target":22})"});
}
