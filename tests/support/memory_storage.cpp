#include "tests/support/memory_storage.hpp"

#include <algorithm>
#include <gsl/assert>
#include <memory>

#include "tests/support/memory_view.hpp"

namespace hedgerow::test {

using sync::Arrival;
using sync::Cell;
using sync::ChannelNo;
using sync::Gap;
using sync::GapReason;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::SegmentRow;
using sync::Seq;

namespace {

using Channel = MemoryStorage::Channel;
using State = MemoryStorage::State;

tl::unexpected<Error> broken_file() {
  return fail(Category::kIo, "memory storage: an earlier sync failed; the file must not be used again");
}

}  // namespace

MemoryStorage::MemoryStorage(ReplicaId self) : state_(std::make_shared<State>()) { state_->self = self; }

State& MemoryStorage::state() {
  if (state_.use_count() > 1) state_ = std::make_shared<State>(*state_);
  return *state_;
}

void MemoryStorage::undo_to(std::size_t length) {
  State& now = state();
  for (; undo_.size() > length; undo_.pop_back()) undo_.back()(now);
}

void MemoryStorage::crash() {
  if (in_turn_ && part_ != nullptr) part_->on_rollback();
  undo_to(0);
  turn_start_ = 0;
  in_turn_ = false;
  broken_ = false;
}

void MemoryStorage::set_lying(bool lying) {
  Expects(!in_turn_);
  lying_ = lying;
  if (!lying_) undo_.clear();
}

State MemoryStorage::image() const {
  Expects(!in_turn_);
  return *state_;
}

void MemoryStorage::put_image(State image) {
  Expects(!in_turn_);
  undo_.clear();
  state_ = std::make_shared<State>(std::move(image));
}

Expected<sync::StoredState> MemoryStorage::load() {
  if (broken_) return broken_file();
  sync::StoredState out{
      .self = state_->self, .last_arrival = state_->last_arrival, .last_stamp = state_->last_stamp, .channels = {}};
  for (const auto& [number, channel] : state_->channels) {
    out.channels.push_back({.number = number,
                            .name = channel.name,
                            .replicas = replicas_of(channel),
                            .live_cells = channel.live_cells,
                            .merge = channel.merge});
  }
  return out;
}

sync::LogTotals MemoryStorage::log_totals(ChannelNo channel) const {
  const auto found = state_->channels.find(channel);
  return found == state_->channels.end() ? sync::LogTotals{} : found->second.log;
}

Expected<void> MemoryStorage::begin() {
  Expects(!in_turn_);
  if (broken_) return broken_file();
  turn_start_ = undo_.size();
  in_turn_ = true;
  if (part_ != nullptr) part_->on_begin();
  return {};
}

Expected<void> MemoryStorage::commit() {
  if (broken_) return broken_file();
  Expects(in_turn_);
  if (next_commit_error_) {
    rollback();
    broken_ = next_commit_error_->category == Category::kIo;
    Error error = *std::exchange(next_commit_error_, std::nullopt);
    return tl::make_unexpected(std::move(error));
  }
  in_turn_ = false;
  if (!lying_) undo_.clear();
  return {};
}

void MemoryStorage::rollback() {
  if (!in_turn_) return;
  undo_to(turn_start_);
  in_turn_ = false;
  if (part_ != nullptr) part_->on_rollback();
}

Expected<void> MemoryStorage::may_change() {
  if (broken_) return broken_file();
  Expects(in_turn_);
  if (next_write_error_) return tl::make_unexpected(*std::exchange(next_write_error_, std::nullopt));
  return {};
}

Expected<Channel*> MemoryStorage::change(ChannelNo channel) {
  if (auto may = may_change(); !may) return tl::make_unexpected(std::move(may.error()));
  State& now = state();
  const auto found = now.channels.find(channel);
  if (found == now.channels.end()) {
    return fail(Category::kNotFound,
                "memory storage: no channel has number " + std::to_string(static_cast<std::uint32_t>(channel)));
  }
  return &found->second;
}

Expected<ChannelNo> MemoryStorage::define_channel(std::string_view name) {
  if (auto may = may_change(); !may) return tl::make_unexpected(std::move(may.error()));
  State& now = state();
  for (const auto& [number, channel] : now.channels) {
    if (channel.name == name) return number;
  }
  const auto last = now.channels.empty() ? 0U : static_cast<std::uint32_t>(now.channels.rbegin()->first);
  const ChannelNo number{last + 1};
  now.channels[number].name = name;
  undo_.emplace_back([number](State& at) { at.channels.erase(number); });
  return number;
}

Expected<void> MemoryStorage::append(ChannelNo channel, const SegmentRow& row) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  auto shared = std::make_shared<const SegmentRow>(row);
  (*in)->by_seq[{row.replica, row.first_seq}] = shared;
  (*in)->by_arrival[row.first_arrival] = shared;
  (*in)->log.bytes += row.bytes.size();
  (*in)->log.ops += row.count;
  undo_.emplace_back([channel, shared](State& at) {
    Channel& back = at.channels.at(channel);
    back.by_seq.erase({shared->replica, shared->first_seq});
    back.by_arrival.erase(shared->first_arrival);
    back.log.bytes -= shared->bytes.size();
    back.log.ops -= shared->count;
  });
  return {};
}

