// A new name for what this database wrote since it was opened. DESIGN 3, G5.
#include <algorithm>
#include <gsl/assert>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/engine/merged_rename.hpp"
#include "sync/limits.hpp"

namespace hedgerow::sync {

void Engine::remember_own() {
  own_at_open_.clear();
  for (const ChannelState& channel : channels_) {
    const ReplicaState* own = find_in(channel.replicas, self_);
    own_at_open_.push_back(own != nullptr ? *own : ReplicaState{.replica = self_});
  }
  own_shown_.assign(channels_.size(), 0);
}

void Engine::take_own_for_shown() {
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    const ReplicaState* own = find_in(channels_[index].replicas, self_);
    own_shown_[index] = own != nullptr ? own->seq : 0;
  }
}

void Engine::become(ReplicaId fresh) {
  self_ = fresh;
  run_ = static_cast<std::uint64_t>(fresh);
  remember_own();
}

// Nothing was written in this channel since the database was opened, and there is room in the list.
bool Engine::begins_run(std::size_t index) const {
  const ReplicaState* own = find_in(channels_[index].replicas, self_);
  if (own == nullptr) return true;
  return own->seq == own_at_open_[index].seq && runs_of(*own).size() < kRunsPerReplicaMax;
}

Expected<void> Engine::renew(ReplicaId fresh, const std::vector<ShownOps>& shown) {
  Expects(!in_turn_);
  Expects(fresh != ReplicaId{} && fresh != self_);
  for (const ShownOps& each : shown) {
    if (const auto index = index_of(each.channel)) own_shown_[*index] = std::max(own_shown_[*index], each.last);
  }
  if (auto begun = begin(); !begun) return begun;
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    if (!move_own(index, fresh)) break;
  }
  if (!failed_) static_cast<void>(kept(storage_.put_self(fresh)));
  if (auto done = commit(); !done) return tl::make_unexpected(std::move(done.error()));
  become(fresh);
  return {};
}

// Each segment is cut anew as it stands: same ops, same arrival numbers, another name and chain.
Expected<void> Engine::move_own(std::size_t index, ReplicaId fresh) {
  ChannelState& channel = channels_[index];
  const ReplicaState before = own_at_open_[index];
  const ReplicaState* const own = find_in(channel.replicas, self_);
  if (own == nullptr || own->seq == before.seq) return {};
  // What others have seen would be there twice. Where some of a counter's was trimmed already, nobody can tell what it
  // counted. Both stay, and become a branch: learn().
  if (own_shown_[index] > before.seq) return {};
  if (channel.merge == MergeKind::kCounter && own->trimmed > before.seq) return {};
  if (channel.replicas.size() >= kReplicasPerChannelMax) {
    return kept(Expected<void>(fail(Category::kLimit, "channel \"" + channel.name + "\" knows " +
                                                          std::to_string(kReplicasPerChannelMax) +
                                                          " replicas, which is the bound")));
  }
  const Seq last = own->seq;
  ReplicaState moved{.replica = fresh, .seq = last - before.seq};
  MergedRename merged(channel.merge, {.from = self_, .after = before.seq, .to = fresh});
  const ChainName name{.channel = channel.name, .replica = fresh};
  for (const Run& run : runs_of(*own)) {
    if (run.first > before.seq) add_run(moved, {.first = run.first - before.seq, .mark = run.mark});
  }
  for (Seq next = std::max(before.seq, own->trimmed) + 1; next <= last;) {
    auto row = kept(storage_.segment_from(channel.number, self_, next));
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) break;
    auto segment = kept(decode_segment((*row)->bytes));
    if (!segment) return tl::make_unexpected(segment.error());
    if (auto renamed = kept(merged.rename(*segment)); !renamed) return renamed;
    next = segment->header.last_seq() + 1;
    // What lies before it was trimmed; the chain begins here.
    const Seq first = segment->header.first_seq - before.seq;
    if (first != moved.trimmed + 1 && moved.head == Hash256{}) moved.trimmed = first - 1;
    builder_.start(fresh, first, moved.head);
    for (std::size_t i = 0; i < segment->ops.size(); ++i) {
      moved.head = chain_.next(moved.head, name, first + i, segment->ops[i]);
      builder_.add(segment->ops[i]);
    }
    (*row)->replica = fresh;
    (*row)->first_seq = first;
    (*row)->bytes = builder_.finish();
    if (auto done = kept(storage_.replace(channel.number, **row)); !done) return done;
  }
  // All of it was trimmed.
  if (moved.head == Hash256{}) moved.trimmed = moved.seq;
  if (auto done = kept(storage_.rename(channel.number, self_, before.seq, fresh)); !done) return done;
  touch(index);
  if (auto done = kept(merged.rename_cells(storage_, channel)); !done) return done;
  ReplicaState& old = state_in(channel.replicas, self_);
  const Seq trimmed = std::min(old.trimmed, before.seq);
  const Seq end = old.end;
  old = before;
  old.trimmed = trimmed;
  old.end = end;
  state_in(channel.replicas, fresh) = moved;
  return {};
}

}  // namespace hedgerow::sync
