// Which of the intents that wait are one turn's. daemon/node/turn_share.hpp
#include <catch2/catch_test_macros.hpp>

#include "daemon/node/limits.hpp"
#include "daemon/node/turn_share.hpp"

namespace hedgerow::node {
namespace {

Intent segment(std::uint8_t mark, std::size_t bytes) {
  return sync::ApplySegment{.link = {}, .channel = {}, .segment = Bytes(bytes, mark)};
}
Intent publish(std::uint64_t token) {
  PublishIntent intent;
  intent.token = token;
  return intent;
}

// "s3" a segment marked 3, "p7" a publish with token 7, "b" a barrier.
std::string names(const std::vector<Intent>& intents) {
  std::string out;
  for (const Intent& intent : intents) {
    if (const auto* apply = std::get_if<sync::ApplySegment>(&intent)) out += "s" + std::to_string(apply->segment[0]);
    if (const auto* put = std::get_if<PublishIntent>(&intent)) out += "p" + std::to_string(put->token);
    if (std::holds_alternative<BarrierIntent>(intent)) out += "b";
    if (std::holds_alternative<sync::MergeStaged>(intent)) out += "m";
  }
  return out;
}

}  // namespace

TEST_CASE("a little of peers goes with everything that is asked here, in order", "[node]") {
  std::vector<Intent> waiting{segment(1, 100), publish(2), segment(3, 100), BarrierIntent{}};
  CHECK(names(take_turn(waiting)) == "s1p2s3b");
  CHECK(waiting.empty());
}

TEST_CASE("a publish does not wait for more of a peer's backlog than one turn takes", "[node][G6]") {
  std::vector<Intent> waiting;
  for (std::uint8_t i = 1; i <= 4; ++i) waiting.push_back(segment(i, kTurnPeerBytes / 2));
  waiting.push_back(publish(9));
  CHECK(names(take_turn(waiting)) == "s1s2p9");
  waiting.push_back(publish(10));
  CHECK(names(take_turn(waiting)) == "s3s4p10");
  CHECK(waiting.empty());
}

TEST_CASE("one segment of any size is taken, so that catching up goes on", "[node]") {
  std::vector<Intent> waiting{segment(1, 4 * kTurnPeerBytes), segment(2, 1)};
  CHECK(names(take_turn(waiting)) == "s1");
  CHECK(names(take_turn(waiting)) == "s2");
}

TEST_CASE("what a peer sent is never overtaken by what it sent later", "[node][G2]") {
  std::vector<Intent> waiting{segment(1, kTurnPeerBytes), segment(2, kTurnPeerBytes), sync::MergeStaged{},
                              segment(3, 1)};
  CHECK(names(take_turn(waiting)) == "s1");
  CHECK(names(take_turn(waiting)) == "s2");
  CHECK(names(take_turn(waiting)) == "ms3");
}

TEST_CASE("a barrier waits for all that came before it", "[node]") {
  std::vector<Intent> waiting{segment(1, kTurnPeerBytes), segment(2, 1), publish(3), BarrierIntent{}, publish(4)};
  CHECK(names(take_turn(waiting)) == "s1p3p4");
  CHECK(names(take_turn(waiting)) == "s2b");
}

}  // namespace hedgerow::node
