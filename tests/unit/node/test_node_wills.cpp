// Wills through a whole node: MQTT 5.0 sections 3.1.2.5 and 3.1.3.2, DESIGN 1.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

struct WillHarness : NodeHarness {
  // Sees every will.
  TestClient watcher{*this, {.client_id = "watcher"}};

  WillHarness() {
    watcher.send(encode_subscribe(1, {{"will", 1}}));
    settle();
    watcher.received();
  }
  void pass(Duration time) {
    advance(time);
    settle();
  }
  // The watcher's node goes too.
  void kill() {
    watcher.drop();
    restart();
  }
  // What is retained on the topic, after everything.
  Texts retained(const std::string& topic = "will") {
    settle();
    TestClient reader(*this, {.client_id = "reader"});
    reader.send(encode_subscribe(1, {{topic, 1}}));
    settle();
    return reader.messages();
  }
};

}  // namespace

TEST_CASE_METHOD(WillHarness, "a will is published when its connection breaks", "[node][MQTT-3.1.2-8]") {
  TestClient client(*this, with_will({.client_id = "c"}, {}));
  CHECK(watcher.messages().empty());
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "DISCONNECT with reason 0 cancels the will", "[node][MQTT-3.14.4-3]") {
  TestClient client(*this, with_will({.client_id = "c"}, {}));
  client.send(encode_disconnect());
  client.drop();
  pass(std::chrono::seconds{1});
  CHECK(watcher.messages().empty());
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "DISCONNECT counts at once, however late its connection goes",
                 "[node][MQTT-3.14.4-3][MQTT-3.1.2-10][MQTT-4.1.0-2]") {
  const ConnectOut minute{.client_id = "c", .clean_start = false, .properties = property(0x11, u32(60))};
  TestClient leaving(*this, with_will(minute, {}));
  leaving.send(encode_disconnect(concat(u8(0), with_length(property(0x11, u32(0))))));
  settle();
  CHECK(session_store.wills.empty());
  CHECK(session_store.sessions.empty());
  TestClient back(*this, minute);
  const auto connack = back.received().at(0);
  CHECK(connack.body[0] == 0);  // no Session Present
  CHECK(connack.body[1] == 0);
  leaving.drop();
  pass(std::chrono::seconds{1});
  CHECK(watcher.messages().empty());
  CHECK(session_store.sessions.size() == 1);  // the new one
}

TEST_CASE_METHOD(WillHarness, "DISCONNECT of 3.1.1 counts at once, however late its connection goes",
                 "[node][V311-3.14.4-3]") {
  const ConnectOut plain{.protocol = mqtt::Protocol::kV311, .client_id = "c", .clean_start = false};
  ConnectOut with = plain;
  with.flags = 0x0CU;
  with.will = concat(text("will"), text("gone"));
  TestClient leaving(*this, with);
  leaving.send(encode_disconnect());
  TestClient back(*this, plain);
  leaving.drop();
  pass(std::chrono::seconds{1});
  CHECK(watcher.messages().empty());
}

TEST_CASE_METHOD(WillHarness, "DISCONNECT with will message publishes it", "[node][MQTT-3.1.2-8]") {
  TestClient client(*this, with_will({.client_id = "c"}, {}));
  client.send(encode_disconnect(u8(4)));
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
}

TEST_CASE_METHOD(WillHarness, "a client that breaks the protocol leaves its will", "[node][MQTT-3.1.2-8]") {
  TestClient client(*this, with_will({.client_id = "c"}, {}));
  client.send(encode(ConnectOut{.client_id = "c"}));  // a second CONNECT
  CHECK(client.stream.closed);
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
}

TEST_CASE_METHOD(WillHarness, "a silent client leaves its will", "[node][MQTT-3.1.2-22]") {
  TestClient client(*this, with_will({.client_id = "c", .keep_alive_s = 10}, {}));
  pass(std::chrono::seconds{20});
  CHECK(client.stream.closed);
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
}

