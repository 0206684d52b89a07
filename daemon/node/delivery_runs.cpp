// The part of Delivery that brings retained messages and the past to new subscriptions, page by page.
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "daemon/node/delivery.hpp"
#include "daemon/node/retained_page.hpp"

namespace hedgerow::node {

void Delivery::add_retained_run(Session& session, const std::string& filter, Subscription& subscription,
                                RetainedRun retained) {
  session.runs_unsettled = true;
  subscription.retained_run = next_run_id_++;
  session.runs.push_back({.id = subscription.retained_run,
                          .filter = filter,
                          .options = subscription.options,
                          .what = std::move(retained),
                          .charge = MemoryCharge(sessions_.subscriptions(), run_cost(filter.size()))});
}

void Delivery::add_replay_run(Session& session, const std::string& filter, Subscription& subscription,
                              ReplayRun replay) {
  session.runs_unsettled = true;
  subscription.replay_run = next_run_id_++;
  replay.reader = LogReader::make(log_, 0, [this, id = session.id] {
    if (Session* found = sessions_.find(id)) pump(*found);
  });
  session.runs.push_back({.id = subscription.replay_run,
                          .filter = filter,
                          .options = subscription.options,
                          .what = std::move(replay),
                          .charge = MemoryCharge(sessions_.subscriptions(), run_cost(filter.size()))});
}

void Delivery::resume_runs(Session& session, const std::string& filter, Subscription& subscription) {
  const std::optional<StoredReplay>& replay = subscription.replay;
  if (subscription.retained_due) {
    add_retained_run(session, filter, subscription,
                     {.start = subscription.start,
                      .resumed = true,
                      .replayed_since_ms = replay ? std::optional(replay->since_ms) : std::nullopt,
                      .place = {.channel = subscription.retained_channel, .after_topic = subscription.retained_topic}});
  }
  if (replay && replay->after < replay->last) {
    add_replay_run(session, filter, subscription,
                   {.since_ms = replay->since_ms, .resumed = true, .after = replay->after, .last = replay->last});
  }
}

bool Delivery::pump_runs(Session& session) {
  bool all_sent = true;
  for (Run& run : session.runs) {
    if (run.is_sent) continue;
    all_sent = std::visit([&](auto& what) { return pump_run(session, run, what); }, run.what);
    run.is_sent = all_sent;
    run.end_stretch();
    if (!all_sent) break;
  }
  settle_runs(session);
  return all_sent;
}

bool Delivery::offer_of_run(Session& session, Run& run, bool resumed, const Outbound::Aside& aside) {
  const Window& window = session.window;
  // The run began on an earlier connection, and the client has this one since.
  if (resumed && (window.was_received(aside.arrival) || window.has_begun(aside.arrival))) {
    run.open.begun.insert(aside.arrival);
    return true;
  }
  if (!run.has_room()) return false;
  wish_.clear();
  wish_.add(run.options);
  switch (outbound_.send_aside(session, aside, wish_)) {
    case Outbound::Outcome::kNoRoom: return false;
    case Outbound::Outcome::kGone: return true;
    case Outbound::Outcome::kSent: break;
  }
  run.open.waiting.insert(aside.arrival);
  if (std::min(wish_.qos, aside.qos) == mqtt::QoS::kExactlyOnce) run.open.begun.insert(aside.arrival);
  return true;
}

void Delivery::settle_runs(Session& session) {
  levels_ += session.runs.size();
  std::erase_if(session.runs, [&](Run& run) { return settle_run(session, run); });
  if (session.client != nullptr && session.runs.empty()) session.runs_unsettled = false;
}

// True: nothing of it is left to do.
bool Delivery::settle_run(Session& session, Run& run) {
  std::optional<RunPlace> settled;
  while (true) {
    if (run.is_sent && !run.open.empty()) run.end_stretch();
    if (run.stretches.empty() || !run.stretches.front().waiting.empty()) break;
    session.window.pass_begun(run.stretches.front().begun);
    settled = std::move(run.stretches.front().end);
    run.stretches.erase(run.stretches.begin());
  }
  const bool is_done = run.is_sent && run.stretches.empty();
  const auto known = session.subscriptions.find(run.filter);
  if (known == session.subscriptions.end() || (!settled && !is_done)) return is_done;
  Subscription& subscription = known->second;
  if (subscription.retained_due && subscription.retained_run == run.id) {
    subscription.retained_due = !is_done;
    subscription.retained_channel = is_done ? sync::ChannelNo{} : settled->channel;
    subscription.retained_topic = is_done ? std::string() : std::move(settled->topic);
  } else if (subscription.replay && subscription.replay_run == run.id) {
    subscription.replay->after = is_done ? subscription.replay->last : settled->arrival;
  } else {
    return is_done;
  }
  // Until the retained messages have come, it says which of them come with the replay.
  const std::optional<StoredReplay>& replay = subscription.replay;
  if (!subscription.retained_due && replay && replay->after >= replay->last) subscription.replay.reset();
  subscription.moved = true;
  session.runs_moved = true;
  return is_done;
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
          at->reader->jump(std::max(begin, at->after));
          pump(*found);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

bool Delivery::offer_past(Session& session, Run& run, const ReplayRun& replay, const OpRef& op) {
  const bool is_wanted = op.op.kind.record && op.op.stamp.written().unix_ms >= replay.since_ms &&
                         mqtt::matches(run.filter, op.op.message->topic) &&
                         !(run.options.no_local && is_own(session, op));
  if (is_wanted && !offer_of_run(session, run, replay.resumed,
                                 {.message = *op.op.message,
                                  .stamp = op.op.stamp,
                                  .replica = op.replica,
                                  .arrival = op.arrival,
                                  .qos = static_cast<mqtt::QoS>(op.op.kind.qos),
                                  .retain = run.options.retain_as_published && op.op.kind.cell})) {
    return false;
  }
  run.move_to({.arrival = op.arrival});
  if (run.open.waiting.size() >= kStretchMessages) run.end_stretch();
  return true;
}

// --- retained messages ---

bool Delivery::pump_run(Session& session, Run& run, RetainedRun& retained) {
  while (true) {
    for (; retained.next < retained.page.size(); ++retained.next) {
      if (offer_retained(session, run, retained, retained.page[retained.next])) continue;
      if (sessions_.pages().is_exceeded()) retained.drop_page();
      return false;
    }
    retained.page.clear();
    retained.charge.set(0);
    retained.next = 0;
    run.end_stretch();
    if (retained.exhausted) return true;
    read_retained(session, run, retained);
    return false;
  }
}

bool Delivery::offer_retained(Session& session, Run& run, const RetainedRun& retained, const sync::Cell& cell) {
  if (!offer_of_run(session, run, retained.resumed,
                    {.message = *cell.message,
                     .stamp = cell.order.stamp,
                     .replica = cell.order.replica,
                     .arrival = cell.arrival,
                     .qos = static_cast<mqtt::QoS>(cell.qos),
                     .retain = true})) {  // [MQTT-3.3.1-8]
    return false;
  }
  run.move_to({.channel = retained.place.channel, .topic = cell.message->topic});
  return true;
}

namespace {

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

Expected<RetainedPage> read_run_page(sync::ReadView& view, const ChannelTable& channels, std::string_view filter,
                                     RetainedPlace from, sync::Arrival start,
                                     std::optional<std::uint64_t> replayed_since_ms) {
  std::optional<HeldRecords> records;  // of the channel that is read
  sync::ChannelNo records_of{};
  return read_retained_page(view, channels, filter, std::move(from),
                            [&](sync::ChannelNo channel, const sync::Cell& cell) -> Expected<bool> {
                              // What was set after the subscription began comes from the log, unless it is in none (QoS
                              // 0).
                              if (cell.arrival > start && cell.qos != 0) return false;
                              if (!replayed_since_ms || cell.qos == 0 || cell.order.stamp.written().unix_ms < *replayed_since_ms)
                                return true;
                              if (!records || records_of != channel) records.emplace(view, records_of = channel);
                              const auto is_replayed = records->holds(cell.arrival);
                              if (!is_replayed) return tl::unexpected<Error>(is_replayed.error());
                              return !*is_replayed;
                            });
}

}  // namespace

void Delivery::read_retained(Session& session, Run& run, RetainedRun& retained) {
  if (std::exchange(retained.reading, true)) return;
  retained.page_from = retained.place;
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
       from = retained.place](sync::ReadView& view) -> Continuation {
        auto page = read_run_page(view, channels_, filter, from, start, since);
        if (!page) return [fail, error = page.error()](Instant) { fail(error); };
        return [this, find, page = std::make_shared<RetainedPage>(std::move(*page))](Instant) {
          Session* found = nullptr;
          RetainedRun* at = find(found);
          if (at == nullptr) return;
          at->reading = false;
          at->page = std::move(page->cells);
          std::size_t bytes = 0;
          for (const sync::Cell& cell : at->page) bytes += memory_of(*cell.message);
          at->charge = MemoryCharge(sessions_.pages(), bytes);
          at->next = 0;
          at->place = std::move(page->next);
          at->exhausted = page->exhausted;
          if (sessions_.pages().is_exceeded() && !outbound_.has_room(*found)) at->drop_page();
          pump(*found);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

}  // namespace hedgerow::node
