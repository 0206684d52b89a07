// Where replicas come from: names, paths, bytes. DESIGN 3, G5.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <utility>
#include <vector>

#include "security/crypto_mbedtls/crypto.hpp"
#include "sync/log/lineage.hpp"
#include "sync/log/lineage_codec.hpp"
#include "tests/support/seeded_random.hpp"

namespace hedgerow::test {
namespace {

using namespace sync;

struct Path {
  std::vector<Run> runs;
  Seq seq = 0;
  [[nodiscard]] KnownPath known() const { return {.runs = runs, .seq = seq}; }
};

// Of one tree: each goes on where an older one was, perhaps in a run of its own.
std::vector<Path> some_paths(SeededRandom& random) {
  std::vector<Path> paths(1, {.runs = {}, .seq = random.below(6)});
  const std::size_t count = 1 + random.below(10);
  while (paths.size() < count) {
    Path path = paths[random.below(paths.size())];
    path.seq = random.below(static_cast<std::size_t>(path.seq) + 1);
    std::erase_if(path.runs, [&path](const Run& run) { return run.first > path.seq; });
    if (random.below(4) != 0) path.runs.push_back({.first = path.seq + 1, .mark = random.below(3)});
    path.seq += 1 + random.below(6);
    paths.push_back(std::move(path));
  }
  return paths;
}

// What begins behind `base`, as a branch's name has it.
using Branch = std::pair<Seq, std::uint64_t>;
void part(std::set<Branch>& into, const Path& a, const Path& b) {
  const Seq common = common_part(a.known(), b.known());
  if (common == a.seq || common == b.seq) return;
  into.insert({common, mark_at(a.runs, common + 1)});
  into.insert({common, mark_at(b.runs, common + 1)});
}

TEST_CASE("in their order, neighbours part wherever any two paths do", "[sync][G5]") {
  SeededRandom random(pick_seed("paths"));
  std::size_t parted = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<Path> paths = some_paths(random);
    std::set<Branch> all;
    for (const Path& a : paths) {
      for (const Path& b : paths) part(all, a, b);
    }
    std::sort(paths.begin(), paths.end(), [](const Path& a, const Path& b) { return precedes(a.known(), b.known()); });
    std::set<Branch> of_neighbours;
    for (std::size_t i = 1; i < paths.size(); ++i) part(of_neighbours, paths[i - 1], paths[i]);
    CHECK(of_neighbours == all);
    parted += all.size();
  }
  CHECK(parted > 2000);
}

TEST_CASE("a lineage survives its encoding, and its bytes are as documented", "[sync]") {
  const Lineage lineage{.root = ReplicaId{0x0102030405060708}, .base = 300, .runs = {{1, 0xA1}, {9, 0xB2}}};
  const Bytes bytes = encode_lineage(lineage);
  CHECK(to_hex(bytes) ==
        "01"
        "0102030405060708"
        "ac02"
        "02"
        "01"
        "00000000000000a1"
        "08"
        "00000000000000b2");
  CHECK(**decode_lineage(bytes) == lineage);
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode_lineage(ByteView(bytes).first(size)));
}

TEST_CASE("a branch bears the upper half of its root's name", "[sync][G5]") {
  security::Sha256 hasher;
  const ReplicaId name = branch_name(hasher, ReplicaId{0x1111'2222'3333'4444}, {.first = 21, .mark = 7});
  CHECK(static_cast<std::uint64_t>(name) == 0x11112222f113a320);
  CHECK(name != branch_name(hasher, ReplicaId{0x1111'2222'3333'4444}, {.first = 21, .mark = 8}));
}

}  // namespace
}  // namespace hedgerow::test
