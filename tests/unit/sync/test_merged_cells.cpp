// Channels whose retained messages are documents or counters. DESIGN 1 and 5; sync/engine/merged_cell.hpp.
#include <catch2/catch_test_macros.hpp>

#include "sync/engine/merged_cell.hpp"
#include "sync/merge/limits.hpp"
#include "tests/unit/sync/merged_fixture.hpp"

namespace hedgerow::test {
namespace {

std::optional<Error> refusal(SyncNode& node, std::string_view payload, std::optional<std::uint32_t> expiry_s = {}) {
  std::optional<Error> out;
  node.turn([&](Engine& to) {
    auto what = std::make_shared<Message>(*message("t", payload));
    what->expiry_s = expiry_s;
    const auto written = to.write(at(++node.now_ms), {.channel = node.c, .kind = kRetained, .message = what});
    if (!written) out = written.error();
  });
  return out;
}

std::vector<std::string> shown_in(const Committed& committed) {
  std::vector<std::string> out;
  for (const CommittedSegment& segment : committed.segments) {
    for (const MessagePtr& shown : segment.shown) out.push_back(shown ? std::string(as_text(shown->payload)) : "-");
  }
  return out;
}

std::uint64_t live_cells(const SyncNode& node) { return node.engine->totals().live_cells; }

// A document of about so many bytes, under one key.
std::string large(std::string_view key, std::size_t bytes) {
  return "{\"" + std::string(key) + "\":\"" + std::string(bytes, 'x') + "\"}";
}

// --- documents -----------------------------------------------------------------------------------------------------

TEST_CASE("publishes merge into the retained document", "[sync][document]") {
  Documents node(1);
  node.write("t", R"({"target":21,"mode":"heat"})", kRetained);
  node.write("t", R"({ "target": 22.0 })", kRetained);
  CHECK(node.value("t") == R"({"mode":"heat","target":22.0})");
  node.write("t", R"({"mode":null})", kRetained);
  CHECK(node.value("t") == R"({"target":22.0})");
}

TEST_CASE("what was published without retain changes no document", "[sync][document]") {
  Documents node(1);
  node.write("t", R"({"a":1})", kRetained);
  node.write("t", R"({"a":2})", kRecord);
  node.write("t", "no JSON at all", kRecord);
  CHECK(node.value("t") == R"({"a":1})");
}

TEST_CASE("concurrent changes of different members both survive", "[sync][document][G3]") {
  Documents a(1);
  Documents b(2);
  a.write("t", R"({"x":1,"deep":{"k":1}})", kRetained);
  exchange(a, b);
  a.write("t", R"({"x":2})", kRetained);
  b.write("t", R"({"deep":{"l":2}})", kRetained);
  exchange(a, b);
  CHECK(a.value("t") == R"({"deep":{"k":1,"l":2},"x":2})");
  CHECK(b.value("t") == a.value("t"));
  CHECK(a.digest() == b.digest());
}

TEST_CASE("an empty payload deletes the document, and older patches do not bring it back", "[sync][document][G4]") {
  Documents a(1);
  Documents b(2);
  a.write("t", R"({"x":1})", kRetained);
  const Bytes old = segments_of(a)[0];
  b.now_ms = 50;
  b.write("t", R"({"y":1})", kRetained);
  b.write("t", "", kRetained);
  CHECK(b.value("t") == "-");
  CHECK(live_cells(b) == 0);
  CHECK(b.receive(old) == ReceiveResult::kApplied);
  CHECK(b.value("t") == "-");
  b.write("t", R"({"z":1})", kRetained);
  CHECK(b.value("t") == R"({"z":1})");
  CHECK(live_cells(b) == 1);
}

TEST_CASE("a payload that is no JSON is refused and leaves everything as it was", "[sync][document]") {
  Documents node(1);
  node.write("t", R"({"x":1})", kRetained);
  const std::string before = node.digest();
  const auto refused = refusal(node, "{\"x\":");
  REQUIRE(refused);
  CHECK(refused->category == Category::kInvalidInput);
  CHECK(node.digest() == before);
  CHECK(node.seq(1) == 1);
}

TEST_CASE("a retained publish that expires is refused in a channel that merges", "[sync][document][counter]") {
  Documents node(1);
  CHECK(refusal(node, "{}", 60)->category == Category::kNotInVersion);
  Counters counter(1);
  CHECK(refusal(counter, "1", 60)->category == Category::kNotInVersion);
}

TEST_CASE("a publish that lets a document grow too large is refused", "[sync][document][G6]") {
  Documents node(1);
  CHECK_FALSE(refusal(node, large("a", kDocumentPublishBytesMax / 2)));
  CHECK(refusal(node, large("b", kDocumentPublishBytesMax / 2))->category == Category::kLimit);
  CHECK_FALSE(refusal(node, ""));
  CHECK_FALSE(refusal(node, large("b", kDocumentPublishBytesMax / 2)));
}

// Five nodes that knew nothing of each other filled one document; nobody may drop what another took.
TEST_CASE("what would outgrow a document is not taken, and nothing behind it", "[sync][document][G2][G3][G6]") {
  Documents all(9);
  std::vector<Bytes> segments;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    Documents node(i);
    node.now_ms = i;
    node.write("t", large(std::string(1, static_cast<char>('a' + i)), kDocumentPublishBytesMax - 1000), kRetained);
    node.write("u", "1", kRetained);
    const std::vector<Bytes> some = segments_of(node);
    segments.insert(segments.end(), some.begin(), some.end());
  }
  std::size_t refused = 0;
  for (const Bytes& segment : segments) {
    all.turn([&](Engine& to) {
      const auto received = to.receive(at(50), all.c, segment);
      if (received) return;
      CHECK(received.error().category == Category::kLimit);
      CHECK(received.error().what.find("\"t\"") != std::string::npos);
      ++refused;
    });
  }
  CHECK(refused == 1);
  CHECK(all.seq(5) == 0);
  const std::string before = all.digest();
  all.now_ms = 100;
  all.write("t", "", kRetained);
  for (const Bytes& segment : segments) {
    if (peek_segment(segment)->replica == ReplicaId{5}) CHECK(all.receive(segment) == ReceiveResult::kApplied);
  }
  CHECK(all.seq(5) == 2);
  CHECK(all.value("t") == "-");
}

TEST_CASE("a peer's op that is no patch is a record only", "[sync][document][G3]") {
  SyncNode other(1);  // its channel of that name does not merge
  other.write("t", "no JSON", kRetained);
  other.write("t", R"({"x":1})", kRetained);
  Documents node(2);
  for (const Bytes& segment : segments_of(other)) CHECK(node.receive(segment) == ReceiveResult::kApplied);
  CHECK(node.value("t") == R"({"x":1})");
  CHECK(node.seq(1) == 2);
}

TEST_CASE("the document has the QoS, publisher and properties of its greatest write", "[sync][document][G3]") {
  Documents a(1);
  Documents b(2);
  b.now_ms = 10;
  b.write("t", R"({"late":1})", {.record = true, .cell = true, .qos = 2});
  a.write("t", R"({"early":1})", kRetained);
  exchange(a, b);
  for (SyncNode* node : {static_cast<SyncNode*>(&a), static_cast<SyncNode*>(&b)}) {
    const Cell cell = node->storage.open_view().value()->cell(node->c, "t").value().value();
    CHECK(cell.qos == 2);
    CHECK(cell.order.replica == ReplicaId{2});
    CHECK(as_text(cell.message->payload) == R"({"early":1,"late":1})");
  }
  CHECK(a.digest() == b.digest());
}

TEST_CASE("a commit tells what each write led to", "[sync][document][counter]") {
  Documents documents(1);
  CHECK(shown_in(documents.write("t", R"({"a":1})", kRetained)) == std::vector<std::string>{R"({"a":1})"});
  const Committed second = documents.turn([&](Engine& to) {
    REQUIRE(to.write(at(50), {.channel = documents.c, .kind = kRetained, .message = message("t", R"({"b":2})")}));
    REQUIRE(to.write(at(50), {.channel = documents.c, .kind = kRecord, .message = message("t", "x")}));
    REQUIRE(to.write(at(50), {.channel = documents.c, .kind = kRetained, .message = message("t", R"({"a":null})")}));
  });
  CHECK(shown_in(second) == std::vector<std::string>{R"({"a":1,"b":2})", "-", R"({"b":2})"});
  Documents peer(2);
  const Committed received = peer.turn([&](Engine& to) {
    for (const Bytes& segment : segments_of(documents)) REQUIRE(to.receive(at(50), peer.c, segment));
  });
  CHECK(shown_in(received) == std::vector<std::string>{R"({"a":1})", R"({"a":1,"b":2})", "-", R"({"b":2})"});
  CHECK(received.merged.empty());
}

TEST_CASE("what would take too much memory to tell is read from the log", "[sync][document][G6]") {
  Documents node(1);
  node.write("t", large("a", kDocumentPublishBytesMax / 2), kRetained);
  const Committed many = node.turn([&](Engine& to) {
    for (int i = 0; i < 40; ++i) {
      REQUIRE(to.write(at(50), {.channel = node.c, .kind = kRetained, .message = message("t", R"({"b":1})")}));
    }
  });
  CHECK(many.merged == std::vector<ChannelNo>{node.c});
}

// --- counters ------------------------------------------------------------------------------------------------------

TEST_CASE("a counter is the sum of what every node added", "[sync][counter][G3]") {
  Counters a(1);
  Counters b(2);
  a.write("t", "5", kRetained);
  b.write("t", "+7", kRetained);
  a.write("t", "-2", kRetained);
  CHECK(a.value("t") == "3");
  exchange(a, b);
  CHECK(a.value("t") == "10");
  CHECK(b.value("t") == "10");
  CHECK(a.digest() == b.digest());
  CHECK(shown_in(a.write("t", "1", kRetained)) == std::vector<std::string>{"11"});
}

TEST_CASE("an increment that comes twice counts once", "[sync][counter][G3]") {
  Counters a(1);
  Counters b(2);
  a.write("t", "5", kRetained);
  const Bytes first = segments_of(a)[0];
  a.write("t", "1", kRetained);
  exchange(a, b);
  CHECK(b.receive(first) == ReceiveResult::kDuplicate);
  CHECK(b.value("t") == "6");
}

TEST_CASE("what is no integer is refused", "[sync][counter]") {
  Counters node(1);
  for (const std::string_view wrong : {"1.5", "one", " 1", "9223372036854775808", "{}"}) {
    CHECK(refusal(node, wrong)->category == Category::kInvalidInput);
  }
  CHECK_FALSE(refusal(node, "9223372036854775807"));
  CHECK(refusal(node, "1")->category == Category::kLimit);
  CHECK(node.seq(1) == 1);
}

TEST_CASE("a deletion hides what its node had seen, and nothing else", "[sync][counter][G4]") {
  Counters a(1);
  Counters b(2);
  a.write("t", "5", kRetained);
  exchange(a, b);
  a.write("t", "3", kRetained);
  b.now_ms = 50;
  b.write("t", "", kRetained);
  CHECK(b.value("t") == "-");
  CHECK(live_cells(b) == 0);
  exchange(a, b);
  CHECK(a.value("t") == "3");
  CHECK(b.value("t") == "3");
  CHECK(live_cells(a) == 1);
  CHECK(live_cells(b) == 1);
  CHECK(a.digest() == b.digest());
}

// The deletion tells of an op that has not come yet. When it comes it changes nothing of the sum, but may be the
// greatest.
TEST_CASE("a counter that heard of an op by another one's deletion takes its order all the same",
          "[sync][counter][G3]") {
  Counters a(1);
  Counters b(2);
  a.now_ms = 10;
  Stamp died;
  b.turn([&](Engine& to) { died = to.stamp_now(at(1)).value(); });
  a.write("t", "5", kRetained);
  exchange(a, b);
  b.turn([&](Engine& to) {  // a will of a connection that died long ago
    REQUIRE(to.write(at(50), {.channel = b.c, .kind = kRetained, .message = message("t", ""), .stamp = died}));
  });
  Counters other_way(3);
  std::vector<Bytes> segments = segments_of(b);
  REQUIRE(segments.size() == 2);
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) other_way.receive(*segment);
  CHECK(other_way.digest() == b.digest());
}

