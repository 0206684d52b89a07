// Who is pushed what. sync/link/push_tree.hpp
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>

#include "sync/limits.hpp"
#include "sync/link/push_tree.hpp"
#include "sync/link/timing.hpp"

namespace hedgerow::sync::test {
namespace {

using namespace std::chrono_literals;

constexpr ReplicaId kOwn{9};
constexpr ReplicaId kR{5};
constexpr ReplicaId kS{6};
constexpr PeerNo kA{1};
constexpr PeerNo kB{2};
constexpr PeerNo kC{3};

// A node with three peers.
class TreeFixture {
 public:
  TreeFixture() {
    for (const PeerNo peer : {kA, kB, kC}) tree.on_new_link(peer);
  }
  // R comes from A; B and C bring copies, and are pruned.
  void settle() {
    tree.on_news(now, kA, kR);
    REQUIRE(tree.on_copy(now, kB, kR));
    REQUIRE(tree.on_copy(now, kC, kR));
    now += kPruneInterval;
  }
  [[nodiscard]] bool is_coming(Seq held) const { return tree.is_coming(now, kR, held); }

  PushTree tree{kOwn};
  Instant now{1h};
};

std::vector<std::uint32_t> peers_of(const std::vector<Graft>& grafts) {
  std::vector<std::uint32_t> out;
  for (const Graft& graft : grafts) {
    CHECK(graft.replicas == std::vector<ReplicaId>{kR});
    out.push_back(static_cast<std::uint32_t>(graft.to));
  }
  return out;
}

}  // namespace

TEST_CASE_METHOD(TreeFixture, "who brings copies is pruned, and not pushed to", "[link]") {
  settle();
  CHECK_FALSE(tree.is_lazy(kA, kR));
  CHECK(tree.is_lazy(kB, kR));
  CHECK(tree.is_lazy(kC, kR));
  CHECK_FALSE(tree.is_lazy(kB, kS));
}

TEST_CASE_METHOD(TreeFixture, "the upstream is not pruned for a copy", "[link]") {
  tree.on_news(now, kA, kR);
  CHECK_FALSE(tree.on_copy(now, kA, kR));
}

TEST_CASE_METHOD(TreeFixture, "who brings copies of what nobody pushed before becomes the upstream", "[link]") {
  CHECK_FALSE(tree.on_copy(now, kA, kR));
  CHECK(tree.on_copy(now, kB, kR));
}

TEST_CASE_METHOD(TreeFixture, "who brings our own back is pruned", "[link]") { CHECK(tree.on_copy(now, kA, kOwn)); }

TEST_CASE_METHOD(TreeFixture, "a prune that was lost is said again, at most once a second", "[link]") {
  settle();
  CHECK(tree.on_copy(now, kB, kR));
  CHECK_FALSE(tree.on_copy(now + kPruneInterval - 1ms, kB, kR));
  CHECK(tree.on_copy(now + kPruneInterval, kB, kR));
}

TEST_CASE_METHOD(TreeFixture, "who is told to prune pushes no more, nor is it pushed to", "[link]") {
  tree.on_news(now, kA, kR);
  CHECK(tree.on_prune(now, kB, {{kR, 1}}).empty());
  CHECK(tree.is_lazy(kB, kR));
}

TEST_CASE_METHOD(TreeFixture, "what was pushed before the prune arrived changes no upstream", "[link]") {
  tree.on_news(now, kA, kR);
  REQUIRE(tree.on_copy(now, kB, kR));
  tree.on_news(now + 1ms, kB, kR);
  CHECK(tree.is_lazy(kB, kR));
  CHECK_FALSE(tree.on_copy(now + 2ms, kA, kR));
}

TEST_CASE_METHOD(TreeFixture, "who is pruned and goes on to bring what is new is the upstream", "[link]") {
  settle();
  tree.on_news(now, kB, kR);
  CHECK_FALSE(tree.is_lazy(kB, kR));
  CHECK(tree.on_copy(now, kA, kR));
}

TEST_CASE_METHOD(TreeFixture, "what a lazy peer announces is given time to come", "[link]") {
  settle();
  tree.on_announced(now, kB, {kR, 7});
  CHECK(is_coming(6));
  CHECK_FALSE(is_coming(7));
  CHECK(tree.next_due(now, {{kR, 6}}) == now + kTreeGrace);
  now += kTreeGrace;
  CHECK_FALSE(is_coming(6));
  CHECK(tree.next_due(now, {{kR, 6}}) == Instant::max());
}

TEST_CASE_METHOD(TreeFixture, "announcing it again gives no more time, news does", "[link]") {
  settle();
  tree.on_announced(now, kB, {kR, 7});
  now += kTreeGrace - 1ms;
  tree.on_announced(now, kC, {kR, 8});
  CHECK(tree.next_due(now, {{kR, 6}}) == now + 1ms);
  tree.on_news(now, kA, kR);
  CHECK(tree.next_due(now, {{kR, 7}}) == now + kTreeGrace);
}

TEST_CASE_METHOD(TreeFixture, "nothing is due of what has come", "[link]") {
  settle();
  tree.on_announced(now, kB, {kR, 7});
  CHECK(tree.next_due(now, {{kR, 7}}) == Instant::max());
}

TEST_CASE_METHOD(TreeFixture, "what the upstream announces and did not push is not coming", "[link]") {
  settle();
  tree.on_announced(now, kA, {kR, 7});
  CHECK_FALSE(is_coming(6));
}

TEST_CASE_METHOD(TreeFixture, "what nobody pushes is not coming", "[link]") {
  tree.on_announced(now, kB, {kR, 7});
  CHECK_FALSE(is_coming(6));
}

TEST_CASE_METHOD(TreeFixture, "a lazy peer that is asked is the upstream from then on", "[link]") {
  settle();
  tree.on_asked(kB, kR);
  CHECK_FALSE(tree.is_lazy(kB, kR));
  CHECK_FALSE(tree.on_copy(now, kB, kR));
  CHECK(tree.on_copy(now, kA, kR));
}

TEST_CASE_METHOD(TreeFixture, "who asks for what is here is pushed to again", "[link]") {
  CHECK(tree.on_prune(now, kB, {{kR, 1}, {kS, 1}}).empty());
  tree.on_question(kB, {{kR, 3}, {kS, 4}}, {{kR, 4}, {kS, 4}});
  CHECK_FALSE(tree.is_lazy(kB, kR));
  CHECK(tree.is_lazy(kB, kS));
}

TEST_CASE_METHOD(TreeFixture, "when the upstream has gone, lazy peers are grafted", "[link]") {
  settle();
  CHECK(peers_of(tree.on_gone(kA)) == std::vector<std::uint32_t>{2, 3});
  tree.on_announced(now, kB, {kR, 7});
  CHECK_FALSE(is_coming(6));
}

TEST_CASE_METHOD(TreeFixture, "of those that were grafted who brings news first is the upstream", "[link]") {
  tree.on_news(now, kA, kR);
  REQUIRE(tree.on_copy(now, kB, kR));
  REQUIRE(tree.on_copy(now, kC, kR));
  REQUIRE(tree.on_gone(kA).size() == 2);
  tree.on_news(now, kC, kR);
  CHECK_FALSE(tree.is_lazy(kC, kR));
  CHECK(tree.on_copy(now, kB, kR));
  CHECK(tree.is_lazy(kB, kR));
}

TEST_CASE_METHOD(TreeFixture, "when another peer has gone, nobody is grafted", "[link]") {
  settle();
  CHECK(tree.on_gone(kB).empty());
}

TEST_CASE_METHOD(TreeFixture, "who lives on us is grafted where nobody else is", "[link]") {
  tree.on_news(now, kA, kR);
  CHECK(tree.on_copy(now, kB, kR));
  CHECK(peers_of(tree.on_gone(kA)) == std::vector<std::uint32_t>{2});
  tree.on_news(now, kB, kR);
  CHECK(peers_of(tree.on_gone(kB)) == std::vector<std::uint32_t>{3});
}

TEST_CASE_METHOD(TreeFixture, "who is grafted pushes again", "[link]") {
  settle();
  CHECK(tree.on_graft(kB, {{kR, 1}}).empty());
  CHECK_FALSE(tree.is_lazy(kB, kR));
}

TEST_CASE_METHOD(TreeFixture, "who is grafted, or pruned, by its upstream looks for another", "[link]") {
  settle();
  SECTION("grafted") { CHECK(peers_of(tree.on_graft(kA, {{kR, 1}})) == std::vector<std::uint32_t>{2, 3}); }
  SECTION("pruned") { CHECK(peers_of(tree.on_prune(now, kA, {{kR, 1}})) == std::vector<std::uint32_t>{2, 3}); }
  CHECK(tree.on_graft(kA, {{kR, 1}}).empty());
}

TEST_CASE_METHOD(TreeFixture, "a new link begins with nothing pruned", "[link]") {
  settle();
  tree.on_new_link(kB);
  CHECK_FALSE(tree.is_lazy(kB, kR));
  CHECK(tree.is_lazy(kC, kR));
}

TEST_CASE_METHOD(TreeFixture, "no more upstreams are remembered than a channel may have replicas",
                 "[link][hostile][G6]") {
  for (std::uint64_t i = 1; i <= kReplicasPerChannelMax + 100; ++i) tree.on_news(now, kA, ReplicaId{1000 + i});
  std::size_t grafted = 0;
  for (const Graft& graft : tree.on_gone(kA)) grafted = std::max(grafted, graft.replicas.size());
  CHECK(grafted == kReplicasPerChannelMax);
}

}  // namespace hedgerow::sync::test
