// Sessions: clean, persistent, taken over, over restarts of the daemon.
#include <catch2/catch_test_macros.hpp>
#include <deque>

#include "tests/unit/node/node_harness.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

const Bytes kForever = property(0x11, u32(0xFFFF'FFFF));

ConnectOut keeping(std::string id) {
  return {.client_id = std::move(id), .clean_start = false, .properties = kForever};
}

struct SessionHarness : NodeHarness {
  void publish(std::string payload, std::string topic = "a") {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(
        encode(PublishSent{.topic = std::move(topic), .payload = std::move(payload), .qos = 1, .packet_id = 1}));
    settle();
    publisher.drop();
  }
  bool session_present(TestClient& client) {
    const auto packets = client.received();
    REQUIRE_FALSE(packets.empty());
    REQUIRE(packets[0].type == mqtt::PacketType::kConnack);
    return (packets[0].body[0] & 1U) != 0;
  }
};

}  // namespace

TEST_CASE_METHOD(SessionHarness, "a persistent session is on disk before it is promised", "[node][G1]") {
  TestClient client = TestClient::unsettled(*this, keeping("k"));
  CHECK(client.received().empty());
  settle();
  CHECK_FALSE(session_present(client));
  CHECK(session_store.sessions.size() == 1);
}

TEST_CASE_METHOD(SessionHarness, "a client that waits for its CONNACK is read from until it sends more", "[node][G6]") {
  TestClient client = TestClient::unsettled(*this, keeping("k"));
  CHECK_FALSE(client.stream.paused);  // so that its end is seen
  client.send(encode_subscribe(1, {{"a", 1}}));
  CHECK(client.stream.paused);
  settle();
  CHECK_FALSE(client.stream.paused);
  CHECK(client.received().size() == 2);
}

TEST_CASE_METHOD(SessionHarness, "a session's new expiry is on disk before it is promised", "[node][G1]") {
  TestClient(*this, keeping("k")).drop();
  settle();
  const ConnectOut minute{.client_id = "k", .clean_start = false, .properties = property(0x11, u32(60))};
  {
    TestClient client = TestClient::unsettled(*this, minute);
    CHECK(client.received().empty());
    settle();
    CHECK(session_present(client));
    CHECK(session_store.sessions.begin()->second.expiry_s == 60);
  }
  settle();
  TestClient last = TestClient::unsettled(*this, {.client_id = "k", .clean_start = false});
  CHECK(last.received().empty());
  commit();
  CHECK(session_present(last));
  // Killed now.
  last.drop();
  restart();
  TestClient back(*this, minute);
  CHECK_FALSE(session_present(back));
}

TEST_CASE_METHOD(SessionHarness, "a connect that was not accepted leaves its session the expiry it had", "[node][G1]") {
  TestClient(*this, keeping("k")).drop();
  settle();
  const ConnectOut minute{.client_id = "k", .clean_start = false, .properties = property(0x11, u32(60))};
  SECTION("the client went") { TestClient::unsettled(*this, minute).drop(); }
  SECTION("the disk refused it") {
    TestClient client = TestClient::unsettled(*this, minute);
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    settle();
    const auto answer = client.received();
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].body[1] == 0x97);
  }
  advance(std::chrono::seconds{1});
  settle();
  REQUIRE(session_store.sessions.size() == 1);
  CHECK(session_store.sessions.begin()->second.expiry_s == 0xFFFF'FFFF);
}

TEST_CASE_METHOD(SessionHarness, "a subscription is on disk before it is granted", "[node][G1]") {
  TestClient client(*this, keeping("k"));
  client.received();
  client.send(encode_subscribe(1, {{"a", 1}}));
  CHECK(client.received().empty());
  settle();
  CHECK(client.received().size() == 1);
  CHECK(session_store.sessions.begin()->second.subscriptions.size() == 1);
}

TEST_CASE_METHOD(SessionHarness, "an absent session gets all it missed, in order", "[node]") {
  {
    TestClient client(*this, keeping("k"));
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    client.drop();
  }
  for (int i = 1; i <= 5; ++i) publish(std::to_string(i));
  TestClient back(*this, keeping("k"));
  CHECK(back.messages() == Texts{"a=1", "a=2", "a=3", "a=4", "a=5"});
}