TEST_CASE("a counter goes on after a restart", "[sync][counter][G1]") {
  Counters node(1);
  node.write("t", "5", kRetained);
  node.storage.crash();
  node.reopen();
  node.write("t", "5", kRetained);
  CHECK(node.value("t") == "10");
}

TEST_CASE("an op that lies about its part changes no counter", "[sync][counter][G3]") {
  Counters a(1);
  a.write("t", "5", kRetained);
  const Segment real = decode_segment(segments_of(a)[0]).value();
  SegmentBuilder builder;
  builder.start(ReplicaId{7}, 1, {});
  builder.add(real.ops[0]);  // under another name
  Counters b(2);
  CHECK(b.receive(builder.finish()) == ReceiveResult::kApplied);
  CHECK(b.value("t") == "-");
  CHECK(b.seq(7) == 1);
}

// --- snapshots -----------------------------------------------------------------------------------------------------

TEST_CASE("a snapshot brings a cell of which any write is news", "[sync][document][pull][G3]") {
  Documents a(1);
  Documents b(2);
  a.now_ms = 10;
  a.write("t", R"({"greatest":1})", kRetained);
  Puller().finish(b, a);
  Documents c(3);
  Puller().finish(c, a);
  Documents d(4);  // an older write, which is not the cell's order
  d.write("t", R"({"older":1})", kRetained);
  Puller().finish(b, d);
  b.trim_all();
  Puller puller;
  puller.finish(c, b);
  CHECK(puller.pages > 0);
  CHECK(c.value("t") == R"({"greatest":1,"older":1})");
  CHECK(c.digest() == b.digest());
}