Expected<void> MemoryStorage::put_replica(ChannelNo channel, const ReplicaState& next) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto held = (*in)->replicas.find(next.replica);
  const auto before = held == (*in)->replicas.end() ? nullptr : std::make_shared<const ReplicaState>(held->second);
  (*in)->replicas[next.replica] = next;
  // As a disk keeps it: the lineage goes by put_lineage(), the end and what may be filled by nothing.
  (*in)->replicas[next.replica].lineage = before ? before->lineage : nullptr;
  (*in)->replicas[next.replica].end = sync::kSeqMax;
  (*in)->replicas[next.replica].fill_first = 0;
  (*in)->replicas[next.replica].fill_last = 0;
  undo_.emplace_back([channel, before, replica = next.replica](State& at) {
    auto& replicas = at.channels.at(channel).replicas;
    if (before) {
      replicas[replica] = *before;
    } else {
      replicas.erase(replica);
    }
  });
  return {};
}

Expected<void> MemoryStorage::put_clock(Arrival last_arrival, const sync::Stamp& last_stamp) {
  if (auto may = may_change(); !may) return may;
  State& now = state();
  undo_.emplace_back([arrival = now.last_arrival, stamp = now.last_stamp](State& at) {
    at.last_arrival = arrival;
    at.last_stamp = stamp;
  });
  now.last_arrival = last_arrival;
  now.last_stamp = last_stamp;
  return {};
}

Expected<std::optional<sync::HeldCell>> MemoryStorage::held_cell(ChannelNo channel, std::string_view topic) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto found = (*in)->cells.find(topic);
  if (found == (*in)->cells.end()) return std::nullopt;
  return sync::HeldCell{.order = found->second.order, .is_tombstone = found->second.is_tombstone()};
}

Expected<std::optional<Cell>> MemoryStorage::whole_cell(ChannelNo channel, std::string_view topic) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto found = (*in)->cells.find(topic);
  return found == (*in)->cells.end() ? std::nullopt : std::optional(found->second);
}

Expected<std::optional<Cell>> MemoryStorage::cell_behind(ChannelNo channel, std::string_view after_topic) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto found = (*in)->cells.upper_bound(after_topic);
  return found == (*in)->cells.end() ? std::nullopt : std::optional(found->second);
}

Expected<void> MemoryStorage::put_merge(ChannelNo channel, sync::MergeKind merge) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  undo_.emplace_back([channel, before = (*in)->merge](State& at) { at.channels.at(channel).merge = before; });
  (*in)->merge = merge;
  return {};
}

Expected<void> MemoryStorage::put_live_cells(ChannelNo channel, std::uint64_t live_cells) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  undo_.emplace_back([channel, before = (*in)->live_cells](State& at) { at.channels.at(channel).live_cells = before; });
  (*in)->live_cells = live_cells;
  return {};
}

Expected<void> MemoryStorage::put_cell(ChannelNo channel, const Cell& cell) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const std::string& topic = cell.message->topic;
  const auto held = (*in)->cells.find(topic);
  const auto before = held == (*in)->cells.end() ? std::nullopt : std::optional(held->second);
  (*in)->cells[topic] = cell;
  undo_.emplace_back([channel, before, topic](State& at) {
    auto& cells = at.channels.at(channel).cells;
    if (before) {
      cells[topic] = *before;
    } else {
      cells.erase(topic);
    }
  });
  return {};
}

Expected<void> MemoryStorage::add_gap(ChannelNo channel, const Gap& gap) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  std::vector<Gap>& gaps = (*in)->gaps;
  const auto continued = std::find_if(gaps.begin(), gaps.end(), [&gap](const Gap& before) {
    return before.replica == gap.replica && before.reason == gap.reason && before.last + 1 == gap.first;
  });
  if (continued == gaps.end()) {
    gaps.push_back(gap);
    undo_.emplace_back([channel](State& at) { at.channels.at(channel).gaps.pop_back(); });
    return {};
  }
  const auto index = static_cast<std::size_t>(continued - gaps.begin());
  undo_.emplace_back(
      [channel, index, last = continued->last](State& at) { at.channels.at(channel).gaps[index].last = last; });
  continued->last = gap.last;
  return {};
}

