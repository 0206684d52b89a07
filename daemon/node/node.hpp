// Node: routing, no I/O. Joins MQTT clients, sessions, the store and the links. DESIGN 4.
//
//   client PUBLISH ──► PublishIntent ──► store (one transaction, one sync for all that wait)
//                                          └─► TurnResult: PUBACKs, deliveries, pushes to the links
//
// Pure but for its ports (StorePort, Stream, LinkOutput, clock, random numbers), so that a whole mesh of real nodes can
// run in one process.
// Thread rule: the loop thread. Ownership: what the constructor is given must outlive it; clients are owned by the
// network and unregister themselves.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/node/delivery.hpp"
#include "daemon/node/links.hpp"

namespace hedgerow::node {

struct NodeSettings {
  std::string mesh;
  std::string name;
  std::string version;
  mqtt::ConnectionLimits connection_limits;
};

struct NodePorts {
  StorePort& store;
  Hasher& read_hasher;  // used in read jobs only
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
  std::vector<sync::ChannelState> channels;
  std::vector<StoredSession> sessions;
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

  // Sets the retained message hedgerow/MESH/nodes/NODE/`leaf`: the node's own voice.
  void publish_own(std::string_view leaf, std::string_view payload);

  // New connections and publishes are turned away; what was accepted is finished. Then say_goodbye().
  void stop_taking(Instant now);
  // Acknowledgements have left: saves positions, and tells the clients that the server shuts down.
  void say_goodbye(Instant now);

  [[nodiscard]] Links& links() { return links_; }
  [[nodiscard]] const Links& links() const { return links_; }
  [[nodiscard]] const ChannelTable& channels() const { return channels_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  [[nodiscard]] const NodeSettings& settings() const { return settings_; }

 private:
  struct AcceptedLink;

  // ClientOwner
  void on_connect(Instant now, Client& client, const mqtt::ConnectRequest& request) override;
  void on_publish(Instant now, Client& client, const mqtt::PublishRequest& request) override;
  void on_subscribe(Instant now, Client& client, const mqtt::SubscribeRequest& request) override;
  void on_unsubscribe(Instant now, Client& client, const mqtt::UnsubscribeRequest& request) override;
  void on_puback(Instant now, Client& client, std::uint16_t packet_id) override;
  void on_drained(Instant now, Client& client) override;
  void on_handled(Instant now, Client& client) override;
  void on_gone(Instant now, Client& client, std::optional<std::uint32_t> session_expiry_s,
               const std::string& reason) override;

  // Sessions
  void restore_sessions(Instant now, const std::vector<StoredSession>& stored);
  // CONNACK waits until the session is on disk. The session's newest connect wins.
  void await_stored(Session& session, Client& client, bool assigned);
  void turn_away(Client& client, mqtt::ReasonCode code);
  void open_session(Client& client, const mqtt::ConnectRequest& request, const std::string& client_id, bool assigned);
  void end_session(Session& session);
  void expire_sessions(Instant now);
  // `then` is told whether the session is on disk.
  using Stored = std::function<void(bool stored)>;
  void store_session(Session& session, Stored then);
  void accept(Client& client, bool assigned);
  void submit_position(Session& session);
  void save_position(Session& session, Instant now, bool at_once);
  void save_due_positions(Instant now);
  void retry_lost(Instant now, const TurnResult& turn);
  void on_retained_settled(Session& session);

  // Publishing
  [[nodiscard]] bool is_link_message(const Client& client, std::string_view topic) const;
  void refuse(Client& client, const mqtt::PublishRequest& request, Category why);
  void set_cell_soon(Instant now, sync::LocalWrite write);
  void flush_cells();
  // Retained messages must not be read before those that clients were told of are on disk.
  void hold_for_cells(Session& session);

  void send_acks(const std::vector<Ack>& acks);
  void on_failed_turn(const TurnResult& turn);
  [[nodiscard]] Client* find_client(std::uint64_t id);
  void touch(Client& client);
  void update_pressure(Instant now);

  NodeSettings settings_;
  NodePorts ports_;
  ChannelTable channels_;
  Counters counters_;
  SessionRegistry sessions_;
  Delivery delivery_;
  Links links_;
  std::string link_topic_;  // hedgerow/MESH/link/NODE/ : what peers publish to us
  std::unordered_map<std::uint64_t, Client*> clients_;
  std::unordered_map<std::uint64_t, std::unique_ptr<AcceptedLink>> accepted_links_;  // by client
  std::vector<Client*> touched_;
  std::unordered_map<std::uint64_t, Stored> waiting_;                // for TurnResult::saved and unsaved
  std::map<std::string, sync::LocalWrite, std::less<>> cells_soon_;  // QoS 0 retained, coalesced by topic
  std::size_t cells_soon_bytes_ = 0;
  std::uint64_t cells_token_ = 0;            // of the cells that were handed to the store last; 0: they are on disk
  std::vector<std::uint64_t> erasures_due_;  // of turns that failed
  std::uint64_t last_client_ = 0;
  std::uint64_t last_token_ = 0;
  bool pressed_ = false;  // the store is behind: clients are not read from
  bool stopping_ = false;
  bool flushing_ = false;
  Instant next_tick_{};
  Instant next_trim_{};
  std::optional<Instant> cells_due_;
};

}  // namespace hedgerow::node
