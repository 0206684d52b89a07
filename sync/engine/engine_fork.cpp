// Forks: two databases wrote under one name. DESIGN 3, G5; sync/README.md has the argument.
//
// Nothing is decided here. The lists of runs say where two paths part; there each is cut, and what lies beyond goes on
// under the name of its first op. So the replicas of one root are what the tree of all known ops makes of them, the
// same on every node that knows the same, whatever it heard first.
#include <algorithm>
#include <gsl/assert>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/engine/merged_rename.hpp"
#include "sync/limits.hpp"
#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

namespace {

tl::unexpected<Error> impossible(ReplicaId replica) {
  return fail(Category::kCorrupt, "what the peer says of replica " +
                                      std::to_string(static_cast<std::uint64_t>(replica)) + " is impossible");
}

Expected<void> check_states(const std::vector<ReplicaState>& states) {
  if (states.size() > kReplicasPerChannelMax || !is_ordered_by_replica(states)) {
    return fail(Category::kCorrupt, "what the peer says of its replicas is out of order, or too much");
  }
  for (const ReplicaState& state : states) {
    const std::vector<Run>& runs = runs_of(state);
    const bool rises = std::adjacent_find(runs.begin(), runs.end(),
                                          [](const Run& a, const Run& b) { return a.first >= b.first; }) == runs.end();
    if (state.replica == ReplicaId{} || root_of(state) == ReplicaId{} || state.seq < base_of(state) ||
        state.seq > kSeqMax || (!is_branch(state) && base_of(state) != 0) || runs.size() > kRunsPerReplicaMax ||
        !rises || (!runs.empty() && runs.back().first > path_of(state).seq)) {
      return impossible(state.replica);
    }
  }
  return {};
}

// Work on the paths of one root grows with the square of their number.
Expected<void> check_branches(const std::vector<ReplicaState>& states) {
  std::vector<ReplicaId> roots;
  roots.reserve(states.size());
  for (const ReplicaState& state : states) roots.push_back(root_of(state));
  std::sort(roots.begin(), roots.end());
  for (std::size_t i = kPathsPerRootMax; i < roots.size(); ++i) {
    if (roots[i] != roots[i - kPathsPerRootMax]) continue;
    return fail(Category::kLimit, "fork: replica " + std::to_string(static_cast<std::uint64_t>(roots[i])) +
                                      " would have more than " + std::to_string(kPathsPerRootMax) +
                                      " branches, which is the bound; do not copy a used database to new boards");
  }
  return {};
}

}  // namespace

Expected<bool> Engine::learn(ChannelNo channel, const std::vector<ReplicaState>& theirs, ReplicaId fresh) {
  Expects(!in_turn_);
  Expects(fresh != ReplicaId{} && fresh != self_);
  const auto index = index_of(channel);
  if (!index) return tl::make_unexpected(index.error());
  if (auto sound = check_states(theirs); !sound) return tl::make_unexpected(std::move(sound.error()));
  if (auto few = check_branches(theirs); !few) return tl::make_unexpected(std::move(few.error()));
  if (auto begun = begin(); !begun) return tl::make_unexpected(std::move(begun.error()));
  touch(*index);
  const auto changed = settle(*index, theirs);
  if (!changed || !*changed) {
    if (failed_) {
      auto failed = commit();
      return tl::make_unexpected(std::move(failed.error()));
    }
    rollback();
    return changed;
  }
  static_cast<void>(find_fills(channels_[*index]));
  const ReplicaState* own = find_in(channels_[*index].replicas, self_);
  const bool has_ended = own != nullptr && own->end != kSeqMax;
  if (has_ended) static_cast<void>(kept(storage_.put_self(fresh)));
  if (auto done = commit(); !done) return tl::make_unexpected(std::move(done.error()));
  if (has_ended) {
    become(fresh);
  } else {
    take_own_for_shown();  // the links begin anew, and remember nothing
  }
  return true;
}

