// ArrivalLog: what came here, in order of arrival: its tail in memory, the rest on disk. LogReader walks it from a
// cursor. Sessions, shared subscriptions and replays read through it, so none of them holds a copy.
//
//     on disk, perhaps in memory  │  in memory only: handed out of a turn that is still open (sync::RemoteCommit)
//                            durable()                                                                       latest()
//
// Who keeps a position reads up to durable(), everybody else up to latest().
// In a channel that merges, what a publish with retain shows is the merged message: as it was right after it where it
// is read from memory, as it is by now where it is read from disk.
// Readers pass over what is of a spooled channel.
// Thread rule: the loop thread. Ownership: store and channels must outlive the log, the log its readers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/node/channels.hpp"
#include "daemon/node/memory_budget.hpp"
#include "daemon/node/recent_log.hpp"
#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

// One op of the log; valid during the call that it is given to.
struct OpRef {
  const sync::Op& op;
  sync::ChannelNo channel{};
  sync::ReplicaId replica{};
  sync::Arrival arrival = 0;
  bool superseded = false;  // LogReader::conflate(): a newer value of its topic follows
};

// A part of the log, read from disk.
struct LogPage {
  struct Part {
    sync::ChannelNo channel{};
    sync::ReplicaId replica{};
    sync::Arrival first_arrival = 0;
    std::uint32_t count = 0;  // as stored; ops is empty where the row is damaged, or of a spooled channel
    std::vector<sync::Op> ops;
    std::vector<bool> superseded;  // empty, or one for each op: a newer value of its cell follows
  };
  std::vector<Part> parts;  // in arrival order
  std::size_t part = 0;     // where the reader stands
  std::size_t op = 0;
  std::size_t bytes = 0;  // of memory, about
};

// What a message costs in memory, about.
[[nodiscard]] std::size_t memory_of(const sync::Message& message);

class ArrivalLog {
 public:
  using Log = std::function<void(const std::string&)>;
  // `pages`: what readers that wait for room may hold; outlives all readers.
  ArrivalLog(StorePort& store, const ChannelTable& channels, sync::Arrival latest, std::uint64_t& dropped,
             MemoryBudget& pages, Log log);

  // The last arrival, and the last one that is committed.
  [[nodiscard]] sync::Arrival latest() const { return latest_; }
  [[nodiscard]] sync::Arrival durable() const { return durable_; }
  // `segment` begins behind latest(): right there, unless a turn was lost. It is not durable yet.
  void add(sync::CommittedSegment segment);
  // All of it is durable now.
  void settle() { durable_ = latest_; }
  // What was not durable is lost, and its numbers are not given again.
  void lose() {
    if (durable_ < latest_) skip_to(latest_);
  }
  // A snapshot was merged: its ops are on disk only, wherever in the turn they stand, and everybody reads them there.
  void skip_to(sync::Arrival latest);
  // The ops in (after, latest()], in order. REQUIRES: durable() <= after
  template <class Visit>
  void visit_after(sync::Arrival after, const Visit& visit) const;

  // Somebody waits for durable() to move.
  void hurry() { is_hurried_ = true; }
  // Since the last call, and it can move.
  [[nodiscard]] bool take_hurry() { return std::exchange(is_hurried_, false) && durable_ < latest_; }

 private:
  friend class LogReader;

  StorePort& store_;
  const ChannelTable& channels_;
  std::uint64_t& dropped_;
  MemoryBudget& pages_;
  Log log_;
  sync::Arrival latest_;
  sync::Arrival durable_;
  bool is_hurried_ = false;
  RecentLog recent_;
};

template <class Visit>
void ArrivalLog::visit_after(sync::Arrival after, const Visit& visit) const {
  while (after < latest_) {
    const RecentLog::Position at = recent_.after(after);
    after = at.segment->segment->first_arrival + at.index;
    visit(OpRef{.op = at.segment->ops[at.index],
                .channel = at.segment->channel,
                .replica = at.segment->segment->replica,
                .arrival = after});
  }
}

class LogReader : public std::enable_shared_from_this<LogReader> {
 public:
  // `ready`: a page has come, or reading failed and may be tried again; call run() then. Not called once the reader is
  // gone.
  [[nodiscard]] static std::shared_ptr<LogReader> make(ArrivalLog& log, sync::Arrival cursor,
                                                       std::function<void()> ready);
  // Up to `last`, retained messages of these channels are marked when a newer value of their topic is known.
  void conflate(std::vector<sync::ChannelNo> channels, sync::Arrival last);

  // Everything up to here was visited, or is not in the log.
  [[nodiscard]] sync::Arrival cursor() const { return cursor_; }
  void jump(sync::Arrival cursor) {
    cursor_ = cursor;
    drop_page();
  }
  // Arrivals that keep had trimmed beneath the cursor, since the last call. G6.
  [[nodiscard]] std::uint64_t take_trimmed() { return std::exchange(trimmed_, 0); }

  enum class Progress : std::uint8_t { kCaughtUp, kNoRoom, kReading };
  // Gives the visitor each op after the cursor and up to `last`, in order, until it returns false: that op comes again.
  // kReading: a page is on its way from the disk. kNoRoom: what was read stays for the next time, if all pages are few.
  using Visitor = std::function<bool(const OpRef&)>;
  Progress run(sync::Arrival last, const Visitor& visit);

 private:
  LogReader(ArrivalLog& log, sync::Arrival cursor, std::function<void()> ready)
      : log_(log), cursor_(cursor), ready_(std::move(ready)) {}

  // False: no room.
  bool run_page(sync::Arrival last, const Visitor& visit);
  void read_page();
  void drop_page() {
    page_.reset();
    charge_.set(0);
  }
  void take_page(LogPage page, sync::Arrival after, sync::Arrival known);
  void pass(sync::Arrival cursor) { cursor_ = std::max(cursor_, cursor); }

  ArrivalLog& log_;
  sync::Arrival cursor_;
  std::function<void()> ready_;
  std::vector<sync::ChannelNo> conflated_;
  sync::Arrival conflated_last_ = 0;
  std::optional<LogPage> page_;
  MemoryCharge charge_;  // for it
  bool reading_ = false;
  std::uint64_t trimmed_ = 0;
};

}  // namespace hedgerow::node
