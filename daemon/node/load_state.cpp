#include "daemon/node/load_state.hpp"

#include <algorithm>
#include <utility>

namespace hedgerow::node {

namespace {

Expected<void> stamp_wills(sync::Engine& engine, SessionStore& sessions, const WallTime& now,
                           std::vector<StoredWill>& wills) {
  const bool all_stamped =
      std::all_of(wills.begin(), wills.end(), [](const StoredWill& will) { return will.died.has_value(); });
  if (all_stamped) return {};
  // A full disk keeps nobody from serving: the wills are stamped in memory.
  const auto unless_full = [](Expected<void> done) -> Expected<void> {
    if (done || done.error().category == Category::kLimit) return {};
    return done;
  };
  if (auto begun = engine.begin(); !begun) return unless_full(std::move(begun));
  const auto put_all = [&]() -> Expected<void> {
    auto stamp = engine.stamp_now(now);
    if (!stamp) return tl::unexpected<Error>(std::move(stamp.error()));
    for (StoredWill& will : wills) {
      if (will.died) continue;
      will.died = *stamp;
      if (auto put = sessions.put_will(will); !put) return put;
    }
    return {};
  };
  if (auto put = put_all(); !put) {
    engine.rollback();
    return unless_full(std::move(put));
  }
  auto committed = engine.commit();
  if (committed) return {};
  return unless_full(tl::unexpected<Error>(std::move(committed.error())));
}

}  // namespace

Expected<NodeState> load_state(sync::Engine& engine, SessionStore& sessions, const WallTime& now) {
  auto stored = sessions.load_sessions();
  if (!stored) return tl::unexpected<Error>(std::move(stored.error()));
  auto wills = sessions.load_wills();
  if (!wills) return tl::unexpected<Error>(std::move(wills.error()));
  auto groups = sessions.load_groups();
  if (!groups) return tl::unexpected<Error>(std::move(groups.error()));
  if (auto stamped = stamp_wills(engine, sessions, now, *wills); !stamped) {
    return tl::unexpected<Error>(std::move(stamped.error()));
  }
  return NodeState{.self = engine.self(),
                   .last_arrival = engine.last_arrival(),
                   .clock = engine.clock(),
                   .channels = engine.channels(),
                   .sessions = std::move(*stored),
                   .wills = std::move(*wills),
                   .groups = std::move(*groups),
                   .stored = engine.totals()};
}

}  // namespace hedgerow::node
