// Snapshot answers: staging their pages, and merging them once the last has come. DESIGN 5, compaction.
#include <algorithm>
#include <gsl/assert>
#include <variant>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/engine/merged_cell.hpp"
#include "sync/limits.hpp"
#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

namespace {

tl::unexpected<Error> contradiction(const std::string& what) {
  return fail(Category::kCorrupt, "snapshot answer: " + what + "; drop it and ask again");
}

std::string name_of(ReplicaId replica, Seq seq) {
  return "op " + std::to_string(seq) + " of replica " + std::to_string(static_cast<std::uint64_t>(replica));
}

// It comes from a peer: it must be a frontier.
Expected<void> check_frontier(const std::vector<ReplicaState>& frontier) {
  if (frontier.size() > kReplicasPerChannelMax) return contradiction("its frontier counts too many replicas");
  if (!is_ordered_by_replica(frontier)) return contradiction("its frontier is out of order");
  for (const ReplicaState& state : frontier) {
    const bool is_empty = state.seq == 0 && root_of(state) == state.replica && state.lineage == nullptr;
    if (state.replica == ReplicaId{} || is_empty || state.seq > kSeqMax || state.trimmed > state.seq) {
      return contradiction("its frontier is impossible at " + name_of(state.replica, state.seq));
    }
  }
  return {};
}

}  // namespace

Expected<void> Engine::stage(ChannelNo channel, std::string_view peer, std::uint64_t page_no, ByteView page) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  if (const auto index = index_of(channel); !index) return tl::make_unexpected(index.error());
  if (page_no >= kPagesMax) return fail(Category::kLimit, "stage: more than " + std::to_string(kPagesMax) + " pages");
  PageReader items(page);
  while (true) {
    const auto item = items.next();
    if (!item) return tl::make_unexpected(item.error());
    if (!*item) break;
  }
  staged_.on_page(channel, peer);
  return kept(storage_.stage_page(channel, peer, page_no, page));
}

Expected<void> Engine::drop_staged(ChannelNo channel, std::string_view peer) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  if (const auto index = index_of(channel); !index) return tl::make_unexpected(index.error());
  staged_.on_drop(channel, peer);
  return kept(storage_.drop_staged(channel, peer));
}

Expected<ReceiveResult> Engine::merge_staged(const WallTime& now, ChannelNo channel, std::string_view peer,
                                             const std::vector<ReplicaState>& sender_frontier, std::uint64_t pages) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  const auto index = index_of(channel);
  if (!index) return tl::make_unexpected(index.error());
  if (auto sound = check_frontier(sender_frontier); !sound) return tl::make_unexpected(std::move(sound.error()));
  if (staged_.is_lost(channel, peer)) {
    return fail(Category::kNotFound, "merge: what was staged of this answer was lost with its turn; ask again");
  }
  std::vector<ReplicaState>& replicas = channels_[*index].replicas;
  if (seq_in(sender_frontier, self_) > seq_in(replicas, self_)) return ReceiveResult::kFork;
  if (have_parted(replicas, sender_frontier)) return ReceiveResult::kFork;

  std::vector<ReplicaState> trial = replicas;
  Merge check{.held = trial, .sender = sender_frontier, .gaps = {}};
  if (auto sound = walk(now, *index, peer, pages, Pass::kCheck, check); !sound || *sound != ReceiveResult::kApplied) {
    return sound;
  }
  if (trial.size() > kReplicasPerChannelMax) {
    return fail(Category::kLimit, "merge: the channel would know more than " + std::to_string(kReplicasPerChannelMax) +
                                      " replicas, which is the bound");
  }

  if (auto done = flush(); !done) return tl::make_unexpected(std::move(done.error()));
  touch(*index);
  report_ = false;
  Merge merge{.held = replicas, .sender = sender_frontier, .gaps = {}};
  const auto applied = walk(now, *index, peer, pages, Pass::kApply, merge);
  if (!applied) return applied;
  Ensures(*applied == ReceiveResult::kApplied);
  report_ = true;
  set_ends(replicas);
  for (const Gap& gap : merge.gaps) {
    if (auto done = kept(storage_.add_gap(channel, gap)); !done) return tl::make_unexpected(std::move(done.error()));
  }
  if (auto done = find_fills(channels_[*index]); !done) return tl::make_unexpected(std::move(done.error()));
  if (auto done = kept(storage_.drop_staged(channel, peer)); !done) return tl::make_unexpected(std::move(done.error()));
  committed_.merged.push_back(channel);
  return ReceiveResult::kApplied;
}

Expected<ReceiveResult> Engine::walk(const WallTime& now, std::size_t index, std::string_view peer, std::uint64_t pages,
                                     Pass pass, Merge& merge) {
  const ChannelNo channel = channels_[index].number;
  for (std::uint64_t page_no = 0; page_no < pages; ++page_no) {
    const auto page = kept(storage_.staged_page(channel, peer, page_no));
    if (!page) return tl::make_unexpected(page.error());
    if (!*page) {
      return fail(Category::kNotFound, "merge: page " + std::to_string(page_no) + " of " + std::to_string(pages) +
                                           " was never staged; drop the others and ask again");
    }
    const auto walked = walk_page(now, index, **page, pass, merge);
    if (!walked || *walked != ReceiveResult::kApplied) return walked;
  }
  if (auto done = flush(); !done) return tl::make_unexpected(std::move(done.error()));
  return join(merge);
}

