// Wills on disk: over restarts, full disks, and CONNECTs that are refused. MQTT 5.0 section 3.1.2.5, G1, G6.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/node/will_harness.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

TEST_CASE_METHOD(WillHarness, "a will is on disk before its CONNECT is answered", "[node][G1]") {
  TestClient client = TestClient::unsettled(*this, with_will({.client_id = "c"}, {}));
  CHECK(client.received().empty());
  settle();
  CHECK(connack_code(client.received()) == 0);
  CHECK(session_store.wills.size() == 1);
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
