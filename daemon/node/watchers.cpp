#include "daemon/node/watchers.hpp"

#include <utility>

#include "daemon/mqtt/topic.hpp"

namespace hedgerow::node {

Watchers::Watchers(sync::ReplicaId self, ArrivalLog& log, StorePort& store, const ChannelTable& channels,
                   const MessageAges& ages, std::function<Moment()> moment, Log say)
    : self_(self),
      log_(log),
      store_(store),
      channels_(channels),
      ages_(ages),
      moment_(std::move(moment)),
      say_(std::move(say)) {}

std::uint64_t Watchers::add(std::string filter, std::shared_ptr<WatchOutput> output) {
  const std::uint64_t id = ++last_id_;
  watchers_.emplace(id, Watcher{.filter = std::move(filter),
                                .output = std::move(output),
                                .reader = LogReader::make(log_, log_.latest(), [this, id] { pump(id); }),
                                .begin = log_.latest()});
  return id;
}

void Watchers::start(std::uint64_t watcher) {
  const auto found = watchers_.find(watcher);
  if (found == watchers_.end()) return;
  found->second.started = true;
  pump(watcher);
}

void Watchers::pump(std::uint64_t watcher) {
  const auto found = watchers_.find(watcher);
  if (found == watchers_.end()) return;
  pump(watcher, found->second);
  if (found->second.output->is_done()) watchers_.erase(found);
}

void Watchers::pump_all() {
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    pump(at->first, at->second);
    at = at->second.output->is_done() ? watchers_.erase(at) : std::next(at);
  }
}

void Watchers::pump(std::uint64_t id, Watcher& watcher) {
  if (!watcher.started) return;
  tell_lost(watcher);
  if (!watcher.retained_done && !pump_retained(id, watcher)) return;
  pump_log(watcher);
}

void Watchers::tell_lost(Watcher& watcher) {
  if (watcher.dropped == 0 || !watcher.output->has_room()) return;
  watcher.output->lost(std::exchange(watcher.dropped, 0), /*trimmed=*/0);
}

void Watchers::show(Watcher& watcher, Seen seen, const sync::Stamp& stamp, sync::Arrival arrival) {
  if (seen.message.expiry_s) seen.expiry = ages_.expiry_of(seen.message, stamp, *seen.replica, arrival, moment_());
  if (seen.expiry.state == Expiry::State::kExpired) return;
  // What came from another node is looked at as it is before a client gets it.
  if (seen.replica != self_ && !Outbound::is_deliverable(seen.message)) return;
  seen.stamp = stamp;
  watcher.output->show(seen);
}

bool Watchers::pump_retained(std::uint64_t id, Watcher& watcher) {
  for (; watcher.next < watcher.page.cells.size(); ++watcher.next) {
    if (!watcher.output->has_room()) return false;
    const sync::Cell& cell = watcher.page.cells[watcher.next];
    show(watcher, {.message = *cell.message, .qos = cell.qos, .retain = true, .replica = cell.order.replica},
         cell.order.stamp, cell.arrival);
  }
  watcher.retained_done = watcher.page.exhausted;
  if (!watcher.retained_done) {
    read_retained(id, watcher);
    return false;
  }
  watcher.page = {};
  return true;
}

void Watchers::pump_log(Watcher& watcher) {
  watcher.reader->run(log_.latest(), [&](const OpRef& op) {
    if (!op.op.kind.record || !mqtt::matches(watcher.filter, op.op.message->topic)) return true;
    if (!watcher.output->has_room()) return false;
    show(watcher, {.message = *op.op.message, .qos = op.op.kind.qos, .retain = op.op.kind.cell, .replica = op.replica},
         op.op.stamp, op.arrival);
    return true;
  });
  if (const std::uint64_t trimmed = watcher.reader->take_trimmed(); trimmed > 0) {
    watcher.output->lost(/*dropped=*/0, trimmed);
  }
}

void Watchers::read_retained(std::uint64_t id, Watcher& watcher) {
  if (std::exchange(watcher.reading, true)) return;
  const auto settle = [this, id](const std::function<void(Watcher&)>& take) {
    const auto found = watchers_.find(id);
    if (found == watchers_.end()) return;
    found->second.reading = false;
    take(found->second);
  };
  const auto fail = [this, settle](const Error& error) {
    settle([&](Watcher&) { say_(error.what); });  // the next tick tries again
  };
  store_.read(
      [this, id, settle, fail, filter = watcher.filter, from = watcher.page.next,
       begin = watcher.begin](sync::ReadView& view) -> Continuation {
        auto page = read_retained_page(view, channels_, filter, from,
                                       [&](sync::ChannelNo, const sync::Cell& cell) -> Expected<bool> {
                                         // Else it comes from the log, unless it is in none (QoS 0).
                                         return cell.arrival <= begin || cell.qos == 0;
                                       });
        if (!page) return [fail, error = page.error()](Instant) { fail(error); };
        return [this, id, settle, read = std::make_shared<RetainedPage>(std::move(*page))](Instant) {
          settle([&](Watcher& found) {
            found.page = std::move(*read);
            found.next = 0;
          });
          pump(id);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

void Watchers::publish_live(const sync::Message& message, bool retain, bool is_own) {
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    Watcher& watcher = at->second;
    if (!mqtt::matches(watcher.filter, message.topic)) {
      ++at;
      continue;
    }
    tell_lost(watcher);
    if (watcher.output->has_room()) {
      watcher.output->show({.message = message,
                            .retain = retain,
                            .replica = is_own ? std::optional(self_) : std::nullopt,
                            .expiry = {.left_s = message.expiry_s}});
    } else {
      ++watcher.dropped;
    }
    at = watcher.output->is_done() ? watchers_.erase(at) : std::next(at);
  }
}

}  // namespace hedgerow::node
