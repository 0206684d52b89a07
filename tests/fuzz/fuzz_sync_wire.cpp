// What a peer sends on a link: the message, and the segments and pages inside, compressed or not. DESIGN 5,
// sync/link/wire.hpp.
//
//   input := kind:u8 bytes      kind modulo 4: 0 a message, 1 a segment as stored, 2 a page, 3 a compressed range
#include <optional>
#include <utility>
#include <variant>

#include "daemon/compress_zstd/zstd_compressor.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/overloaded.hpp"
#include "sync/engine/page.hpp"
#include "sync/link/packing.hpp"
#include "sync/link/wire.hpp"
#include "sync/log/segment.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using hedgerow::Bytes;
using hedgerow::ByteView;
using hedgerow::fuzz::require;
namespace sync = hedgerow::sync;
namespace wire = hedgerow::sync::wire;

void segment(ByteView bytes) {
  const auto decoded = sync::decode_segment(bytes);
  const auto header = sync::peek_segment(bytes);
  if (!decoded) return;
  require(header.has_value(), "what decodes has a header that can be peeked at");
  require(decoded->ops.size() == decoded->header.count, "the header counts the ops");
  require(header->count == decoded->header.count, "both readings of the header agree");
  for (const sync::Op& op : decoded->ops) require(sync::check_op(op).has_value(), "a decoded op keeps the bounds");
}

void page(ByteView bytes) {
  sync::PageReader reader(bytes);
  for (;;) {
    const auto item = reader.next();
    if (!item || !*item) return;
  }
}

std::optional<Bytes> expanded(const wire::Packed& packed) {
  if (packed.is_empty()) return std::nullopt;
  auto bytes = sync::unpack(hedgerow::compress_zstd::ZstdCompressor(), packed);
  if (!bytes) return std::nullopt;
  require(bytes->size() == packed.unpacked_bytes, "bulk has the size that was announced");
  return std::move(*bytes);
}

void packed_range(const wire::Packed& packed) {
  const auto bytes = expanded(packed);
  if (!bytes) return;
  const auto segments = wire::decode_segments(*bytes);
  if (!segments) return;
  for (const ByteView part : *segments) segment(part);
}

void message(ByteView bytes) {
  const auto decoded = wire::decode(bytes);
  if (!decoded) return;
  const Bytes encoded = wire::encode(*decoded);
  const auto again = wire::decode(encoded);
  require(again.has_value(), "what was decoded can be said again");
  require(wire::encode(*again) == encoded, "a message has one canonical form");
  std::visit(hedgerow::Overloaded{[](const wire::Push& push) { segment(push.segment); },
                                  [](const wire::Range& range) {
                                    packed_range(range.packed);
                                    for (const ByteView part : range.segments) segment(part);
                                  },
                                  [](const wire::Page& part) {
                                    if (const auto whole = expanded(part.packed)) page(*whole);
                                    page(part.page);
                                  },
                                  [](const auto&) {}},
             *decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes{data + 1, size - 1};
  switch (data[0] % 4U) {
    case 0: message(bytes); break;
    case 1: segment(bytes); break;
    case 2: page(bytes); break;
    default: packed_range({.bytes = bytes, .unpacked_bytes = 4096}); break;
  }
  return 0;
}
