#include "sync/log/join.hpp"

#include <cstddef>
#include <gsl/assert>
#include <optional>
#include <set>
#include <utility>

#include "sync/limits.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::sync {
namespace {

// An op's publisher may have to be named again where another segment's op stands before it now.
constexpr std::size_t kPublisherAgainBytes = 2;

// Segments that follow each other, and whether one more still fits.
class Run {
 public:
  // True: both were taken. The first part always is.
  bool take(Bytes& bytes, Segment& segment) {
    std::size_t topic_bytes = 0;
    std::set<std::uint64_t> publishers = publishers_;
    for (const Op& op : segment.ops) {
      topic_bytes += op.message->topic.size();
      publishers.insert(op.publisher);
    }
    const std::size_t size_bytes = bytes.size() + segment.ops.size() * kPublisherAgainBytes;
    const bool fits =
        parts_.empty() ||
        (follows(segment) && size_bytes_ + size_bytes <= kJoinBytesMax && ops_ + segment.ops.size() <= kSegmentOpsMax &&
         topic_bytes_ + topic_bytes <= kSegmentTopicBytesMax && publishers.size() <= kSegmentPublishersMax);
    if (!fits) return false;
    size_bytes_ += size_bytes;
    topic_bytes_ += topic_bytes;
    ops_ += segment.ops.size();
    publishers_ = std::move(publishers);
    whole_ = parts_.empty() ? std::move(bytes) : Bytes{};
    parts_.push_back(std::move(segment));
    return true;
  }

  void finish(std::vector<Bytes>& out) {
    if (parts_.size() == 1) out.push_back(std::move(whole_));
    if (parts_.size() > 1) {
      SegmentBuilder builder;
      const SegmentHeader& header = parts_.front().header;
      builder.start(header.replica, header.first_seq, header.predecessor);
      for (const Segment& part : parts_) {
        for (const Op& op : part.ops) {
          Ensures(builder.fits(op, kSegmentBytesMax));
          builder.add(op);
        }
      }
      out.push_back(builder.finish());
    }
    *this = {};
  }

 private:
  [[nodiscard]] bool follows(const Segment& next) const {
    const Segment& last = parts_.back();
    return next.header.replica == last.header.replica && next.header.first_seq == last.header.last_seq() + 1 &&
           next.ops.front().stamp > last.ops.back().stamp;
  }

  std::vector<Segment> parts_;
  Bytes whole_;  // of a single part
  std::set<std::uint64_t> publishers_;
  std::size_t size_bytes_ = 0;
  std::size_t topic_bytes_ = 0;
  std::size_t ops_ = 0;
};

}  // namespace

std::vector<Bytes> join_segments(std::vector<Bytes> segments) {
  std::vector<Bytes> out;
  Run run;
  for (Bytes& bytes : segments) {
    std::optional<Segment> part;
    if (bytes.size() < kJoinPartBytesMax) {
      if (auto decoded = decode_segment(bytes)) part = std::move(*decoded);
    }
    if (part && run.take(bytes, *part)) continue;
    run.finish(out);
    if (part) {
      run.take(bytes, *part);
    } else {
      out.push_back(std::move(bytes));
    }
  }
  run.finish(out);
  return out;
}

}  // namespace hedgerow::sync
