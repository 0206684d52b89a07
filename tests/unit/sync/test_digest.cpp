#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {
namespace {

TEST_CASE("an empty channel has a digest, the same on every node", "[sync][G3]") {
  SyncNode a(1);
  SyncNode b(2);
  CHECK(a.digest() == b.digest());
  CHECK(a.digest() == "efdb44b70fcd946e7dce1ec2fdc06b3f3cdb8cda9b0fa66c5a8ba42be5652363");
}

TEST_CASE("the order of arrival does not change the digest", "[sync][G3]") {
  SyncNode a(1);
  SyncNode b(2);
  SyncNode c(3);
  SyncNode d(4);
  a.write("t", "1", kRetained);
  b.write("u", "2", kRetained);
  Puller().finish(c, a);
  Puller().finish(c, b);
  Puller().finish(d, b);
  Puller().finish(d, a);
  CHECK(c.digest() == d.digest());
}

TEST_CASE("keep does not change the digest", "[sync][G3]") {
  SyncNode a(1, {.age_ms = 100, .size_bytes = 1U << 20U});
  a.write("t", "1", kRetained);
  a.write("t", "2");
  const std::string before = a.digest();
  a.trim_all();
  CHECK(a.log().empty());
  CHECK(a.digest() == before);
}

TEST_CASE("a record more changes the digest", "[sync][G3]") {
  SyncNode a(1);
  const std::string before = a.digest();
  a.write("t", "1");
  CHECK(a.digest() != before);
}

TEST_CASE("checking the records does not change the digest", "[sync]") {
  SyncNode a(1);
  SyncNode b(2);
  for (int i = 0; i < 10; ++i) a.write("t", std::to_string(i));
  b.write("t", "b", kRetained);
  Puller().finish(b, a);
  CHECK(b.digest(DigestCheck::kRecords) == b.digest(DigestCheck::kHeads));
}

TEST_CASE("a lost record is found when the records are checked", "[sync][G2][G11]") {
  SyncNode a(1);
  for (int i = 0; i < 3; ++i) a.write("t", std::to_string(i));
  REQUIRE(a.storage.begin());
  REQUIRE(a.storage.trim(a.c, 1U << 20U, kStartMs + 2, 1).value().size() == 1);
  REQUIRE(a.storage.commit());
  const auto view = a.storage.open_view().value();
  CHECK(channel_digest(*view, a.hasher, a.c, "c", DigestCheck::kHeads));
  const auto checked = channel_digest(*view, a.hasher, a.c, "c", DigestCheck::kRecords);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().what.find("op 1 of replica 1") != std::string::npos);
}

TEST_CASE("a damaged record is found when the records are checked", "[sync][G11]") {
  SyncNode a(1);
  SyncNode other(1);
  a.write("t", "1");
  other.write("t", "2");
  REQUIRE(a.storage.begin());
  REQUIRE(a.storage.trim(a.c, 0, 0, 1));
  const auto rows = other.storage.open_view().value()->segments(other.c, ReplicaId{1}, 1, 1).value();
  REQUIRE(a.storage.append(a.c, rows.at(0)));
  REQUIRE(a.storage.commit());
  CHECK_FALSE(channel_digest(*a.storage.open_view().value(), a.hasher, a.c, "c", DigestCheck::kRecords));
}

}  // namespace
}  // namespace hedgerow::test