TEST_CASE_METHOD(WillHarness, "a will is on disk before its CONNECT is answered", "[node][G1]") {
  TestClient client = TestClient::unsettled(*this, with_will({.client_id = "c"}, {}));
  CHECK(client.received().empty());
  settle();
  CHECK(connack_code(client.received()) == 0);
  CHECK(session_store.wills.size() == 1);
}

TEST_CASE_METHOD(WillHarness, "of a will and a QoS 0 message that are both retained the later one stays", "[node]") {
  const ConnectOut minute{.client_id = "c", .properties = property(0x11, u32(60))};
  TestClient client(*this, with_will(minute, {.retain = true, .delay_s = 1}));
  const Bytes alive = encode(PublishSent{.topic = "will", .payload = "alive", .retain = true});
  SECTION("the connection died before") {
    client.drop();
    settle();
    pass(std::chrono::milliseconds{500});
    TestClient(*this, {.client_id = "other"}).send(alive);
    pass(std::chrono::milliseconds{600});
    pass(std::chrono::seconds{2});
    CHECK(retained() == Texts{"will=alive retained"});
  }
  SECTION("the connection died after") {
    client.send(alive);
    pass(std::chrono::milliseconds{10});
    client.send(encode_disconnect(concat(u8(4), with_length(property(0x11, u32(0))))));
    pass(std::chrono::seconds{2});
    CHECK(retained() == Texts{"will=gone retained"});
  }
}

TEST_CASE_METHOD(WillHarness, "a will that the disk refused refuses its CONNECT, and is never published",
                 "[node][G6]") {
  TestClient client = TestClient::unsettled(*this, with_will({.client_id = "c"}, {}));
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  settle();
  CHECK(connack_code(client.received()) == 0x97);
  client.drop();
  pass(std::chrono::seconds{2});
  CHECK(watcher.messages().empty());
}

TEST_CASE_METHOD(WillHarness, "a session that a full disk refused a will expires all the same", "[node][G6]") {
  const ConnectOut minute{.client_id = "c", .clean_start = false, .properties = property(0x11, u32(60))};
  TestClient(*this, minute).drop();
  settle();
  {
    TestClient client = TestClient::unsettled(*this, with_will(minute, {}));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    settle();
    CHECK(connack_code(client.received()) == 0x97);
  }
  CHECK(session_store.sessions.size() == 1);
  pass(std::chrono::seconds{61});
  CHECK(session_store.sessions.empty());
}

TEST_CASE_METHOD(WillHarness, "a delayed will waits for its delay", "[node][MQTT-3.1.3-9]") {
  TestClient client(*this, with_will(keeping("c"), {.delay_s = 10}));
  client.drop();
  pass(std::chrono::seconds{9});
  CHECK(watcher.messages().empty());
  pass(std::chrono::seconds{1});
  CHECK(watcher.messages() == Texts{"will=gone"});
  pass(std::chrono::seconds{100});
  CHECK(watcher.messages().empty());
}

TEST_CASE_METHOD(WillHarness, "a connection within the delay cancels the will", "[node][MQTT-3.1.3-9]") {
  {
    TestClient client(*this, with_will(keeping("c"), {.delay_s = 10}));
    client.drop();
  }
  pass(std::chrono::seconds{5});
  TestClient back(*this, keeping("c"));
  pass(std::chrono::seconds{20});
  CHECK(watcher.messages().empty());
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "the end of the session comes before the delay", "[node][MQTT-3.1.2-8]") {
  ConnectOut brief{.client_id = "c", .clean_start = false, .properties = property(0x11, u32(5))};
  TestClient client(*this, with_will(brief, {.delay_s = 100}));
  client.drop();
  pass(std::chrono::seconds{6});
  CHECK(watcher.messages() == Texts{"will=gone"});
}

