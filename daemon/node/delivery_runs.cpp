// The part of Delivery that brings retained messages and the past to new subscriptions, page by page.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/delivery.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

void Delivery::add_retained_run(Session& session, std::string filter, const mqtt::SubOptions& options,
                                RetainedRun retained) {
  session.runs.push_back(
      {.id = next_run_id_++, .filter = std::move(filter), .options = options, .what = std::move(retained)});
}

void Delivery::add_replay_run(Session& session, std::string filter, const mqtt::SubOptions& options, ReplayRun replay) {
  replay.reader = LogReader::make(log_, 0, [this, id = session.id] {
    if (Session* found = sessions_.find(id)) pump(*found);
  });
  session.runs.push_back(
      {.id = next_run_id_++, .filter = std::move(filter), .options = options, .what = std::move(replay)});
}

template <class What>
What* Delivery::find_run(std::uint64_t session, std::uint64_t run, Session*& found) {
  found = sessions_.find(session);
  if (found == nullptr) return nullptr;
  const auto at =
      std::find_if(found->runs.begin(), found->runs.end(), [&](const Run& candidate) { return candidate.id == run; });
  return at == found->runs.end() ? nullptr : std::get_if<What>(&at->what);
}

// --- the past ---

bool Delivery::pump_run(Session& session, Run& run, ReplayRun& replay) {
  if (!replay.placed) {
    place_replay(session, run, replay);
    return false;
  }
  const auto progress =
      replay.reader->run(replay.last, [&](const OpRef& op) { return offer_past(session, run, replay, op); });
  return progress == LogReader::Progress::kCaughtUp;
}

