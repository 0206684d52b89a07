// The turn: local writes, rows, cells, retention and commit. What comes from peers is in engine_receive.cpp.
#include "sync/engine/engine.hpp"

#include <algorithm>
#include <gsl/assert>
#include <utility>

#include "sync/engine/branches.hpp"
#include "sync/engine/engine_internal.hpp"
#include "sync/limits.hpp"
#include "sync/log/frontier.hpp"
#include "sync/merge/last_write.hpp"

namespace hedgerow::sync {

Engine::Engine(Storage& storage, Hasher& hasher) : storage_(storage), rows_(storage), chain_(hasher) {}

Expected<void> Engine::open(const std::vector<ChannelSettings>& channels, ReplicaId fresh) {
  Expects(fresh != ReplicaId{});
  auto stored = storage_.load();
  if (!stored) return tl::make_unexpected(std::move(stored.error()));
  run_ = static_cast<std::uint64_t>(fresh);
  self_ = stored->self;
  hlc_ = Hlc(stored->last_stamp);
  last_arrival_ = stored->last_arrival;
  stamp_on_disk_ = stored->last_stamp;
  arrival_on_disk_ = stored->last_arrival;
  channels_ = std::move(stored->channels);

  const bool is_worn = has_worn_name();
  for (ChannelState& channel : channels_) set_ends(channel.replicas);

  const auto is_named = [](std::string_view name) {
    return [name](const ChannelState& channel) { return channel.name == name; };
  };
  if (auto begun = storage_.begin(); !begun) return begun;
  for (const ChannelSettings& settings : channels) {
    Expects(!settings.name.empty() && settings.name.size() <= kChannelNameBytesMax);
    auto channel = std::find_if(channels_.begin(), channels_.end(), is_named(settings.name));
    if (channel == channels_.end()) {
      const auto number = storage_.define_channel(settings.name);
      if (!number) {
        storage_.rollback();
        return tl::make_unexpected(number.error());
      }
      channel = channels_.insert(channels_.end(), {.number = *number, .name = settings.name, .replicas = {}});
    }
    if (channel->merge == settings.merge || !channel->replicas.empty()) continue;
    channel->merge = settings.merge;
    if (auto put = storage_.put_merge(channel->number, settings.merge); !put) {
      storage_.rollback();
      return put;
    }
  }
  if (is_worn) {
    if (auto renamed = storage_.put_self(fresh); !renamed) {
      storage_.rollback();
      return renamed;
    }
  }
  for (ChannelState& channel : channels_) {
    if (auto found = find_fills(channel); !found) {
      storage_.rollback();
      return found;
    }
  }
  if (auto done = storage_.commit(); !done) return done;
  if (is_worn) self_ = fresh;

  std::sort(channels_.begin(), channels_.end(),
            [](const ChannelState& a, const ChannelState& b) { return a.number < b.number; });
  bounds_.assign(channels_.size(), {});
  for (const ChannelSettings& settings : channels) {
    const auto found = std::find_if(channels_.begin(), channels_.end(), is_named(settings.name));
    bounds_[static_cast<std::size_t>(found - channels_.begin())] = {.keep = settings.keep,
                                                                    .live_cells_max = settings.live_cells_max};
  }
  for (std::size_t i = 0; i < channels_.size(); ++i) measure_room(i);
  remember_own();
  return {};
}

// Too many runs for one name, and room for another one. Without room it goes on under the old one, unmarked: a fork of
// that still shows in the chain's hashes.
bool Engine::has_worn_name() const {
  const auto is_worn = [this](const ChannelState& channel) {
    const ReplicaState* own = find_in(channel.replicas, self_);
    return own != nullptr && runs_of(*own).size() >= kRunsPerReplicaMax;
  };
  const auto is_full = [](const ChannelState& channel) { return channel.replicas.size() >= kReplicasPerChannelMax; };
  return std::any_of(channels_.begin(), channels_.end(), is_worn) &&
         std::none_of(channels_.begin(), channels_.end(), is_full);
}

// One name more than that, and peers would refuse what is said of the channel.
Expected<void> Engine::check_own_name(std::size_t index) const {
  const ChannelState& channel = channels_[index];
  if (channel.replicas.size() < kReplicasPerChannelMax || find_in(channel.replicas, self_) != nullptr) return {};
  return fail(Category::kLimit, "channel \"" + channel.name + "\" knows " + std::to_string(kReplicasPerChannelMax) +
                                    " replicas, which is the bound: this node cannot write to it under a new name; "
                                    "use a new channel");
}

StoreTotals Engine::totals() const {
  StoreTotals totals;
  for (const ChannelState& channel : channels_) {
    const LogTotals log = storage_.log_totals(channel.number);
    totals.live_cells += channel.live_cells;
    totals.ops += log.ops;
    totals.bytes += log.bytes;
  }
  return totals;
}

Expected<std::size_t> Engine::index_of(ChannelNo channel) const {
  const auto found =
      std::lower_bound(channels_.begin(), channels_.end(), channel,
                       [](const ChannelState& state, ChannelNo wanted) { return state.number < wanted; });
  if (found == channels_.end() || found->number != channel) {
    return fail(Category::kNotFound,
                "engine: no channel has number " + std::to_string(static_cast<std::uint32_t>(channel)));
  }
  return static_cast<std::size_t>(found - channels_.begin());
}

Seq Engine::own_seq(ChannelNo channel) const {
  const auto index = index_of(channel);
  return index ? seq_in(channels_[*index].replicas, self_) : 0;
}

Expected<void> Engine::begin() {
  Expects(!in_turn_);
  if (auto begun = storage_.begin(); !begun) return begun;
  in_turn_ = true;
  hlc_before_ = hlc_;
  last_arrival_before_ = last_arrival_;
  committed_ = {};
  shown_bytes_ = 0;
  return {};
}

Expected<Stamp> Engine::stamp_now(const WallTime& now) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  Hlc clock = hlc_;
  const Stamp stamp = clock.next(now);
  if (auto sound = check_stamp(stamp); !sound) return tl::make_unexpected(std::move(sound.error()));
  hlc_ = clock;
  return stamp;
}

