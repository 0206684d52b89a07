// The page: one part of a snapshot answer. pull.hpp says how pages add up.
//
//   page     = version:u8=1 item*
//   item     = tag:u8=1 cell | tag:u8=2 length:varint segment
//   segment  = as in sync/log/segment.hpp
//   cell     = flags:u8 replica:u64 seq:varint wall_ms:varint counter:varint [behind:varint]
//              publisher:u64 topic [properties] [expiry] payload | state
//                flags: bit 0 the writer's clock stood behind the stamp, by `behind` milliseconds, from 1; 1 set, 2-3 QoS, 4 stamped by a synchronised clock, 5 properties follow, 6 expiry follows,
//                7 a state stands in the payload's place
//   topic    = shared:varint length:varint byte{length}
//                the first `shared` bytes are those of the cell's topic before in this page
//   properties, expiry, payload = as in a segment's op; an empty payload is a tombstone
//   state    = length:varint byte{length}     of a channel that merges, grammar in merged_cell.hpp; it tells the
//   payload
//
// Integers as in codec.hpp; bounds as in limits.hpp.
// Pure. Thread rule: free functions, and builders of one thread each.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "sync/base/bytes.hpp"
#include "sync/base/expected.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/codec.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

struct PageSegment {
  ByteView bytes;  // borrowed from the page
  Segment segment;
};

// A cell comes with arrival 0: that is the receiver's to number.
using PageItem = std::variant<Cell, PageSegment>;

// Reads a page item by item, so that memory is bounded by the greatest item. Borrows from the page.
class PageReader {
 public:
  explicit PageReader(ByteView page) : in_(page) {}

  // The next item; none after the last. kCorrupt names what breaks the grammar; then there is no going on.
  [[nodiscard]] Expected<std::optional<PageItem>> next();

 private:
  Reader in_;
  std::string topic_;
};

class PageBuilder {
 public:
  PageBuilder();

  [[nodiscard]] bool is_empty() const { return items_ == 0; }
  [[nodiscard]] std::size_t size_bytes() const { return bytes_.size(); }

  // Adds the cell if the page stays within bytes_max, or is empty. Returns true iff it was added.
  [[nodiscard]] bool add(const Cell& cell, std::size_t bytes_max);

  // REQUIRES: the page stays within kPageBytesMax
  void add(ByteView segment);
  // What add() takes beside the segment's own bytes, at most.
  static constexpr std::size_t kSegmentOverheadMax = 5;

  [[nodiscard]] Bytes finish() { return std::move(bytes_); }

 private:
  Bytes bytes_;
  std::string last_topic_;
  std::size_t items_ = 0;
};

}  // namespace hedgerow::sync