Expected<ReceiveResult> Engine::walk_page(const WallTime& now, std::size_t index, ByteView page, Pass pass,
                                          Merge& merge) {
  PageReader items(page);
  while (true) {
    auto next = items.next();
    if (!next) return tl::make_unexpected(std::move(next.error()));
    if (!*next) return ReceiveResult::kApplied;
    PageItem& item = **next;
    const auto walked = std::holds_alternative<Cell>(item)
                            ? walk_cell(index, std::move(std::get<Cell>(item)), pass, merge)
                            : walk_segment(now, index, std::move(std::get<PageSegment>(item)), pass, merge);
    if (!walked || *walked != ReceiveResult::kApplied) return walked;
  }
}

Expected<ReceiveResult> Engine::walk_cell(std::size_t index, Cell cell, Pass pass, const Merge& merge) {
  if (cell.order.seq > seq_in(merge.sender, cell.order.replica)) {
    return contradiction(name_of(cell.order.replica, cell.order.seq) + " set a cell but is not in its frontier");
  }
  const MergeKind merge_kind = channels_[index].merge;
  if (kind_of(cell) != merge_kind) {
    return contradiction("a cell is merged as " + std::string(to_string(kind_of(cell))) + ", this channel as " +
                         std::string(to_string(merge_kind)));
  }
  if (pass == Pass::kCheck) {
    const bool counts = merge_kind == MergeKind::kCounter;
    if (counts && told_of(cell, self_) > seq_in(channels_[index].replicas, self_)) return ReceiveResult::kRenew;
    if (auto room = check_join(index, cell); !room) return tl::make_unexpected(std::move(room.error()));
    return ReceiveResult::kApplied;
  }
  if (auto done = flush(); !done) return tl::make_unexpected(std::move(done.error()));
  hlc_.observe(cell.order.stamp);
  cell.arrival = ++last_arrival_;
  const auto taken = merges(index) ? merge_cell(index, cell) : take_cell(index, cell);
  if (!taken) return tl::make_unexpected(taken.error());
  return ReceiveResult::kApplied;
}

Expected<ReceiveResult> Engine::walk_segment(const WallTime& now, std::size_t index, PageSegment item, Pass pass,
                                             Merge& merge) {
  const SegmentHeader& header = item.segment.header;
  const ReplicaState* sender = find_in(merge.sender, header.replica);
  if (sender == nullptr || header.last_seq() > sender->seq) {
    return contradiction(name_of(header.replica, header.last_seq()) + " is not in its frontier");
  }
  ReplicaState& held = state_in(merge.held, header.replica);
  if (header.first_seq > held.seq + 1) {
    if (header.first_seq - 1 > sender->trimmed) {
      return contradiction(name_of(header.replica, header.first_seq - 1) + " should be in its log but is missing");
    }
    if (pass == Pass::kApply) {
      if (auto done = flush(); !done) return tl::make_unexpected(std::move(done.error()));
    }
    leave_gap(merge.gaps, held, *sender, header.first_seq - 1, header.predecessor);
  }
  const Fit fitted = fit(index, held, item.segment);
  if (fitted.result == ReceiveResult::kDuplicate) return ReceiveResult::kApplied;
  if (fitted.result != ReceiveResult::kApplied) return fitted.result;
  if (pass == Pass::kCheck) {
    if (tells_of_self(index, item.segment.ops, fitted.first_new)) return ReceiveResult::kRenew;
    if (auto room = check_merges(index, header, item.segment.ops, fitted.first_new); !room) {
      return tl::make_unexpected(std::move(room.error()));
    }
    held.seq = header.last_seq();
    held.head = fitted.head_after;
    for (const Run& run : fitted.runs) add_run(held, run);
    return ReceiveResult::kApplied;
  }
  if (auto done = apply_tail(now, index, std::move(item), fitted); !done) {
    return tl::make_unexpected(std::move(done.error()));
  }
  return ReceiveResult::kApplied;
}

// Everything that the sender holds has come: what its frontier counts beyond it must be gone from its log.
Expected<ReceiveResult> Engine::join(Merge& merge) {
  for (const ReplicaState& sender : merge.sender) {
    ReplicaState& held = state_in(merge.held, sender.replica);
    if (held.seq > sender.seq) continue;
    if (have_other_heads(held, sender)) return ReceiveResult::kFork;
    if (held.seq == sender.seq) continue;
    if (sender.seq > sender.trimmed) {
      return contradiction(name_of(sender.replica, sender.seq) + " should be in its log but is missing");
    }
    leave_gap(merge.gaps, held, sender, sender.seq, sender.head);
  }
  return ReceiveResult::kApplied;
}

void Engine::leave_gap(std::vector<Gap>& gaps, ReplicaState& held, const ReplicaState& sender, Seq last,
                       const Hash256& head) {
  gaps.push_back(
      {.replica = held.replica, .first = held.seq + 1, .last = last, .reason = GapReason::kTrimmedElsewhere});
  for (const Run& run : runs_of(sender)) {
    if (run.first > held.seq && run.first <= last) add_run(held, run);
  }
  held.seq = last;
  held.head = head;
  held.trimmed = last;
}

}  // namespace hedgerow::sync
