// Small segments that become one. sync/log/join.hpp
#include <catch2/catch_test_macros.hpp>

#include "sync/log/join.hpp"
#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {

TEST_CASE("segments of single ops become one, which another node takes whole", "[sync]") {
  SyncNode a(1);
  for (int i = 0; i < 50; ++i) a.write("barn/pump/" + std::to_string(i % 3), std::to_string(i));
  const std::vector<Bytes> single = segments_of(a);
  REQUIRE(single.size() == 50);
  const std::vector<Bytes> joined = join_segments(single);
  REQUIRE(joined.size() == 1);
  std::size_t bytes = 0;
  for (const Bytes& segment : single) bytes += segment.size();
  CHECK(joined[0].size() < bytes / 2);

  SyncNode b(2);
  CHECK(b.receive(joined[0]) == ReceiveResult::kApplied);
  CHECK(b.log() == a.log());
  CHECK(b.replicas()[0].head == a.replicas()[0].head);
}

TEST_CASE("what does not follow, or is of another replica, is not joined", "[sync][G2]") {
  SyncNode a(1);
  for (int i = 0; i < 3; ++i) a.write("t", "a");
  SyncNode b(2);
  b.write("t", "b");
  const std::vector<Bytes> ours = segments_of(a);
  const Bytes theirs = segments_of(b).front();
  CHECK(join_segments({ours[0], ours[2]}) == std::vector<Bytes>{ours[0], ours[2]});
  CHECK(join_segments({ours[0], theirs, ours[1]}) == std::vector<Bytes>{ours[0], theirs, ours[1]});
}

TEST_CASE("a joined segment keeps its bound", "[sync][G6]") {
  SyncNode a(1);
  for (int i = 0; i < 200; ++i) a.write("t", std::string(1000, 'x'));
  const std::vector<Bytes> joined = join_segments(segments_of(a));
  CHECK(joined.size() == 4);
  for (const Bytes& segment : joined) CHECK(segment.size() <= kJoinBytesMax);
}

TEST_CASE("a large segment, and one that is broken, stay as they are", "[sync]") {
  SyncNode a(1);
  a.write("t", "small");
  a.write("t", std::string(kJoinPartBytesMax, 'x'));
  a.write("t", "small");
  const std::vector<Bytes> ours = segments_of(a);
  CHECK(join_segments(ours) == ours);
  const Bytes broken{1, 2, 3};
  CHECK(join_segments({ours[0], broken}) == std::vector<Bytes>{ours[0], broken});
}

}  // namespace hedgerow::test
