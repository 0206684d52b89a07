// WriteQueue: bytes that wait for a socket, in order. Small pieces are joined, large ones are moved, and one write
// gathers several. Holds at most about a third more memory than bytes, and none while it is empty.
// Thread-compatible. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "sync/base/bytes.hpp"

namespace hedgerow::net_asio {

class WriteQueue {
 public:
  // Takes `bytes` and leaves it empty.
  void push(Bytes& bytes);
  [[nodiscard]] bool empty() const { return bytes_ == 0; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // The first bytes that lie together; empty iff the queue is.
  [[nodiscard]] ByteView front() const;
  // Up to kWriteGatherMax pieces from the front on; replaces what is in `pieces`.
  void gather(std::vector<ByteView>& pieces) const;
  // Forgets the first `count` bytes. REQUIRES: count <= bytes()
  void consume(std::size_t count);
  void clear();

 private:
  std::vector<Bytes> chunks_;  // from first_ on; none of those is empty
  std::size_t first_ = 0;
  std::size_t offset_ = 0;  // into chunks_[first_]
  std::size_t bytes_ = 0;
};

}  // namespace hedgerow::net_asio
