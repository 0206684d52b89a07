// Session: what the node knows of one client beyond its connection (MQTT 5.0 section 4.1), and where its delivery
// stands. SessionRegistry holds all of them.
// A session reads the log in arrival order. While it keeps up it is `live`: what is committed goes to it at once. When
// its window or its connection is full it is not live, and goes on from its cursor when there is room: nothing queues.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "daemon/mqtt/packets.hpp"
#include "daemon/node/arrival_log.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/memory_budget.hpp"
#include "daemon/node/retained_page.hpp"
#include "daemon/node/session_store.hpp"
#include "daemon/node/window.hpp"
#include "sync/base/time.hpp"
#include "sync/engine/engine.hpp"

namespace hedgerow::node {

class Client;

struct Subscription {
  mqtt::SubOptions options;
  sync::Arrival start = 0;  // as StoredSubscription::start
  // Likewise.
  bool retained_due = false;
  sync::ChannelNo retained_channel{};
  std::string retained_topic = {};
  std::optional<StoredReplay> replay = {};
  // Whose progress that is: the newest ones.
  std::uint64_t retained_run = 0;
  std::uint64_t replay_run = 0;
  bool moved = false;  // the disk does not know it yet
};

// Retained messages on their way to one new subscription.
struct RetainedRun {
  sync::Arrival start = 0;                              // what was set later comes as an ordinary message
  bool resumed = false;                                 // it began on an earlier connection
  std::optional<std::uint64_t> replayed_since_ms = {};  // what was set since comes with the replay that follows
  RetainedPlace place = {};                             // where reading goes on
  bool reading = false;
  bool exhausted = false;  // all pages are read
  std::vector<sync::Cell> page = {};
  std::size_t next = 0;          // in page
  RetainedPlace page_from = {};  // where the page began

  MemoryCharge charge = {};  // for it
  // What is left of the page is read again.
  void drop_page();
};

// Messages of the past on their way to one subscription that asked for them (DESIGN 1).
struct ReplayRun {
  std::uint64_t since_ms = 0;
  bool resumed = false;     // it began on an earlier connection
  sync::Arrival after = 0;  // what came on it
  bool placed = false;      // the reader stands where the past begins
  bool reading = false;     // that is being looked up
  sync::Arrival last = 0;   // what arrived later comes as an ordinary message
  std::shared_ptr<LogReader> reader = {};
};

// A place in a run: of retained messages the channel and the topic, of a replay the arrival.
struct RunPlace {
  sync::ChannelNo channel{};
  std::string topic = {};
  sync::Arrival arrival = 0;
};

// What a new subscription gets before anything else of its session. It is acknowledged in stretches: once all of one
// is, the next connection goes on behind it.
struct Run {
  struct Stretch {
    RunPlace end = {};
    std::unordered_set<sync::Arrival> waiting = {};  // sent, and not acknowledged
    std::unordered_set<sync::Arrival> begun = {};  // QoS 2: what the client may have, before and after it completed it
    [[nodiscard]] bool empty() const { return waiting.empty() && begun.empty(); }
  };

  std::uint64_t id = 0;
  std::string filter;
  mqtt::SubOptions options;
  std::variant<RetainedRun, ReplayRun> what;
  bool is_sent = false;    // all of it
  RunPlace place = {};     // what was offered last
  bool has_moved = false;  // since a stretch ended
  std::vector<Stretch> stretches = {};
  Stretch open = {};  // behind them: not ended yet
  MemoryCharge charge = {};

  [[nodiscard]] bool has_room() const;
  // The stretch ends with what was offered last, unless too many are on their way.
  void end_stretch();
  void move_to(RunPlace to);
  void acknowledge(sync::Arrival arrival);
};

// A SUBSCRIBE or UNSUBSCRIBE that was carried out and waits for the disk: how each filter was before it.
struct SubscriptionChange {
  struct Before {
    std::string filter;
    std::optional<Subscription> subscription;  // nothing: there was none
  };
  std::vector<Before> before;
  std::uint64_t store = 0;                  // Session::stores, with it
  std::function<void(bool stored)> answer;  // before anything else is sent
};

struct Session {
  Session(std::uint64_t session_id, std::string session_owner, std::string session_client_id, bool persistent,
          std::uint16_t window_limit)
      : id(session_id),
        owner(std::move(session_owner)),
        client_id(std::move(session_client_id)),
        window(window_limit, persistent) {}

