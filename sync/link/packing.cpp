#include "sync/link/packing.hpp"

#include <gsl/assert>
#include <utility>

#include "sync/limits.hpp"
#include "sync/log/join.hpp"

namespace hedgerow::sync {
namespace {

PackedBulk packed(const Compressor& compressor, ByteView bytes) {
  if (bytes.size() < kPackBytesMin) return {};
  Bytes shrunk = compressor.compress(bytes);
  if (shrunk.empty() || shrunk.size() > bytes.size() - bytes.size() / 8) return {};
  return {.bytes = std::move(shrunk), .unpacked_bytes = bytes.size()};
}

}  // namespace

void pack(const Compressor& compressor, PullAnswer& answer) {
  if (auto* page = std::get_if<SnapshotPage>(&answer)) {
    page->packed = packed(compressor, page->page);
    return;
  }
  auto* range = std::get_if<RangeAnswer>(&answer);
  if (range == nullptr) return;
  range->segments = join_segments(std::move(range->segments));
  if (range->segments.size() > kRangeSegmentsMax) return;
  range->packed = packed(compressor, wire::encode_segments({range->segments.begin(), range->segments.end()}));
}

Expected<Bytes> unpack(const Compressor& compressor, const wire::Packed& packed) {
  Expects(packed.unpacked_bytes > 0 && packed.unpacked_bytes <= kLinkMessageBytesMax);
  return compressor.expand(packed.bytes, packed.unpacked_bytes);
}

}  // namespace hedgerow::sync
