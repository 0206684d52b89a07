// Two databases that wrote under one name: both branches live on, under names that all nodes agree on. DESIGN 3, G5.
#include <array>
#include <catch2/catch_test_macros.hpp>

#include "sync/engine/branches.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

// As an announcement's check shows it: one name, one number, two hashes.
bool contradict(const SyncNode& a, const SyncNode& b) {
  return std::any_of(a.replicas().begin(), a.replicas().end(), [&](const ReplicaState& ours) {
    return !is_head_untold(ours) &&
           std::any_of(b.replicas().begin(), b.replicas().end(), [&](const ReplicaState& theirs) {
             return ours.replica == theirs.replica && ours.seq == theirs.seq && !is_head_untold(theirs) &&
                    ours.head != theirs.head;
           });
  });
}

// Catches up, and hears of forks, until there is nothing to bring.
void bring(SyncNode& to, SyncNode& from) {
  Bytes token;
  for (int steps = 0; steps < 1000; ++steps) {
    const auto answer = from.answer({.frontier = to.frontier(), .token = token, .window_bytes = 1U << 16U});
    REQUIRE(answer);
    ReceiveResult seen = ReceiveResult::kApplied;
    if (const auto* describe = std::get_if<DescribeAnswer>(&*answer)) {
      REQUIRE(to.engine->learn(to.c, describe->states, ReplicaId{SyncNode::fresh()}));
      continue;
    }
    if (const auto* range = std::get_if<RangeAnswer>(&*answer)) {
      if (range->segments.empty() && !range->more) {
        if (!contradict(to, from)) return;
        seen = ReceiveResult::kFork;
      }
      for (const Bytes& segment : range->segments) {
        if (seen == ReceiveResult::kApplied) seen = to.receive(segment);
      }
      // The sender has not heard yet where one of its chains ends.
      if (seen == ReceiveResult::kDuplicate || seen == ReceiveResult::kGap) return;
    } else if (const auto* page = std::get_if<SnapshotPage>(&*answer)) {
      to.turn([&](Engine& engine) {
        REQUIRE(engine.stage(to.c, kPeer, page->page_no, page->page));
        if (!page->is_last()) return;
        const auto merged = engine.merge_staged(at(to.now_ms), to.c, kPeer, page->frontier, page->page_no + 1);
        REQUIRE(merged);
        seen = *merged;
      });
      token = page->next_token;
    }
    // All were heard by somebody.
    if (seen == ReceiveResult::kRenew) {
      REQUIRE(to.engine->renew(ReplicaId{SyncNode::fresh()}, {{.channel = to.c, .last = kSeqMax}}));
    }
    if (seen != ReceiveResult::kFork) continue;
    const auto told = from.answer({.frontier = {}, .token = describe_token(), .window_bytes = 0});
    const std::vector<ReplicaState> states = std::get<DescribeAnswer>(*told).states;
    const auto learnt = to.engine->learn(to.c, states, ReplicaId{SyncNode::fresh()});
    REQUIRE(learnt);
    if (!*learnt) return;
  }
  FAIL("no end");
}

void agree(const std::vector<SyncNode*>& nodes) {
  for (std::size_t round = 0; round < nodes.size() + 2; ++round) {
    for (SyncNode* to : nodes) {
      for (SyncNode* from : nodes) {
        if (to != from) bring(*to, *from);
      }
    }
  }
  for (SyncNode* node : nodes) {
    CHECK(node->frontier() == nodes.front()->frontier());
    CHECK(node->digest() == nodes.front()->digest());
  }
}

// Node X wrote "t" and was cloned; both wrote on, and each was heard by somebody else.
class Cloned {
 public:
  Cloned() {
    x.write("t", "old", kRetained);
    x.write("u", "shared");
    clone.storage.put_image(x.storage.image());
    clone.reopen();
    x.now_ms += 10;
    x.write("a", "of a", kRetained);
    x.write("t", "first", kRetained);
    clone.now_ms = x.now_ms + 10;
    clone.write("b", "of b", kRetained);
    bring(p, x);
    bring(q, clone);
  }

  [[nodiscard]] static std::size_t ops(SyncNode& node) { return node.log().size(); }

  static constexpr std::uint64_t kX = 0x1111'2222'3333'4444;
  SyncNode x{kX};
  SyncNode clone{kX};
  SyncNode p{5};
  SyncNode q{6};
};

TEST_CASE_METHOD(Cloned, "both branches of a fork live on, and all nodes agree", "[sync][G3][G5]") {
  agree({&p, &q});
  CHECK(ops(p) == 5);
  CHECK(p.value("a") == "of a");
  CHECK(p.value("b") == "of b");
  CHECK(p.value("t") == "first");
  CHECK(p.seq(kX) == 2);
  agree({&p, &q, &x, &clone});
}

