// What a full disk owes: bounded, however long it is hammered, and carried out when there is room (G6).
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "daemon/node/owed.hpp"
#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

constexpr int kAttempts = 200;

struct FullDisk : NodeHarness {
  void fail() {
    storage.fail_next_commit({Category::kLimit, "the disk is full"});
    commit();
  }
  // What the next tick hands to the store.
  std::size_t owed() {
    REQUIRE(intents.empty());
    advance(std::chrono::seconds{1});
    std::size_t count = 0;
    for (const node::Intent& intent : intents) count += std::holds_alternative<node::TrimIntent>(intent) ? 0U : 1U;
    return count;
  }
  std::string will_on_disk() {
    REQUIRE(session_store.wills.size() == 1);
    return std::string(as_text(session_store.wills.begin()->second.message.payload));
  }
};

// A channel that keeps as little as one may, and a client of it.
struct SmallKeep {
  static constexpr std::uint64_t kBytes = std::uint64_t{64} << 10U;
  explicit SmallKeep(NodeHarness& of) : harness((add_channel(of), of)), client(of, {.client_id = "keeps"}) {}
  void publish() {
    client.send(encode(
        PublishSent{.topic = "small/a", .payload = std::string(10'000, 'x'), .qos = 1, .packet_id = ++last_packet_id}));
  }
  [[nodiscard]] std::uint64_t bytes() const {
    return harness.storage.log_totals(harness.node->channels().owner_of("small/a")->number).bytes;
  }
  static void add_channel(NodeHarness& of) {
    of.more_channels = {{.name = "small", .filter = "small/#", .keep = {.size_bytes = kBytes}}};
    of.restart();
    of.settle();
  }

  NodeHarness& harness;
  TestClient client;
  std::uint16_t last_packet_id = 0;
};

const ConnectOut kWithWill = with_will({.client_id = "new"}, {.payload = "new"});
const ConnectOut kKeptWithWill = with_will(keeping("new"), {.payload = "new"});

}  // namespace

TEST_CASE_METHOD(FullDisk, "CONNECTs that a full disk refuses leave nothing to be done", "[node][G6]") {
  const ConnectOut connect = GENERATE(kWithWill, kKeptWithWill, keeping("new"));
  for (int i = 0; i < kAttempts; ++i) {
    TestClient client = TestClient::unsettled(*this, connect);
    fail();
    CHECK(connack_code(client.received()) == 0x97);
    client.drop();
    if (!intents.empty()) fail();
  }
  CHECK(owed() == 0);
}

TEST_CASE_METHOD(FullDisk, "connections that go before a full disk refused them leave nothing to be done",
                 "[node][G6]") {
  const ConnectOut connect = GENERATE(kWithWill, kKeptWithWill, keeping("new"));
  for (int i = 0; i < kAttempts; ++i) {
    TestClient::unsettled(*this, connect).drop();
    fail();
    if (!intents.empty()) fail();
  }
  CHECK(owed() == 0);
}

TEST_CASE_METHOD(FullDisk, "a client that takes itself over on a full disk leaves nothing to be done", "[node][G6]") {
  const ConnectOut first = GENERATE(kWithWill, kKeptWithWill, keeping("new"));
  const ConnectOut second = GENERATE(kWithWill, kKeptWithWill);
  for (int i = 0; i < kAttempts; ++i) {
    TestClient taken = TestClient::unsettled(*this, first);
    TestClient taker = TestClient::unsettled(*this, second);
    fail();
    if (!intents.empty()) fail();
  }
  if (!intents.empty()) fail();
  CHECK(owed() == 0);
}

TEST_CASE_METHOD(FullDisk, "what was on disk before it was full is carried out when there is room", "[node][G6]") {
  TestClient(*this, with_will(keeping("waits"), {.payload = "waits", .delay_s = 1'000})).drop();
  settle();
  TestClient ends(*this, with_will(keeping("ends"), {.payload = "ends"}));
  TestClient expires(*this, {.client_id = "expires", .clean_start = false, .properties = property(0x11, u32(1))});
  CHECK(session_store.sessions.size() == 3);
  ends.send(encode_disconnect());
  expires.drop();
  fail();
  for (int i = 0; i < kAttempts; ++i) {
    advance(std::chrono::seconds{1});
    TestClient client = TestClient::unsettled(*this, with_will(keeping("waits"), {.payload = "new"}));
    TestClient other = TestClient::unsettled(*this, with_will(keeping("ends"), {.payload = "new"}));
    fail();
    client.drop();
    other.drop();
    if (!intents.empty()) fail();
  }
  CHECK(session_store.wills.size() == 2);
  CHECK(session_store.sessions.size() == 3);
  CHECK(owed() <= 4);
  settle();
  CHECK(will_on_disk() == "waits");
  CHECK(session_store.sessions.size() == 2);
}

TEST_CASE_METHOD(FullDisk, "a will whose row CONNECTs wrote over that were refused is put back on disk", "[node][G6]") {
  TestClient(*this, with_will(keeping("c"), {.payload = "old", .delay_s = 1'000})).drop();
  settle();
  TestClient taken = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "taken"}));
  std::vector<node::Intent> first = std::exchange(intents, {});
  TestClient taker = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "taker"}));
  std::vector<node::Intent> second = std::exchange(intents, std::move(first));
  commit();
  CHECK(will_on_disk() == "taken");
  intents.insert(intents.begin(), second.begin(), second.end());
  fail();
  CHECK(connack_code(taker.received()) == 0x97);
  advance(std::chrono::seconds{1});
  settle();
  CHECK(will_on_disk() == "old");
}

TEST_CASE_METHOD(FullDisk, "the will of a connection that a refused CONNECT took over is published once",
                 "[node][G6]") {
  {
    TestClient taken(*this, with_will(keeping("c"), {.payload = "old"}));
    TestClient taker = TestClient::unsettled(*this, with_will(keeping("c"), {.payload = "new"}));
    fail();
    CHECK(connack_code(taker.received()) == 0x97);
  }
  advance(std::chrono::seconds{1});
  settle();
  CHECK(session_store.wills.empty());
  restart();
  advance(std::chrono::seconds{1});
  settle();
  CHECK(engine->last_arrival() == 1);
}

TEST_CASE_METHOD(FullDisk, "a released message whose client asks again and again is owed once", "[node][G6]") {
  TestClient client(*this, keeping("c"));
  client.send(encode(PublishSent{.topic = "a", .payload = "1", .qos = 2, .packet_id = 7}));
  settle();
  client.received();
  for (int i = 0; i < kAttempts; ++i) {
    client.send(encode_pubrel(7));
    fail();
  }
  CHECK(owed() == 1);
  settle();
  CHECK(session_store.received.begin()->second.empty());
}

TEST_CASE_METHOD(FullDisk, "what is owed has a limit, beyond which nothing is promised", "[node][G6]") {
  TestClient steady(*this, keeping("steady"));
  const std::string name(60'000, 'x');
  unsigned subscribed = 0;
  for (int i = 0; i < kAttempts && intents.empty(); ++i) {
    steady.received();
    steady.send(encode_subscribe(1, {{"$share/" + std::to_string(i) + "/" + name, 1}}));
    if (intents.empty()) break;
    ++subscribed;
    fail();
    if (!intents.empty()) fail();
  }
  CHECK(subscribed < node::kOwedBytesMax / name.size());
  TestClient refused = TestClient::unsettled(*this, kWithWill);
  CHECK(connack_code(refused.received()) == 0x97);
  CHECK(connack_code(TestClient(*this, {.client_id = "needs no disk"}).received()) == 0);
  advance(std::chrono::seconds{1});
  settle();
  CHECK(session_store.groups.empty());
  CHECK(connack_code(TestClient(*this, kWithWill).received()) == 0);
}

TEST_CASE_METHOD(FullDisk, "a turn that finds no room trims what keep allows, and is tried again", "[node][G6]") {
  SmallKeep keeps(*this);
  for (int i = 0; i < 10; ++i) keeps.publish();
  settle();
  const std::uint64_t before = keeps.bytes();
  CHECK(before > SmallKeep::kBytes);
  keeps.client.received();
  keeps.publish();
  fail();
  const auto answer = keeps.client.received();
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].body.size() == 2);  // success
  CHECK(keeps.bytes() < before);
  CHECK(node->alarms().empty());
}

TEST_CASE_METHOD(FullDisk, "a turn that finds no room where keep allows nothing is refused", "[node][G6]") {
  SmallKeep keeps(*this);
  keeps.publish();
  fail();
  CHECK(keeps.client.received().back().body.size() > 2);
  CHECK(keeps.bytes() == 0);
}

TEST_CASE_METHOD(FullDisk, "a log that grows fast is trimmed without delay", "[node][G6]") {
  SmallKeep keeps(*this);
  for (int i = 0; i < 300; ++i) {
    keeps.publish();
    settle();
    CHECK(keeps.bytes() <= SmallKeep::kBytes + node::kTrimGrowthBytes + 20'000);
  }
}

TEST_CASE("of two positions that are owed both their releases are forgotten", "[node][G6]") {
  node::Owed owed;
  owed.add(node::PositionIntent{.id = 1, .position = 5, .finished = {1, 2}});
  owed.add(node::PositionIntent{.id = 1, .position = 6, .finished = {2, 3}});
  const auto intents = owed.take();
  REQUIRE(intents.size() == 1);
  CHECK(std::get<node::PositionIntent>(intents[0]).finished == std::vector<std::uint16_t>{2, 3, 1});
  CHECK(owed.size() == 0);
}

TEST_CASE_METHOD(FullDisk, "a renewal that another one overtook on a full disk is passed over", "[node][G5]") {
  const node::RenewIntent first{.fresh = sync::ReplicaId{77}, .peer = "gw-house"};
  intents.emplace_back(first);
  fail();
  CHECK(engine->self() != sync::ReplicaId{77});
  intents.emplace_back(node::RenewIntent{.fresh = sync::ReplicaId{78}, .peer = "gw-house"});
  settle();
  REQUIRE(engine->self() == sync::ReplicaId{78});
  // What this node wrote meanwhile was perhaps shown: another name now would have it twice.
  CHECK(owed() == 1);
  settle();
  CHECK(engine->self() == sync::ReplicaId{78});
}

TEST_CASE_METHOD(FullDisk, "a renewal that comes again after it was carried out is passed over", "[node][G5]") {
  const node::RenewIntent renewal{.fresh = sync::ReplicaId{77}, .peer = "gw-house"};
  intents.emplace_back(renewal);
  settle();
  REQUIRE(engine->self() == sync::ReplicaId{77});
  intents.emplace_back(renewal);
  settle();
  CHECK(engine->self() == sync::ReplicaId{77});
}

TEST_CASE_METHOD(FullDisk, "the operator hears that what a peer tells of branches cannot be taken", "[node][G5][G6]") {
  std::vector<sync::ReplicaState> nonsense = {{.replica = sync::ReplicaId{}}};
  intents.emplace_back(node::LearnIntent{
      .branches = {.channel = engine->channels().front().number, .peer = "gw-house", .states = std::move(nonsense)},
      .fresh = sync::ReplicaId{78}});
  settle();
  CHECK(std::count_if(log.begin(), log.end(), [](const std::string& line) {
          return line.find("gw-house tells of two boards that wrote under one name, and that cannot be taken") == 0;
        }) == 1);
}
