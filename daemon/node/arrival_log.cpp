#include "daemon/node/arrival_log.hpp"

#include <algorithm>
#include <utility>

#include "daemon/node/limits.hpp"
#include "sync/log/segment.hpp"

namespace hedgerow::node {

std::size_t memory_of(const sync::Message& message) {
  return kMessageCost + message.topic.size() + message.properties.size() + message.payload.size();
}

ArrivalLog::ArrivalLog(StorePort& store, const ChannelTable& channels, sync::Arrival latest, std::uint64_t& dropped,
                       MemoryBudget& pages, Log log)
    : store_(store),
      channels_(channels),
      dropped_(dropped),
      pages_(pages),
      log_(std::move(log)),
      latest_(latest),
      durable_(latest),
      recent_(kRecentBytesMax) {
  recent_.reset(latest_);
}

void ArrivalLog::add(sync::CommittedSegment segment) {
  latest_ = segment.segment->first_arrival + segment.ops.size() - 1;
  recent_.add(std::move(segment), durable_);
}

void ArrivalLog::skip_to(sync::Arrival latest) {
  latest_ = latest;
  durable_ = latest;
  recent_.reset(latest_);
}

std::shared_ptr<LogReader> LogReader::make(ArrivalLog& log, sync::Arrival cursor, std::function<void()> ready) {
  return std::shared_ptr<LogReader>(new LogReader(log, cursor, std::move(ready)));
}

LogReader::Progress LogReader::run(sync::Arrival last, const Visitor& visit) {
  last = std::min(last, log_.latest_);
  while (cursor_ < last) {
    if (page_) {
      if (run_page(last, visit)) continue;
      if (log_.pages_.is_exceeded()) drop_page();
      return Progress::kNoRoom;
    }
    const bool conflates = !conflated_.empty() && cursor_ < conflated_last_;
    if (cursor_ < log_.recent_.floor() || conflates) {
      read_page();
      return Progress::kReading;
    }
    const RecentLog::Position at = log_.recent_.after(cursor_);
    const OpRef op{.op = at.segment->ops[at.index],
                   .channel = at.segment->channel,
                   .replica = at.segment->segment->replica,
                   .arrival = at.segment->segment->first_arrival + at.index};
    if (op.arrival > last) {
      pass(last);
      break;
    }
    if (!log_.channels_.is_spooled(op.channel) && !visit(op)) return Progress::kNoRoom;
    pass(op.arrival);
  }
  drop_page();
  return Progress::kCaughtUp;
}

// True: the page is used up, and gone.
bool LogReader::run_page(sync::Arrival last, const Visitor& visit) {
  LogPage& page = *page_;
  for (; page.part < page.parts.size(); ++page.part, page.op = 0) {
    const LogPage::Part& part = page.parts[page.part];
    if (const sync::Arrival missing = std::min(part.first_arrival - 1, last); missing > cursor_) {
      trimmed_ += missing - cursor_;
      pass(missing);
    }
    for (; page.op < part.ops.size(); ++page.op) {
      const OpRef op{.op = part.ops[page.op],
                     .channel = part.channel,
                     .replica = part.replica,
                     .arrival = part.first_arrival + page.op,
                     .superseded = !part.superseded.empty() && part.superseded[page.op]};
      // The page may begin before the cursor, and may know more than the results of turns have told yet.
      if (op.arrival <= cursor_) continue;
      if (op.arrival > last) {
        pass(last);
        drop_page();
        return true;
      }
      if (!visit(op)) return false;
      pass(op.arrival);
    }
    pass(std::min(part.first_arrival + part.count - 1, last));
  }
  drop_page();
  return true;
}

void LogReader::conflate(std::vector<sync::ChannelNo> channels, sync::Arrival last) {
  conflated_ = std::move(channels);
  conflated_last_ = last;
}

namespace {

// On the reader thread. Which ops of the part set a cell that was set again since; or that holds a greater write, which
// came before (what fills a gap comes late): where writes are merged, a lesser one may have changed it all the same.
// A newer value of QoS 0 is in no log, so it does not count.
Expected<std::vector<bool>> find_superseded(sync::ReadView& view, const LogPage::Part& part, sync::Seq first_seq,
                                            bool merges) {
  std::vector<bool> out(part.ops.size(), false);
  for (std::size_t i = 0; i < part.ops.size(); ++i) {
    if (!part.ops[i].kind.cell) continue;
    auto cell = view.cell(part.channel, part.ops[i].message->topic);
    if (!cell) return tl::unexpected<Error>(std::move(cell.error()));
    if (!*cell || (*cell)->qos == 0) continue;
    const sync::WriteOrder order{.stamp = part.ops[i].stamp, .replica = part.replica, .seq = first_seq + i};
    out[i] = (*cell)->arrival > part.first_arrival + i || (!merges && (*cell)->order > order);
  }
  return out;
}

// On the reader thread. Gives the ops the messages that their topics show by now. The page ends where these take too
// much memory: true then.
Expected<bool> show_merged(sync::ReadView& view, LogPage::Part& part, std::size_t& bytes) {
  for (std::size_t i = 0; i < part.ops.size(); ++i) {
    if (!part.ops[i].kind.cell) continue;
    auto cell = view.cell(part.channel, part.ops[i].message->topic);
    if (!cell) return tl::unexpected<Error>(std::move(cell.error()));
    if (*cell) part.ops[i].message = std::move((*cell)->message);
    bytes += part.ops[i].message->payload.size();
    if (bytes < kReadPageBytes) continue;
    part.ops.resize(i + 1);
    part.count = static_cast<std::uint32_t>(i + 1);
    return true;
  }
  return false;
}

Expected<LogPage> decode_page(sync::ReadView& view, std::vector<sync::ReadView::ChannelSegment>& rows,
                              const ChannelTable& channels, const std::vector<sync::ChannelNo>& conflated,
                              sync::Arrival conflated_last, std::uint64_t& damaged) {
  LogPage page;
  std::size_t merged_bytes = 0;
  for (sync::ReadView::ChannelSegment& row : rows) {
    const bool is_own = !channels.is_spooled(row.channel);
    auto decoded = sync::decode_segment(row.row.bytes);
    if (!decoded && is_own) damaged += row.row.count;
    LogPage::Part part{.channel = row.channel,
                       .replica = row.row.replica,
                       .first_arrival = row.row.first_arrival,
                       .count = row.row.count,
                       .ops = decoded && is_own ? std::move(decoded->ops) : std::vector<sync::Op>{},
                       .superseded = {}};
    const bool conflates = part.first_arrival <= conflated_last &&
                           std::find(conflated.begin(), conflated.end(), part.channel) != conflated.end();
    const ChannelTable::Entry* const channel = channels.find(part.channel);
    const bool merges = channel != nullptr && channel->merges();
    if (conflates) {
      auto superseded = find_superseded(view, part, row.row.first_seq, merges);
      if (!superseded) return tl::unexpected<Error>(std::move(superseded.error()));
      part.superseded = std::move(*superseded);
    }
    const auto is_full = merges ? show_merged(view, part, merged_bytes) : false;
    if (!is_full) return tl::unexpected<Error>(is_full.error());
    for (const sync::Op& op : part.ops) page.bytes += memory_of(*op.message);
    page.parts.push_back(std::move(part));
    if (*is_full) break;
  }
  return page;
}

}  // namespace

void LogReader::read_page() {
  if (std::exchange(reading_, true)) return;
  const std::weak_ptr<LogReader> self = weak_from_this();
  const auto fail = [self, &log = log_](const Error& error) {
    const auto reader = self.lock();
    if (!reader) return;
    reader->reading_ = false;  // the owner's next tick tries again
    log.log_(error.what);
  };
  log_.store_.read(
      [self, fail, after = cursor_, known = log_.durable_, conflated = conflated_, conflated_last = conflated_last_,
       &log = log_](sync::ReadView& view) -> Continuation {
        auto rows = view.segments_after(after, kReadPageBytes);
        if (!rows) return [fail, error = rows.error()](Instant) { fail(error); };
        std::uint64_t damaged = 0;
        auto decoded = decode_page(view, *rows, log.channels_, conflated, conflated_last, damaged);
        if (!decoded) return [fail, error = decoded.error()](Instant) { fail(error); };
        auto page = std::make_shared<LogPage>(std::move(*decoded));
        return [self, page, damaged, after, known, &log](Instant) {
          if (damaged > 0) {
            log.dropped_ += damaged;
            log.log_(std::to_string(damaged) + " messages in the database are damaged, and cannot be delivered");
          }
          if (const auto reader = self.lock()) reader->take_page(std::move(*page), after, known);
        };
      },
      [fail](Instant, const Error& error) { fail(error); });
}

void LogReader::take_page(LogPage page, sync::Arrival after, sync::Arrival known) {
  reading_ = false;
  if (cursor_ < after) return ready_();  // the reader went back meanwhile: it needs an earlier page
  if (page.parts.empty()) {
    if (known > cursor_) trimmed_ += known - cursor_;
    pass(known);  // nothing follows in the log: it was trimmed
  } else {
    charge_ = MemoryCharge(log_.pages_, page.bytes);
    page_ = std::move(page);
  }
  ready_();
  // Whoever has no room did not even look at it.
  if (log_.pages_.is_exceeded()) drop_page();
}

}  // namespace hedgerow::node
