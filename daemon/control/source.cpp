#include "daemon/control/source.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include "daemon/control/document.hpp"
#include "daemon/control/limits.hpp"
#include "daemon/control/node_names.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/expiry.hpp"
#include "daemon/node/retained_page.hpp"
#include "sync/base/topic_levels.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::control {

namespace {

// What the sources share: the names of nodes, read with the first page.
class NamedSource : public Source {
 public:
  explicit NamedSource(Home home) : home_(std::move(home)), names_(home_.replica, home_.node) {}

  Expected<Page> next(sync::ReadView& view) final {
    if (!std::exchange(loaded_, true)) {
      if (auto loaded = names_.load(view, home_.channels, home_.mesh); !loaded) {
        return tl::unexpected<Error>(std::move(loaded.error()));
      }
    }
    return read(view);
  }

 protected:
  virtual Expected<Page> read(sync::ReadView& view) = 0;

  [[nodiscard]] const Home& home() const { return home_; }
  [[nodiscard]] const NodeNames& names() const { return names_; }
  [[nodiscard]] node::Expiry expiry_of(const sync::Message& message, const sync::Stamp& stamp, sync::ReplicaId replica,
                                       sync::Arrival arrival) const {
    return home_.ages.expiry_of(message, stamp, replica, arrival, home_.moment);
  }
  [[nodiscard]] std::string_view channel_name(sync::ChannelNo number) const {
    const node::ChannelTable::Entry* const entry = home_.channels.find(number);
    return entry == nullptr ? std::string_view{} : std::string_view{entry->channel.name};
  }

 private:
  Home home_;
  NodeNames names_;
  bool loaded_ = false;
};

// --- get ---

constexpr std::string_view kWithheldWhy =
    "they may have expired: how old they are cannot be told without synchronised clocks, here and where they were "
    "written";

class RetainedSource final : public NamedSource {
 public:
  RetainedSource(Home home, std::string filter) : NamedSource(std::move(home)), filter_(std::move(filter)) {}

 private:
  Expected<Page> read(sync::ReadView& view) override {
    const auto wants_all = [](sync::ChannelNo, const sync::Cell&) -> Expected<bool> { return true; };
    auto cells = node::read_retained_page(view, home().channels, filter_, std::exchange(place_, {}), wants_all);
    if (!cells) return tl::unexpected<Error>(std::move(cells.error()));
    place_ = std::move(cells->next);
    Page page{.documents = {}, .last = cells->exhausted};
    // A page with cells is of the channel where reading goes on.
    const node::ChannelTable::Entry* const entry = home().channels.find(place_.channel);
    for (const sync::Cell& cell : cells->cells) {
      const node::Expiry expiry = expiry_of(*cell.message, cell.order.stamp, cell.order.replica, cell.arrival);
      if (expiry.state == node::Expiry::State::kWithheld) ++withheld_;
      if (!expiry.is_fresh()) continue;
      page.documents.push_back(
          message_json({.message = *cell.message,
                        .qos = cell.qos,
                        .retain = true,
                        .time = cell.order.stamp.written(),
                        .node = names().find(cell.order.replica),
                        .replica = cell.order.replica,
                        .channel = entry->channel.name,
                        .expiry = expiry}));
    }
    if (page.last && withheld_ > 0) page.documents.push_back(lost_json(withheld_, kWithheldWhy));
    return page;
  }

  std::string filter_;
  node::RetainedPlace place_;
  std::uint64_t withheld_ = 0;
};

// --- history ---

// The newest N are found by looking back: a stretch at the end of the log, then a longer one before it, until N were
// counted. Only their arrival numbers are kept. Then they are read in order.
class HistorySource final : public NamedSource {
 public:
  HistorySource(Home home, HistoryWish wish) : NamedSource(std::move(home)), wish_(std::move(wish)) {}

 private:
  enum class Phase : std::uint8_t { kPlace, kCount, kShow };