// Names every branch that the lists of runs tell of, then cuts what is held where it ends.
Expected<bool> Engine::settle(std::size_t index, const std::vector<ReplicaState>& theirs) {
  std::vector<ReplicaState>& replicas = channels_[index].replicas;
  bool changed = adopt_branches(index, theirs);
  if (replicas.size() > kReplicasPerChannelMax) {
    return fail(Category::kLimit, "fork: the channel would know more than " + std::to_string(kReplicasPerChannelMax) +
                                      " replicas, which is the bound");
  }
  if (auto few = check_branches(replicas); !few) return tl::make_unexpected(std::move(few.error()));
  const auto is_beyond = [](const ReplicaState& path) { return path.seq > path.end; };
  for (auto path = replicas.begin();
       (path = std::find_if(replicas.begin(), replicas.end(), is_beyond)) != replicas.end();) {
    if (auto done = cut(index, path->replica, path->end); !done) return tl::make_unexpected(std::move(done.error()));
    set_ends(replicas);
    changed = true;
  }
  return changed;
}

// What peers call branches, and what two paths become where they part. Nothing of them is held yet.
bool Engine::adopt_branches(std::size_t index, const std::vector<ReplicaState>& theirs) {
  std::vector<ReplicaState>& replicas = channels_[index].replicas;
  std::vector<ReplicaState> known = replicas;
  known.insert(known.end(), theirs.begin(), theirs.end());
  std::sort(known.begin(), known.end(), [](const ReplicaState& a, const ReplicaState& b) {
    return root_of(a) != root_of(b) ? root_of(a) < root_of(b) : precedes(path_of(a), path_of(b));
  });
  bool changed = false;
  const auto adopt = [&](ReplicaId name, Lineage lineage) {
    if (find_in(replicas, name) != nullptr || replicas.size() > kReplicasPerChannelMax) return;
    ReplicaState& state = state_in(replicas, name);
    // What lies beyond its first op may be another path on another node.
    std::erase_if(lineage.runs, [&lineage](const Run& run) { return run.first > lineage.base + 1; });
    state.seq = lineage.base;
    state.trimmed = lineage.base;
    state.lineage = std::make_shared<const Lineage>(std::move(lineage));
    changed = true;
  };
  const auto branch_of = [&](const ReplicaState& path, Seq base) {
    const ReplicaId root = root_of(path);
    // So that it has an end, though nothing of it is held.
    adopt(root, {.root = root, .base = 0, .runs = {}});
    adopt(branch_name(chain_.hasher(), root, {.first = base + 1, .mark = mark_at(runs_of(path), base + 1)}),
          {.root = root, .base = base, .runs = runs_of(path)});
  };
  for (auto path = known.begin(); path != known.end(); ++path) {
    if (is_branch(*path)) branch_of(*path, base_of(*path));
    const auto next = std::next(path);
    if (next == known.end() || root_of(*next) != root_of(*path)) continue;
    const Seq common = common_part(path_of(*path), path_of(*next));
    if (common == path_of(*path).seq || common == path_of(*next).seq) continue;
    branch_of(*path, common);
    branch_of(*next, common);
  }
  if (changed) set_ends(replicas);
  return changed;
}

