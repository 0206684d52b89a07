// Merged cells: what a peer or a disk says a document or a counter is, and what a client publishes to one. DESIGN 5,
// sync/merge.
//
//   input := kind:u8 bytes      kind modulo 4: 0 a document, 1 a counter, 2 a merge patch, 3 an increment
#include "sync/base/bytes.hpp"
#include "sync/limits.hpp"
#include "sync/merge/counter.hpp"
#include "sync/merge/document.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using hedgerow::ByteView;
using hedgerow::fuzz::require;
namespace sync = hedgerow::sync;
using sync::Counter;
using sync::Document;

constexpr sync::WriteOrder kWrite = {
    .stamp = {.wall_ms = 1'000, .counter = 1}, .replica = sync::ReplicaId{7}, .seq = 3};

void use(const Document& document) {
  const hedgerow::Bytes text = document.render();
  require(document.is_visible() == !text.empty(), "a visible document has a text");
  require(text.size() <= document.size_bytes(), "the text is within the size");
  require(document.encode().size() <= document.size_bytes(), "the encoding is within the size");
  const auto writes = document.writes();
  require(document.is_empty() == writes.empty(), "what is held was written");
  Document joined = document;
  const auto changed = joined.join(document);
  require(changed && !*changed, "joining is idempotent");
  // What it shows, published anew, shows the same: canonical text stays as it is.
  if (!text.empty()) {
    const auto again = Document::from_patch(text, kWrite);
    if (again) require(again->render() == text, "a canonical text stays as it is");
  }
  Document pruned = document;
  pruned.prune({.wall_ms = sync::kStampWallMsMax});
  require(pruned.render() == text, "pruning shows nothing new");
  Document other;
  require(other.apply(hedgerow::as_bytes(R"({"a":{"b":null,"c":1},"d":2})"), kWrite).has_value(), "a patch is applied");
  Document left = document;
  Document right = other;
  if (left.join(other) && right.join(document)) require(left == right, "joining is commutative");
}

void document(ByteView bytes) {
  const auto decoded = Document::decode(bytes);
  if (!decoded) return;
  const hedgerow::Bytes again = decoded->encode();
  require(hedgerow::as_text(again) == hedgerow::as_text(bytes), "a document has one canonical form");
  use(*decoded);
}

void counter(ByteView bytes) {
  const auto decoded = Counter::decode(bytes);
  if (!decoded) return;
  const hedgerow::Bytes again = decoded->encode();
  require(hedgerow::as_text(again) == hedgerow::as_text(bytes), "a counter has one canonical form");
  require(decoded->is_visible() == !decoded->render().empty(), "a visible counter has a text");
  Counter joined = *decoded;
  const auto changed = joined.join(*decoded);
  require(changed && !*changed, "joining is idempotent");
  const auto added = joined.add(-5, kWrite.replica, sync::kSeqMax);
  if (added) require(joined.is_visible(), "what was added is seen");
  if (joined.reset(sync::ReplicaId{8}, sync::kSeqMax)) require(!joined.is_visible(), "what was deleted is hidden");
}

void patch(ByteView bytes) {
  const auto made = Document::from_patch(bytes, kWrite);
  if (!made) {
    require(!made.error().what.empty(), "what is refused has a reason");
    return;
  }
  const auto decoded = Document::decode(made->encode());
  require(decoded && *decoded == *made, "what a patch makes can be stored");
  use(*made);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes{data + 1, size - 1};
  switch (data[0] % 4U) {
    case 0: document(bytes); break;
    case 1: counter(bytes); break;
    case 2: patch(bytes); break;
    default: static_cast<void>(sync::parse_increment(bytes)); break;
  }
  return 0;
}
