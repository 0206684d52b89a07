// Forks that cannot be parted: no run tells them apart, or a row is too large to be divided. DESIGN 3, G5.
#include <catch2/catch_test_macros.hpp>

#include "sync/engine/branches.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

constexpr ReplicaId kX{1ULL << 40U};

Op op_of(std::uint64_t publisher, Bytes payload, std::uint64_t ms) {
  auto said = std::make_shared<Message>();
  said->topic = "t";
  said->payload = std::move(payload);
  return {.stamp = {.wall_ms = kStartMs + ms}, .kind = kRecord, .publisher = publisher, .message = std::move(said)};
}

// Ops 1 to 4 of kX, of no run.
Bytes four_ops(std::string_view payload) {
  SegmentBuilder builder;
  builder.start(kX, 1, Hash256{});
  for (std::uint64_t i = 1; i <= 4; ++i) builder.add(op_of(1, to_bytes(payload), i));
  return builder.finish();
}

// Two nodes that hold other ops under the same numbers, written in the same runs.
class Contradiction {
 public:
  Contradiction() {
    REQUIRE(p.receive(four_ops("a")) == ReceiveResult::kApplied);
    REQUIRE(q.receive(four_ops("b")) == ReceiveResult::kApplied);
  }

  // Both hear of a branch that begins behind op 4: there the name ends.
  void end_at_four() {
    const Run first{.first = 5, .mark = 77};
    const auto lineage = std::make_shared<const Lineage>(Lineage{.root = kX, .base = 4, .runs = {first}});
    for (SyncNode* node : {&p, &q}) {
      const std::vector<ReplicaState> branch{
          {.replica = branch_name(node->hasher, kX, first), .seq = 4, .lineage = lineage}};
      REQUIRE(node->engine->learn(node->c, branch, ReplicaId{99}).value());
    }
  }

  SyncNode p{5};
  SyncNode q{6};
};

TEST_CASE_METHOD(Contradiction, "heads that differ where all runs are the same are an unexplained fork", "[sync][G5]") {
  CHECK(unexplained_forks(p.replicas(), q.replicas(), 9) == std::vector<ReplicaId>{kX});
  CHECK(unexplained_forks(p.replicas(), p.replicas(), 9).empty());
  CHECK(unexplained_forks(p.replicas(), q.replicas(), 0).empty());
  CHECK_FALSE(p.engine->learn(p.c, q.replicas(), ReplicaId{99}).value());
}

TEST_CASE_METHOD(Contradiction, "heads at an end are compared where both are known", "[sync][G5]") {
  end_at_four();
  CHECK(unexplained_forks(p.replicas(), q.replicas(), 9) == std::vector<ReplicaId>{kX});
  std::vector<ReplicaState> trimmed = q.replicas();
  for (ReplicaState& state : trimmed) state.head = {};
  CHECK(unexplained_forks(p.replicas(), trimmed, 9).empty());
}

TEST_CASE_METHOD(Contradiction, "a segment with another op at the end of a name is a fork", "[sync][G5]") {
  end_at_four();
  CHECK(p.receive(four_ops("a")) == ReceiveResult::kDuplicate);
  CHECK(p.receive(four_ops("b")) == ReceiveResult::kFork);
}

TEST_CASE_METHOD(Contradiction, "a snapshot with another op at the end of a name is a fork", "[sync][G5]") {
  end_at_four();
  p.turn([&](Engine& engine) {
    CHECK(engine.merge_staged(at(9), p.c, kPeer, q.replicas(), 0).value() == ReceiveResult::kFork);
  });
}

// The first 128 publishers of a row have indices of one byte. Cut behind their first ops, the rest meets the others
// first, and these 4,000 ops need a byte more each.
TEST_CASE("a row too large to be divided is refused with its bound, and nothing changes", "[sync][G5][G6]") {
  constexpr std::uint64_t kEach = 128;
  std::vector<Op> ops;
  const auto say = [&ops](std::uint64_t publisher, std::size_t bytes = 1) {
    ops.push_back(op_of(publisher, Bytes(bytes, 0x55), ops.size()));
  };
  for (std::uint64_t i = 0; i < 2 * kEach; ++i) say(1 + i);
  while (ops.size() < kSegmentOpsMax - 2) say(1 + ops.size() % kEach);
  say(1, kPayloadBytesMax);
  const auto build = [&ops](std::size_t last_bytes) {
    SegmentBuilder builder;
    builder.start(kX, 1, Hash256{});
    for (const Op& op : ops) builder.add(op);
    builder.add(op_of(2, Bytes(last_bytes, 0x55), ops.size()));
    return builder.finish();
  };
  constexpr std::size_t kGuess = 400'000;
  const Bytes row = build(kGuess + kSegmentBytesMax - build(kGuess).size());
  REQUIRE(row.size() == kSegmentBytesMax);

  SyncNode node{5, {.age_ms = 1'000'000, .size_bytes = 4U << 20U}};
  REQUIRE(node.receive(row) == ReceiveResult::kApplied);
  const auto lineage =
      std::make_shared<const Lineage>(Lineage{.root = kX, .base = 0, .runs = {{.first = kEach + 1, .mark = 77}}});
  const auto learnt =
      node.engine->learn(node.c, {{.replica = kX, .seq = kEach + 1, .lineage = lineage}}, ReplicaId{99});
  REQUIRE_FALSE(learnt);
  CHECK(learnt.error().category == Category::kLimit);
  CHECK(node.frontier() == Frontier{{kX, kSegmentOpsMax}});
  CHECK(node.log().size() == kSegmentOpsMax);
  CHECK_NOTHROW(node.digest());
}

}  // namespace
}  // namespace hedgerow::test
