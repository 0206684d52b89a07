#include "daemon/net_asio/write_queue.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "daemon/net_asio/limits.hpp"

namespace hedgerow::net_asio {

void WriteQueue::push(Bytes& bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  if (first_ < chunks_.size() && chunks_.back().size() + bytes.size() <= kWriteChunkBytes) {
    append(chunks_.back(), bytes);
  } else {
    chunks_.push_back(std::move(bytes));
  }
  bytes = Bytes{};
}

ByteView WriteQueue::front() const {
  if (empty()) return {};
  return ByteView{chunks_[first_]}.subspan(offset_);
}

void WriteQueue::gather(std::vector<ByteView>& pieces) const {
  pieces.clear();
  std::size_t offset = offset_;
  for (std::size_t i = first_; i < chunks_.size() && pieces.size() < kWriteGatherMax; ++i) {
    pieces.push_back(ByteView{chunks_[i]}.subspan(offset));
    offset = 0;
  }
}

void WriteQueue::consume(std::size_t count) {
  Expects(count <= bytes_);
  bytes_ -= count;
  while (count > 0) {
    Bytes& chunk = chunks_[first_];
    const std::size_t part = std::min(count, chunk.size() - offset_);
    count -= part;
    offset_ += part;
    if (offset_ < chunk.size()) {
      // What was sent of it is not held for what was not.
      if (chunk.size() > kWriteChunkBytes && offset_ >= chunk.size() / 4) {
        chunk = Bytes(chunk.begin() + static_cast<std::ptrdiff_t>(offset_), chunk.end());
        offset_ = 0;
      }
      return;
    }
    chunk = Bytes{};
    offset_ = 0;
    ++first_;
  }
  if (bytes_ == 0) {
    clear();
  } else if (first_ >= kWriteGatherMax && first_ * 2 >= chunks_.size()) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void WriteQueue::clear() {
  chunks_ = {};
  first_ = 0;
  offset_ = 0;
  bytes_ = 0;
}

}  // namespace hedgerow::net_asio
