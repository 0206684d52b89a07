// Clean starts and the disk: the old session ends when the disk has the new one, and not before. [MQTT-3.1.2-4], G6.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <map>
#include <memory>
#include <set>

#include "tests/support/seeded_random.hpp"
#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

ConnectOut clean(ConnectOut connect) {
  connect.clean_start = true;
  return connect;
}

const ConnectOut kKept = clean(keeping("c"));
const ConnectOut kKeptWithWill = with_will(clean(keeping("c")), {.payload = "new"});
const ConnectOut kWithWill = with_will({.client_id = "c"}, {.payload = "new"});

// c has a session with a subscription, a message that waits, and a will that waits.
struct OldSession : NodeHarness {
  OldSession() {
    TestClient client(*this, with_will(keeping("c"), {.topic = "a", .payload = "old", .delay_s = 1'000}));
    client.send(encode_subscribe(1, {{"a", 1}}));
    settle();
    client.drop();
    settle();
    publish("1");
  }
  void publish(const std::string& payload) {
    TestClient publisher(*this, {.client_id = "publisher"});
    publisher.send(encode(PublishSent{.topic = "a", .payload = payload, .qos = 1, .packet_id = 1}));
    settle();
  }
  void fail() {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
  }
  // What waits for the store now is a turn of its own.
  std::vector<node::Intent> begin_turn() { return std::exchange(intents, {}); }
  void end_turn(std::vector<node::Intent> turn, bool is_full) {
    if (is_full) storage.fail_next_commit({Category::kLimit, "the disk is full"});
    node->on_turn(now, store_turn->run(wall, turn));
  }
  void check_untouched() {
    settle();
    CHECK(session_store.wills.size() == 1);
    TestClient back(*this, keeping("c"));
    const auto packets = back.received();
    REQUIRE(connack_code(packets) == 0);
    CHECK((packets[0].body[0] & 1U) == 1);
    CHECK(deliveries(packets).at(0).payload == "1");
    CHECK(session_store.wills.empty());  // cancelled
    publish("2");
    CHECK(back.messages() == Texts{"a=2"});
  }
  void check_ended() {
    settle();
    CHECK(session_store.sessions.empty());
    CHECK(session_store.wills.empty());
    CHECK(engine->last_arrival() == 2);  // "1", and the old will
  }
};

}  // namespace

TEST_CASE_METHOD(OldSession, "a clean start that the disk refuses has not touched the old session", "[node][G6]") {
  const ConnectOut connect = GENERATE(kKept, kKeptWithWill, kWithWill);
  const bool is_killed = GENERATE(false, true);
  {
    TestClient client = TestClient::unsettled(*this, connect);
    fail();
    CHECK(connack_code(client.received()) == 0x97);
  }
  if (is_killed) restart();
  check_untouched();
}

TEST_CASE_METHOD(OldSession, "a clean start is accepted once the old session is gone from the disk",
                 "[node][G1][MQTT-3.1.2-4]") {
  const ConnectOut connect = GENERATE(kKept, kKeptWithWill, kWithWill);
  {
    TestClient client = TestClient::unsettled(*this, connect);
    CHECK(client.received().empty());
    commit();
    const auto packets = client.received();
    REQUIRE(connack_code(packets) == 0);
    CHECK((packets[0].body[0] & 1U) == 0);
    client.send(encode_disconnect());
    client.drop();
    restart();  // nothing of the end reaches the disk
  }
  advance(std::chrono::seconds{1});
  settle();
  TestClient back(*this, keeping("c"));
  CHECK(back.messages().empty());
  publish("2");
  CHECK(back.messages().empty());
}

TEST_CASE_METHOD(OldSession, "a clean start keeps what the new session subscribes, and its will", "[node][G1]") {
  {
    TestClient client(*this, kKeptWithWill);
    client.send(encode_subscribe(1, {{"b", 1}}));
    settle();
    REQUIRE(session_store.sessions.size() == 1);
    CHECK(session_store.sessions.begin()->second.subscriptions.at(0).filter == "b");
    REQUIRE(session_store.wills.size() == 1);
    CHECK(as_text(session_store.wills.begin()->second.message.payload) == "new");
    client.send(encode_disconnect());
  }
  settle();
  CHECK(session_store.wills.empty());
  TestClient back(*this, keeping("c"));
  CHECK((back.received().at(0).body[0] & 1U) == 1);
}

TEST_CASE_METHOD(OldSession, "who connects while a clean start waits for the disk learns what came of it",
                 "[node][G6][MQTT-3.1.4-3]") {
  const bool is_full = GENERATE(false, true);
  TestClient starter = TestClient::unsettled(*this, kKept);
  auto turn = begin_turn();
  TestClient second = TestClient::unsettled(*this, keeping("c"));
  CHECK(connack_code(starter.received()) == 0x89);  // CONNACK has no 0x8E
  TestClient third = TestClient::unsettled(*this, keeping("c"));
  CHECK(connack_code(second.received()) == 0x89);  // CONNACK has no 0x8E
  CHECK(third.received().empty());
  end_turn(std::move(turn), is_full);
  settle();
  const auto packets = third.received();
  REQUIRE(connack_code(packets) == 0);
  CHECK((packets[0].body[0] & 1U) == (is_full ? 1U : 0U));
  CHECK(session_store.sessions.size() == 1);
}

TEST_CASE_METHOD(OldSession, "a client that goes before its clean start is on disk leaves the old session, or none",
                 "[node][G6]") {
  const ConnectOut connect = GENERATE(kKept, kKeptWithWill, kWithWill);
  TestClient::unsettled(*this, connect).drop();
  SECTION("the disk refused") {
    fail();
    check_untouched();
  }
  SECTION("the disk had room") {
    commit();
    check_ended();
  }
}

TEST_CASE_METHOD(OldSession, "a session does not expire while a clean start waits for the disk", "[node]") {
  const ConnectOut brief{.client_id = "d", .clean_start = false, .properties = property(0x11, u32(1))};
  TestClient(*this, brief).drop();
  settle();
  TestClient starter = TestClient::unsettled(*this, clean(brief));
  auto turn = begin_turn();
  advance(std::chrono::seconds{5});
  end_turn(std::move(turn), /*is_full=*/false);
  settle();
  CHECK(connack_code(starter.received()) == 0);
  CHECK(session_store.sessions.size() == 2);
}

TEST_CASE_METHOD(OldSession, "a clean start is refused where the rules have changed while it waited", "[node]") {
  TestClient starter = TestClient::unsettled(*this, kKeptWithWill);
  access.forbidden = "will";
  commit();
  CHECK(connack_code(starter.received()) == 0x87);
  check_ended();
}

// --- random clients on a disk that is full now and then ---

namespace {

constexpr std::size_t kClients = 3;
constexpr int kRounds = 60;
constexpr int kSteps = 60;

struct RandomClients : NodeHarness {
  // A client, and what it knows.
  struct One {
    std::unique_ptr<TestClient> client;
    std::string will;
    bool delayed = false;
    bool kept = false;
    bool accepted = false;
  };
  std::map<std::string, One> ones;
  TestClient watcher{*this, {.client_id = "watcher"}};
  std::set<std::string> accepted;  // wills
  std::set<std::string> must;      // be published
  std::set<std::string> never;
  std::set<std::string> published;
  unsigned last_will = 0;

  RandomClients() {
    watcher.send(encode_subscribe(1, {{"will", 1}}));
    settle();
    watcher.received();
  }
  void look() {
    for (auto& [id, one] : ones) {
      if (one.client == nullptr || one.accepted) continue;
      one.accepted = connack_code(one.client->received()) == 0;
      if (one.accepted) accepted.insert(one.will);
    }
    for (const std::string& message : watcher.messages()) {
      INFO(message);
      CHECK(published.insert(message.substr(message.find('=') + 1)).second);
    }
  }
  // Its connection ends without a word.
  void lose(One& one) {
    look();
    if (one.client != nullptr && one.accepted && !one.will.empty() && !one.delayed) must.insert(one.will);
    one = {};
  }
  void connect(const std::string& id, SeededRandom& random) {
    One& one = ones[id];
    ConnectOut connect = random.one_in(2) ? keeping(id) : ConnectOut{.client_id = id};
    connect.clean_start = random.one_in(2);
    One fresh{.client = nullptr, .will = {}, .kept = !connect.properties.empty()};
    if (!random.one_in(3)) {
      fresh.will = std::to_string(++last_will);
      fresh.delayed = random.one_in(2);
      connect = with_will(connect, {.payload = fresh.will, .delay_s = fresh.delayed ? 100'000U : 0U});
    }
    look();
    fresh.client.reset(new TestClient(TestClient::unsettled(*this, connect)));
    lose(one);
    one = std::move(fresh);
  }
  void step(SeededRandom& random) {
    const std::string id = "c" + std::to_string(random.below(kClients));
    switch (random.below(7)) {
      case 0:
      case 1: return connect(id, random);
      case 2: return lose(ones[id]);
      case 3: {
        One& one = ones[id];
        if (one.client != nullptr && !one.client->stream.closed) {
          look();
          never.insert(one.will);
          one.client->send(encode_disconnect());
          one = {};
        }
        return;
      }
      case 4: advance(std::chrono::seconds{1}); break;
      default:
        if (!intents.empty() && random.one_in(2)) storage.fail_next_commit({Category::kLimit, "the disk is full"});
        commit();
    }
    answer_reads();
    look();
  }
  // There is room for good.
  void rest() {
    for (int i = 0; i < 3; ++i) {
      settle();
      advance(std::chrono::seconds{1});
    }
    settle();
    look();
  }
  void check_disk() {
    std::set<std::string> names;
    for (const auto& [id, session] : session_store.sessions) CHECK(names.insert(session.client_id).second);
    std::map<std::string, const node::StoredWill*> wills;
    for (const auto& [id, will] : session_store.wills) wills[std::string(as_text(will.message.payload))] = &will;
    for (const auto& [id, one] : ones) {
      if (one.client == nullptr || !one.accepted || one.client->stream.closed) continue;
      CHECK(names.contains(id) == one.kept);
      if (!one.will.empty()) CHECK(wills.contains(one.will));
    }
    for (const auto& [payload, will] : wills) {
      INFO("will " << payload);
      CHECK(accepted.contains(payload));
      CHECK_FALSE(never.contains(payload));
      CHECK_FALSE(published.contains(payload));
      CHECK_FALSE(must.contains(payload));
    }
  }
};

}  // namespace

TEST_CASE("random clients on a disk that is full now and then: what it holds in the end is what was promised",
          "[node][random][G1][G6]") {
  SeededRandom random(pick_seed("node clean starts"));
  for (int round = 0; round < kRounds; ++round) {
    INFO("round " << round);
    RandomClients harness;
    for (int i = 0; i < kSteps; ++i) harness.step(random);
    harness.rest();
    harness.check_disk();
    for (const std::string& will : harness.published) {
      INFO("will " << will);
      CHECK(harness.accepted.contains(will));
      CHECK_FALSE(harness.never.contains(will));
    }
    for (const std::string& will : harness.must) {
      INFO("will " << will);
      CHECK(harness.published.contains(will));
    }
  }
}
