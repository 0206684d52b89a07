// RowGatherer makes one row of small segments that follow each other in a turn. A peer pushes what is published there,
// often one op at a time, and what came in five seconds is committed together: as a row for each it would take several
// times the pages, twice written, and as many entries of the index. Anyone may cut segments anew.
//
// They follow each other where channel and replica are the same, and sequence and arrival numbers go on: what arrived
// in between keeps its own number. Pure. Thread-compatible: owned by the engine. Ownership: the storage outlives it.
#pragma once

#include <optional>
#include <vector>

#include "sync/engine/storage.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {

class RowGatherer {
 public:
  explicit RowGatherer(Storage& storage) : storage_(storage) {}

  // Takes a row and its decoded ops; writes those that it does not follow. An error is the storage's.
  Expected<void> append(ChannelNo channel, const SegmentRow& row, const std::vector<Op>& ops);
  // Writes what is held. To be called before the commit. Trimming in the same turn does not see it, and trims it later.
  Expected<void> flush();
  // The turn is lost.
  void drop() { held_.reset(); }

 private:
  struct Held {
    ChannelNo channel{};
    SegmentRow row;         // without bytes, where is_built
    std::vector<Op> ops;    // of the row, where it is not
    bool is_built = false;  // builder_ has the ops
  };

  [[nodiscard]] bool goes_on(ChannelNo channel, const SegmentRow& row) const;
  // Whether the held row has room for these ops; then it has them.
  bool join(const SegmentRow& row, const std::vector<Op>& ops);

  Storage& storage_;
  std::optional<Held> held_;
  SegmentBuilder builder_;
};

}  // namespace hedgerow::sync