TEST_CASE_METHOD(Cloned, "the clones themselves go on under other names", "[sync][G5]") {
  agree({&p, &q, &x, &clone});
  CHECK(x.engine->self() != ReplicaId{kX});
  CHECK(clone.engine->self() != ReplicaId{kX});
  CHECK(x.engine->self() != clone.engine->self());
  x.write("a", "more", kRetained);
  clone.write("b", "more", kRetained);
  agree({&p, &q, &x, &clone});
  CHECK(p.value("a") == "more");
  CHECK(p.value("b") == "more");
}

TEST_CASE_METHOD(Cloned, "names do not depend on who hears of the fork first", "[sync][G5]") {
  SyncNode r{7};
  bring(r, p);
  agree({&p, &q});
  const auto frontier = p.frontier();
  SyncNode s{8};
  bring(s, clone);
  agree({&r, &s});
  CHECK(r.frontier() == frontier);
  agree({&p, &q, &r, &s});
}

TEST_CASE_METHOD(Cloned, "what was trimmed keeps its branch: the cells and gaps of both agree", "[sync][G3][G5][G6]") {
  p.trim_all();
  q.trim_all();
  agree({&p, &q});
  CHECK(p.value("a") == "of a");
  CHECK(p.value("b") == "of b");
  const auto gaps = p.storage.open_view().value()->gaps(p.c).value();
  Seq lost = 0;
  for (const Gap& gap : gaps) lost += gap.last - gap.first + 1;
  CHECK(lost == 5);
  agree({&p, &q, &x, &clone});
}

TEST_CASE_METHOD(Cloned, "a branch that itself forks has three names, whatever was known first", "[sync][G5]") {
  SyncNode second{kX};
  second.storage.put_image(x.storage.image());
  second.reopen();
  second.now_ms = x.now_ms + 50;
  second.write("c", "of c", kRetained);
  x.write("a", "later", kRetained);
  bring(p, x);
  SyncNode r{7};
  bring(r, second);
  SECTION("the later fork first") {
    agree({&p, &r});
    agree({&p, &q, &r});
  }
  SECTION("the earlier fork first") {
    agree({&p, &q});
    agree({&p, &q, &r});
  }
  SECTION("by way of the other branch") {
    agree({&q, &r});
    agree({&p, &q, &r});
  }
  CHECK(ops(p) == 7);
  CHECK(p.value("a") == "later");
  CHECK(p.value("b") == "of b");
  CHECK(p.value("c") == "of c");
  agree({&p, &q, &r, &x, &clone, &second});
}

// The same for a channel that merges; "t" was there before.
class ClonedMerge {
 public:
  explicit ClonedMerge(MergeKind kind)
      : x(Cloned::kX, kKeep, {}, kind),
        clone(Cloned::kX, kKeep, {}, kind),
        p(5, kKeep, {}, kind),
        q(6, kKeep, {}, kind) {}

  void part(std::string_view before, const std::vector<std::array<std::string_view, 2>>& of_x,
            const std::vector<std::array<std::string_view, 2>>& of_clone) {
    x.write("t", before, kRetained);
    clone.storage.put_image(x.storage.image());
    clone.reopen();
    for (const auto& [topic, payload] : of_x) x.write(topic, payload, kRetained);
    clone.now_ms = x.now_ms + 10;
    for (const auto& [topic, payload] : of_clone) clone.write(topic, payload, kRetained);
    bring(p, x);
    bring(q, clone);
  }
  void agree_on_states() {
    agree({&p, &q, &x, &clone});
    for (SyncNode* node : {&q, &x, &clone}) CHECK(states(*node) == states(p));
  }
  static std::vector<Bytes> states(SyncNode& node) {
    std::vector<Bytes> out;
    const std::vector<Cell> cells = node.storage.open_view().value()->cells(node.c, "", "", 1U << 20U).value();
    for (const Cell& cell : cells) out.push_back(cell.state);
    return out;
  }

  static constexpr Keep kKeep{.age_ms = 1'000'000, .size_bytes = 1U << 20U};
  SyncNode x;
  SyncNode clone;
  SyncNode p;
  SyncNode q;
};

TEST_CASE("the documents of both branches merge", "[sync][document][G3][G5]") {
  ClonedMerge world(MergeKind::kDocument);
  world.part(R"({"o":0})", {{"t", R"({"a":1})"}}, {{"t", R"({"b":2})"}, {"u", R"({"c":3})"}});
  world.agree_on_states();
  CHECK(world.p.value("t") == R"({"a":1,"b":2,"o":0})");
  CHECK(world.p.value("u") == R"({"c":3})");
}

