#include "tests/support/memory_storage.hpp"

#include <algorithm>
#include <gsl/assert>

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

// Gathers while a byte count is not passed.
class Batch {
 public:
  explicit Batch(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] bool is_full() const { return any_ && bytes_ >= bytes_max_; }
  void count(std::size_t bytes) {
    any_ = true;
    bytes_ += bytes;
  }

 private:
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  bool any_ = false;
};

std::vector<ReplicaState> replicas_of(const Channel& channel) {
  std::vector<ReplicaState> out;
  for (const auto& [replica, state] : channel.replicas) out.push_back(state);
  return out;
}

// The first segment that holds an arrival beyond `after`.
auto first_after(const Channel& channel, Arrival after) {
  auto at = channel.by_arrival.upper_bound(after);
  if (at == channel.by_arrival.begin()) return at;
  const auto before = std::prev(at);
  return before->first + before->second->count - 1 > after ? before : at;
}

class MemoryView final : public sync::ReadView {
 public:
  explicit MemoryView(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  Expected<Arrival> last_arrival() override { return state_->last_arrival; }

  Expected<std::vector<ReplicaState>> replicas(ChannelNo channel) override { return replicas_of(at(channel)); }

  Expected<std::vector<SegmentRow>> segments(ChannelNo channel, ReplicaId replica, Seq from,
                                             std::size_t bytes_max) override {
    const auto& rows = at(channel).by_seq;
    auto row = rows.upper_bound({replica, from});
    if (row != rows.begin()) {
      const auto before = std::prev(row);
      if (before->first.first == replica && before->first.second + before->second->count - 1 >= from) row = before;
    }
    std::vector<SegmentRow> out;
    for (Batch batch(bytes_max); row != rows.end() && row->first.first == replica && !batch.is_full(); ++row) {
      batch.count(row->second->bytes.size());
      out.push_back(*row->second);
    }
    return out;
  }

  Expected<std::vector<SegmentRow>> segments_after(ChannelNo channel, Arrival after, std::size_t bytes_max) override {
    const Channel& in = at(channel);
    std::vector<SegmentRow> out;
    Batch batch(bytes_max);
    for (auto row = first_after(in, after); row != in.by_arrival.end() && !batch.is_full(); ++row) {
      batch.count(row->second->bytes.size());
      out.push_back(*row->second);
    }
    return out;
  }

  Expected<std::vector<ChannelSegment>> segments_after(Arrival after, std::size_t bytes_max) override {
    std::map<Arrival, std::pair<ChannelNo, std::shared_ptr<const SegmentRow>>> rows;
    for (const auto& [number, channel] : state_->channels) {
      for (auto row = first_after(channel, after); row != channel.by_arrival.end(); ++row) {
        rows.emplace(row->first, std::pair{number, row->second});
      }
    }
    std::vector<ChannelSegment> out;
    Batch batch(bytes_max);
    for (auto row = rows.begin(); row != rows.end() && !batch.is_full(); ++row) {
      batch.count(row->second.second->bytes.size());
      out.push_back({.channel = row->second.first, .row = *row->second.second});
    }
    return out;
  }

  Expected<Arrival> first_arrival_since(ChannelNo channel, std::uint64_t wall_ms) override {
    for (const auto& [first, row] : at(channel).by_arrival) {
      if (row->newest_wall_ms >= std::min(wall_ms, sync::kAgeUnknown)) return first - 1;
    }
    return state_->last_arrival;
  }

  Expected<std::vector<Cell>> cells(ChannelNo channel, std::string_view prefix, std::string_view after_topic,
                                    std::size_t bytes_max) override {
    const auto& all = at(channel).cells;
    std::vector<Cell> out;
    Batch batch(bytes_max);
    auto cell = after_topic < prefix ? all.lower_bound(prefix) : all.upper_bound(after_topic);
    for (; cell != all.end() && cell->first.starts_with(prefix) && !batch.is_full(); ++cell) {
      const sync::Message& message = *cell->second.message;
      batch.count(message.topic.size() + message.properties.size() + message.payload.size());
      out.push_back(cell->second);
    }
    return out;
  }

  Expected<std::optional<Cell>> cell(ChannelNo channel, std::string_view topic) override {
    const auto& all = at(channel).cells;
    const auto found = all.find(topic);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }

  Expected<std::vector<Gap>> gaps(ChannelNo channel) override { return at(channel).gaps; }

 private:
  // An unknown channel is an empty one.
  [[nodiscard]] const Channel& at(ChannelNo channel) const {
    static const Channel kNone;
    const auto found = state_->channels.find(channel);
    return found == state_->channels.end() ? kNone : found->second;
  }

  std::shared_ptr<const State> state_;
};

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
    out.channels.push_back(
        {.number = number, .name = channel.name, .replicas = replicas_of(channel), .live_cells = channel.live_cells});
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
  const auto before = held == (*in)->replicas.end() ? std::nullopt : std::optional(held->second);
  (*in)->replicas[next.replica] = next;
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

Expected<void> MemoryStorage::put_self(ReplicaId self) {
  if (auto may = may_change(); !may) return may;
  State& now = state();
  undo_.emplace_back([before = now.self](State& at) { at.self = before; });
  now.self = self;
  return {};
}

Expected<std::optional<SegmentRow>> MemoryStorage::segment_from(ChannelNo channel, ReplicaId replica, Seq from) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  for (const auto& [key, row] : (*in)->by_seq) {
    if (key.first == replica && key.second + row->count > from) return *row;
  }
  return std::nullopt;
}

Expected<void> MemoryStorage::replace(ChannelNo channel, const SegmentRow& row) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  const auto put = [channel](State& at, const std::shared_ptr<const SegmentRow>& next) {
    Channel& held = at.channels.at(channel);
    auto& place = held.by_arrival.at(next->first_arrival);
    held.by_seq.erase({place->replica, place->first_seq});
    held.by_seq[{next->replica, next->first_seq}] = next;
    held.log.bytes = held.log.bytes - place->bytes.size() + next->bytes.size();
    place = next;
  };
  undo_.emplace_back([put, before = (*in)->by_arrival.at(row.first_arrival)](State& at) { put(at, before); });
  put(state(), std::make_shared<const SegmentRow>(row));
  return {};
}

Expected<void> MemoryStorage::rename(ChannelNo channel, ReplicaId from, Seq after, ReplicaId to) {
  const auto in = change(channel);
  if (!in) return tl::make_unexpected(in.error());
  undo_.emplace_back([channel, cells = (*in)->cells, gaps = (*in)->gaps](State& at) {
    at.channels.at(channel).cells = cells;
    at.channels.at(channel).gaps = gaps;
  });
  for (auto& [topic, cell] : (*in)->cells) {
    if (cell.order.replica != from || cell.order.seq <= after) continue;
    cell.order.replica = to;
    cell.order.seq -= after;
  }
  std::vector<Gap> moved;
  for (Gap& gap : (*in)->gaps) {
    if (gap.replica != from || gap.last <= after) continue;
    moved.push_back({.replica = to,
                     .first = std::max(gap.first, after + 1) - after,
                     .last = gap.last - after,
                     .reason = gap.reason});
    gap.last = after;
  }
  std::erase_if((*in)->gaps, [](const Gap& gap) { return gap.last < gap.first; });
  (*in)->gaps.insert((*in)->gaps.end(), moved.begin(), moved.end());
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
  return std::make_unique<MemoryView>(std::move(seen));
}

}  // namespace hedgerow::test