Expected<void> Engine::write(const WallTime& now, const LocalWrite& write) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  const auto index = index_of(write.channel);
  if (!index) return tl::make_unexpected(index.error());
  Hlc clock = hlc_;
  Op op{.stamp = clock.next(now),
        .kind = write.kind,
        .publisher = write.publisher,
        .message = write.message,
        .run = begins_run(*index) ? run_ : 0};
  if (write.stamp && *write.stamp < op.stamp) {
    op.stamp = *write.stamp;
    if (write.after_own) {
      const auto held = kept(storage_.held_cell(write.channel, write.message->topic));
      if (!held) return tl::make_unexpected(held.error());
      // Of two equal stamps of one replica the later op wins.
      if (*held && (*held)->order.replica == self_) op.stamp = std::max(op.stamp, (*held)->order.stamp);
    }
  }
  if (auto sound = check_op(op); !sound) return sound;
  if (auto named = check_own_name(*index); !named) return named;
  if (auto room = check_cells_bound(*index, op); !room) return room;
  if (auto mergeable = prepare_merge(*index, op); !mergeable) return mergeable;
  hlc_ = clock;
  return add_op(*index, self_, age_base_ms(now, op.stamp.written()), std::move(op));
}

// Below the bound nothing is looked up.
Expected<void> Engine::check_cells_bound(std::size_t index, const Op& op) {
  const std::optional<std::uint64_t>& most = bounds_[index].live_cells_max;
  if (!op.kind.cell || op.message->payload.empty() || !most) return {};
  std::uint64_t live = 0;
  for (const ChannelState& channel : channels_) live += channel.live_cells;
  if (live < *most) return {};
  const auto held = kept(storage_.held_cell(channels_[index].number, op.message->topic));
  if (!held) return tl::make_unexpected(held.error());
  const WriteOrder order{.stamp = op.stamp, .replica = self_, .seq = kSeqMax};
  if (*held && !((*held)->is_tombstone && (merges(index) || order > (*held)->order))) return {};
  return fail(Category::kLimit, "the node holds " + std::to_string(live) + " retained messages, and at most " +
                                    std::to_string(*most) + " are allowed: delete some, or raise the limit");
}