TEST_CASE("a deleted document and a deleted counter travel in a snapshot", "[sync][pull][G4]") {
  for (const MergeKind kind : {MergeKind::kDocument, MergeKind::kCounter}) {
    SyncNode a(1, kMergedKeep, {}, kind);
    SyncNode b(2, kMergedKeep, {}, kind);
    a.write("t", "5", kRetained);
    Puller().finish(b, a);
    a.write("t", "", kRetained);
    a.trim_all();
    Puller().finish(b, a);
    CHECK(b.value("t") == "-");
    CHECK(a.digest() == b.digest());
  }
}

TEST_CASE("a snapshot joins with what its receiver wrote meanwhile", "[sync][counter][pull][G3]") {
  Counters a(1);
  Counters b(2);
  a.write("t", "5", kRetained);
  a.trim_all();
  b.write("t", "2", kRetained);
  exchange(a, b);
  CHECK(a.value("t") == "7");
  CHECK(b.value("t") == "7");
  CHECK(a.digest() == b.digest());
}

TEST_CASE("a snapshot of another kind of merge is refused", "[sync][pull][G3]") {
  SyncNode plain(1);
  plain.write("t", "5", kRetained);
  plain.trim_all();
  Counters node(2);
  const auto answer = plain.answer({.frontier = {}, .token = {}, .window_bytes = 1U << 16U});
  const auto& page = std::get<SnapshotPage>(*answer);
  node.turn([&](Engine& to) {
    REQUIRE(to.stage(node.c, kPeer, 0, page.page));
    const auto merged = to.merge_staged(at(1), node.c, kPeer, page.frontier, 1);
    REQUIRE_FALSE(merged);
    CHECK(merged.error().category == Category::kCorrupt);
    CHECK(merged.error().what.find("last-write") != std::string::npos);
  });
  CHECK(node.seq(1) == 0);
}

