// Node: routing, no I/O. Joins MQTT clients, sessions, the store and the links. DESIGN 4.
//
//   client PUBLISH ──► PublishIntent ──► store (one transaction, one sync for all that wait)
//                                          └─► TurnResult: PUBACKs, deliveries, pushes to the links
//
// Its parts lie in files of their own: node_connect (CONNECT to the end of a connection), node_sessions (what is kept
// of sessions), node_publish (PUBLISH and its acknowledgements, both ways), node_subscribe, node_wills, node_operator
// (for `hedgerow` on this board), node (turns, time, the end).
//
// Pure but for its ports (StorePort, AccessPort, Stream, LinkOutput, clock, random numbers), so that a whole mesh of
// real nodes can run in one process.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it; clients are owned by the
// network and unregister themselves.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/node/access_port.hpp"
#include "daemon/node/cells_soon.hpp"
#include "daemon/node/channel_alarms.hpp"
#include "daemon/node/delivery.hpp"
#include "daemon/node/links.hpp"
#include "daemon/node/owed.hpp"
#include "daemon/node/peer_acks.hpp"
#include "daemon/node/refusal_log.hpp"
#include "daemon/node/sparse_notes.hpp"
#include "daemon/node/system_topics.hpp"
#include "daemon/node/wills.hpp"
#include "sync/clock/hlc.hpp"

namespace hedgerow::node {

struct NodeSettings {
  std::string mesh;
  std::string name;
  std::string version;
  mqtt::ConnectionLimits connection_limits;
  NodeLimits limits;
};

struct NodePorts {
  StorePort& store;
  AccessPort& access;
  Hasher& read_hasher;  // used in read jobs only
  const Compressor& compressor;
  WallClock wall_clock;
  std::function<std::uint64_t()> random;  // uniformly distributed, unpredictable
  Log log;
  std::function<void()> on_deadline;           // next_deadline() may have moved
  std::function<void(const Error&)> on_fatal;  // the store is lost: the daemon must end
};

// What the store knew at the start.
struct NodeState {
  sync::ReplicaId self{};
  sync::Arrival last_arrival = 0;
  sync::Stamp clock{};  // of the engine
  std::vector<sync::ChannelState> channels;
  std::vector<StoredSession> sessions;
  std::vector<StoredWill> wills;  // each with `died`
  std::vector<StoredGroup> groups;
  sync::StoreTotals stored;
};

class Node final : public StreamAcceptor, public ClientOwner {
 public:
  Node(Instant now, NodeSettings settings, NodePorts ports, ChannelTable channels, NodeState state);
  ~Node() override;

  // StreamAcceptor
  std::unique_ptr<StreamHandler> on_accept(Instant now, const Arrived& arrived, Stream& stream) override;

  // The store finished a turn.
  void on_turn(Instant now, TurnResult turn);
  // Call after anything else that ran on the loop thread and may have reached the node: continuations of reads, links.
  // Sends what gathered.
  void flush();
  // Call at next_deadline(), or earlier.
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;

  // Sets the retained message hedgerow/MESH/nodes/NODE/`leaf`: the node's own voice. While there are alarms it is told
  // live, too: it may be the disk that is full.
  void publish_own(std::string_view leaf, std::string_view payload);

  // --- for the operator of this board, beyond all access rules ---
  struct OperatorPublish {
    std::string topic;
    Bytes payload;
    bool retain = true;
  };
  using OperatorTold = std::function<void(const std::optional<Error>& refusal)>;
  // QoS 1. Calls `then` once: refused, perhaps at once, or on disk (G1).
  void publish_for_operator(OperatorPublish publish, OperatorTold then);
  // Likewise the retained message hedgerow/MESH/`leaf`, which no client may write: what the whole mesh is to know.
  void set_mesh_state(std::string_view leaf, std::string_view payload, OperatorTold then);
  // Calls `then`, perhaps at once, when all retained messages that came until now can be read.
  void when_cells_stored(std::function<void()> then);
  // Returns the watcher's number. REQUIRES: a valid filter, not shared.
  std::uint64_t watch(std::string filter, std::shared_ptr<WatchOutput> output);
  void unwatch(std::uint64_t watcher);
  void on_watch_room(std::uint64_t watcher);
  // Of the node's own $SYS topics, which are not stored.
  [[nodiscard]] std::vector<SystemValue> system_values(std::string_view filter) const {
    return system_topics_.matching(filter);
  }

