#include "daemon/node/recent_log.hpp"

#include <algorithm>
#include <gsl/assert>

namespace hedgerow::node {

namespace {

sync::Arrival last_arrival(const sync::CommittedSegment& segment) {
  return segment.segment->first_arrival + segment.ops.size() - 1;
}

// Encoded bytes count double: the decoded messages take about as much again.
std::size_t weight(const sync::CommittedSegment& segment) {
  std::size_t shown = 0;
  for (const sync::MessagePtr& message : segment.shown) shown += message != nullptr ? message->payload.size() : 0;
  return 2 * segment.segment->bytes.size() + segment.ops.size() * sizeof(sync::Op) + shown;
}

}  // namespace

void RecentLog::reset(sync::Arrival latest) {
  segments_.clear();
  bytes_ = 0;
  floor_ = latest;
}

void RecentLog::add(sync::CommittedSegment segment, sync::Arrival durable) {
  Expects(!segment.ops.empty());
  bytes_ += weight(segment);
  segments_.push_back(std::move(segment));
  while (bytes_ > bytes_max_ && segments_.size() > 1 && last_arrival(segments_.front()) <= durable) {
    bytes_ -= weight(segments_.front());
    floor_ = last_arrival(segments_.front());
    segments_.pop_front();
  }
}

RecentLog::Position RecentLog::after(sync::Arrival after) const {
  Expects(after >= floor_);
  const auto found =
      std::partition_point(segments_.begin(), segments_.end(),
                           [&](const sync::CommittedSegment& segment) { return last_arrival(segment) <= after; });
  Expects(found != segments_.end());
  const sync::Arrival first = found->segment->first_arrival;
  return {&*found, first > after ? 0 : static_cast<std::size_t>(after + 1 - first)};
}

}  // namespace hedgerow::node