Expected<void> Engine::add_op(std::size_t index, ReplicaId replica, std::uint64_t age_base, Op op) {
  const bool goes_on =
      open_ && open_->channel == index && open_->replica == replica && builder_.fits(op, kSegmentBytesSoft);
  if (!goes_on) {
    if (auto done = flush(); !done) return done;
    touch(index);
  }
  ReplicaState& state = state_in(channels_[index].replicas, replica);
  if (!goes_on) {
    open_.emplace(OpenSegment{
        .channel = index, .replica = replica, .first_seq = state.seq + 1, .head_before = state.head, .ops = {}});
    builder_.start(replica, state.seq + 1, state.head);
  }
  state.head = chain_.next(state.head, {.channel = channels_[index].name, .replica = root_of(state)}, ++state.seq, op);
  if (op.run != 0) add_run(state, {.first = state.seq, .mark = op.run});
  builder_.add(op);
  // By its writer's clock the last op is the newest, but for a clock that was set back.
  const bool are_known = open_->age_base_ms != kAgeUnknown && age_base != kAgeUnknown;
  open_->age_base_ms = are_known ? std::max(open_->age_base_ms, age_base) : age_base;
  open_->ops.push_back(std::move(op));
  auto shown =
      take_cell_of(index, {.replica = replica, .seq = state.seq}, last_arrival_ + open_->ops.size(), open_->ops.back());
  if (!shown) return tl::make_unexpected(std::move(shown.error()));
  if (merges(index)) open_->shown.push_back(show(index, std::move(*shown)));
  return {};
}

// Turns the open segment into a row.
Expected<void> Engine::flush() {
  if (!open_) return {};
  OpenSegment open = std::move(*open_);
  open_.reset();
  ChannelState& channel = channels_[open.channel];
  CommittedSegment out{.channel = channel.number,
                       .segment = nullptr,
                       .head_before = open.head_before,
                       .head_after = state_in(channel.replicas, open.replica).head,
                       .ops = std::move(open.ops),
                       .shown = std::move(open.shown)};
  auto row = std::make_shared<SegmentRow>(SegmentRow{.replica = open.replica,
                                                     .first_seq = open.first_seq,
                                                     .count = builder_.count(),
                                                     .first_arrival = last_arrival_ + 1,
                                                     .newest_wall_ms = open.age_base_ms,
                                                     .bytes = builder_.finish()});
  if (auto done = append_row(open.channel, *row, out.ops); !done) return done;
  out.segment = std::move(row);
  if (report_) committed_.segments.push_back(std::move(out));
  return {};
}

Expected<void> Engine::append_row(std::size_t index, const SegmentRow& row, const std::vector<Op>& ops) {
  last_arrival_ += row.count;
  return kept(rows_.append(channels_[index].number, row, ops));
}

Expected<MessagePtr> Engine::take_cell_of(std::size_t index, const OpName& name, Arrival arrival, const Op& op) {
  if (!op.kind.cell) return nullptr;
  if (merges(index)) return merge_op(index, name, arrival, op);
  const auto taken = take_cell(index, {.order = {.stamp = op.stamp, .replica = name.replica, .seq = name.seq},
                                       .arrival = arrival,
                                       .qos = op.kind.qos,
                                       .publisher = op.publisher,
                                       .message = op.message});
  if (!taken) return tl::make_unexpected(taken.error());
  return nullptr;
}

// REQUIRES: touch(index)
Expected<void> Engine::take_cell(std::size_t index, const Cell& cell) {
  ChannelState& channel = channels_[index];
  const auto held = kept(storage_.held_cell(channel.number, cell.message->topic));
  if (!held) return tl::make_unexpected(held.error());
  if (!wins(cell.order, *held ? std::optional((*held)->order) : std::nullopt)) return {};
  const bool was_live = *held && !(*held)->is_tombstone;
  const bool is_live = !cell.is_tombstone();
  if (is_live && !was_live) ++channel.live_cells;
  if (was_live && !is_live) --channel.live_cells;
  return kept(storage_.put_cell(channel.number, cell));
}

