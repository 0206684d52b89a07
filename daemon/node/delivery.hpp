// Delivery brings what was committed to the sessions that subscribe.
//
//   committed ops ──► live sessions, through the subscription tree; what was handed out before its commit goes at once
//                 │   to those that keep nothing, and when it is durable to those that keep a position
//                 └─► ArrivalLog ──► sessions that are behind, each from its own cursor, as its window and its
//                                    connection have room: from memory, or from the disk
//   cells on disk ──► retained messages for new subscriptions, before anything else of that session
//   log on disk   ──► replays, for subscriptions that asked for the past, after the retained messages
//
// So a slow or absent client costs no memory but its window.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/mqtt/subscription_tree.hpp"
#include "daemon/node/arrival_log.hpp"
#include "daemon/node/arrival_times.hpp"
#include "daemon/node/channels.hpp"
#include "daemon/node/client.hpp"
#include "daemon/node/expiry.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/outbound.hpp"
#include "daemon/node/session.hpp"
#include "daemon/node/shared_groups.hpp"
#include "daemon/node/store_port.hpp"
#include "daemon/node/watchers.hpp"

namespace hedgerow::node {

using Log = std::function<void(const std::string&)>;  // one sentence for the operator
using WallClock = std::function<WallTime()>;

class Delivery {
 public:
  struct Settings {
    sync::ReplicaId self{};
    sync::Arrival latest = 0;  // the last committed arrival at the start
  };
  struct Ports {
    StorePort& store;
    std::function<Moment()> moment;
    std::function<std::uint64_t()> random;
    std::function<void(Client&)> touched;  // told of every client that got output, so that the owner flushes it
    Outbound::MayReceive may_receive;
    std::function<void(Session&)> release_lost;  // Window::has_lost(): now, or with a later call
    Log log;
  };
  Delivery(Settings settings, Ports ports, SessionRegistry& sessions, const ChannelTable& channels, QueueBudget& budget,
           Counters& counters);

  // The session has a connection, and goes on where it stood.
  void attach(Session& session, Client& client);
  void detach(Session& session);
  // The session has ended. REQUIRES: detached.
  void forget(Session& session) { groups_.forget(session); }
  // A session of before the daemon's start, with its subscriptions.
  void restore(Session& session);

  // Adds or replaces; its retained messages follow where the options ask for them, then the past since then.
  // REQUIRES: attached. False: there are too many shared subscriptions.
  bool subscribe(Session& session, const mqtt::SubscribeEntry& entry, std::optional<std::uint64_t> replay_since_ms);
  // Returns true iff there was one. `filter`: whole as subscribed.
  bool unsubscribe(Session& session, std::string_view filter);
  // An UNSUBSCRIBE or SUBSCRIBE that waits for the disk. withdraw() as unsubscribe(), but that the session's place in a
  // shared subscription is kept, and nothing is passed over. Then either confirm(), or put_back() with what was there
  // before. REQUIRES: the session is held meanwhile.
  bool withdraw(Session& session, std::string_view filter);
  void confirm(Session& session, std::string_view filter);
  void put_back(Session& session, const std::string& filter, const std::optional<Subscription>& before);
  // Sends what there is room for: after an acknowledgement, a drained connection, a released hold.
  void pump(Session& session);
  // A QoS 1 or 2 message is done.
  void acknowledge(Session& session, const Window::Message& message);
  // Call about once a second: a session whose read failed tries again, and positions of shared subscriptions are saved.
  void on_tick();

  // Matching has a share of each turn of the loop: kLevelsPerLoopTurn.
  [[nodiscard]] bool is_spent() const { return levels_ >= kLevelsPerLoopTurn; }
  // Sessions wait for the next turn of the loop: for pump_due().
  [[nodiscard]] bool has_due() const { return !due_.empty(); }
  void pump_due();
  void end_turn() {
    levels_ = 0;
    is_behind_ = {};
  }

  // TurnResult::filled, before on_committed() of its turn.
  void note_filled(const Arrivals& arrivals) { arrival_times_.note_filled(arrivals); }
  // TurnResult::handed_out
  void on_handed_out(std::vector<sync::CommittedSegment> segments);
  void on_committed(sync::Committed committed);
  // The turn failed: what was handed out and is not durable comes again some day, under other arrival numbers.
  void on_lost() { log_.lose(); }
  // Some reader waits for what was handed out to become durable. Once a time.
  [[nodiscard]] bool take_hurry() { return log_.take_hurry(); }
  // What came is not all on disk yet.
  [[nodiscard]] bool awaits_commit() const { return log_.durable() < log_.latest(); }
  // What this node writes bears another name from now on.
  void on_renewed(sync::ReplicaId self) {
    settings_.self = self;
    ages_.on_renewed(self);
    outbound_.on_renewed(self);
    watchers_.on_renewed(self);
  }
  // A QoS 0 message: now, or never.
  void publish_live(const sync::Message& message, bool retain, std::uint64_t publisher);
  // The same from another node.
  void publish_foreign(const sync::Message& message, bool retain);