  [[nodiscard]] bool is_persistent() const { return expiry_s > 0; }
  // Before the daemon was killed: nobody knows.
  [[nodiscard]] bool is_maybe_sent(sync::Arrival arrival) const {
    return arrival <= restored_up_to && maybe_sent_left > 0;
  }
  // Nothing of the log is sent meanwhile: an answer must leave first.
  [[nodiscard]] bool is_held() const { return holds > 0 || !changes.empty(); }
  [[nodiscard]] StoredSession stored() const;
  // Call where a subscription comes or goes.
  void add_filter(std::size_t bytes);
  void remove_filter(std::size_t bytes);

  const std::uint64_t id;
  const std::string owner;
  const std::string client_id;
  std::uint32_t expiry_s = 0;
  std::uint32_t stored_expiry_s = 0;                               // as the store was told last
  std::map<std::string, Subscription, std::less<>> subscriptions;  // shared ones too, whole as subscribed
  sync::Arrival newest_start = 0;                                  // of all subscriptions
  std::vector<std::uint64_t> groups;                               // shared subscriptions that it is a member of

  Client* client = nullptr;    // null: offline
  Client* pending = nullptr;   // waits for the session to be on disk, before it is accepted
  bool was_stored = false;     // the disk may know it
  bool was_confirmed = false;  // the disk knows it
  bool conflates = false;      // its connection wants only the latest of the retained messages that it missed
  bool was_resumed = false;    // by a newer connection than its first
  bool store_due = false;      // a change that nobody waits for did not reach the disk
  Window window;
  std::set<std::uint16_t> received;  // QoS 2 from the client, not released yet [MQTT-4.3.3-9]
  bool live = false;
  bool due = false;  // waits for the next turn of the loop
  // Its cursor is meaningful while not live: everything up to there was sent, or was not for it. Null while offline.
  std::shared_ptr<LogReader> reader;
  sync::Arrival cursor = 0;           // while offline
  sync::Arrival attached_at = 0;      // older messages of QoS 0 are not made up for
  sync::Arrival restored_up_to = 0;   // the daemon was killed meanwhile: what arrived before may have been sent already
  std::uint16_t maybe_sent_left = 0;  // and so many of it at most
  std::size_t wanted_bytes = 0;       // of a message that found no room
  std::uint64_t trimmed_beneath = 0;  // messages that keep trimmed before this session had read them
  unsigned holds = 0;                 // reasons to wait for the disk
  std::vector<SubscriptionChange> changes = {};  // oldest first
  std::size_t changes_submitted = 0;             // so many of them went to the store, as one; the others follow as one
  std::uint64_t stores = 0;                      // how often it was handed to the store, whole
  std::list<Run> runs;
  bool runs_unsettled = false;   // not all of them were acknowledged
  bool runs_moved = false;       // some subscription has moved
  std::size_t filter_bytes = 0;  // of all subscriptions
  MemoryCharge charge;           // for them, once it is in the registry

  sync::Arrival position_submitted = 0;
  sync::Arrival position_saved = 0;
  std::optional<Instant> position_due;
  std::optional<Instant> expires_at;
};

class SessionRegistry {
 public:
  [[nodiscard]] Session* find(std::uint64_t id) const;
  [[nodiscard]] Session* find(std::string_view owner, std::string_view client_id);
  // REQUIRES: neither the id nor (owner, client_id) is known.
  Session& add(std::unique_ptr<Session> session);
  void erase(std::uint64_t id);

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  [[nodiscard]] std::size_t persistent() const;
  // What all their subscriptions cost.
  [[nodiscard]] MemoryBudget& subscriptions() { return subscriptions_; }
  // What was read for those that have no room for it yet.
  [[nodiscard]] MemoryBudget& pages() { return pages_; }
  [[nodiscard]] const std::unordered_map<std::uint64_t, std::unique_ptr<Session>>& all() const { return by_id_; }

 private:
  MemoryBudget subscriptions_{.bytes_max = kSubscriptionsBytesMax};
  MemoryBudget pages_{.bytes_max = kPagesBytesMax};
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> by_id_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> by_name_;
};

[[nodiscard]] StoredSubscription stored_subscription(const std::string& filter, const Subscription& subscription);

// The options byte of SUBSCRIBE, section 3.8.3.1.
[[nodiscard]] std::uint8_t options_byte(const mqtt::SubOptions& options);
[[nodiscard]] mqtt::SubOptions options_from(std::uint8_t byte, std::optional<std::uint32_t> identifier);

}  // namespace hedgerow::node