Expected<std::optional<Gap>> MemoryStorage::gap_from_below(ChannelNo channel, ReplicaId replica, sync::Seq seq) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  std::optional<Gap> found;
  for (const Gap& gap : (*in)->gaps) {
    if (gap.replica == replica && gap.first <= seq && (!found || gap.first > found->first)) found = gap;
  }
  return found;
}

Expected<void> MemoryStorage::end_gap(ChannelNo channel, const Gap& gap, sync::Seq last) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  std::vector<Gap>& gaps = (*in)->gaps;
  undo_.emplace_back([channel, before = gaps](State& at) { at.channels.at(channel).gaps = before; });
  const auto listed = std::find_if(gaps.begin(), gaps.end(), [&gap](const Gap& each) {
    return each.replica == gap.replica && each.first == gap.first;
  });
  Expects(listed != gaps.end());
  listed->last = last;
  if (last < listed->first) gaps.erase(listed);
  return {};
}

Expected<std::vector<sync::Storage::Trimmed>> MemoryStorage::trim(ChannelNo channel, std::uint64_t size_bytes,
                                                                  std::uint64_t oldest_wall_ms,
                                                                  std::size_t segments_max) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  Channel& log = **in;
  std::vector<Trimmed> gone;
  while (gone.size() < segments_max && !log.by_arrival.empty()) {
    const std::shared_ptr<const SegmentRow> row = log.by_arrival.begin()->second;
    const bool too_old = row->newest_wall_ms < oldest_wall_ms;
    if (!too_old && log.log.bytes <= size_bytes) break;
    gone.push_back({.replica = row->replica,
                    .first = row->first_seq,
                    .last = row->first_seq + row->count - 1,
                    .reason = too_old ? GapReason::kAge : GapReason::kSize});
    log.by_arrival.erase(row->first_arrival);
    log.by_seq.erase({row->replica, row->first_seq});
    log.log.bytes -= row->bytes.size();
    log.log.ops -= row->count;
    undo_.emplace_back([channel, row](State& at) {
      Channel& back = at.channels.at(channel);
      back.by_arrival[row->first_arrival] = row;
      back.by_seq[{row->replica, row->first_seq}] = row;
      back.log.bytes += row->bytes.size();
      back.log.ops += row->count;
    });
  }
  return gone;
}

Expected<void> MemoryStorage::stage_page(ChannelNo channel, std::string_view peer, std::uint64_t page_no,
                                         ByteView page) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const std::pair key{std::string(peer), page_no};
  if (const auto held = (*in)->staged.find(key); held != (*in)->staged.end()) {
    undo_.emplace_back(
        [channel, key, before = held->second](State& at) { at.channels.at(channel).staged[key] = before; });
  } else {
    undo_.emplace_back([channel, key](State& at) { at.channels.at(channel).staged.erase(key); });
  }
  (*in)->staged[key] = to_bytes(page);
  return {};
}

Expected<std::optional<Bytes>> MemoryStorage::staged_page(ChannelNo channel, std::string_view peer,
                                                          std::uint64_t page_no) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto found = (*in)->staged.find({std::string(peer), page_no});
  return found == (*in)->staged.end() ? std::nullopt : std::optional(found->second);
}

Expected<void> MemoryStorage::drop_staged(ChannelNo channel, std::string_view peer) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  auto& staged = (*in)->staged;
  const auto first = staged.lower_bound({std::string(peer), 0});
  auto last = first;
  while (last != staged.end() && last->first.first == peer) ++last;
  undo_.emplace_back([channel, dropped = std::map(first, last)](State& at) {
    at.channels.at(channel).staged.insert(dropped.begin(), dropped.end());
  });
  staged.erase(first, last);
  return {};
}

Expected<std::unique_ptr<sync::ReadView>> MemoryStorage::open_view() {
  if (broken_) return broken_file();
  std::shared_ptr<const State> seen = state_;
  if (in_turn_ && undo_.size() > turn_start_) {
    auto committed = std::make_shared<State>(*state_);
    for (std::size_t i = undo_.size(); i-- > turn_start_;) undo_[i](*committed);
    seen = std::move(committed);
  }
  return make_memory_view(std::move(seen));
}

}  // namespace hedgerow::test