  Expected<Page> read(sync::ReadView& view) override {
    switch (phase_) {
      case Phase::kPlace: return place(view);
      case Phase::kCount: return count(view);
      case Phase::kShow: return show(view);
    }
    return Page{.documents = {}, .last = true};
  }

  Expected<Page> place(sync::ReadView& view) {
    const auto last = view.last_arrival();
    if (!last) return tl::unexpected<Error>(last.error());
    last_ = *last;
    if (wish_.since_ms) {
      begin_ = last_;
      for (const node::ChannelTable::Entry& entry : home().channels.entries()) {
        const auto first = view.first_arrival_since(entry.number, *wish_.since_ms);
        if (!first) return tl::unexpected<Error>(first.error());
        begin_ = std::min(begin_, *first);
      }
    }
    if (!wish_.most) {
      start_showing(begin_);
      return Page{};
    }
    wanted_ = *wish_.most;
    stretch_ = wanted_ * kLookBackFirst;
    begin_showing_ = last_;
    look_back(last_);
    return Page{};
  }

  void start_showing(sync::Arrival after) {
    phase_ = Phase::kShow;
    cursor_ = after;
  }

  // The stretch that ends with arrival `upper`.
  void look_back(sync::Arrival upper) {
    phase_ = Phase::kCount;
    upper_ = upper;
    lower_ = upper - std::min(upper - begin_, stretch_);
    cursor_ = lower_;
    counted_.clear();
  }

  Expected<Page> count(sync::ReadView& view) {
    const auto read = walk(view, upper_, [&](const sync::Op&, sync::ChannelNo, sync::ReplicaId, sync::Arrival arrival) {
      counted_.push_back(arrival);
      if (counted_.size() > wanted_) counted_.pop_front();
      return true;
    });
    if (!read) return tl::unexpected<Error>(read.error());
    if (cursor_ < upper_) return Page{};
    if (!counted_.empty()) begin_showing_ = counted_.front() - 1;
    wanted_ -= counted_.size();
    if (wanted_ == 0 || lower_ == begin_) {
      counted_ = {};
      start_showing(begin_showing_);
      return Page{};
    }
    stretch_ *= kLookBackFactor;  // no overflow: it passed the length of a log long before
    look_back(lower_);
    return Page{};
  }

  Expected<Page> show(sync::ReadView& view) {
    Page page;
    std::size_t bytes = 0;
    damaged_ = 0;
    const auto read = walk(
        view, last_, [&](const sync::Op& op, sync::ChannelNo channel, sync::ReplicaId replica, sync::Arrival arrival) {
          page.documents.push_back(message_json({.message = *op.message,
                                                 .qos = op.kind.qos,
                                                 .retain = op.kind.cell,
                                                 .time = op.stamp.written(),
                                                 .node = names().find(replica),
                                                 .replica = replica,
                                                 .channel = channel_name(channel),
                                                 .expiry = expiry_of(*op.message, op.stamp, replica, arrival)}));
          bytes += page.documents.back().size();
          return bytes < kPageDocumentsBytes;
        });
    if (!read) return tl::unexpected<Error>(read.error());
    if (damaged_ > 0) page.documents.push_back(lost_json(damaged_, "they are damaged in this node's database"));
    page.last = cursor_ >= last_;
    return page;
  }

  [[nodiscard]] bool is_wanted(const sync::Op& op, sync::ReplicaId replica, sync::Arrival arrival) const {
    if (!op.kind.record || (wish_.since_ms && op.stamp.written().unix_ms < *wish_.since_ms)) return false;
    return mqtt::matches(wish_.filter, op.message->topic) &&
           expiry_of(*op.message, op.stamp, replica, arrival).state != node::Expiry::State::kExpired;
  }