TEST_CASE("a counter counts what one branch counted", "[sync][counter][G3][G5]") {
  ClonedMerge world(MergeKind::kCounter);
  world.part("50", {{"t", "3"}, {"a", "1"}, {"a", "1"}}, {{"b", "2"}});
  world.agree_on_states();
  CHECK(world.p.value("t") == "53");
  CHECK(world.p.value("a") == "2");
  CHECK(world.q.value("b") == "2");
}

TEST_CASE("of a counter that both branches raised, all nodes show the same", "[sync][counter][G3][G5]") {
  ClonedMerge world(MergeKind::kCounter);
  world.part("50", {{"t", "3"}}, {{"t", "20"}, {"t", "1"}});
  world.agree_on_states();
  CHECK(world.p.value("t") == "71");
}

TEST_CASE("who hears of more of its own counts than it wrote has been cloned", "[sync][counter][G5]") {
  ClonedMerge world(MergeKind::kCounter);
  world.part("50", {}, {{"t", "20"}});
  world.q.write("t", "", kRetained);
  const auto view = world.q.storage.open_view().value();
  const std::vector<SegmentRow> rows = view->segments(world.q.c, ReplicaId{6}, 1, 1U << 20U).value();
  REQUIRE(rows.size() == 1);
  CHECK(world.x.receive(rows[0].bytes) == ReceiveResult::kRenew);
  REQUIRE(world.x.engine->renew(ReplicaId{SyncNode::fresh()}));
  world.x.write("t", "1", kRetained);
  world.agree_on_states();
}

TEST_CASE("what a clone counted and a peer was shown is not counted twice", "[sync][counter][G3][G5]") {
  ClonedMerge world(MergeKind::kCounter);
  world.part("50", {{"a", "3"}, {"a", "4"}}, {{"t", "20"}});
  world.q.write("t", "", kRetained);
  world.agree_on_states();
  CHECK(world.p.value("a") == "7");
  CHECK(world.p.log().size() == 5);
}

TEST_CASE("after a fork was learnt, what was written before it counts as seen", "[sync][G3][G5]") {
  SyncNode node{1ULL << 40U};
  node.write("mine", "1");
  REQUIRE(node.engine
              ->learn(node.c,
                      {{.replica = ReplicaId{7},
                        .seq = 2,
                        .lineage = std::make_shared<const Lineage>(
                            Lineage{.root = ReplicaId{8}, .base = 1, .runs = {{1, 5}, {2, 6}}})}},
                      ReplicaId{SyncNode::fresh()})
              .value());
  REQUIRE(node.engine->self() == ReplicaId{1ULL << 40U});
  REQUIRE(node.engine->renew(ReplicaId{99}));
  CHECK(node.log() == std::vector<std::string>{std::to_string(1ULL << 40U) + ":1"});
}

// What one turn took of `kX`, op by op, is one row, with the beginning of a second run in it.
TEST_CASE_METHOD(Cloned, "a row that was gathered is divided where a branch parts", "[sync][G3][G5]") {
  const auto gather = [](SyncNode& to, SyncNode& from) {
    REQUIRE(to.engine->begin());
    for (const Bytes& segment : segments_of(from)) {
      REQUIRE(to.engine->receive(at(50), to.c, segment) == ReceiveResult::kApplied);
      REQUIRE(to.engine->hand_out());
    }
    REQUIRE(to.engine->commit());
  };
  const auto rows_of = [](SyncNode& node) {
    return node.storage.open_view().value()->segments_after(node.c, 0, 1U << 20U).value();
  };
  SyncNode r{7};
  SyncNode s{8};
  gather(r, x);
  gather(s, clone);
  REQUIRE(rows_of(r).size() == 1);
  REQUIRE(rows_of(s).size() == 1);
  CHECK(rows_of(s)[0].count == 3);
  agree({&r, &s});
  const std::vector<SegmentRow> rows = rows_of(r);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].count == 2);
  CHECK(rows[1].first_seq == 3);
  CHECK(rows[1].first_arrival == 3);
  CHECK(rows[1].count == 2);
  agree({&r, &s, &p, &q});
  CHECK(ops(r) == 5);
  agree({&r, &s, &p, &q, &x, &clone});
}

TEST_CASE_METHOD(Cloned, "clones whose first writes are the same to the bit part there all the same", "[sync][G5]") {
  SyncNode one{kX + 4};
  SyncNode two{kX + 4};
  for (SyncNode* node : {&one, &two}) {
    node->write("hello", "from the image", kRetained);
    node->write("t", node == &one ? "1" : "2", kRetained);
  }
  SyncNode r{7};
  SyncNode s{8};
  bring(r, one);
  bring(s, two);
  agree({&r, &s});
  CHECK(ops(r) == 4);
  agree({&r, &s, &one, &two});
}