// What lies beyond `last` goes on as a branch.
Expected<void> Engine::cut(std::size_t index, ReplicaId name, Seq last) {
  ChannelState& channel = channels_[index];
  const ReplicaState whole = *find_in(channel.replicas, name);
  Expects(whole.seq > last && last >= base_of(whole));
  const std::vector<Run>& runs = runs_of(whole);
  const ReplicaId branch_id =
      branch_name(chain_.hasher(), root_of(whole), {.first = last + 1, .mark = mark_at(runs, last + 1)});
  const ReplicaState* const known = find_in(channel.replicas, branch_id);
  if (known != nullptr && known->seq != last) {
    return fail(Category::kCorrupt, "fork: two branches of replica " +
                                        std::to_string(static_cast<std::uint64_t>(root_of(whole))) +
                                        " have one name; set the database aside, the node fills up from its peers");
  }
  const auto head = cut_log(index, whole, last, branch_id);
  if (!head) return tl::make_unexpected(head.error());
  if (auto done = kept(storage_.branch_off(channel.number, name, last, branch_id)); !done) return done;
  if (channel.merge == MergeKind::kDocument) {
    const MergedRename merged(channel.merge, {.from = name, .after = last, .to = branch_id, .from_one = false});
    if (auto done = kept(merged.rename_cells(storage_, channel)); !done) return done;
  }

  auto lineage = std::make_shared<Lineage>(Lineage{.root = root_of(whole), .base = last, .runs = runs});
  ReplicaState& branch = state_in(channel.replicas, branch_id);
  branch.seq = whole.seq;
  branch.head = whole.head;
  branch.trimmed = std::max(whole.trimmed, last);
  branch.lineage = std::move(lineage);

  auto rest = std::make_shared<Lineage>(Lineage{.root = root_of(whole), .base = base_of(whole), .runs = runs});
  std::erase_if(rest->runs, [last](const Run& run) { return run.first > last; });
  ReplicaState& stem = state_in(channel.replicas, name);
  stem.seq = last;
  stem.head = *head;
  stem.trimmed = std::min(whole.trimmed, last);
  stem.lineage = std::move(rest);
  return {};
}

// Its publishers stand in another order than before, so a part may be larger than the whole was.
Expected<void> Engine::check_size() const {
  if (builder_.size_bytes() <= kSegmentBytesMax) return {};
  return fail(Category::kLimit, "fork: a row of the log is too large to be divided");
}

// Returns the chain's hash of op `last`; zeros where the log does not say.
Expected<Hash256> Engine::cut_log(std::size_t index, const ReplicaState& whole, Seq last, ReplicaId branch) {
  const ChannelState& channel = channels_[index];
  const ChainName name{.channel = channel.name, .replica = root_of(whole)};
  Hash256 head{};
  // Also what lies below the trimmed mark: a snapshot that left a gap raised that, and dropped nothing.
  for (Seq next = last + 1; next <= whole.seq;) {
    auto row = kept(storage_.segment_from(channel.number, whole.replica, next));
    if (!row) return tl::make_unexpected(std::move(row.error()));
    if (!*row) break;
    SegmentRow& beyond = **row;
    next = beyond.first_seq + beyond.count;
    const auto segment = kept(decode_segment(beyond.bytes));
    if (!segment) return tl::make_unexpected(segment.error());
    if (beyond.first_seq == last + 1) head = segment->header.predecessor;
    if (beyond.first_seq > last) {
      beyond.replica = branch;
      beyond.bytes = rename_segment(std::move(beyond.bytes), branch);
      if (auto done = kept(storage_.replace(channel.number, beyond)); !done)
        return tl::make_unexpected(std::move(done.error()));
      continue;
    }
    const auto kept_count = static_cast<std::uint32_t>(last + 1 - beyond.first_seq);
    SegmentRow stem = beyond;
    head = segment->header.predecessor;
    builder_.start(whole.replica, beyond.first_seq, head);
    for (std::uint32_t i = 0; i < kept_count; ++i) {
      head = chain_.next(head, name, beyond.first_seq + i, segment->ops[i]);
      builder_.add(segment->ops[i]);
    }
    stem.count = kept_count;
    if (auto done = kept(check_size()); !done) return tl::make_unexpected(std::move(done.error()));
    stem.bytes = builder_.finish();
    builder_.start(branch, last + 1, head);
    for (std::uint32_t i = kept_count; i < beyond.count; ++i) builder_.add(segment->ops[i]);
    beyond.replica = branch;
    beyond.first_seq = last + 1;
    beyond.count -= kept_count;
    beyond.first_arrival += kept_count;
    if (auto done = kept(check_size()); !done) return tl::make_unexpected(std::move(done.error()));
    beyond.bytes = builder_.finish();
    if (auto done = kept(storage_.divide(channel.number, stem, beyond)); !done) {
      return tl::make_unexpected(std::move(done.error()));
    }
  }
  return head;
}

}  // namespace hedgerow::sync
