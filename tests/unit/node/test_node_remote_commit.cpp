// What peers push, while its sync waits (sync::RemoteCommit): who gets it when. DESIGN 4.
#include <catch2/catch_test_macros.hpp>

#include "sync/link/wire.hpp"
#include "tests/unit/node/exchange.hpp"
#include "tests/unit/node/linked_peer.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

// A peer is linked, and pushes.
struct RemoteHarness : NodeHarness {
  RemoteHarness() {
    remote_commit = std::chrono::seconds{5};
    restart();
    peer = std::make_unique<sync::Engine>(peer_storage, peer_hasher);
    REQUIRE(peer->open({{.name = "default", .keep = {.age_ms = 86'400'000, .size_bytes = 1'000'000}}}, sync::ReplicaId{99}));
    link_up();
  }

  void link_up() {
    link = std::make_unique<LinkedPeer>(
        *this,
        LinkedPeer::Greeting{.replica = peer->self(), .incarnation = ++incarnation, .channels = {{.name = "default"}}});
  }
  // The peer writes, and pushes it. Nothing is done with it yet.
  Bytes push(const std::string& topic, const std::string& payload, bool retain = false, std::uint8_t qos = 1) {
    REQUIRE(peer->begin());
    REQUIRE(peer->write(wall, {.channel = peer->channels().at(0).number,
                               .kind = {.record = true, .cell = retain, .qos = qos},
                               .publisher = 1,
                               .message = std::make_shared<const sync::Message>(sync::Message{
                                   .topic = topic, .properties = {}, .payload = to_bytes(payload), .expiry_s = {}})}));
    auto committed = peer->commit();
    REQUIRE(committed);
    const Bytes segment = committed->segments.at(0).segment->bytes;
    link->say(sync::wire::Push{.channel = 0, .segment = segment});
    return segment;
  }
  void subscribe(TestClient& client, const std::string& filter) {
    client.send(encode_subscribe(1, {{filter, 2}}));
    settle();
    client.received();
  }
  [[nodiscard]] std::vector<Bytes> segments_of_peer() {
    std::vector<Bytes> out;
    auto view = peer_storage.open_view();
    const auto parts = (*view)->segments_after(0, 1U << 20U).value();
    for (const auto& part : parts) out.push_back(part.row.bytes);
    return out;
  }
  [[nodiscard]] std::size_t stored() {
    std::size_t records = 0;
    auto view = storage.open_view();
    const auto parts = (*view)->segments_after(0, 1U << 20U).value();
    for (const auto& part : parts) records += part.row.count;
    return records;
  }

  MemoryStorage peer_storage{sync::ReplicaId{2}};
  security::Sha256 peer_hasher;
  std::unique_ptr<sync::Engine> peer;
  std::uint64_t incarnation = 500;
  std::unique_ptr<LinkedPeer> link;
};

}  // namespace

TEST_CASE_METHOD(RemoteHarness, "what a peer pushed goes at once to sessions that keep nothing", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, "a");
  push("a", "1");
  settle();
  CHECK(brief.messages() == Texts{"a=1"});
  CHECK(store_turn->is_open());
  CHECK(stored() == 0);
  commit_open();
  settle();
  CHECK(brief.messages().empty());
  CHECK(stored() == 1);
}

TEST_CASE_METHOD(RemoteHarness, "a session that keeps a position gets it when it is synced, which is at once",
                 "[node][G1]") {
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, "a");
  push("a", "1");
  commit();
  CHECK(store_turn->is_open());
  CHECK(lasting.messages().empty());
  settle();
  CHECK_FALSE(store_turn->is_open());
  CHECK(stored() == 1);
  CHECK(lasting.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(RemoteHarness, "a session that is away, or wants something else, asks for no sync", "[node]") {
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, "b");
  TestClient away(*this, keeping("away"));
  subscribe(away, "a");
  away.drop();
  settle();
  push("a", "1");
  push("a", "2");
  settle();
  CHECK(store_turn->is_open());
  commit_open();
  TestClient back(*this, keeping("away"));
  CHECK(back.messages() == Texts{"a=1", "a=2"});
}

