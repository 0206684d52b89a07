// Random counters against a model that knows every op, and what each deletion had seen.
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sync/merge/counter.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::sync {
namespace {

constexpr std::size_t kNodes = 4;

using OpName = std::pair<std::size_t, Seq>;  // node, number

struct Node {
  Counter counter;
  std::set<OpName> known;   // ops that came here, by themselves or within a state
  std::set<OpName> hidden;  // by deletions
  Seq last_seq = 0;
};

struct Op {
  OpName name;
  bool is_deletion = false;
  std::int64_t amount = 0;
  std::set<OpName> hides;  // what travels with it: a deletion hides all that its node knew; an increment tells what was
                           // hidden of its own replica
  Bytes delta;
};

// The sum of what is known and not hidden; empty when nothing is.
std::string modelled(const Node& node, const std::map<OpName, Op>& ops) {
  std::int64_t sum = 0;
  bool is_visible = false;
  for (const OpName& name : node.known) {
    if (ops.at(name).is_deletion || node.hidden.contains(name)) continue;
    sum += ops.at(name).amount;
    is_visible = true;
  }
  return is_visible ? std::to_string(sum) : std::string{};
}

void take(Node& node, const Op& op) {
  const Expected<Counter> delta = Counter::decode(op.delta);
  REQUIRE(delta);
  REQUIRE(node.counter.join(*delta));
  node.known.insert(op.name);
  node.known.insert(op.hides.begin(), op.hides.end());
  node.hidden.insert(op.hides.begin(), op.hides.end());
}

class Mesh {
 public:
  explicit Mesh(std::uint64_t seed) : random_(seed), nodes_(kNodes) {}

  void step() {
    const std::size_t self = random_.below(kNodes);
    switch (random_.below(8)) {
      case 0: publish(self, /*is_deletion=*/true); break;
      case 1:
      case 2:
      case 3: publish(self, /*is_deletion=*/false); break;
      case 4: {  // a whole state, as a snapshot brings it
        const Node& other = nodes_[random_.below(kNodes)];
        const Expected<Counter> state = Counter::decode(other.counter.encode());
        REQUIRE(state);
        REQUIRE(nodes_[self].counter.join(*state));
        nodes_[self].known.insert(other.known.begin(), other.known.end());
        nodes_[self].hidden.insert(other.hidden.begin(), other.hidden.end());
        break;
      }
      default: deliver(self); break;
    }
    check(nodes_[self]);
  }

  void settle() {
    for (Node& node : nodes_) {
      for (const auto& [name, op] : ops_) take(node, op);
      check(node);
    }
    for (const Node& node : nodes_) REQUIRE(node.counter.encode() == nodes_.front().counter.encode());
  }

 private:
  void publish(std::size_t self, bool is_deletion) {
    Node& node = nodes_[self];
    const ReplicaId replica{self + 1};
    node.last_seq += 1 + random_.below(3);
    Op op;
    op.name = {self, node.last_seq};
    op.is_deletion = is_deletion;
    if (!is_deletion) op.amount = static_cast<std::int64_t>(random_.below(2001)) - 1000;
    const std::set<OpName>& told = is_deletion ? node.known : node.hidden;
    for (const OpName& name : told) {
      if (is_deletion || name.first == self) op.hides.insert(name);
    }
    node.hidden.insert(op.hides.begin(), op.hides.end());
    const Expected<Counter> changed = is_deletion ? node.counter.reset(replica, op.name.second)
                                                  : node.counter.add(op.amount, replica, op.name.second);
    REQUIRE(changed);
    op.delta = changed->encode();
    node.known.insert(op.name);
    ops_.emplace(op.name, op);
  }

  // Ops of one replica come in order: the next one that is not known, or any one again.
  void deliver(std::size_t self) {
    Node& node = nodes_[self];
    for (const auto& [name, op] : ops_) {
      if (node.known.contains(name) && !random_.one_in(50)) continue;
      if (random_.one_in(3)) continue;
      take(node, op);
      // Its running total tells of all that came before it.
      for (const auto& [earlier, unused] : ops_) {
        if (earlier.first == name.first && earlier.second < name.second) take(node, ops_.at(earlier));
      }
      return;
    }
  }

  void check(const Node& node) const {
    REQUIRE(as_text(node.counter.render()) == modelled(node, ops_));
    REQUIRE(Counter::decode(node.counter.encode()) == node.counter);
  }

  test::SeededRandom random_;
  std::vector<Node> nodes_;
  std::map<OpName, Op> ops_;
};

TEST_CASE("counters of a random mesh show what the model counts, and converge", "[sync][counter][G3]") {
  test::SeededRandom random{test::pick_seed("counter mesh")};
  for (int round = 0; round < 40; ++round) {
    Mesh mesh{random.next()};
    for (int step = 0; step < 60; ++step) mesh.step();
    mesh.settle();
  }
}

// Any state at all, also such as only a forger would make.
Counter random_state(test::SeededRandom& random) {
  Counter counter;
  for (int step = 0; step < 6; ++step) {
    const ReplicaId self{1 + random.below(3)};
    const Seq seq = 1 + random.below(6);
    Counter other;
    if (random.one_in(3)) static_cast<void>(other.add(7, ReplicaId{1 + random.below(3)}, 1 + random.below(6)));
    const Expected<Counter> changed = random.one_in(3)
                                          ? other.reset(self, seq + 6)
                                          : other.add(static_cast<std::int64_t>(random.below(9)), self, seq + 6);
    REQUIRE(changed);
    REQUIRE(counter.join(other));
  }
  return counter;
}

TEST_CASE("joining counters is commutative, associative and idempotent", "[sync][counter][G3]") {
  test::SeededRandom random{test::pick_seed("counter laws")};
  const auto joined = [](Counter a, const Counter& b) {
    REQUIRE(a.join(b));
    return a;
  };
  for (int round = 0; round < 500; ++round) {
    const Counter a = random_state(random);
    const Counter b = random_state(random);
    const Counter c = random_state(random);
    REQUIRE(joined(a, b) == joined(b, a));
    REQUIRE(joined(joined(a, b), c) == joined(a, joined(b, c)));
    REQUIRE(joined(a, a) == a);
    REQUIRE_FALSE(joined(a, b).join(b).value());
  }
}

TEST_CASE("a counter that was bent in storage is refused or is another counter", "[sync][counter][G6]") {
  test::SeededRandom random{test::pick_seed("counter bent")};
  for (int round = 0; round < 50; ++round) {
    const Bytes bytes = random_state(random).encode();
    for (std::size_t size = 0; size < bytes.size(); ++size) REQUIRE_FALSE(Counter::decode(ByteView{bytes}.first(size)));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes bent = bytes;
      bent[bit / 8] = static_cast<std::uint8_t>(bent[bit / 8] ^ (1U << (bit % 8)));
      if (const Expected<Counter> decoded = Counter::decode(bent)) REQUIRE(decoded->encode() == bent);
    }
  }
}

}  // namespace
}  // namespace hedgerow::sync