TEST_CASE_METHOD(WillHarness, "a session that ends with its connection does not wait for the delay",
                 "[node][MQTT-3.1.2-8]") {
  TestClient client(*this, with_will({.client_id = "c"}, {.delay_s = 100}));
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
}

TEST_CASE_METHOD(WillHarness, "a clean start within the delay publishes the will", "[node][MQTT-3.1.2-8]") {
  {
    TestClient client(*this, with_will(keeping("c"), {.delay_s = 100}));
    client.drop();
  }
  TestClient fresh(*this, {.client_id = "c"});
  CHECK(watcher.messages() == Texts{"will=gone"});
}

TEST_CASE_METHOD(WillHarness, "a take-over publishes the will without delay, and not a delayed one",
                 "[node][MQTT-3.1.4-3]") {
  TestClient first(*this, with_will(keeping("now"), {}));
  TestClient second(*this, keeping("now"));
  CHECK(watcher.messages() == Texts{"will=gone"});
  TestClient third(*this, with_will(keeping("later"), {.delay_s = 10}));
  TestClient fourth(*this, keeping("later"));
  pass(std::chrono::seconds{20});
  CHECK(watcher.messages().empty());
}

TEST_CASE_METHOD(WillHarness, "the will of a take-over is older than what the new connection writes", "[node]") {
  TestClient first(*this, with_will(keeping("c"), {.payload = "offline", .retain = true}));
  TestClient second = TestClient::unsettled(*this, keeping("c"));
  second.send(encode(PublishSent{.topic = "will", .payload = "online", .qos = 1, .packet_id = 1, .retain = true}));
  CHECK(retained() == Texts{"will=online retained"});
}

TEST_CASE_METHOD(WillHarness, "the will of a take-over leaves the new connection's will on disk", "[node][G1]") {
  TestClient first(*this, with_will(keeping("c"), {.payload = "first"}));
  TestClient second(*this, with_will(keeping("c"), {.payload = "second"}));
  settle();
  CHECK(watcher.messages() == Texts{"will=first"});
  CHECK(session_store.wills.size() == 1);
  second.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=second"});
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "a delayed will is stamped with the moment its connection died", "[node]") {
  TestClient client(*this, with_will(keeping("c"), {.payload = "offline", .retain = true, .delay_s = 10}));
  client.drop();
  settle();
  pass(std::chrono::seconds{5});
  TestClient other(*this, {.client_id = "other"});
  other.send(encode(PublishSent{.topic = "will", .payload = "newer", .qos = 1, .packet_id = 1, .retain = true}));
  settle();
  pass(std::chrono::seconds{10});
  CHECK(retained() == Texts{"will=newer retained"});
}

TEST_CASE_METHOD(WillHarness, "a will has the QoS of its CONNECT, and is retained only where that says so",
                 "[node][MQTT-3.1.2-9][MQTT-3.1.2-14][MQTT-3.1.2-15]") {
  const unsigned qos = GENERATE(0U, 1U, 2U);
  const bool retain = GENERATE(false, true);
  constexpr unsigned kRetainAsPublished = 8;
  TestClient reader(*this, {.client_id = "reader as published"});
  reader.send(encode_subscribe(1, {{"will", 2U | kRetainAsPublished}}));
  settle();
  reader.received();
  TestClient client(*this, with_will({.client_id = "c"}, {.qos = qos, .retain = retain}));
  client.drop();
  settle();
  const auto got = deliveries(reader.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].qos == qos);
  CHECK(got[0].retain == retain);
  CHECK(retained() == (retain ? Texts{"will=gone retained"} : Texts{}));
}