Expected<bool> Engine::trim(const WallTime& now) {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  std::size_t left = kTrimSegmentsPerStep;
  for (std::size_t turn = 0; turn < channels_.size(); ++turn) {
    const std::size_t index = trim_next_ % channels_.size();
    if (const std::optional<Keep>& keep = bounds_[index].keep) {
      const bool age_counts = now.quality == ClockQuality::kSynchronised && now.unix_ms > keep->age_ms;
      const std::uint64_t oldest_wall_ms = age_counts ? now.unix_ms - keep->age_ms : 0;
      auto gone = kept(storage_.trim(channels_[index].number, keep->size_bytes, oldest_wall_ms, left));
      if (!gone) return tl::make_unexpected(std::move(gone.error()));
      if (auto noted = note_trimmed(index, *gone); !noted) return tl::make_unexpected(std::move(noted.error()));
      left -= std::min(left, gone->size());
    }
    trim_next_ = index + 1;
    if (left == 0) return true;
  }
  return false;
}

Expected<std::vector<CommittedSegment>> Engine::hand_out() {
  Expects(in_turn_);
  if (failed_) return tl::unexpected<Error>(*failed_);
  if (auto done = flush(); !done) return tl::make_unexpected(std::move(done.error()));
  if (!committed_.merged.empty()) return fail(Category::kUnavailable, "what was merged is read from the log");
  hlc_before_ = hlc_;
  last_arrival_before_ = last_arrival_;
  shown_bytes_ = 0;
  return std::exchange(committed_.segments, {});
}

Expected<Committed> Engine::commit() {
  Expects(in_turn_);
  if (!failed_) static_cast<void>(flush());
  if (!failed_) static_cast<void>(kept(rows_.flush()));
  if (!failed_) static_cast<void>(put_changes());
  if (failed_) {
    Error error = std::move(*failed_);
    rollback();
    return tl::make_unexpected(std::move(error));
  }
  if (auto done = storage_.commit(); !done) {
    restore();
    return tl::make_unexpected(std::move(done.error()));
  }
  stamp_on_disk_ = hlc_.last();
  arrival_on_disk_ = last_arrival_;
  committed_.last_arrival = last_arrival_;
  committed_.totals = totals();
  for (const Before& before : before_) {
    measure_room(before.channel);
    committed_.frontiers.push_back(channels_[before.channel]);
  }
  end_turn(/*counts=*/true);
  return std::move(committed_);
}

Expected<void> Engine::put_changes() {
  for (const Before& before : before_) {
    const ChannelState& channel = channels_[before.channel];
    auto old = before.state.replicas.begin();
    for (const ReplicaState& state : channel.replicas) {
      while (old != before.state.replicas.end() && old->replica < state.replica) ++old;
      const bool known = old != before.state.replicas.end() && old->replica == state.replica;
      if (!known || old->seq != state.seq || old->trimmed != state.trimmed) {
        if (auto done = kept(storage_.put_replica(channel.number, state)); !done) return done;
      }
      if (auto done = put_lineage_of(channel, state, known ? &*old : nullptr); !done) return done;
    }
    if (channel.live_cells == before.state.live_cells) continue;
    if (auto done = kept(storage_.put_live_cells(channel.number, channel.live_cells)); !done) return done;
  }
  if (last_arrival_ == arrival_on_disk_ && hlc_.last() == stamp_on_disk_) return {};
  return kept(storage_.put_clock(last_arrival_, hlc_.last()));
}

Expected<void> Engine::put_lineage_of(const ChannelState& channel, const ReplicaState& state,
                                      const ReplicaState* before) {
  if (state.lineage == (before == nullptr ? nullptr : before->lineage)) return {};
  // None again: a renewal took the only run along.
  const Lineage none{.root = state.replica, .base = 0, .runs = {}};
  return kept(storage_.put_lineage(channel.number, state.replica, state.lineage == nullptr ? none : *state.lineage));
}

void Engine::rollback() {
  Expects(in_turn_);
  storage_.rollback();
  restore();
}

void Engine::touch(std::size_t index) {
  const bool touched =
      std::any_of(before_.begin(), before_.end(), [index](const Before& before) { return before.channel == index; });
  if (!touched) before_.push_back({.channel = index, .state = channels_[index]});
}

void Engine::restore() {
  for (Before& before : before_) channels_[before.channel] = std::move(before.state);
  hlc_ = hlc_before_;
  last_arrival_ = last_arrival_before_;
  committed_ = {};
  end_turn(/*counts=*/false);
}

void Engine::end_turn(bool counts) {
  staged_.end_turn(counts);
  in_turn_ = false;
  failed_.reset();
  before_.clear();
  open_.reset();
  rows_.drop();
  report_ = true;
}

}  // namespace hedgerow::sync
