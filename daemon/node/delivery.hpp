// Delivery brings what was committed to the sessions that subscribe.
//
//   committed ops ──► live sessions, through the subscription tree
//                 └─► RecentLog ──► sessions that are a little behind ─┐ each from its own cursor, as its window and
//   log on disk ────────────────► sessions that are far behind ────────┘ its connection have room
//   cells on disk ──────────────► retained messages for new subscriptions, before anything else of that session
//
// So a slow or absent client costs no memory but its window.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it.
#pragma once

#include <functional>
#include <vector>

#include "daemon/mqtt/subscription_tree.hpp"
#include "daemon/node/channels.hpp"
#include "daemon/node/client.hpp"
#include "daemon/node/recent_log.hpp"
#include "daemon/node/session.hpp"
#include "daemon/node/store_port.hpp"

namespace hedgerow::node {

// Since the start of the process.
struct Counters {
  std::uint64_t received = 0;   // PUBLISH packets accepted from clients
  std::uint64_t delivered = 0;  // PUBLISH packets sent to clients
  std::uint64_t refused = 0;    // PUBLISH packets answered with a failure
  std::uint64_t dropped = 0;    // deliveries given up: QoS 0 to a full connection, or larger than the client accepts
};

using WallClock = std::function<WallTime()>;
using Log = std::function<void(const std::string&)>;  // one sentence for the operator

class Delivery {
 public:
  struct Settings {
    sync::ReplicaId self{};
    sync::Arrival latest = 0;  // the last committed arrival at the start
    std::uint64_t hash_seed = 0;
  };
  // `touched` is told of every client that got output, so that the owner flushes it.
  Delivery(Settings settings, StorePort& store, SessionRegistry& sessions, const ChannelTable& channels,
           WallClock wall_clock, Counters& counters, std::function<void(Client&)> touched, Log log);

  // The session has a connection, and goes on where it stood.
  void attach(Session& session, Client& client);
  void detach(Session& session);
  // Adds or replaces; its retained messages follow where the options ask for them. REQUIRES: attached.
  void subscribe(Session& session, std::string_view filter, const mqtt::SubOptions& options);
  // Returns true iff there was one.
  bool unsubscribe(Session& session, std::string_view filter);
  // Sends what there is room for: after an acknowledgement, a drained connection, a released hold.
  void pump(Session& session);
  // Call about once a second: a session whose read failed tries again.
  void pump_stalled();

  void on_committed(sync::Committed committed);
  // A QoS 0 message: now, or never.
  void publish_live(const sync::Message& message, bool retain, std::uint64_t publisher);
  // The same from another node.
  void publish_foreign(const sync::Message& message, bool retain);

  [[nodiscard]] sync::Arrival latest() const { return latest_; }
  // Everything up to here was sent to the session, or was not for it.
  [[nodiscard]] sync::Arrival cursor(const Session& session) const { return session.live ? latest_ : session.cursor; }

 private:
  struct OpRef {
    const sync::Op& op;
    sync::ReplicaId replica;
    sync::Arrival arrival;
  };
  // What all matching subscriptions of one session ask for together.
  struct Wish {
    bool any = false;
    mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
    bool retain_as_published = false;
    std::vector<std::uint32_t> identifiers;
    void clear();
    void add(const mqtt::SubOptions& options);
  };

  void deliver_to_live(const OpRef& op);
  void match_subscriptions(const Session& session, const OpRef& op, Wish& wish) const;
  [[nodiscard]] bool is_own(const Session& session, const OpRef& op) const;
  // False: there is no room; nothing was sent.
  bool offer(Session& session, const OpRef& op, const Wish& wish);
  [[nodiscard]] static bool is_deliverable(const sync::Message& message);
  bool offer_retained(Session& session, const RetainedRun& run, const sync::Cell& cell);
  void send_at_most_once(Client& client, const sync::Message& message, bool retain,
                         std::optional<std::uint32_t> expiry_left_s, const Wish& wish);
  // `again`: it was sent on an earlier connection.
  [[nodiscard]] bool has_room(const Session& session, mqtt::QoS qos, bool again) const;
  // Nothing: it has expired.
  [[nodiscard]] bool expired(const sync::Message& message, const sync::Stamp& stamp,
                             std::optional<std::uint32_t>& left_s) const;

  // True: all retained runs are through.
  bool pump_retained(Session& session);
  void read_retained(Session& session, RetainedRun& run);
  // False: wait for room or for the disk.
  bool pump_log(Session& session);
  bool pump_page(Session& session);
  void read_log(Session& session);
  // Everything up to `cursor` was sent, or is not for the session.
  static void pass(Session& session, sync::Arrival cursor);
  void read_from_disk(sync::Arrival latest);
  void stop_live(Session& session);

  Settings settings_;
  StorePort& store_;
  SessionRegistry& sessions_;
  const ChannelTable& channels_;
  WallClock wall_clock_;
  Counters& counters_;
  std::function<void(Client&)> touched_;
  Log log_;
  sync::Arrival latest_;
  RecentLog recent_;
  mqtt::SubscriptionTree tree_;  // of the sessions that are attached
  std::uint64_t next_run_id_ = 1;
  std::vector<mqtt::SubscriptionTree::Match> matches_;  // scratch
  Wish wish_;                                           // scratch
};

}  // namespace hedgerow::node
