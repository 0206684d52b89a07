// Two frontiers that are compared by digest: whatever they are, in the end each node knows the other's, and what was
// said is little where little differs. DESIGN 5.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <vector>

#include "sync/link/frontier_compare.hpp"
#include "sync/link/marks.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::sync {
namespace {

using Marks = std::vector<CheckedMark>;

// About everything.
std::vector<RangeClaim> ask(const Marks& marks) {
  return {{.kind = RangeClaim::Kind::kAsk, .range = {}, .digest = digest_of(marks)}};
}

Frontier frontier_of_marks(const Marks& marks) {
  Frontier out;
  for (const CheckedMark& mark : marks) out.push_back({.replica = mark.replica, .seq = mark.seq});
  return out;
}

Marks draw(test::SeededRandom& random, std::size_t count) {
  std::map<std::uint64_t, CheckedMark> out;
  while (out.size() < count) {
    // Some close together, as branches of one replica are.
    const std::uint64_t number = random.below(2) == 0 ? random.next() : 0x5555'0000'0000'0000U + random.below(4096);
    out[number] = {.replica = ReplicaId{number}, .seq = random.below(1000), .check = 7};
  }
  Marks marks;
  for (const auto& [number, mark] : out) marks.push_back(mark);
  return marks;
}

struct Side {
  Marks marks;
  Frontier learned = {};  // of the other's
  std::size_t claims = 0;
  std::size_t told = 0;

  std::vector<RangeClaim> hear(const std::vector<RangeClaim>& claims_heard, Side& other) {
    const Comparison made = compare_frontier(marks, claims_heard);
    join(learned, made.agreed);
    join(other.learned, frontier_of_marks(made.told));
    claims += made.claims.size();
    told += made.told.size();
    return made.claims;
  }
};

// `a` asks. Returns how many messages it took.
std::size_t meet(Side& a, Side& b) {
  std::vector<RangeClaim> claims = ask(a.marks);
  std::size_t messages = 1;
  for (Side *to = &b, *from = &a;; std::swap(to, from)) {
    claims = to->hear(claims, *from);
    if (claims.empty()) return messages;
    REQUIRE(++messages < 20);
    REQUIRE(std::is_sorted(claims.begin(), claims.end(), [](const RangeClaim& left, const RangeClaim& right) {
      return left.range.last < right.range.first;
    }));
  }
}

}  // namespace

TEST_CASE("in the end each of two nodes knows what the other holds", "[sync][link]") {
  test::SeededRandom random(test::pick_seed("frontier_compare"));
  for (int round = 0; round < 300; ++round) {
    Side a{.marks = draw(random, random.below(600))};
    Side b{.marks = random.below(3) == 0 ? draw(random, random.below(600)) : a.marks};
    for (std::uint64_t changes = random.below(6); changes > 0 && !b.marks.empty(); --changes) {
      const std::size_t at = random.below(b.marks.size());
      switch (random.below(3)) {
        case 0: b.marks[at].seq += 1; break;
        case 1: b.marks.erase(b.marks.begin() + static_cast<std::ptrdiff_t>(at)); break;
        default: b.marks[at].check = 8; break;
      }
    }
    meet(a, b);
    REQUIRE(a.learned == frontier_of_marks(b.marks));
    REQUIRE(b.learned == frontier_of_marks(a.marks));
  }
}

TEST_CASE("two equal frontiers are told by one question and one answer", "[sync][link]") {
  test::SeededRandom random(test::pick_seed("frontier_compare equal"));
  Side a{.marks = draw(random, 4096)};
  Side b = a;
  CHECK(meet(a, b) == 2);
  CHECK(a.claims + b.claims == 1);
  CHECK(a.told + b.told == 0);
  CHECK(a.learned == frontier_of_marks(b.marks));
  CHECK(b.learned == frontier_of_marks(a.marks));
}

TEST_CASE("one mark among 4,096 that differs is found with few claims", "[sync][link]") {
  test::SeededRandom random(test::pick_seed("frontier_compare one"));
  for (int round = 0; round < 50; ++round) {
    Side a{.marks = draw(random, 4096)};
    Side b = a;
    ++b.marks[random.below(b.marks.size())].seq;
    meet(a, b);
    // Three levels of questions, and at most two stretches that are the same beside each part.
    CHECK(a.claims + b.claims <= 3 * (kRangeParts + 2));
    CHECK(a.told + b.told <= 2 * kToldAtOnceMax);
  }
}

TEST_CASE("a chain that differs shows where the numbers are the same", "[sync][link]") {
  const Marks ours = {{.replica = ReplicaId{5}, .seq = 9, .check = 1}};
  Marks theirs = ours;
  theirs[0].check = 2;
  CHECK(digest_of(ours) != digest_of(theirs));
  const Comparison made = compare_frontier(ours, ask(theirs));
  CHECK(made.agreed.empty());
  REQUIRE(made.told.size() == 1);
  CHECK(made.told[0].check == 1);
  CHECK(made.claims == std::vector<RangeClaim>{{.kind = RangeClaim::Kind::kTell, .range = {}}});
}

TEST_CASE("what was the same and has moved since is compared again", "[sync][link]") {
  test::SeededRandom random(test::pick_seed("frontier_compare moved"));
  Side a{.marks = draw(random, 200)};
  Side b = a;
  const std::vector<RangeClaim> same = b.hear(ask(a.marks), a);
  REQUIRE(same.size() == 1);
  REQUIRE(same[0].kind == RangeClaim::Kind::kSame);
  ++a.marks[50].seq;
  std::vector<RangeClaim> claims = a.hear(same, b);
  for (Side *to = &b, *from = &a; !claims.empty(); std::swap(to, from)) claims = to->hear(claims, *from);
  CHECK(a.learned == frontier_of_marks(b.marks));
  CHECK(b.learned == frontier_of_marks(a.marks));
}

}  // namespace hedgerow::sync
