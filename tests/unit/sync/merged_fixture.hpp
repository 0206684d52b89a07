// Nodes whose channel "c" merges documents or counters, for tests of what merging is.
// Thread rule: one test, one thread.
#pragma once

#include <cstdint>

#include "tests/unit/sync/sync_node.hpp"

namespace hedgerow::test {

inline constexpr Keep kMergedKeep{.age_ms = 1'000'000, .size_bytes = 1U << 24U};

struct Documents : SyncNode {
  explicit Documents(std::uint64_t replica) : SyncNode(replica, kMergedKeep, {}, MergeKind::kDocument) {}
};
struct Counters : SyncNode {
  explicit Counters(std::uint64_t replica) : SyncNode(replica, kMergedKeep, {}, MergeKind::kCounter) {}
};

inline void exchange(SyncNode& a, SyncNode& b) {
  Puller().finish(a, b);
  Puller().finish(b, a);
}

}  // namespace hedgerow::test