TEST_CASE("a page whose state is not what a node encodes is refused", "[sync][pull][G6]") {
  Counters a(1);
  a.write("t", "5", kRetained);
  a.trim_all();
  const auto answer = a.answer({.frontier = {}, .token = {}, .window_bytes = 1U << 16U});
  Bytes page = std::get<SnapshotPage>(*answer).page;
  for (const unsigned kind : {0U, 1U, 3U, 255U}) {
    Bytes changed = page;
    const auto state = std::find(changed.rbegin(), changed.rend(), std::uint8_t{2});
    REQUIRE(state != changed.rend());
    *state = static_cast<std::uint8_t>(kind);
    CHECK_FALSE(PageReader(changed).next());
  }
  page.back() = static_cast<std::uint8_t>(page.back() ^ 0x40U);
  CHECK_FALSE(PageReader(page).next());
}

// --- the channel ---------------------------------------------------------------------------------------------------

TEST_CASE("how a channel merges is settled by its first write", "[sync][G3]") {
  MemoryStorage storage(ReplicaId{1});
  security::Sha256 hasher;
  const auto opened_as = [&](MergeKind wanted) {
    Engine engine(storage, hasher);
    REQUIRE(engine.open({{.name = "c", .keep = kMergedKeep, .merge = wanted}}, ReplicaId{99}));
    return engine.channels().front().merge;
  };
  CHECK(opened_as(MergeKind::kDocument) == MergeKind::kDocument);
  CHECK(opened_as(MergeKind::kCounter) == MergeKind::kCounter);
  {
    Engine engine(storage, hasher);
    REQUIRE(engine.open({{.name = "c", .keep = kMergedKeep, .merge = MergeKind::kCounter}}, ReplicaId{99}));
    REQUIRE(engine.begin());
    REQUIRE(engine.write(
        at(1), {.channel = engine.channels().front().number, .kind = kRetained, .message = message("t", "1")}));
    REQUIRE(engine.commit());
  }
  CHECK(opened_as(MergeKind::kLastWrite) == MergeKind::kCounter);
}

TEST_CASE("a channel that the file leaves out goes on merging", "[sync][G3]") {
  Counters a(1);
  Counters b(2);
  a.write("t", "5", kRetained);
  security::Sha256 hasher;
  Engine fewer(a.storage, hasher);
  REQUIRE(fewer.open({{.name = "d", .keep = {}}}, ReplicaId{99}));
  b.write("t", "2", kRetained);
  REQUIRE(fewer.begin());
  REQUIRE(fewer.receive(at(1), a.c, segments_of(b)[0]));
  REQUIRE(fewer.commit());
  CHECK(a.value("t") == "7");
}

TEST_CASE("the bound on retained messages holds for documents and counters", "[sync][G6]") {
  for (const MergeKind kind : {MergeKind::kDocument, MergeKind::kCounter}) {
    SyncNode node(1, kMergedKeep, 1, kind);
    node.write("a", "1", kRetained);
    CHECK(refusal(node, "1")->category == Category::kLimit);
    node.write("a", "2", kRetained);
    node.write("a", "", kRetained);
    CHECK_FALSE(refusal(node, "1"));
  }
}

}  // namespace
}  // namespace hedgerow::test