TEST_CASE_METHOD(SessionHarness, "a session and its position survive a restart of the daemon", "[node][G1]") {
  {
    TestClient client(*this, keeping("k"));
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    publish("1");
    CHECK(client.messages() == Texts{"a=1"});
    client.drop();
    settle();
  }
  publish("2");
  restart();
  publish("3");
  TestClient back(*this, keeping("k"));
  CHECK(session_present(back));
  settle();
  back.stream.sent.clear();
  back.drop();
  TestClient again(*this, keeping("k"));
  CHECK(again.messages() == Texts{"a=2 dup", "a=3 dup"});
}

TEST_CASE_METHOD(SessionHarness, "after a crash at most a window of messages comes twice", "[node][G1]") {
  Texts got;
  {
    TestClient client(
        *this, {.client_id = "k", .clean_start = false, .properties = concat(kForever, property(0x21, u16(10)))});
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    for (int i = 1; i <= 100; ++i) {
      publish(std::to_string(i));
      for (const std::string& message : client.messages()) got.push_back(message);
      settle();
    }
    CHECK(got.size() == 100);
    client.drop();
    intents.clear();  // the position of the end is not saved
  }
  restart();
  TestClient back(*this, keeping("k"));
  CHECK(back.messages().size() <= 10);
}

TEST_CASE_METHOD(SessionHarness, "what was not acknowledged comes again under its old identifier, marked", "[node]") {
  TestClient client(*this, keeping("k"));
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.received();
  publish("1");
  const auto first = client.received();
  REQUIRE(first.size() == 1);
  CHECK(first[0].flags == 2);  // QoS 1, without DUP
  client.drop();
  TestClient back(*this, keeping("k"));
  auto packets = back.received();
  REQUIRE(packets.size() == 2);
  CHECK((packets[1].flags & 8U) != 0);
  CHECK(packets[1].body == first[0].body);
}

TEST_CASE_METHOD(SessionHarness, "clean start ends the old session", "[node]") {
  {
    TestClient client(*this, keeping("k"));
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    client.drop();
  }
  publish("1");
  TestClient fresh(*this, {.client_id = "k"});
  CHECK_FALSE(session_present(fresh));
  publish("2");
  CHECK(fresh.messages().empty());
  CHECK(session_store.sessions.empty());
}

TEST_CASE_METHOD(SessionHarness, "certificates of one name and different roles have sessions of their own", "[node]") {
  const auto with_role = [](security::Role role) {
    return node::Arrived{.listener = "tls",
                         .remote = "192.0.2.7:50112",
                         .identity = security::PeerIdentity{.mesh = "orchard", .node = "gw-barn", .role = role}};
  };
  std::deque<TestClient> clients;
  for (const security::Role role : security::kAllRoles) clients.emplace_back(*this, keeping("k"), with_role(role));
  TestClient user(*this, {.client_id = "k", .username = "gw-barn"});
  for (const TestClient& client : clients) CHECK_FALSE(client.stream.closed);
  TestClient again(*this, keeping("k"), with_role(security::Role::kApp));
  CHECK(clients[1].stream.closed);  // the other program
  CHECK_FALSE(clients[0].stream.closed);
}