  // New limits hold for connections to come, those of queues and sessions at once. What channels say of `late` and
  // `conflate` holds at once.
  void reconfigure(const mqtt::ConnectionLimits& connection_limits, const NodeLimits& limits,
                   const std::vector<config::Channel>& channels);
  // The access rules have changed: subscriptions that they do not allow any more end, and so do connections whose user
  // is no more; connections that wait to be accepted are looked at again. Wills are, when their time comes.
  void enforce_access();

  // New connections and publishes are turned away; what was accepted is finished. Then say_goodbye().
  void stop_taking(Instant now);
  // Acknowledgements have left: saves positions, and tells the clients that the server shuts down.
  void say_goodbye(Instant now);

  [[nodiscard]] Links& links() { return links_; }
  [[nodiscard]] const Links& links() const { return links_; }
  [[nodiscard]] const ChannelTable& channels() const { return channels_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  // Since the start of the process, those that lost most first; kTrimmedShownMax at most.
  [[nodiscard]] std::vector<TrimmedReader> trimmed_readers() const;
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  [[nodiscard]] const NodeSettings& settings() const { return settings_; }
  [[nodiscard]] const MessageAges& ages() const { return delivery_.ages(); }
  [[nodiscard]] Moment moment() const;
  // What somebody must see to, in sentences: the disk is full, nodes contradict each other. Shown by status and health.
  [[nodiscard]] std::vector<std::string> alarms() const;

 private:
  struct AcceptedLink;
  struct Newcomer;
  struct Replacing;

  // ClientOwner
  void on_connect(Instant now, Client& client, const mqtt::ConnectRequest& request) override;
  void on_publish(Instant now, Client& client, const mqtt::PublishRequest& request) override;
  void on_skipped_publish(Instant now, Client& client, const mqtt::PublishRequest& request) override;
  void on_subscribe(Instant now, Client& client, const mqtt::SubscribeRequest& request) override;
  void on_unsubscribe(Instant now, Client& client, const mqtt::UnsubscribeRequest& request) override;
  void on_puback(Instant now, Client& client, const mqtt::AckReceived& puback) override;
  void on_pubrec(Instant now, Client& client, const mqtt::AckReceived& pubrec) override;
  void on_pubrel(Instant now, Client& client, const mqtt::AckReceived& pubrel) override;
  void on_pubcomp(Instant now, Client& client, const mqtt::AckReceived& pubcomp) override;
  void on_drained(Instant now, Client& client) override;
  void on_handled(Instant now, Client& client) override;
  void on_ended(Instant now, Client& client, const Goodbye& goodbye) override;
  void on_gone(Instant now, Client& client, const std::string& reason) override;

  // Connecting
  void on_verdict(Instant now, std::uint64_t client, const Newcomer& newcomer,
                  tl::expected<security::Principal, AccessPort::Denial> verdict);
  // It is who it says: looks at what else it asks for, and finds its session.
  void admit(Instant now, Client& client, const Newcomer& newcomer);
  [[nodiscard]] bool may_leave_will(Client& client);
  // Whether a connection that waits for the disk may still be accepted. If not, it has been told.
  bool check_pending(Session& session);
  // Ends the session's connection in favour of a newer one [MQTT-3.1.4-3], and the session where it does not outlive
  // it.
  void take_over(Instant now, Session& session);
  [[nodiscard]] std::unique_ptr<Session> make_session(std::uint64_t id, const Client& client,
                                                      const Newcomer& newcomer) const;
  void open_session(Instant now, Client& client, const Newcomer& newcomer);
  void resume_session(Client& client, const Newcomer& newcomer, Session& session);
  // The session is as its new connection wants it from now on.
  void adopt(Session& session, const Client& client, const Newcomer& newcomer);
  // A CONNECT of the session was refused after all: it goes on as before, or was never there.
  void abandon(Session& session);
  // The disk has, or has not, what a CONNECT put there for its session.
  void on_session_stored(std::uint64_t session, bool stored);
  // CONNACK waits until the session and the will are on disk. The session's newest connect wins.
  void await_stored(Session& session, Client& client, const Newcomer& newcomer, bool session_present);
  void accept(Session& session, Client& client, const Newcomer& newcomer, bool session_present);
  void turn_away(Client& client, mqtt::ReasonCode code);
  // A clean start that the disk must know of: the old session ends once it does.
  void replace_session(Client& client, const Newcomer& newcomer, const Session& old);
  void await_replaced(Replacing& replacing, const Client& client, const Newcomer& newcomer);
  void on_replaced(std::uint64_t old, bool stored);
  void settle_replaced(const Replacing& replacing, Client* client);
  void end_link(Instant now, Client& client, const std::string& reason);

  // Refusals, told to the operator sparsely: node_refusals.cpp
  // Refuses its CONNECT. `remedy`: what the operator can do, and the client is not told.
  void turn_down(Client& client, const Newcomer& newcomer, mqtt::ReasonCode code, std::string_view why,
                 std::string_view remedy = {});
  void turn_down(Client& client, const Newcomer& newcomer, AccessPort::Denial denial);
  enum class Right : std::uint8_t { kPublish, kSubscribe };
  void note_denied(const Client& client, Right right, std::string_view topic);
  void note_refused_publish(const Client& client, std::string_view topic, std::string_view why);
  // It was closed for a rule that it broke.
  void note_broken(const Client& client, const Goodbye& goodbye);

  // Sessions
  // Nothing: never.
  [[nodiscard]] static std::optional<Instant> expiry_moment(Instant now, std::uint32_t expiry_s);
  void restore_sessions(Instant now, const std::vector<StoredSession>& stored);
  void end_session(Session& session);
  void expire_sessions(Instant now);
  // `then` is told whether the session is on disk.
  using Stored = std::function<void(bool stored)>;
  void store_session(Session& session, Stored then);
  [[nodiscard]] Window::MayForget may_forget(const Session& session, sync::Arrival position) const;
  void submit_position(Session& session);
  void save_position(Session& session, Instant now, bool at_once);
  void save_due_positions(Instant now);
  void keep_lost(Instant now, TurnResult& turn);
  void keep_position(PositionIntent lost);
  void submit_owed();
  // A full disk owes so much already that this exchange of QoS 2 cannot be promised to go on.
  bool is_exchange_refused(Client& client);
  // Brings the intent up to date.
  [[nodiscard]] bool is_still_wanted(Intent& intent);

  // Publishing
  // hedgerow/# and $…: written by the node alone.
  [[nodiscard]] static bool is_reserved(std::string_view topic);
  // What a Mosquitto's bridge says of itself, by publish and will, before anything else. Told nobody here, and not
  // worth a refusal, which would keep the bridge out.
  [[nodiscard]] static bool is_bridge_state(std::string_view topic);
  [[nodiscard]] static bool is_node(const Arrived& arrived);
  [[nodiscard]] bool is_link_message(const Client& client, std::string_view topic) const;
  void refuse(Client& client, const mqtt::PublishRequest& request, Category why);
  // Acknowledges, in its turn, what is not published.
  void pass_over(Client& client, const mqtt::PublishRequest& request);
  // Stored within a second; its stamp is that of now.
  void set_cell_soon(Instant now, sync::LocalWrite write);
  // QoS 0 with retain, in a channel that merges. A refusal is counted.
  void submit_merge(sync::LocalWrite write);
  void flush_cells();
  // Retained messages must not be read before those that clients were told of are on disk.
  void hold_for_cells(Session& session);
  // PUBREL leaves once it is on disk, if anything of the session is kept there (G1).
  void release(Session& session, const StoredRelease& release);
  void release_lost(Session& session);
  bool breaks_exchange(Client& client, std::uint16_t packet_id, mqtt::QoS wanted);
  void on_acknowledged(Instant now, Client& client, const std::optional<Window::Message>& message);

  // Subscribing
  // What the client is to be told of this filter; adds it when that is a success.
  mqtt::ReasonCode subscribe(Client& client, const mqtt::SubscribeEntry& entry,
                             std::optional<std::uint64_t> replay_since_ms);
  // Whether the subscriptions of all sessions may cost what this one does. Whoever only repeats what it has, such as a
  // client that connects again, finds room for longer.
  [[nodiscard]] bool has_room_for(const mqtt::SubscribeEntry& entry, bool is_known, bool replays);
  // Keeps the change on disk; what it was is put back when that fails.
  void keep_change(Session& session, SubscriptionChange change);
  void store_changes(Session& session);
  void settle_changes(Session& session, bool stored);
  void settle_change(Session& session, bool stored);
  void become_link(Instant now, Client& client);
  void send_system_topics(Session& session, const mqtt::SubscribeEntry& entry);
  void drop_forbidden(Session& session, const security::Principal& principal);

  // Wills
  // The connection has ended without a word.
  void will_died(Instant now, Session& session);
  void disarm_will(std::uint64_t session);
  // The disk has the session's row once more: it is to hold the will that waits, that of its connection, or nothing.
  // While a connection with a will waits to be accepted, the row is its own: it is looked at again later.
  void tidy_will_row(std::uint64_t session);
  // Whether a CONNECT of this session waits for its will to be on disk.
  [[nodiscard]] bool is_will_on_its_way(std::uint64_t session) const;
  // Whether the row of a will that is published or given up goes with it. If not, it holds another, or will be tidied.
  [[nodiscard]] bool may_erase_will(std::uint64_t session);
  [[nodiscard]] bool may_fire(const StoredWill& will) const;
  void end_wills_of(std::uint64_t session);
  void fire_due_wills(Instant now);
  void fire(Instant now, Wills::Due due);
  // Its row goes too.
  void give_up_will(const Wills::Due& due);
  // The engine did not take it. Where there may be room later it is tried again then.
  void on_will_refused(Instant now, const TurnResult::FiredWill& will);

  // That messages are withheld since nobody knows whether they have expired. Nothing: none was lately.
  [[nodiscard]] std::optional<std::string> withheld_alarm() const;
  void tell_withheld();
  void publish_system_topics(Instant now);
  void send_acks(const std::vector<Ack>& acks, bool turn_failed);
  // A bridge of 3.1.1 would come back with what the store does not take, for ever: it is told that it is stored. Not
  // where the turn failed, for lack of room: there it keeps what it has, and comes back.
  static void drop_of_bridge(Client& client, Ack& ack);
  void send_ack(Client& client, const Ack& ack, mqtt::NoteOut note = {});
  void send_due_peer_acks();
  // The channel of a topic whose publishes wait for another node, too.
  [[nodiscard]] std::optional<sync::ChannelNo> peer_channel_of(std::string_view topic) const;
  void on_renewed(const TurnResult::Renewed& renewed);
  void on_failed_turn(const TurnResult& turn);
  void on_stored(const sync::Committed& committed);
  void tell_operator(const std::vector<Told>& told);
  [[nodiscard]] Client* find_client(std::uint64_t id);
  // A number that no session, group or will has.
  [[nodiscard]] std::uint64_t fresh_id() const;
  void touch(Client& client);
  // What was read of it already, and more, is handled in the next turn of the loop.
  void hold_for_turn(Client& client);
  void release_held(Instant now);
  // What all clients together hold.
  void count(Client& client);
  void count_input(Client& client);
  // Closes whoever holds the most while all hold too much. True: some client was touched.
  bool relieve_queues();
  bool relieve_input();
  void update_pressure(Instant now);

  NodeSettings settings_;
  NodePorts ports_;
  ChannelTable channels_;
  Counters counters_;
  QueueBudget budget_;
  MemoryBudget unfinished_{.bytes_max = kUnfinishedBytesMax};
  SessionRegistry sessions_;
  Delivery delivery_;
  Links links_;
  PeerAcks peer_acks_;
  PeerAcks::Confirmed confirmed_;
  Wills wills_;
  SystemTopics system_topics_;
  std::string link_topic_;  // hedgerow/MESH/link/ : what peers publish to us
  std::unordered_map<std::uint64_t, Client*> clients_;
  std::unordered_map<std::uint64_t, std::unique_ptr<AcceptedLink>> accepted_links_;  // by client
  std::vector<Client*> touched_;
  std::deque<std::uint64_t> held_for_turn_;
  std::unordered_map<std::uint64_t, Stored> waiting_;                        // for TurnResult::saved and unsaved
  std::unordered_map<std::uint64_t, std::unique_ptr<Replacing>> replacing_;  // by the old session
  std::unordered_map<std::uint64_t, OperatorTold> told_;                     // for TurnResult::told
  CellsSoon cells_soon_;
  sync::Hlc clock_;                // the engine's, as of the last turn: all that clients were told of lies before it
  std::uint64_t cells_token_ = 0;  // of the cells that were handed to the store last; 0: they are on disk
  SparseNotes refused_subscriptions_;
  SparseNotes unlearnt_;  // TurnResult::unlearnt
  SparseNotes closed_readers_;
  SparseNotes closed_writers_;
  Owed owed_;  // of turns that failed: tried again with the next tick
  std::uint64_t last_client_ = 0;
  std::uint64_t last_token_ = 0;
  bool pressed_ = false;  // the store is behind: clients are not read from
  bool stopping_ = false;
  bool flushing_ = false;
  sync::StoreTotals stored_;
  std::vector<std::string> alarms_;  // the disk
  bool withheld_told_ = false;
  ChannelAlarms channel_alarms_;
  RefusalLog refusal_log_;
  Instant refused_at_{};  // the last turn that lacked room
  Instant started_{};
  Instant now_{};  // as told last
  Instant next_tick_{};
  Instant next_trim_{};
  Instant next_system_topics_{};
  Instant next_relief_{};
};

}  // namespace hedgerow::node
