// RemoteCommit decides which turns of the store may stay open: a card wears out by commits, not by bytes. DESIGN 4.
//
// What a peer pushed is durable with its origin. So a turn that holds nothing else is applied, handed out and left open
// (Engine::hand_out()), and the next turns go on in it, until one of them needs the sync, so many bytes wait, or so
// much time has passed. Then one sync makes all of it durable. What needs it at once:
//   - whatever is our own or somebody waits for: local writes, sessions, what was asked of peers, snapshots
//   - QoS 2: a message that is lost with the turn comes again, and QoS 2 must not come twice
//   - whatever a segment became but applied or held: the sender hears of it
// Pure. Thread-compatible: owned by the store thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sync/base/time.hpp"
#include "sync/engine/engine.hpp"
#include "sync/limits.hpp"

namespace hedgerow::sync {

class RemoteCommit {
 public:
  // `delay`: how long what peers pushed may wait; 0: not at all.
  explicit RemoteCommit(Duration delay) : delay_(delay) {}

  [[nodiscard]] Duration delay() const { return delay_; }

  // Something in the turn needs the sync.
  void need_sync() { is_due_ = true; }
  // What became of a segment that was pushed.
  void on_received(const Expected<ReceiveResult>& result) {
    if (!result || (*result != ReceiveResult::kApplied && *result != ReceiveResult::kDuplicate)) need_sync();
  }
  // Engine::hand_out()
  void on_handed_out(const std::vector<CommittedSegment>& segments) {
    for (const CommittedSegment& segment : segments) {
      bytes_ += segment.segment->bytes.size();
      const bool exactly_once =
          std::any_of(segment.ops.begin(), segment.ops.end(), [](const Op& op) { return op.kind.qos == 2; });
      if (exactly_once) need_sync();
    }
  }

  // The turn must be committed now.
  [[nodiscard]] bool is_due() const { return is_due_ || delay_ == Duration{} || bytes_ >= kRemoteCommitBytesMax; }
  // Something was handed out and waits. Otherwise a commit costs nothing.
  [[nodiscard]] bool is_waiting() const { return bytes_ > 0; }
  // The turn has ended, one way or the other.
  void on_end() {
    is_due_ = false;
    bytes_ = 0;
  }

 private:
  Duration delay_;
  bool is_due_ = false;
  std::size_t bytes_ = 0;
};

}  // namespace hedgerow::sync
