#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <string>

#include "sync/merge/counter.hpp"
#include "sync/merge/limits.hpp"
#include "tests/unit/sync_merge/writes.hpp"

namespace hedgerow::sync {
namespace {

constexpr ReplicaId kBarn{1};
constexpr ReplicaId kHouse{2};
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

Counter add(Counter& counter, std::int64_t amount, ReplicaId self, Seq seq) {
  Expected<Counter> changed = counter.add(amount, self, seq);
  REQUIRE(changed);
  return *std::move(changed);
}

Counter reset(Counter& counter, ReplicaId self, Seq seq) {
  Expected<Counter> changed = counter.reset(self, seq);
  REQUIRE(changed);
  return *std::move(changed);
}

bool join(Counter& counter, const Counter& other) {
  const Expected<bool> changed = counter.join(other);
  REQUIRE(changed);
  return *changed;
}

std::string shown(const Counter& counter) { return std::string{as_text(counter.render())}; }

std::optional<std::int64_t> increment(std::string_view text) {
  const Expected<std::int64_t> amount = parse_increment(as_bytes(text));
  if (!amount) CHECK(amount.error().category == Category::kInvalidInput);
  return amount ? std::optional{*amount} : std::nullopt;
}

TEST_CASE("an increment is a decimal integer of 64 bits", "[sync][counter]") {
  CHECK(increment("1") == 1);
  CHECK(increment("+25") == 25);
  CHECK(increment("-25") == -25);
  CHECK(increment("007") == 7);
  CHECK(increment("9223372036854775807") == kMost);
  CHECK(increment("-9223372036854775808") == kLeast);
  for (const std::string_view text : {"", "+", "-", "+-1", "--1", "1.0", "1e3", " 1", "1 ", "0x10", "one",
                                      "9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(increment(text));
  }
}

TEST_CASE("a counter is the sum of every node's increments", "[sync][counter][G3]") {
  Counter barn;
  Counter house;
  const Counter first = add(barn, 5, kBarn, 1);
  const Counter second = add(house, -7, kHouse, 1);
  CHECK(join(barn, second));
  CHECK(join(house, first));
  CHECK(shown(barn) == "-2");
  CHECK(barn == house);
}

TEST_CASE("an increment that comes again counts once", "[sync][counter]") {
  Counter barn;
  const Counter first = add(barn, 5, kBarn, 1);
  const Counter second = add(barn, 6, kBarn, 2);
  Counter house;
  CHECK(join(house, second));
  CHECK_FALSE(join(house, first));
  CHECK_FALSE(join(house, second));
  CHECK(shown(house) == "11");
}

TEST_CASE("the part of a board that was replaced stays", "[sync][counter]") {
  Counter counter;
  add(counter, 40, kBarn, 900);
  add(counter, 2, ReplicaId{77}, 1);
  CHECK(shown(counter) == "42");
}

TEST_CASE("a deletion hides what its node had seen, and nothing else", "[sync][counter][G4]") {
  Counter barn;
  Counter house;
  const Counter seen = add(barn, 100, kBarn, 1);
  CHECK(join(house, seen));
  const Counter unseen = add(barn, 3, kBarn, 2);
  const Counter deletion = reset(house, kHouse, 1);
  CHECK_FALSE(house.is_visible());
  CHECK(house.render().empty());
  CHECK(join(barn, deletion));
  CHECK(shown(barn) == "3");
  CHECK(join(house, unseen));
  CHECK(house == barn);
  CHECK_FALSE(join(house, seen));
  CHECK(shown(house) == "3");
}

TEST_CASE("after a deletion a counter begins again from nothing", "[sync][counter]") {
  Counter counter;
  add(counter, 100, kBarn, 1);
  reset(counter, kBarn, 2);
  CHECK_FALSE(counter.is_visible());
  add(counter, 0, kBarn, 3);
  CHECK(shown(counter) == "0");
  add(counter, -4, kBarn, 4);
  CHECK(shown(counter) == "-4");
}

TEST_CASE("a total that fell between two deletions is hidden by the later one", "[sync][counter]") {
  Counter counter;
  add(counter, 10, kBarn, 1);
  const Counter first = reset(counter, kHouse, 1);
  add(counter, -5, kBarn, 2);
  reset(counter, kHouse, 2);
  CHECK_FALSE(join(counter, first));
  CHECK_FALSE(counter.is_visible());
  add(counter, 1, kBarn, 3);
  CHECK(shown(counter) == "1");
}

TEST_CASE("concurrent deletions hide what either had seen", "[sync][counter]") {
  Counter barn;
  Counter house;
  const Counter of_barn = add(barn, 5, kBarn, 1);
  const Counter of_house = add(house, 6, kHouse, 1);
  const Counter barn_deletes = reset(barn, kBarn, 2);
  const Counter house_deletes = reset(house, kHouse, 2);
  CHECK(join(barn, house_deletes));
  CHECK(join(house, barn_deletes));
  CHECK(barn == house);
  CHECK_FALSE(barn.is_visible());
}

TEST_CASE("a part that would leave 64 bits is refused, and never saturates", "[sync][counter][G6]") {
  Counter counter;
  add(counter, kMost, kBarn, 1);
  const Counter before = counter;
  const Expected<Counter> refused = counter.add(1, kBarn, 2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kLimit);
  CHECK(counter == before);
  add(counter, kLeast, kBarn, 2);
  CHECK(shown(counter) == "-1");
}

TEST_CASE("a sum beyond 64 bits is exact", "[sync][counter]") {
  Counter counter;
  for (const std::uint64_t replica : {1U, 2U, 3U}) add(counter, kMost, ReplicaId{replica}, 1);
  CHECK(shown(counter) == "27670116110564327421");
  Counter negative;
  for (const std::uint64_t replica : {1U, 2U, 3U}) add(negative, kLeast, ReplicaId{replica}, 1);
  CHECK(shown(negative) == "-27670116110564327424");
  Counter twice;
  add(twice, kLeast, kBarn, 1);
  reset(twice, kHouse, 1);
  add(twice, kMost, kBarn, 2);
  add(twice, kMost, kBarn, 3);
  CHECK(shown(twice) == "18446744073709551614");
}

TEST_CASE("a part has a new life after its replica has forgotten it", "[sync][counter][G4]") {
  Counter barn;
  Counter house;
  CHECK(join(house, add(barn, 50, kBarn, 7)));
  CHECK(join(house, reset(barn, kBarn, 8)));
  CHECK_FALSE(house.is_visible());
  Counter forgotten;
  const Counter anew = add(forgotten, 1, kBarn, 9);
  CHECK(join(house, anew));
  CHECK(shown(house) == "1");
  // And whoever forgot, while the replica itself did not, learns the base with the increment.
  Counter other;
  CHECK(join(other, add(barn, 1, kBarn, 9)));
  CHECK(shown(other) == "1");
}

TEST_CASE("a number that others say was used is not used again", "[sync][counter][G5]") {
  Counter counter;
  add(counter, 1, kBarn, 5);
  const Counter before = counter;
  const Expected<Counter> refused = counter.add(1, kBarn, 5);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kCorrupt);
  CHECK_FALSE(counter.reset(kBarn, 4));
  CHECK(counter == before);
}

TEST_CASE("a counter has as many parts as a channel has replicas", "[sync][counter][G6]") {
  Counter counter;
  Counter other;
  for (std::uint64_t replica = 1; replica <= kReplicasPerChannelMax; ++replica) {
    REQUIRE(counter.add(kLeast, ReplicaId{~replica}, kSeqMax - 1));
  }
  const Counter before = counter;
  const Expected<Counter> refused = counter.add(1, kBarn, 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().category == Category::kLimit);
  add(other, 1, kBarn, 1);
  CHECK_FALSE(counter.join(other));
  CHECK(counter == before);
  CHECK(counter.encode().size() <= kCounterBytesMax);
  CHECK(Counter::decode(counter.encode()) == counter);
}

TEST_CASE("the writes of a counter are the last op of each replica", "[sync][counter]") {
  Counter counter;
  add(counter, 1, kHouse, 4);
  add(counter, 1, kBarn, 2);
  reset(counter, kHouse, 6);
  CHECK(counter.writes() == std::vector<Counter::LastOp>{{kBarn, 2}, {kHouse, 6}});
}

TEST_CASE("a counter's bytes are as the grammar says", "[sync][counter]") {
  CHECK(to_hex(Counter{}.encode()) == "0100");
  Counter counter;
  add(counter, 5, kBarn, 3);
  add(counter, -300, kHouse, 200);
  reset(counter, kBarn, 4);
  add(counter, 1, kHouse, 203);
  CHECK(to_hex(counter.encode()) ==
        "0102"
        "0000000000000001"
        "03"
        "01"
        "0a"
        "01"
        "0000000000000002"
        "c801"
        "03"
        "d504"
        "02"
        "00"
        "d704");
  CHECK(Counter::decode(counter.encode()) == counter);
}

TEST_CASE("what no counter encodes is refused", "[sync][counter][G6]") {
  for (const std::string_view digits : {
           "",        // nothing
           "0200",    // another version
           "0101",    // a part is missing
           "010000",  // a byte too many
           "018000",  // not the shortest varint
           "0101"
           "0000000000000000"
           "01000000",  // no replica
           "0101"
           "0000000000000001"
           "00000000",  // no life
           "0101"
           "0000000000000001"
           "01000003",  // an unknown base
           "0101"
           "0000000000000001"
           "010000020000",  // the base is as the last op left it
           "0101"
           "0000000000000001"
           "010000020100",  // the base is later than the last op
           "0102"
           "0000000000000001"
           "01000000"
           "0000000000000001"
           "01000000",  // twice
           "0102"
           "0000000000000002"
           "01000000"
           "0000000000000001"
           "01000000",  // out of order
       }) {
    INFO(digits);
    const Expected<Counter> refused = Counter::decode(from_hex(digits));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().category == Category::kCorrupt);
  }
}

}  // namespace
}  // namespace hedgerow::sync
