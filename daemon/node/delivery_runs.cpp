// The part of Delivery that brings retained messages and the past to new subscriptions, page by page.
#include <algorithm>
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

void Delivery::add_replay_run(Session& session, std::string filter, const mqtt::SubOptions& options,
                              std::uint64_t since_ms) {
  // What the session has read already comes again with the replay; what it has not comes once, after it.
  ReplayRun replay{
      .since_ms = since_ms, .last = cursor(session), .reader = LogReader::make(log_, 0, [this, id = session.id] {
                                                       if (Session* found = sessions_.find(id)) pump(*found);
                                                     })};
  session.runs.push_back(
      {.id = next_run_id_++, .filter = std::move(filter), .options = options, .what = std::move(replay)});
}

Run* Delivery::find_run(std::uint64_t session, std::uint64_t run, Session*& found) {
  found = sessions_.find(session);
  if (found == nullptr) return nullptr;
  const auto at =
      std::find_if(found->runs.begin(), found->runs.end(), [&](const Run& candidate) { return candidate.id == run; });
  return at == found->runs.end() ? nullptr : &*at;
}

// --- the past ---

bool Delivery::pump_run(Session& session, Run& run, ReplayRun& replay) {
  const auto progress =
      replay.reader->run(replay.last, [&](const OpRef& op) { return offer_past(session, run, replay, op); });
  return progress == LogReader::Progress::kCaughtUp;
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
  const bool is_replayed =
      retained.replayed_since_ms && cell.qos != 0 && cell.order.stamp.wall_ms >= *retained.replayed_since_ms;
  if (is_replayed) return true;
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

struct RetainedPage {
  std::vector<sync::Cell> cells;
  std::size_t channel = 0;
  std::string after_topic;
  bool exhausted = false;
};

// Reads on until the page holds something or nothing is left.
Expected<RetainedPage> read_retained_page(sync::ReadView& view, const ChannelTable& channels, std::string_view filter,
                                          sync::Arrival start, std::size_t channel, std::string after_topic) {
  RetainedPage page{.cells = {}, .channel = channel, .after_topic = std::move(after_topic)};
  const std::string prefix = literal_prefix(filter);
  while (page.cells.empty() && page.channel < channels.entries().size()) {
    auto cells = view.cells(channels.entries()[page.channel].number, prefix, page.after_topic, kReadPageBytes);
    if (!cells) return tl::unexpected<Error>(std::move(cells.error()));
    if (cells->empty()) {
      ++page.channel;
      page.after_topic.clear();
      continue;
    }
    page.after_topic = cells->back().message->topic;
    for (sync::Cell& cell : *cells) {
      // What was set after the subscription began comes from the log, unless it is in none (QoS 0).
      const bool comes_live = cell.arrival > start && cell.qos != 0;
      if (!cell.is_tombstone() && !comes_live && mqtt::matches(filter, cell.message->topic)) {
        page.cells.push_back(std::move(cell));
      }
    }
  }
  page.exhausted = page.channel >= channels.entries().size();
  return page;
}

}  // namespace

void Delivery::read_retained(Session& session, Run& run, RetainedRun& retained) {
  if (std::exchange(retained.reading, true)) return;
  const auto find = [this, id = session.id, run_id = run.id](Session*& found) -> RetainedRun* {
    Run* at = find_run(id, run_id, found);
    return at == nullptr ? nullptr : std::get_if<RetainedRun>(&at->what);
  };
  const auto fail = [this, find](const Error& error) {
    Session* found = nullptr;
    RetainedRun* at = find(found);
    if (at == nullptr) return;
    at->reading = false;  // the next tick tries again
    ports_.log(error.what);
  };
  ports_.store.read(
      [this, find, fail, filter = run.filter, start = retained.start, channel = retained.channel,
       after = retained.after_topic](sync::ReadView& view) -> Continuation {
        auto page = read_retained_page(view, channels_, filter, start, channel, after);
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
