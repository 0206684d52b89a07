// MergedRename: what Engine::renew() has to do for a channel that merges, where names stand within ops and cells.
// Thread rule: one thread. Pure but for the storage.
#pragma once

#include <map>
#include <string>

#include "sync/base/expected.hpp"
#include "sync/engine/storage.hpp"
#include "sync/log/segment.hpp"
#include "sync/merge/counter_rename.hpp"
#include "sync/merge/document.hpp"

namespace hedgerow::sync {

class MergedRename {
 public:
  MergedRename(MergeKind kind, const Document::Rename& names) : kind_(kind), names_(names) {}

  // The replica's segments, in order: what their ops change in counters is told under the new name. Ops up to
  // names.after stay as they are. kCorrupt: an op contradicts its own change.
  Expected<void> rename(Segment& segment);
  // Then all cells of the channel, whose orders were renamed before: ChannelState::live_cells follows.
  Expected<void> rename_cells(Storage& storage, ChannelState& channel) const;

 private:
  [[nodiscard]] Expected<Bytes> renamed(const Cell& cell) const;

  MergeKind kind_;
  Document::Rename names_;
  std::map<std::string, CounterRename, std::less<>> counters_;  // by topic
};

}  // namespace hedgerow::sync
