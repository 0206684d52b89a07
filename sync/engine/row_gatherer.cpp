#include "sync/engine/row_gatherer.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "sync/limits.hpp"

namespace hedgerow::sync {

bool RowGatherer::goes_on(ChannelNo channel, const SegmentRow& row) const {
  return held_ && held_->channel == channel && held_->row.replica == row.replica &&
         held_->row.first_seq + held_->row.count == row.first_seq &&
         held_->row.first_arrival + held_->row.count == row.first_arrival;
}

bool RowGatherer::join(const SegmentRow& row, const std::vector<Op>& ops) {
  SegmentRow& held = held_->row;
  if (!held_->is_built) {
    const auto header = peek_segment(held.bytes);
    Expects(header.has_value());
    builder_.start(held.replica, held.first_seq, header->predecessor);
    for (const Op& op : held_->ops) builder_.add(op);
    held_->ops.clear();
    held_->is_built = true;
  }
  if (!builder_.fits_all(ops, kGatheredRowBytesMax)) return false;
  for (const Op& op : ops) builder_.add(op);
  held.count = builder_.count();
  held.newest_wall_ms = std::max(held.newest_wall_ms, row.newest_wall_ms);
  return true;
}

Expected<void> RowGatherer::append(ChannelNo channel, const SegmentRow& row, const std::vector<Op>& ops) {
  const bool is_small = row.bytes.size() <= kGatheredPartBytesMax;
  if (is_small && goes_on(channel, row) && join(row, ops)) return {};
  if (auto done = flush(); !done) return done;
  if (!is_small) return storage_.append(channel, row);
  held_ = Held{.channel = channel, .row = row, .ops = ops};
  return {};
}

Expected<void> RowGatherer::flush() {
  if (!held_) return {};
  Held held = std::move(*held_);
  held_.reset();
  if (held.is_built) held.row.bytes = builder_.finish();
  return storage_.append(held.channel, held.row);
}

}  // namespace hedgerow::sync