TEST_CASE_METHOD(SessionHarness, "a second connection takes the session over", "[node]") {
  TestClient first(*this, keeping("k"));
  first.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  first.received();
  TestClient second(*this, keeping("k"));
  CHECK(session_present(second));
  const auto farewell = first.received();
  REQUIRE(farewell.size() == 1);
  CHECK(farewell[0].type == mqtt::PacketType::kDisconnect);
  CHECK(farewell[0].body[0] == 0x8E);
  CHECK(first.stream.closed);
  first.drop();
  publish("1");
  CHECK(second.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SessionHarness, "two connects at once under one name leave one session", "[node]") {
  TestClient first = TestClient::unsettled(*this, keeping("k"));
  TestClient second = TestClient::unsettled(*this, keeping("k"));
  settle();
  CHECK(first.stream.closed != second.stream.closed);
  CHECK(session_store.sessions.size() == 1);
  (first.stream.closed ? first : second).drop();
  TestClient& stays = first.stream.closed ? second : first;
  stays.received();
  stays.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  publish("1");
  CHECK(stays.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SessionHarness, "a session ends when its expiry has passed", "[node]") {
  const ConnectOut minute{.client_id = "k", .clean_start = false, .properties = property(0x11, u32(60))};
  {
    TestClient client(*this, minute);
    client.drop();
  }
  settle();
  advance(std::chrono::seconds{59});
  settle();
  CHECK(session_store.sessions.size() == 1);
  advance(std::chrono::seconds{2});
  settle();
  CHECK(session_store.sessions.empty());
}

TEST_CASE_METHOD(SessionHarness, "retained messages that were not acknowledged come again after a restart", "[node]") {
  {
    TestClient publisher(*this, {.client_id = "p"});
    publisher.send(encode(PublishSent{.topic = "x", .payload = "1", .qos = 1, .packet_id = 1, .retain = true}));
    settle();
    publisher.drop();
    TestClient client(*this, keeping("k"));
    client.send(encode_subscribe(1, {{"x", 1}}));
    settle();
    CHECK(client.messages(/*acknowledge=*/false) == Texts{"x=1 retained"});
    client.drop();
    settle();
  }
  restart();
  TestClient back(*this, keeping("k"));
  CHECK(back.messages() == Texts{"x=1 retained"});
  settle();
  back.drop();
  settle();
  restart();
  TestClient third(*this, keeping("k"));
  CHECK(third.messages().empty());
}

TEST_CASE_METHOD(SessionHarness, "a clean session leaves nothing on disk", "[node][G6]") {
  {
    TestClient client(*this, {.client_id = "c"});
    client.send(encode_subscribe(1, {{"a", 1}}));
    client.drop();
  }
  CHECK(intents.empty());
}

TEST_CASE_METHOD(SessionHarness, "an empty client identifier is replaced, and named", "[node]") {
  TestClient client(*this, {.client_id = ""});
  const auto packets = client.received();
  REQUIRE(packets.size() == 1);
  const std::string body(as_text(packets[0].body));
  CHECK(body.find("hedgerow-") != std::string::npos);
}

TEST_CASE_METHOD(SessionHarness, "an unsubscribed filter delivers no more", "[node]") {
  TestClient client(*this, {.client_id = "c"});
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  client.send(encode_unsubscribe(2, {"a", "b"}));
  settle();
  const auto packets = client.received();
  const ServerPacket& last = packets.back();
  REQUIRE(last.type == mqtt::PacketType::kUnsuback);
  CHECK(last.body[last.body.size() - 2] == 0x00);
  CHECK(last.body.back() == 0x11);
  publish("1");
  CHECK(client.messages().empty());
}

TEST_CASE_METHOD(SessionHarness, "sessions of different names with one client identifier stay apart", "[node]") {
  node::Arrived as_app;
  as_app.identity = security::PeerIdentity{.mesh = "orchard", .node = "app-1", .role = security::Role::kApp};
  TestClient anonymous(*this, keeping("k"));
  TestClient named(*this, keeping("k"), as_app);
  CHECK_FALSE(anonymous.stream.closed);
  CHECK(session_store.sessions.size() == 2);
}

TEST_CASE_METHOD(SessionHarness, "a clean start ends a session that waits for the disk", "[node]") {
  TestClient waiting = TestClient::unsettled(*this, keeping("k"));
  TestClient clean(*this, {.client_id = "k"});
  CHECK(waiting.stream.closed);
  waiting.drop();
  settle();
  CHECK(session_store.sessions.empty());
  clean.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  publish("1");
  CHECK(clean.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(SessionHarness, "an unacknowledged message that expired does not hold up its session", "[node][G6]") {
  const ConnectOut narrow{
      .client_id = "k", .clean_start = false, .properties = concat(kForever, property(0x21, u16(2)))};
  {
    TestClient client(*this, narrow);
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    TestClient publisher(*this, {.client_id = "p"});
    for (unsigned i = 1; i <= 2; ++i) {
      publisher.send(encode(PublishSent{
          .topic = "a", .payload = "brief", .qos = 1, .packet_id = i, .properties = property(0x02, u32(60))}));
    }
    settle();
    CHECK(client.messages(/*acknowledge=*/false).size() == 2);
    client.drop();
    settle();
  }
  advance(std::chrono::seconds{61});
  TestClient back(*this, narrow);
  CHECK(back.messages() == Texts{"a=brief dup", "a=brief dup"});  // its delivery had begun [MQTT-4.4.0-1]
  settle();
  advance(std::chrono::seconds{2});  // the position is saved within a second
  settle();
  for (int i = 1; i <= 5; ++i) {
    publish(std::to_string(i));
    settle();
    CHECK(back.messages() == Texts{"a=" + std::to_string(i)});
    settle();
    advance(std::chrono::seconds{2});
    settle();
  }
}

TEST_CASE_METHOD(SessionHarness, "a page that an earlier connection asked for moves nothing", "[node]") {
  const std::string filler(20'000, '.');
  TestClient first(*this, keeping("k"));
  first.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  first.received();
  publish("1" + filler);
  CHECK(first.messages(/*acknowledge=*/false).size() == 1);
  first.stream.queued = 10 << 20;
  for (int i = 2; i <= 200; ++i) publish(std::to_string(i) + filler);  // beyond what is in memory
  first.drained();
  REQUIRE(reads.size() == 1);
  TestClient second = TestClient::unsettled(*this, keeping("k"));
  first.drop();
  settle();
  Texts got;
  for (Texts more = second.messages(); !more.empty(); more = second.messages()) {
    got.insert(got.end(), more.begin(), more.end());
    settle();
  }
  REQUIRE(got.size() == 200);
  CHECK(got[0] == "a=1" + filler + " dup");
  CHECK(got[199] == "a=200" + filler);
}

TEST_CASE_METHOD(SessionHarness, "a position that a full disk refused is saved later", "[node][G6]") {
  TestClient client(*this,
                    {.client_id = "k", .clean_start = false, .properties = concat(kForever, property(0x21, u16(2)))});
  client.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  publish("1");
  publish("2");
  CHECK(client.messages() == Texts{"a=1", "a=2"});
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  commit();
  advance(std::chrono::seconds{3});
  settle();
  publish("3");
  CHECK(client.messages() == Texts{"a=3"});
}

TEST_CASE_METHOD(SessionHarness, "a connect that the disk refused leaves no session", "[node][G1]") {
  TestClient client = TestClient::unsettled(*this, keeping("k"));
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  settle();
  CHECK(client.stream.closed);
  client.drop();
  TestClient again(*this, keeping("k"));
  CHECK_FALSE(session_present(again));
}

TEST_CASE_METHOD(SessionHarness, "retained messages at QoS 0 come once a subscription, not at every connect",
                 "[node]") {
  {
    TestClient publisher(*this, {.client_id = "p"});
    publisher.send(encode(PublishSent{.topic = "x", .payload = "1", .qos = 1, .packet_id = 1, .retain = true}));
    settle();
    publisher.drop();
    TestClient client(*this, keeping("k"));
    client.send(encode_subscribe(1, {{"x", 0}}));
    settle();
    CHECK(client.messages() == Texts{"x=1 retained"});
    advance(std::chrono::seconds{2});
    settle();
    client.drop();
  }
  TestClient back(*this, keeping("k"));
  CHECK(back.messages().empty());
}

TEST_CASE_METHOD(SessionHarness, "each SUBSCRIBE gets the retained messages, however fast they follow",
                 "[node][MQTT-3.8.4-4]") {
  TestClient publisher(*this, {.client_id = "p"});
  publisher.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 1, .packet_id = 1, .retain = true}));
  settle();
  TestClient client(*this, {.client_id = "c"});
  client.received();
  for (unsigned id = 1; id <= 3; ++id) client.send(encode_subscribe(id, {{"a", 0}}));
  settle();
  CHECK(client.messages() == Texts{"a=1 retained", "a=1 retained", "a=1 retained"});
}

TEST_CASE_METHOD(NodeHarness, "what keep trimmed beneath sessions and groups is counted by each", "[node][G6]") {
  const std::vector<std::pair<std::string, std::string>> clients = {
      {"plain", "a"}, {"member", "$share/g/a"}, {"other", "b"}};
  for (const auto& [name, filter] : clients) {
    TestClient client(*this, keeping(name));
    client.send(encode_subscribe(1, {{filter, 1}}));
    settle();
  }
  for (const char* payload : {"1", "2"}) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = "a", .payload = payload, .qos = 1, .packet_id = 1}));
    settle();
  }
  advance(std::chrono::hours{48});
  settle();
  restart();
  CHECK(node->trimmed_readers().empty());
  TestClient plain(*this, keeping("plain"));
  TestClient member(*this, keeping("member"));
  settle();
  const auto readers = node->trimmed_readers();
  const auto messages_of = [&](const std::string& client, const std::string& shared) {
    for (const node::TrimmedReader& reader : readers) {
      if (reader.client_id == client && reader.shared == shared) return reader.messages;
    }
    return std::uint64_t{0};
  };
  CHECK(messages_of("plain", "") == 2);
  CHECK(messages_of("", "$share/g/a") == 2);
  CHECK(messages_of("other", "") == 0);
  CHECK(node->counters().trimmed_beneath >= 4);
}
