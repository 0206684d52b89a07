// Watchers look on at what a filter matches, without a session: the retained messages first, then what is committed and
// what is live, until they leave. Like a session, a watcher is a position in the log: one that is slow goes on from
// there when it has room, and costs no memory but one page. QoS 0 messages that find no room are dropped and counted.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it; outputs are shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/node/arrival_log.hpp"
#include "daemon/node/channels.hpp"
#include "daemon/node/outbound.hpp"
#include "daemon/node/retained_page.hpp"
#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

// A message as a watcher sees it; valid during the call that it is given to.
struct Seen {
  const sync::Message& message;
  std::uint8_t qos = 0;
  bool retain = false;                          // it is the topic's retained message, or became it
  std::optional<sync::Stamp> stamp = {};        // when it was written; none: live, so about now
  std::optional<sync::ReplicaId> replica = {};  // which wrote it; none: live, and from another node
  Expiry expiry = {};                           // fresh or withheld
};

// Port: where a watcher's messages go.
class WatchOutput {
 public:
  virtual ~WatchOutput() = default;
  [[nodiscard]] virtual bool has_room() const = 0;
  // True: it wants no more, and is forgotten. Asked after has_room() and after show().
  [[nodiscard]] virtual bool is_done() const = 0;
  // Called only while there is room.
  virtual void show(const Seen& seen) = 0;
  // So many messages will not be shown: QoS 0 that found no room, and what keep trimmed before there was any (of all
  // topics, nobody knows which).
  virtual void lost(std::uint64_t dropped, std::uint64_t trimmed) = 0;
};

class Watchers {
 public:
  using Log = std::function<void(const std::string&)>;
  Watchers(sync::ReplicaId self, ArrivalLog& log, StorePort& store, const ChannelTable& channels,
           const MessageAges& ages, std::function<Moment()> moment, Log say);

  // Returns its number. Nothing comes before start(). REQUIRES: a valid filter, not shared.
  std::uint64_t add(std::string filter, std::shared_ptr<WatchOutput> output);
  // The retained messages can be read.
  void start(std::uint64_t watcher);
  void remove(std::uint64_t watcher) { watchers_.erase(watcher); }
  // The output has room again.
  void pump(std::uint64_t watcher);
  // Something was committed; also about once a second, so that a read that failed is tried again.
  void pump_all();
  void publish_live(const sync::Message& message, bool retain, bool is_own);
  void on_renewed(sync::ReplicaId self) { self_ = self; }

  [[nodiscard]] std::size_t size() const { return watchers_.size(); }

 private:
  struct Watcher {
    std::string filter;
    std::shared_ptr<WatchOutput> output;
    std::shared_ptr<LogReader> reader;
    sync::Arrival begin = 0;  // what was set later comes from the log
    bool started = false;
    RetainedPage page = {};
    std::size_t next = 0;  // in page.cells
    bool reading = false;
    bool retained_done = false;
    std::uint64_t dropped = 0;  // not told yet
  };
  void pump(std::uint64_t id, Watcher& watcher);
  // False: no room, or the next page is on its way.
  bool pump_retained(std::uint64_t id, Watcher& watcher);
  void pump_log(Watcher& watcher);
  void tell_lost(Watcher& watcher);
  void read_retained(std::uint64_t id, Watcher& watcher);
  // REQUIRES: seen.replica
  void show(Watcher& watcher, Seen seen, const sync::Stamp& stamp, sync::Arrival arrival);

  sync::ReplicaId self_;
  ArrivalLog& log_;
  StorePort& store_;
  const ChannelTable& channels_;
  const MessageAges& ages_;
  std::function<Moment()> moment_;
  Log say_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Watcher> watchers_;
};

}  // namespace hedgerow::node
