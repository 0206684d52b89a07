// Wills through a whole node, when they are published and as what: MQTT 5.0 sections 3.1.2.5 and 3.1.3.2, DESIGN 1.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/unit/node/will_harness.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

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