TEST_CASE_METHOD(WillHarness, "a will goes out with its properties, in their order", "[node][MQTT-3.1.3-10]") {
  const Bytes properties =
      concat(user_property("b", "1"), property(0x03, text("text/plain")), user_property("a", "2"), property(0x01, {1}),
             property(0x08, text("reply")), property(0x09, text("id")), user_property("b", "1"));
  const unsigned qos = GENERATE(0U, 1U);
  TestClient client(*this, with_will(keeping("c"), {.qos = qos, .delay_s = 1, .properties = properties}));
  client.drop();
  settle();
  pass(std::chrono::seconds{1});
  const auto got = deliveries(watcher.received());
  REQUIRE(got.size() == 1);
  CHECK(to_hex(got[0].properties) == to_hex(properties));
}

TEST_CASE_METHOD(WillHarness, "a retained will is the topic's value", "[node][MQTT-3.1.2-15]") {
  TestClient client(*this, with_will({.client_id = "c"}, {.retain = true}));
  client.drop();
  settle();
  CHECK(retained() == Texts{"will=gone retained"});
}

TEST_CASE_METHOD(WillHarness, "a will of QoS 0 is delivered, and leaves nothing on disk", "[node]") {
  TestClient client(*this, with_will({.client_id = "c"}, {.qos = 0}));
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
  CHECK(session_store.wills.empty());
  CHECK(retained().empty());
}

TEST_CASE_METHOD(WillHarness, "after a kill the wills of its connections are published, once", "[node][G1]") {
  TestClient client(*this, with_will({.client_id = "c"}, {.retain = true}));
  client.send(encode(PublishSent{.topic = "x", .payload = "alive", .qos = 1, .packet_id = 1}));
  settle();
  // Cut off with the node: nothing of the end reaches the disk.
  client.drop();
  kill();
  CHECK(session_store.wills.size() == 1);
  pass(std::chrono::seconds{1});
  CHECK(retained() == Texts{"will=gone retained"});
  CHECK(session_store.wills.empty());
  restart();
  pass(std::chrono::seconds{1});
  CHECK(engine->last_arrival() == 2);
}

TEST_CASE_METHOD(WillHarness, "a delayed will counts on over a restart, and is cancelled by a return", "[node][G1]") {
  for (const char* name : {"stays", "returns"}) {
    TestClient client(*this, with_will(keeping(name), {.topic = name, .retain = true, .delay_s = 10}));
    client.drop();
    settle();
  }
  kill();
  pass(std::chrono::seconds{5});
  TestClient back(*this, keeping("returns"));
  pass(std::chrono::seconds{6});
  CHECK(retained("stays") == Texts{"stays=gone retained"});
  CHECK(retained("returns").empty());
}

TEST_CASE_METHOD(WillHarness, "a will that a full disk refused is published when there is room", "[node][G6]") {
  TestClient client(*this, with_will({.client_id = "c"}, {}));
  client.drop();
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  commit();
  CHECK(watcher.messages().empty());
  pass(std::chrono::seconds{1});
  CHECK(watcher.messages() == Texts{"will=gone"});
  pass(std::chrono::seconds{10});
  CHECK(watcher.messages().empty());
}

TEST_CASE_METHOD(WillHarness, "a will that a full disk refused is counted, once", "[node][G6]") {
  TestClient client(*this, with_will({.client_id = "c"}, {}));
  client.drop();
  for (int i = 0; i < 3; ++i) {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
    advance(std::chrono::seconds{1});
  }
  CHECK(node->counters().refused == 1);
  CHECK(session_store.wills.size() == 1);
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
  CHECK(session_store.wills.empty());
}

namespace {

// A node that keeps one retained message, and has it.
struct RetainedLimit : WillHarness {
  RetainedLimit() {
    retained_max = 1;
    kill();
    set("full");
  }
  void set(const std::string& payload) {
    TestClient client(*this, {.client_id = "setter"});
    client.send(encode(PublishSent{.topic = "x", .payload = payload, .qos = 1, .packet_id = 1, .retain = true}));
    settle();
  }
};

}  // namespace