// What is older than the past that was asked for is not even read.
void Delivery::place_replay(Session& session, Run& run, ReplayRun& replay) {
  if (std::exchange(replay.reading, true)) return;
  const auto fail = [this, id = session.id, run_id = run.id](const Error& error) {
    Session* found = nullptr;
    ReplayRun* at = find_run<ReplayRun>(id, run_id, found);
    if (at == nullptr) return;
    at->reading = false;  // the next tick tries again
    ports_.log(error.what);
  };
  ports_.store.read(
      [this, fail, id = session.id, run_id = run.id, since_ms = replay.since_ms,
       last = replay.last](sync::ReadView& view) -> Continuation {
        sync::Arrival begin = last;
        for (const ChannelTable::Entry& entry : channels_.entries()) {
          const auto first = view.first_arrival_since(entry.number, since_ms);
          if (!first) return [fail, error = first.error()](Instant) { fail(error); };
          begin = std::min(begin, *first);
        }
        return [this, id, run_id, begin](Instant) {
          Session* found = nullptr;
          ReplayRun* at = find_run<ReplayRun>(id, run_id, found);
          if (at == nullptr) return;
          at->reading = false;
          at->placed = true;
          at->reader->jump(begin);
          pump(*found);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

bool Delivery::offer_past(Session& session, const Run& run, const ReplayRun& replay, const OpRef& op) {
  if (!op.op.kind.record || op.op.stamp.wall_ms < replay.since_ms) return true;
  if (!mqtt::matches(run.filter, op.op.message->topic)) return true;
  if (run.options.no_local && is_own(session, op)) return true;
  wish_.clear();
  wish_.add(run.options);
  return outbound_.send_aside(session,
                              {.message = *op.op.message,
                               .stamp = op.op.stamp,
                               .replica = op.replica,
                               .arrival = op.arrival,
                               .qos = static_cast<mqtt::QoS>(op.op.kind.qos),
                               .retain = run.options.retain_as_published && op.op.kind.cell},
                              wish_) != Outbound::Outcome::kNoRoom;
}

// --- retained messages ---

bool Delivery::pump_run(Session& session, Run& run, RetainedRun& retained) {
  while (true) {
    for (; retained.next < retained.page.size(); ++retained.next) {
      if (!offer_retained(session, run, retained, retained.page[retained.next])) return false;
    }
    retained.page.clear();
    retained.next = 0;
    if (retained.exhausted) return true;
    read_retained(session, run, retained);
    return false;
  }
}

bool Delivery::offer_retained(Session& session, const Run& run, const RetainedRun& retained, const sync::Cell& cell) {
  // The run began before the daemon was restarted, and the client has this one since.
  if (retained.resumed && session.window.was_received(cell.arrival)) return true;
  wish_.clear();
  wish_.add(run.options);
  return outbound_.send_aside(session,
                              {.message = *cell.message,
                               .stamp = cell.order.stamp,
                               .replica = cell.order.replica,
                               .arrival = cell.arrival,
                               .qos = static_cast<mqtt::QoS>(cell.qos),
                               .retain = true},  // [MQTT-3.3.1-8]
                              wish_) != Outbound::Outcome::kNoRoom;
}

namespace {

// The levels of a filter before its first wildcard, with the slash that ends them. "a/#" matches "a" too
// [MQTT-4.7.1-2], hence no slash before '#'.
std::string literal_prefix(std::string_view filter) {
  const std::size_t wildcard = filter.find_first_of("+#");
  if (wildcard == std::string_view::npos) return std::string(filter);
  std::string_view prefix = filter.substr(0, wildcard);
  if (filter[wildcard] == '#' && !prefix.empty()) prefix.remove_suffix(1);
  return std::string(prefix);
}

// Whether the log still holds the record that set a cell: it may be trimmed, or have come in a snapshot. Remembers what
// it found.
class HeldRecords {
 public:
  HeldRecords(sync::ReadView& view, sync::ChannelNo channel) : view_(view), channel_(channel) {}

  Expected<bool> holds(sync::Arrival arrival) {
    const auto near = ranges_.upper_bound(arrival);
    if (near != ranges_.begin() && std::prev(near)->second >= arrival) return true;
    auto rows = view_.segments_after(channel_, arrival - 1, /*bytes_max=*/1);
    if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
    for (const sync::SegmentRow& row : *rows) ranges_[row.first_arrival] = row.first_arrival + row.count - 1;
    return !rows->empty() && rows->front().first_arrival <= arrival;
  }

 private:
  sync::ReadView& view_;
  sync::ChannelNo channel_;
  std::map<sync::Arrival, sync::Arrival> ranges_;  // first and last arrivals of segments
};

struct RetainedPage {
  std::vector<sync::Cell> cells;
  std::size_t channel = 0;
  std::string after_topic;
  bool exhausted = false;
};

// Reads on until the page holds something or nothing is left.
Expected<RetainedPage> read_retained_page(sync::ReadView& view, const ChannelTable& channels, std::string_view filter,
                                          sync::Arrival start, std::optional<std::uint64_t> replayed_since_ms,
                                          std::size_t channel, std::string after_topic) {
  RetainedPage page{.cells = {}, .channel = channel, .after_topic = std::move(after_topic)};
  const std::string prefix = literal_prefix(filter);
  while (page.cells.empty() && page.channel < channels.entries().size()) {
    const sync::ChannelNo number = channels.entries()[page.channel].number;
    auto cells = view.cells(number, prefix, page.after_topic, kReadPageBytes);
    if (!cells) return tl::unexpected<Error>(std::move(cells.error()));
    if (cells->empty()) {
      ++page.channel;
      page.after_topic.clear();
      continue;
    }
    page.after_topic = cells->back().message->topic;
    HeldRecords records(view, number);
    for (sync::Cell& cell : *cells) {
      // What was set after the subscription began comes from the log, unless it is in none (QoS 0).
      const bool comes_live = cell.arrival > start && cell.qos != 0;
      if (cell.is_tombstone() || comes_live || !mqtt::matches(filter, cell.message->topic)) continue;
      if (replayed_since_ms && cell.qos != 0 && cell.order.stamp.wall_ms >= *replayed_since_ms) {
        const auto is_replayed = records.holds(cell.arrival);
        if (!is_replayed) return tl::unexpected<Error>(is_replayed.error());
        if (*is_replayed) continue;
      }
      page.cells.push_back(std::move(cell));
    }
  }
  page.exhausted = page.channel >= channels.entries().size();
  return page;
}

}  // namespace

void Delivery::read_retained(Session& session, Run& run, RetainedRun& retained) {
  if (std::exchange(retained.reading, true)) return;
  const auto find = [this, id = session.id, run_id = run.id](Session*& found) {
    return find_run<RetainedRun>(id, run_id, found);
  };
  const auto fail = [this, find](const Error& error) {
    Session* found = nullptr;
    RetainedRun* at = find(found);
    if (at == nullptr) return;
    at->reading = false;  // the next tick tries again
    ports_.log(error.what);
  };
  ports_.store.read(
      [this, find, fail, filter = run.filter, start = retained.start, since = retained.replayed_since_ms,
       channel = retained.channel, after = retained.after_topic](sync::ReadView& view) -> Continuation {
        auto page = read_retained_page(view, channels_, filter, start, since, channel, after);
        if (!page) return [fail, error = page.error()](Instant) { fail(error); };
        return [this, find, page = std::make_shared<RetainedPage>(std::move(*page))](Instant) {
          Session* found = nullptr;
          RetainedRun* at = find(found);
          if (at == nullptr) return;
          at->reading = false;
          at->page = std::move(page->cells);
          at->next = 0;
          at->channel = page->channel;
          at->after_topic = std::move(page->after_topic);
          at->exhausted = page->exhausted;
          pump(*found);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

}  // namespace hedgerow::node
