// A new name for what this database wrote since it was opened. DESIGN 3, G5.
#include <algorithm>
#include <gsl/assert>

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
}

Expected<void> Engine::renew(ReplicaId fresh) {
  Expects(!in_turn_);
  Expects(fresh != ReplicaId{} && fresh != self_);
  if (auto begun = begin(); !begun) return begun;
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    if (!move_own(index, fresh)) break;
  }
  if (!failed_) static_cast<void>(kept(storage_.put_self(fresh)));
  if (auto done = commit(); !done) return tl::make_unexpected(std::move(done.error()));
  self_ = fresh;
  remember_own();
  return {};
}

// Each segment is cut anew as it stands: same ops, same arrival numbers, another name and chain.
Expected<void> Engine::move_own(std::size_t index, ReplicaId fresh) {
  ChannelState& channel = channels_[index];
  const ReplicaState before = own_at_open_[index];
  const ReplicaState* const own = find_in(channel.replicas, self_);
  if (own == nullptr || own->seq == before.seq) return {};
  if (channel.replicas.size() >= kReplicasPerChannelMax) {
    return kept(Expected<void>(fail(Category::kLimit, "channel \"" + channel.name + "\" knows " +
                                                          std::to_string(kReplicasPerChannelMax) +
                                                          " replicas, which is the bound")));
  }
  const Seq last = own->seq;
  ReplicaState moved{.replica = fresh, .seq = last - before.seq};
  MergedRename merged(channel.merge, {.from = self_, .after = before.seq, .to = fresh});
  const ChainName name{.channel = channel.name, .replica = fresh};
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
  old = before;
  old.trimmed = trimmed;
  state_in(channel.replicas, fresh) = moved;
  return {};
}

}  // namespace hedgerow::sync