TEST_CASE_METHOD(RetainedLimit,
                 "a will that is a retained message too many is counted, and published when there is room",
                 "[node][G6]") {
  TestClient(*this, with_will({.client_id = "c"}, {.qos = 0, .retain = true})).drop();
  pass(std::chrono::seconds{10});
  pass(std::chrono::seconds{10});
  CHECK(retained().empty());
  CHECK(node->counters().refused == 1);
  CHECK(session_store.wills.size() == 1);
  set("");
  pass(std::chrono::seconds{10});
  CHECK(retained() == Texts{"will=gone retained"});
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(RetainedLimit, "a will that waits for room outlives its session's next will, and a kill",
                 "[node][G1][G6]") {
  TestClient(*this, with_will(keeping("c"), {.payload = "first", .retain = true})).drop();
  settle();
  {
    TestClient back(*this, with_will(keeping("c"), {.topic = "other", .payload = "second"}));
    CHECK(session_store.wills.size() == 2);
    back.drop();
    restart();
  }
  pass(std::chrono::seconds{1});
  CHECK(session_store.wills.size() == 1);
  set("");
  pass(std::chrono::seconds{10});
  CHECK(retained() == Texts{"will=first retained"});
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "the will of a take-over is not lost on a full disk either", "[node][G6]") {
  TestClient first(*this, with_will(keeping("c"), {.payload = "first"}));
  {
    TestClient second = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "second"}));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    settle();
    CHECK(connack_code(second.received()) == 0x97);
  }
  TestClient third(*this, with_will(keeping("c"), {.payload = "third"}));
  pass(std::chrono::seconds{1});
  CHECK(watcher.messages() == Texts{"will=first"});
  REQUIRE(session_store.wills.size() == 1);  // that of the connection that lives
  CHECK(as_text(session_store.wills.begin()->second.message.payload) == "third");
}

TEST_CASE_METHOD(WillHarness, "a CONNECT that is refused leaves the delayed will of its session",
                 "[node][MQTT-3.1.3-9]") {
  TestClient(*this, with_will(keeping("c"), {.payload = "old", .delay_s = 10})).drop();
  settle();
  {
    TestClient refused = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "new"}));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    settle();
    CHECK(connack_code(refused.received()) == 0x97);
  }
  REQUIRE(session_store.wills.size() == 1);
  CHECK(as_text(session_store.wills.begin()->second.message.payload) == "old");
  pass(std::chrono::seconds{9});
  CHECK(watcher.messages().empty());
  pass(std::chrono::seconds{2});
  CHECK(watcher.messages() == Texts{"will=old"});
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "the will that a refused CONNECT left is cancelled by one that is accepted",
                 "[node][MQTT-3.1.3-9]") {
  TestClient(*this, with_will(keeping("c"), {.delay_s = 10})).drop();
  settle();
  {
    TestClient refused = TestClient::unsettled(*this, with_will(keeping("c"), {}));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    settle();
  }
  TestClient back(*this, keeping("c"));
  pass(std::chrono::seconds{20});
  CHECK(watcher.messages().empty());
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "a connection that goes before it is accepted leaves the delayed will, on disk too",
                 "[node][G1]") {
  TestClient(*this, with_will(keeping("c"), {.payload = "old", .delay_s = 10})).drop();
  settle();
  {
    TestClient hasty = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "new"}));
    hasty.drop();
  }
  settle();
  REQUIRE(session_store.wills.size() == 1);
  CHECK(as_text(session_store.wills.begin()->second.message.payload) == "old");
  kill();
  pass(std::chrono::seconds{10});
  CHECK(engine->last_arrival() == 1);
  CHECK(session_store.wills.empty());
}

