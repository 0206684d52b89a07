// LogSizes: how many bytes and ops each channel's log holds, so that trimming by size scans nothing.
//
// The sums live in memory and follow the turn: a rollback undoes what the turn changed. Now and then one is written
// down together with the arrival number up to which it holds; open() counts only what came later. Likewise with the
// marks by which a replay finds its start: one is due each time the log has grown by so much.
// Pure. Thread rule: owned by the store thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "daemon/store_sqlite/limits.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::store_sqlite {

class LogSizes {
 public:
  struct Size {
    sync::LogTotals log;
    std::uint64_t bytes_unwritten = 0;  // of the segments that came after what is written down
    sync::Arrival newest = 0;           // no segment begins later
    bool due = false;                   // the written sum is wrong, or long ago: write it down with this turn
    // Of the segments that came after the last mark.
    std::uint64_t unmarked_bytes = 0;
    std::uint64_t unmarked_wall_ms = 0;  // the greatest newest_wall_ms
    [[nodiscard]] bool mark_due() const { return unmarked_bytes >= kLogBytesUncounted; }
  };

  void load(sync::ChannelNo channel, const Size& size) { sizes_[channel] = size; }

  void begin() { undo_.clear(); }
  void rollback() {
    for (auto entry = undo_.rbegin(); entry != undo_.rend(); ++entry) sizes_[entry->first] = entry->second;
    undo_.clear();
  }

  void append(sync::ChannelNo channel, const sync::SegmentRow& row) {
    Size& size = change(channel);
    size.log.ops += row.count;
    size.log.bytes += row.bytes.size();
    size.bytes_unwritten += row.bytes.size();
    size.unmarked_bytes += row.bytes.size();
    size.unmarked_wall_ms = std::max(size.unmarked_wall_ms, row.newest_wall_ms);
    if (size.bytes_unwritten >= kLogBytesUncounted) size.due = true;
    size.newest = std::max(size.newest, row.first_arrival);
  }
  void drop(sync::ChannelNo channel, const sync::LogTotals& gone) {
    Size& size = change(channel);
    size.log.ops -= gone.ops;
    size.log.bytes -= gone.bytes;
    size.due = true;
  }
  void written(sync::ChannelNo channel) {
    Size& size = change(channel);
    size.bytes_unwritten = 0;
    size.due = false;
  }
  void marked(sync::ChannelNo channel) {
    Size& size = change(channel);
    size.unmarked_bytes = 0;
    size.unmarked_wall_ms = 0;
  }

  [[nodiscard]] sync::LogTotals of(sync::ChannelNo channel) const {
    const auto found = sizes_.find(channel);
    return found == sizes_.end() ? sync::LogTotals{} : found->second.log;
  }
  [[nodiscard]] const std::map<sync::ChannelNo, Size>& all() const { return sizes_; }

 private:
  Size& change(sync::ChannelNo channel) {
    Size& size = sizes_[channel];
    undo_.emplace_back(channel, size);
    return size;
  }

  std::map<sync::ChannelNo, Size> sizes_;
  std::vector<std::pair<sync::ChannelNo, Size>> undo_;
};

}  // namespace hedgerow::store_sqlite
