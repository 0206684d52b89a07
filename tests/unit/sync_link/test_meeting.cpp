// What two equal nodes say to each other when they meet again. DESIGN 5 and 9: at most 1 KiB, however much they hold.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/sync_link/link_fixture.hpp"

namespace hedgerow::sync::test {
namespace {

// What node "m" says after its greeting to this equal one, in a minute, where so many replicas have written.
std::size_t bytes_said(const std::string& peer, std::uint64_t replicas) {
  LinkFixture fixture;
  Frontier frontier;
  for (std::uint64_t i = 1; i <= replicas; ++i) {
    frontier.push_back({.replica = ReplicaId{i << 56U}, .seq = 1'000'000 / replicas});
  }
  fixture.commit_merged(frontier);
  fixture.link_up(kLink1);
  std::size_t bytes = 0;
  const auto count = [&] {
    for (const SendOnLink& message : fixture.actions<SendOnLink>()) bytes += message.message.size();
  };
  fixture.hear(kLink1, make_hello(peer));
  count();
  fixture.hear_frontier(kLink1, frontier);
  count();
  fixture.pass(60s);
  count();
  return bytes;
}

}  // namespace

TEST_CASE("two equal nodes of a mesh with 40 replicas exchange at most 1 KiB", "[link]") {
  CHECK(bytes_said("a", 40) + bytes_said("z", 40) <= 1024);
}

TEST_CASE("two equal nodes with one writer find it out in tens of bytes", "[link]") {
  CHECK(bytes_said("a", 1) + bytes_said("z", 1) <= 64);
}

}  // namespace hedgerow::sync::test