TEST_CASE_METHOD(WillHarness, "a death that the disk has not stamped is stamped though a refused CONNECT came between",
                 "[node][G6]") {
  TestClient(*this, with_will(keeping("c"), {.payload = "old", .delay_s = 10})).drop();
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  commit();
  {
    TestClient refused = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "new"}));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    advance(std::chrono::seconds{1});
    settle();
    CHECK(connack_code(refused.received()) == 0x97);
  }
  pass(std::chrono::seconds{1});
  REQUIRE(session_store.wills.size() == 1);
  CHECK(as_text(session_store.wills.begin()->second.message.payload) == "old");
  CHECK(session_store.wills.begin()->second.died);
}

TEST_CASE_METHOD(WillHarness, "a CONNECT that finds no room for its will has not touched its session", "[node][G6]") {
  const std::string large(16'000, 'x');
  TestClient(*this, with_will(keeping("c"), {.payload = "old", .delay_s = 1'000})).drop();
  settle();
  std::vector<std::unique_ptr<TestClient>> others;
  unsigned code = 0;
  while (code == 0) {
    const ConnectOut connect{.client_id = "other " + std::to_string(others.size())};
    others.push_back(std::make_unique<TestClient>(*this, with_will(connect, {.payload = large})));
    code = connack_code(others.back()->received());
    REQUIRE(others.size() < 1'000);
  }
  CHECK(code == 0x97);
  ConnectOut fresh = with_will({.client_id = "c"}, {.payload = large});  // clean start
  CHECK(connack_code(TestClient(*this, fresh).received()) == 0x97);
  settle();
  CHECK(watcher.messages().empty());
  const auto packets = TestClient(*this, keeping("c")).received();
  CHECK((packets.at(0).body[0] & 1U) == 1);  // the session is present
}

TEST_CASE_METHOD(WillHarness, "a CONNECT that is refused leaves its session the expiry that it had",
                 "[node][MQTT-3.1.2-23]") {
  TestClient(*this, keeping("c")).drop();
  settle();
  {
    ConnectOut brief{.client_id = "c", .clean_start = false};
    TestClient refused = TestClient::unsettled(*this, with_will(brief, {}));
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    settle();
    CHECK(connack_code(refused.received()) == 0x97);
  }
  pass(std::chrono::seconds{2});
  CHECK(session_store.sessions.size() == 1);
  const auto packets = TestClient(*this, keeping("c")).received();
  CHECK((packets.at(0).body[0] & 1U) == 1);
}

TEST_CASE_METHOD(WillHarness, "a death that a full disk did not take is not written over a newer will", "[node][G6]") {
  {
    TestClient client(*this, with_will(keeping("c"), {.payload = "old", .delay_s = 100}));
    client.drop();
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
  }
  TestClient back(*this, with_will(keeping("c"), {.payload = "new", .delay_s = 100}));
  pass(std::chrono::seconds{1});
  REQUIRE(session_store.wills.size() == 1);
  CHECK(as_text(session_store.wills.begin()->second.message.payload) == "new");
  CHECK_FALSE(session_store.wills.begin()->second.died);
}

TEST_CASE_METHOD(WillHarness, "a will's message expiry counts from its publication", "[node][MQTT-3.3.2-5]") {
  TestClient client(*this,
                    with_will(keeping("c"), {.retain = true, .delay_s = 50, .properties = property(2, u32(60))}));
  client.drop();
  settle();
  pass(std::chrono::seconds{50});
  CHECK(watcher.messages() == Texts{"will=gone"});
  pass(std::chrono::seconds{59});
  CHECK(retained() == Texts{"will=gone retained"});
  pass(std::chrono::seconds{2});
  CHECK(retained().empty());
}

TEST_CASE_METHOD(WillHarness, "session expiry 0 in DISCONNECT with will ends the delay", "[node][MQTT-3.1.2-8]") {
  TestClient client(*this, with_will(keeping("c"), {.delay_s = 100}));
  client.send(encode_disconnect(concat(u8(4), with_length(property(0x11, u32(0))))));
  client.drop();
  settle();
  CHECK(watcher.messages() == Texts{"will=gone"});
  CHECK(session_store.sessions.empty());
}