  // Visits what is wanted after the cursor and up to `upper`, a page at most, until `visit` has enough; the cursor
  // follows.
  template <class Visit>
  Expected<void> walk(sync::ReadView& view, sync::Arrival upper, const Visit& visit) {
    const auto rows = cursor_ < upper ? view.segments_after(cursor_, kHistoryPageBytes)
                                      : Expected<std::vector<sync::ReadView::ChannelSegment>>{};
    if (!rows) return tl::unexpected<Error>(rows.error());
    if (rows->empty()) cursor_ = upper;  // what was there is trimmed
    for (const sync::ReadView::ChannelSegment& row : *rows) {
      if (row.row.first_arrival > upper) {
        cursor_ = upper;
        return {};
      }
      const auto segment = sync::decode_segment(row.row.bytes);
      if (!segment) damaged_ += row.row.count;
      for (std::size_t i = 0; segment && i < segment->ops.size(); ++i) {
        const sync::Arrival arrival = row.row.first_arrival + i;
        if (arrival <= cursor_ || arrival > upper || home().channels.is_spooled(row.channel) ||
            !is_wanted(segment->ops[i], row.row.replica, arrival)) {
          continue;
        }
        if (visit(segment->ops[i], row.channel, row.row.replica, arrival)) continue;
        cursor_ = arrival;
        return {};
      }
      cursor_ = std::max(cursor_, std::min(row.row.first_arrival + row.row.count - 1, upper));
    }
    return {};
  }

  HistoryWish wish_;
  Phase phase_ = Phase::kPlace;
  sync::Arrival begin_ = 0;  // nothing up to here is wanted
  sync::Arrival last_ = 0;
  sync::Arrival cursor_ = 0;
  std::uint64_t damaged_ = 0;
  // kCount
  std::uint64_t wanted_ = 0;
  std::uint64_t stretch_ = 0;
  sync::Arrival lower_ = 0;
  sync::Arrival upper_ = 0;
  sync::Arrival begin_showing_ = 0;
  std::deque<sync::Arrival> counted_;
};

// --- gaps ---

// Is there a topic that both filters match?
bool overlap(std::string_view left_filter, std::string_view right_filter) {
  TopicLevels left{left_filter};
  TopicLevels right{right_filter};
  while (!left.at_end() && !right.at_end()) {
    const std::string_view left_level = left.next();
    const std::string_view right_level = right.next();
    if (left_level == "#" || right_level == "#") return true;
    if (left_level != right_level && left_level != "+" && right_level != "+") return false;
  }
  // "a/#" matches "a" too [MQTT-4.7.1-2].
  return (left.at_end() || left.next() == "#") && (right.at_end() || right.next() == "#");
}

class GapsSource final : public NamedSource {
 public:
  GapsSource(Home home, std::string filter) : NamedSource(std::move(home)), filter_(std::move(filter)) {}

 private:
  [[nodiscard]] bool concerns(const node::ChannelTable::Entry& entry) const {
    if (filter_.empty()) return true;
    if (!mqtt::has_wildcard(filter_) && !entry.channel.spooled) return home().channels.owner_of(filter_) == &entry;
    return entry.configured && overlap(filter_, entry.channel.filter);
  }

  // Gaps that lie side by side are rows of their own where they were left by different snapshots; one channel has not
  // many, so a page is a channel.
  Expected<Page> read(sync::ReadView& view) override {
    const auto& entries = home().channels.entries();
    Page page;
    if (next_ < entries.size() && concerns(entries[next_])) {
      const auto gaps = view.gaps(entries[next_].number);
      if (!gaps) return tl::unexpected<Error>(gaps.error());
      for (const sync::Gap& gap : *gaps) {
        page.documents.push_back(gap_json(entries[next_].channel.name, names().find(gap.replica), gap));
      }
    }
    page.last = ++next_ >= entries.size();
    return page;
  }

  std::string filter_;
  std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Source> retained_source(Home home, std::string filter) {
  return std::make_unique<RetainedSource>(std::move(home), std::move(filter));
}

std::unique_ptr<Source> history_source(Home home, HistoryWish wish) {
  return std::make_unique<HistorySource>(std::move(home), std::move(wish));
}

std::unique_ptr<Source> gaps_source(Home home, std::string filter) {
  return std::make_unique<GapsSource>(std::move(home), std::move(filter));
}

}  // namespace hedgerow::control