TEST_CASE("clones of an empty database part at number 0", "[sync][G5]") {
  SyncNode x{1ULL << 40U};
  SyncNode clone{1ULL << 40U};
  x.write("a", "1", kRetained);
  clone.now_ms = 50;
  clone.write("b", "2", kRetained);
  SyncNode p{5};
  SyncNode q{6};
  bring(p, x);
  bring(q, clone);
  agree({&p, &q});
  CHECK(p.value("a") == "1");
  CHECK(p.value("b") == "2");
  agree({&p, &q, &x, &clone});
}

TEST_CASE("a node that goes on running is one branch, its restored image the other", "[sync][G5]") {
  constexpr std::uint64_t kX = 1ULL << 40U;
  SyncNode p{5};
  SyncNode q{6};
  SyncNode running{kX};
  running.write("t", "1", kRetained);
  SyncNode restored{kX};
  restored.storage.put_image(running.storage.image());
  restored.reopen();
  running.now_ms += 5;
  running.write("a", "2", kRetained);
  restored.now_ms = running.now_ms + 5;
  restored.write("b", "3", kRetained);
  bring(p, running);
  bring(q, restored);
  agree({&p, &q});
  CHECK(p.value("a") == "2");
  CHECK(p.value("b") == "3");
  agree({&p, &q, &running, &restored});
}

TEST_CASE_METHOD(Cloned, "a fork that does not reach the disk changes nothing", "[sync][G1][G5]") {
  const auto before = p.frontier();
  const auto told = q.answer({.frontier = {}, .token = describe_token(), .window_bytes = 0});
  const std::vector<ReplicaState> states = std::get<DescribeAnswer>(*told).states;
  p.storage.fail_next_commit({Category::kLimit, "no room"});
  REQUIRE_FALSE(p.engine->learn(p.c, states, ReplicaId{99}));
  CHECK(p.frontier() == before);
  p.storage.crash();
  p.reopen();
  CHECK(p.frontier() == before);
  agree({&p, &q});
}

TEST_CASE_METHOD(Cloned, "a restart keeps what was learnt", "[sync][G5]") {
  bring(p, q);
  const auto frontier = p.frontier();
  p.storage.crash();
  p.reopen();
  CHECK(p.frontier() == frontier);
  agree({&p, &q});
}

TEST_CASE_METHOD(Cloned, "arrival numbers stay, also in a row that is divided", "[sync][G5]") {
  SyncNode whole{kX + 2};
  whole.turn([&](Engine& to) {
    for (int i = 0; i < 4; ++i) {
      REQUIRE(to.write(at(1), {.channel = whole.c, .kind = kRecord, .publisher = 9, .message = message("t", "x")}));
    }
  });
  SyncNode other{kX + 2};
  const auto states =
      std::vector<ReplicaState>{{.replica = ReplicaId{kX + 2},
                                 .seq = 3,
                                 .lineage = std::make_shared<const Lineage>(Lineage{
                                     .root = ReplicaId{kX + 2},
                                     .base = 0,
                                     .runs = {runs_of(whole.replicas().front()).front(), {.first = 3, .mark = 77}}})}};
  REQUIRE(whole.engine->learn(whole.c, states, ReplicaId{99}).value());
  const std::vector<SegmentRow> rows = whole.storage.open_view().value()->segments_after(whole.c, 0, 1U << 20U).value();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].count == 2);
  CHECK(rows[1].first_arrival == 3);
  CHECK(rows[1].first_seq == 3);
  CHECK(rows[1].replica != rows[0].replica);
  CHECK(whole.seq(kX + 2) == 2);
  CHECK_NOTHROW(whole.digest());
}

TEST_CASE("states that cannot be are refused, and nothing changes", "[sync][G6]") {
  SyncNode node{1};
  node.write("t", "1");
  const auto lineage = [](Lineage of) { return std::make_shared<const Lineage>(std::move(of)); };
  for (const ReplicaState& bad : {
           ReplicaState{.replica = ReplicaId{0}, .seq = 1},
           ReplicaState{
               .replica = ReplicaId{7}, .seq = 1, .lineage = lineage({.root = ReplicaId{8}, .base = 2, .runs = {}})},
           ReplicaState{
               .replica = ReplicaId{7}, .seq = 3, .lineage = lineage({.root = ReplicaId{7}, .base = 2, .runs = {}})},
           ReplicaState{.replica = ReplicaId{7},
           .seq = 3,
           .lineage = lineage({.root = ReplicaId{7}, .base = 0, .runs = {{2, 1}, {2, 2}}})},
       }) {
    CHECK_FALSE(node.engine->learn(node.c, {bad}, ReplicaId{99}));
    CHECK(node.log() == std::vector<std::string>{"1:1"});
  }
}

}  // namespace
}  // namespace hedgerow::test