  [[nodiscard]] sync::Arrival latest() const { return log_.latest(); }
  // Everything up to here was sent to the session, or was not for it.
  [[nodiscard]] sync::Arrival cursor(const Session& session) const;
  [[nodiscard]] SharedGroups& groups() { return groups_; }
  [[nodiscard]] const SharedGroups& groups() const { return groups_; }
  [[nodiscard]] Outbound& outbound() { return outbound_; }
  [[nodiscard]] const MessageAges& ages() const { return ages_; }
  // The last delivery of one that may have expired.
  [[nodiscard]] const std::optional<Withheld>& withheld() const { return outbound_.withheld(); }
  [[nodiscard]] Watchers& watchers() { return watchers_; }
  [[nodiscard]] std::size_t subscriptions() const { return tree_.size(); }

 private:
  using Subscriptions = decltype(Session::subscriptions);
  // Not from a group.
  void erase(Session& session, Subscriptions::iterator subscription);
  // Those that keep a position, and shared subscriptions, get nothing that is not durable.
  enum class Audience : std::uint8_t { kAll, kKeepsNothing, kKeepsPosition };
  void deliver_to_live(const OpRef& op, Audience audience);
  // The audience reads on from the log, when there is time for it.
  void fall_behind(sync::Arrival cursor, Audience audience);
  void set_due(Session& session);
  void deliver_segment(const sync::CommittedSegment& segment, Audience audience);
  // How far the session may read.
  [[nodiscard]] sync::Arrival reach(const Session& session) const {
    return session.is_persistent() ? log_.durable() : log_.latest();
  }
  void match_subscriptions(const Session& session, const OpRef& op, Wish& wish);
  [[nodiscard]] bool is_own(const Session& session, const OpRef& op) const;
  // Older than its channel allows, on arrival: only for persistent sessions and replays (DESIGN 1).
  [[nodiscard]] bool is_late(const OpRef& op) const;
  void stop_live(Session& session, sync::Arrival cursor);
  void pump_all();
  // False: wait for room or for the disk.
  bool pump_log(Session& session);

  // True: all runs are sent.
  bool pump_runs(Session& session);
  // True: the run is.
  bool pump_run(Session& session, Run& run, RetainedRun& retained);
  bool pump_run(Session& session, Run& run, ReplayRun& replay);
  bool offer_retained(Session& session, Run& run, const RetainedRun& retained, const sync::Cell& cell);
  bool offer_past(Session& session, Run& run, const ReplayRun& replay, const OpRef& op);
  // False: there is no room.
  bool offer_of_run(Session& session, Run& run, bool resumed, const Outbound::Aside& aside);
  // Those whose time on earlier connections was not enough.
  void resume_runs(Session& session, const std::string& filter, Subscription& subscription);
  // Their progress becomes the subscriptions'; those that are acknowledged as a whole go.
  void settle_runs(Session& session);
  static bool settle_run(Session& session, Run& run);
  void read_retained(Session& session, Run& run, RetainedRun& retained);
  void add_retained_run(Session& session, const std::string& filter, Subscription& subscription, RetainedRun retained);
  void add_replay_run(Session& session, const std::string& filter, Subscription& subscription, ReplayRun replay);
  void place_replay(Session& session, Run& run, ReplayRun& replay);
  // The run and its session, if both are still there.
  template <class What>
  [[nodiscard]] What* find_run(std::uint64_t session, std::uint64_t run, Session*& found);

  Settings settings_;
  Ports ports_;
  SessionRegistry& sessions_;
  const ChannelTable& channels_;
  Counters& counters_;
  ArrivalLog log_;
  ArrivalTimes arrival_times_;
  MessageAges ages_;
  mqtt::SubscriptionTree tree_;  // of the sessions that are attached, and of the shared subscriptions
  Outbound outbound_;
  SharedGroups groups_;
  Watchers watchers_;
  std::uint64_t next_run_id_ = 1;
  std::size_t levels_ = 0;                              // of filters, looked at in this turn of the loop
  std::array<bool, 3> is_behind_{};                     // each audience, in this turn
  std::deque<std::uint64_t> due_;                       // sessions
  std::vector<mqtt::SubscriptionTree::Match> matches_;  // scratch
  Wish wish_;                                           // scratch
};

}  // namespace hedgerow::node
