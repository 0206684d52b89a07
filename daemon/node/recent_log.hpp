// RecentLog: the tail of what was committed, in memory, bounded by bytes. Sessions that are a little behind read it
// instead of the disk.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <cstddef>
#include <deque>

#include "sync/engine/engine.hpp"

namespace hedgerow::node {

class RecentLog {
 public:
  explicit RecentLog(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Everything up to `latest` is on disk only.
  void reset(sync::Arrival latest);
  // `durable`: what lies behind it is nowhere else, and stays whatever its bytes. REQUIRES: begins behind what was
  // added last.
  void add(sync::CommittedSegment segment, sync::Arrival durable);

  // Ops with arrival > floor() are here.
  [[nodiscard]] sync::Arrival floor() const { return floor_; }

  struct Position {
    const sync::CommittedSegment* segment = nullptr;
    std::size_t index = 0;
  };
  // The first op with arrival > after. REQUIRES: floor() <= after < the latest arrival added.
  [[nodiscard]] Position after(sync::Arrival after) const;

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  sync::Arrival floor_ = 0;
  std::deque<sync::CommittedSegment> segments_;
};

}  // namespace hedgerow::node
