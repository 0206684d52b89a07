// Random documents against a model that does what RFC 7396 says, literally, with every patch in the order of writes.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "sync/merge/document.hpp"
#include "tests/support/merge_patch_model.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/unit/sync_merge/writes.hpp"

namespace hedgerow::sync {
namespace {

struct Patch {
  WriteOrder order;
  bool deletes_all = false;
  test::JsonModel value;

  [[nodiscard]] std::string text() const { return deletes_all ? std::string{} : test::to_text(value, " "); }
};

Patch random_patch(test::SeededRandom& random, std::uint64_t number) {
  Patch patch;
  patch.order = {.stamp = {.wall_ms = random.below(12), .counter = static_cast<std::uint16_t>(random.below(2))},
                 .replica = ReplicaId{1 + random.below(3)},
                 .seq = number};
  patch.deletes_all = random.one_in(12);
  patch.value = test::random_patch_value(random, random.one_in(12) ? 3 : 0);
  return patch;
}

std::string modelled(std::vector<Patch> patches) {
  std::sort(patches.begin(), patches.end(), [](const Patch& a, const Patch& b) { return a.order < b.order; });
  std::vector<std::string> texts;
  for (const Patch& patch : patches) texts.push_back(patch.text());
  return test::patched_text(texts);
}

template <class T>
void shuffle(std::vector<T>& items, test::SeededRandom& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

std::vector<Patch> random_patches(test::SeededRandom& random, std::size_t count) {
  std::vector<Patch> patches;
  for (std::size_t i = 1; i <= count; ++i) patches.push_back(random_patch(random, i));
  return patches;
}

Document state_of(const std::vector<Patch>& patches) {
  Document document;
  for (const Patch& patch : patches) REQUIRE(document.apply(as_bytes(patch.text()), patch.order));
  return document;
}

TEST_CASE("patches in any order give what RFC 7396 gives in the order of writes", "[sync][document][G3]") {
  test::SeededRandom random{test::pick_seed("document")};
  for (int round = 0; round < 800; ++round) {
    std::vector<Patch> patches = random_patches(random, 1 + random.below(12));
    const Document first = state_of(patches);
    REQUIRE(shown(first) == modelled(patches));
    REQUIRE(first.is_visible() == !first.render().empty());
    shuffle(patches, random);
    patches.push_back(patches[random.below(patches.size())]);
    const Document second = state_of(patches);
    REQUIRE(second == first);
    REQUIRE(second.encode() == first.encode());
    REQUIRE(Document::decode(first.encode()) == first);
  }
}

TEST_CASE("nodes that exchange patches and states in any way converge", "[sync][document][G3]") {
  test::SeededRandom random{test::pick_seed("document mesh")};
  for (int round = 0; round < 120; ++round) {
    const std::vector<Patch> patches = random_patches(random, 10);
    std::vector<Document> nodes(4);
    for (int step = 0; step < 40; ++step) {
      Document& node = nodes[random.below(nodes.size())];
      if (random.one_in(2)) {
        const Patch& patch = patches[random.below(patches.size())];
        REQUIRE(node.apply(as_bytes(patch.text()), patch.order));
      } else {
        const Expected<Document> state = Document::decode(nodes[random.below(nodes.size())].encode());
        REQUIRE(state);
        REQUIRE(node.join(*state));
      }
    }
    for (Document& node : nodes) {
      for (const Patch& patch : patches) REQUIRE(node.apply(as_bytes(patch.text()), patch.order));
      REQUIRE(node.encode() == nodes.front().encode());
      REQUIRE(shown(node) == modelled(patches));
    }
  }
}

// Writes of one name with different contents are among them, as only a forger would make them.
Document forged_state(test::SeededRandom& random) {
  std::vector<Patch> patches = random_patches(random, random.below(6));
  for (Patch& patch : patches) {
    patch.order = {.stamp = {.wall_ms = 1 + random.below(3)}, .replica = ReplicaId{1}, .seq = 1};
  }
  return state_of(patches);
}

TEST_CASE("joining documents is commutative, associative and idempotent", "[sync][document][G3]") {
  test::SeededRandom random{test::pick_seed("document laws")};
  for (int round = 0; round < 500; ++round) {
    const Document a = forged_state(random);
    const Document b = forged_state(random);
    const Document c = forged_state(random);
    REQUIRE(joined(a, b) == joined(b, a));
    REQUIRE(joined(joined(a, b), c) == joined(a, joined(b, c)));
    REQUIRE(joined(a, a) == a);
    REQUIRE(joined(a, Document{}) == a);
    REQUIRE_FALSE(joined(a, b).join(b).value());
    REQUIRE(Document::decode(joined(a, b).encode()) == joined(a, b));
  }
}

TEST_CASE("a receiver that has the writes of a state lacks nothing of it", "[sync][document][G3]") {
  test::SeededRandom random{test::pick_seed("document writes")};
  for (int round = 0; round < 300; ++round) {
    const std::vector<Patch> patches = random_patches(random, 8);
    const Document state = state_of(patches);
    const std::vector<WriteOrder> writes = state.writes();
    Document receiver;
    for (const Patch& patch : patches) {
      if (!std::binary_search(writes.begin(), writes.end(), patch.order)) continue;
      REQUIRE(receiver.apply(as_bytes(patch.text()), patch.order));
    }
    REQUIRE_FALSE(receiver.join(state).value());
    REQUIRE(receiver == state);
  }
}

TEST_CASE("pruning shows nothing new, now or with what is written later", "[sync][document][G4]") {
  test::SeededRandom random{test::pick_seed("document prune")};
  for (int round = 0; round < 300; ++round) {
    const std::vector<Patch> patches = random_patches(random, 8);
    Document kept = state_of(patches);
    Document pruned = kept;
    pruned.prune({.wall_ms = 6});
    REQUIRE(shown(pruned) == shown(kept));
    REQUIRE(Document::decode(pruned.encode()) == pruned);
    for (Patch patch : random_patches(random, 4)) {
      patch.order.stamp.wall_ms += 7;
      patch.order.seq += 8;  // a name of its own
      REQUIRE(kept.apply(as_bytes(patch.text()), patch.order));
      REQUIRE(pruned.apply(as_bytes(patch.text()), patch.order));
    }
    REQUIRE(shown(pruned) == shown(kept));
    REQUIRE(joined(pruned, kept) == kept);
    // Both: a value that an object took the place of since then is held until it is pruned in its turn.
    kept.prune({.wall_ms = 6});
    pruned.prune({.wall_ms = 6});
    REQUIRE(pruned == kept);
  }
}

TEST_CASE("a document that was bent in storage is refused or is another document", "[sync][document][G6]") {
  test::SeededRandom random{test::pick_seed("document bent")};
  for (int round = 0; round < 30; ++round) {
    const Bytes bytes = state_of(random_patches(random, 5)).encode();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      REQUIRE_FALSE(Document::decode(ByteView{bytes}.first(size)));
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes bent = bytes;
      bent[bit / 8] = static_cast<std::uint8_t>(bent[bit / 8] ^ (1U << (bit % 8)));
      if (const Expected<Document> decoded = Document::decode(bent)) REQUIRE(decoded->encode() == bent);
    }
  }
}

TEST_CASE("any bytes are a patch or are refused with their place", "[sync][document][G6]") {
  test::SeededRandom random{test::pick_seed("document patch")};
  for (int round = 0; round < 2'000; ++round) {
    std::string text = test::to_text(test::random_patch_value(random, 0), " ");
    const std::size_t spot = random.below(text.size());
    text[spot] = static_cast<char>(static_cast<unsigned char>(random.below(256)));
    const Expected<Document> document = Document::from_patch(as_bytes(text), at(1));
    if (document) {
      REQUIRE(Document::decode(document->encode()) == *document);
    } else {
      REQUIRE(document.error().what.starts_with("at byte "));
    }
  }
}

}  // namespace
}  // namespace hedgerow::sync
