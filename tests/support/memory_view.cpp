#include "tests/support/memory_view.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace hedgerow::test {

using sync::Arrival;
using sync::Cell;
using sync::ChannelNo;
using sync::Gap;
using sync::ReplicaId;
using sync::ReplicaState;
using sync::SegmentRow;
using sync::Seq;

namespace {

using Channel = MemoryStorage::Channel;
using State = MemoryStorage::State;

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
      batch.count(message.topic.size() + message.properties.size() + message.payload.size() +
                  cell->second.state.size());
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

std::vector<ReplicaState> replicas_of(const Channel& channel) {
  std::vector<ReplicaState> out;
  for (const auto& [replica, state] : channel.replicas) out.push_back(state);
  return out;
}

std::unique_ptr<sync::ReadView> make_memory_view(std::shared_ptr<const State> state) {
  return std::make_unique<MemoryView>(std::move(state));
}

}  // namespace hedgerow::test
