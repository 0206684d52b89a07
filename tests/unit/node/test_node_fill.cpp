// What another node's keep had taken before this node came, and comes from a third one later: out of its publisher's
// order. daemon/docs/mqtt.md, "late".
#include <catch2/catch_test_macros.hpp>
#include <variant>

#include "sync/engine/pull.hpp"
#include "tests/unit/node/exchange.hpp"

using namespace hedgerow;
using namespace hedgerow::test;
using Texts = std::vector<std::string>;

namespace {

constexpr sync::ReplicaId kWriter{2};
constexpr sync::Keep kKeep{.age_ms = 86'400'000, .size_bytes = 1'000'000};

// An engine with a channel "default".
struct OtherNode {
  explicit OtherNode(sync::ReplicaId replica) : storage(replica), engine(storage, hasher) {
    REQUIRE(engine.open({{.name = "default", .keep = kKeep}}, sync::ReplicaId{99}));
  }
  [[nodiscard]] sync::ChannelNo channel() const { return engine.channels().at(0).number; }
  sync::PullAnswer answer(const Bytes& token) {
    const auto view = storage.open_view().value();
    auto answer = sync::answer_pull(*view, hasher, channel(), "default", {.frontier = {}, .token = token, .window_bytes = 1U << 20U});
    REQUIRE(answer);
    return std::move(*answer);
  }

  MemoryStorage storage;
  security::Sha256 hasher;
  sync::Engine engine;
};

// The writer's first message is trimmed at the node that is met first; the writer has it still.
struct FillHarness : NodeHarness {
  void write(OtherNode& to, const std::string& payload, bool retain) {
    REQUIRE(writer.engine.begin());
    auto message = std::make_shared<const sync::Message>(
        sync::Message{.topic = "a", .properties = {}, .payload = to_bytes(payload), .expiry_s = {}});
    REQUIRE(writer.engine.write(wall, {.channel = writer.channel(),
                                       .kind = {.record = true, .cell = retain, .qos = 1},
                                       .publisher = 1,
                                       .message = std::move(message)}));
    const auto committed = writer.engine.commit();
    REQUIRE(committed);
    REQUIRE(to.engine.begin());
    REQUIRE(to.engine.receive(wall, to.channel(), committed->segments.at(0).segment->bytes));
    REQUIRE(to.engine.commit());
  }
  // "old", then "new". The first is trimmed at `met`, from where the state comes; it fills the gap later.
  void meet(bool retain) {
    write(met, "old", retain);
    REQUIRE(met.engine.begin());
    REQUIRE(met.engine.trim({.unix_ms = wall.unix_ms + 2 * kKeep.age_ms, .quality = ClockQuality::kSynchronised}));
    REQUIRE(met.engine.commit());
    write(met, "new", retain);
    const auto page = std::get<sync::SnapshotPage>(met.answer({}));
    REQUIRE(page.next_token.empty());
    turn({sync::StagePage{.channel = own(), .peer = "met", .page_no = 0, .page = page.page},
          sync::MergeStaged{.channel = own(), .peer = "met", .frontier = page.frontier, .pages = 1}});
  }
  void fill() {
    Bytes token;
    sync::add_fill_range(token, {.replica = kWriter, .first = 1, .last = 1});
    const auto range = std::get<sync::RangeAnswer>(writer.answer(token));
    turn({sync::ApplySegment{.channel = own(), .segment = range.segments.at(0), .fills = true}});
  }
  void turn(std::vector<node::Intent> work) {
    settle();
    node::TurnResult result = store_turn->run(wall, work);
    for (const node::Received& received : result.received) {
      REQUIRE(received.result == sync::ReceiveResult::kApplied);
    }
    result.received.clear();  // no link waits for it
    node->on_turn(now, std::move(result));
    settle();
  }
  [[nodiscard]] sync::ChannelNo own() const {
    for (const sync::ChannelState& channel : engine->channels()) {
      if (channel.name == "default") return channel.number;
    }
    FAIL("no channel");
    return {};
  }
  void subscribe(TestClient& client, Bytes properties = {}) {
    client.send(encode_subscribe(1, {{"a", 1}}, mqtt::Protocol::kV5, std::move(properties)));
    settle();
  }

  OtherNode writer{kWriter};
  OtherNode met{sync::ReplicaId{3}};
};

}  // namespace

TEST_CASE_METHOD(FillHarness, "what fills a gap is late, whatever its age", "[node][late]") {
  TestClient brief(*this, {.client_id = "brief"});
  TestClient lasting(*this, keeping("lasting"));
  subscribe(brief);
  subscribe(lasting);
  meet(/*retain=*/false);
  fill();
  CHECK(brief.messages() == Texts{"a=new"});
  CHECK(lasting.messages() == Texts{"a=new", "a=old"});
}

TEST_CASE_METHOD(FillHarness, "what fills a gap goes to replays, where it came", "[node]") {
  meet(/*retain=*/false);
  fill();
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief, user_property("hedgerow-replay", "1h"));
  CHECK(brief.messages() == Texts{"a=new", "a=old"});
}

TEST_CASE_METHOD(FillHarness, "what fills a gap is no retained message", "[node][G4]") {
  meet(/*retain=*/true);
  fill();
  TestClient brief(*this, {.client_id = "brief"});
  subscribe(brief);
  CHECK(brief.messages() == Texts{"a=new retained"});
}

TEST_CASE_METHOD(FillHarness, "where the channel conflates, what fills a gap is not taken for the latest value",
                 "[node]") {
  conflate = true;
  restart();
  {
    TestClient lasting(*this, keeping("lasting"));
    subscribe(lasting);
  }
  meet(/*retain=*/true);
  fill();
  TestClient back(*this, keeping("lasting"));
  CHECK(back.messages() == Texts{"a=new"});
}