TEST_CASE_METHOD(RemoteHarness, "what a power cut took from an open turn comes again to everybody", "[node][G1]") {
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, "a");
  push("b", "0");
  push("a", "1");
  commit();
  REQUIRE(store_turn->is_open());
  CHECK(lasting.messages().empty());
  lasting.drop();
  link->client.drop();
  restart();
  link_up();
  CHECK(stored() == 0);
  TestClient back(*this, keeping("lasting"));
  back.received();
  const std::vector<Bytes> all = segments_of_peer();
  for (const Bytes& segment : all) link->say(sync::wire::Push{.channel = 0, .segment = segment});
  settle();
  CHECK(back.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(RemoteHarness, "a local publish takes what waits with it", "[node]") {
  push("a", "1");
  settle();
  REQUIRE(store_turn->is_open());
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(encode(PublishSent{.topic = "b", .payload = "x", .qos = 1, .packet_id = 1}));
  settle();
  CHECK_FALSE(store_turn->is_open());
  CHECK(stored() == 2);
}

TEST_CASE_METHOD(RemoteHarness, "QoS 2 is synced before anybody gets it", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, "a");
  push("a", "1", /*retain=*/false, /*qos=*/2);
  settle();
  CHECK_FALSE(store_turn->is_open());
  CHECK(stored() == 1);
  CHECK(brief.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(RemoteHarness, "after a full disk a session that keeps nothing may see a message twice, others once",
                 "[node][G6]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, "#");
  TestClient lasting(*this, keeping("lasting"));
  subscribe(lasting, "a");
  const Bytes segment = push("a", "1");
  commit();
  REQUIRE(store_turn->is_open());
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  commit_open();
  settle();
  CHECK(brief.messages() == Texts{"a=1"});
  CHECK(lasting.messages().empty());
  link->say(sync::wire::Push{.channel = 0, .segment = segment});
  settle();
  CHECK(brief.messages() == Texts{"a=1"});
  CHECK(lasting.messages() == Texts{"a=1"});
  push("a", "2");
  settle();
  CHECK(brief.messages() == Texts{"a=2"});
  CHECK(lasting.messages() == Texts{"a=2"});
}

TEST_CASE_METHOD(RemoteHarness, "who is behind reads on over what was lost", "[node]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, "#");
  brief.stream.queued = 64U << 20U;  // it takes nothing
  push("a", "1");
  settle();
  storage.fail_next_commit({Category::kLimit, "the disk is full"});
  REQUIRE(store_turn->is_open());
  commit_open();
  TestClient publisher(*this, {.client_id = "publisher"});
  publisher.send(encode(PublishSent{.topic = "b", .payload = "2", .qos = 1, .packet_id = 1}));
  settle();
  brief.stream.queued = 0;
  brief.drained();
  settle();
  const Texts got = brief.messages();
  REQUIRE_FALSE(got.empty());
  CHECK(got.back() == "b=2");
}

TEST_CASE_METHOD(RemoteHarness, "a new subscription gets the retained message that waits for its sync", "[node]") {
  push("a", "old", /*retain=*/true);
  settle();
  commit_open();
  push("a", "new", /*retain=*/true);
  settle();
  REQUIRE(store_turn->is_open());
  TestClient brief(*this, {.client_id = "brief"});
  brief.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  const auto got = deliveries(brief.received());
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == "new");
  CHECK(got[0].retain);
}

TEST_CASE_METHOD(RemoteHarness, "a new session that keeps a position gets nothing from before it", "[node]") {
  push("a", "before");
  settle();
  REQUIRE(store_turn->is_open());
  TestClient lasting(*this, keeping("lasting"));
  lasting.send(encode_subscribe(1, {{"a", 1}}));
  settle();
  push("a", "after");
  settle();
  CHECK(lasting.messages() == Texts{"a=after"});
}

TEST_CASE_METHOD(RemoteHarness, "a shared subscription gets it when it is synced, which is at once", "[node]") {
  TestClient member(*this, {.client_id = "member"});
  subscribe(member, "$share/g/a");
  push("a", "1");
  commit();
  CHECK(store_turn->is_open());
  CHECK(member.messages().empty());
  settle();
  CHECK_FALSE(store_turn->is_open());
  CHECK(member.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(RemoteHarness, "trimming ends no open turn", "[node]") {
  push("a", "1");
  settle();
  submit(node::TrimIntent{});
  settle();
  CHECK(store_turn->is_open());
}

TEST_CASE_METHOD(RemoteHarness, "an open turn ends before the database gets another name", "[node][G5]") {
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, "#");
  push("a", "1");
  settle();
  REQUIRE(store_turn->is_open());
  submit(node::RenewIntent{.fresh = sync::ReplicaId{77}, .peer = "gw-house"});
  settle();
  CHECK_FALSE(store_turn->is_open());
  CHECK(engine->self() == sync::ReplicaId{77});
  CHECK(stored() == 1);
  CHECK(brief.messages() == Texts{"a=1"});
}

TEST_CASE_METHOD(RemoteHarness, "only what is durable is announced", "[node][G5]") {
  const auto announced = [this] {
    sync::Seq seq = 0;
    for (const std::string& message : link->client.messages()) {
      const std::string bytes = message.substr(message.find('=') + 1);
      const auto heard = sync::wire::decode(as_bytes(bytes));
      if (!heard) continue;
      const auto* announcement = std::get_if<sync::wire::Announcement>(&*heard);
      if (announcement == nullptr) continue;
      for (const sync::FrontierEntry& mark : announcement->marks) seq = std::max(seq, mark.seq);
    }
    return seq;
  };
  link->say(sync::wire::Announcement{.channel = 0, .answer_wanted = false, .marks = {}});
  push("a", "1");
  settle();
  REQUIRE(store_turn->is_open());
  advance(std::chrono::seconds{2});
  settle();
  CHECK(announced() == 0);
  commit_open();
  advance(std::chrono::seconds{2});
  settle();
  CHECK(announced() == 1);
}
