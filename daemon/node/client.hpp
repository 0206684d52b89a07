// Client: one accepted connection that speaks MQTT. It joins the network's stream to the protocol engine and hands what
// the client wants to its owner, the Node.
// Thread rule: the loop thread. Ownership: the network owns the Client; the stream, the owner and the budget outlive
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/mqtt/connection.hpp"
#include "daemon/node/queue_budget.hpp"
#include "daemon/node/session_store.hpp"
#include "daemon/node/stream.hpp"
#include "security/acl/access_rules.hpp"
#include "sync/link/replicator.hpp"

namespace hedgerow::node {

class Client;
struct Session;

// What the client's last packet said.
struct Goodbye {
  bool cancels_will = false;                           // DISCONNECT with reason 0x00 [MQTT-3.14.4-3]
  std::optional<std::uint32_t> session_expiry_s = {};  // as changed by the client's DISCONNECT
  std::string_view fault = {};                         // the rule that it broke, if it did; valid during the call
  mqtt::ReasonCode code = mqtt::ReasonCode::kSuccess;  // with it
};

// What a Client tells. Calls are synchronous; the owner answers through Client::connection(), now or later.
class ClientOwner {
 public:
  virtual ~ClientOwner() = default;
  virtual void on_connect(Instant now, Client& client, const mqtt::ConnectRequest& request) = 0;
  virtual void on_publish(Instant now, Client& client, const mqtt::PublishRequest& request) = 0;
  // Of a bridge of 3.1.1, too large and without its payload.
  virtual void on_skipped_publish(Instant now, Client& client, const mqtt::PublishRequest& request) = 0;
  virtual void on_subscribe(Instant now, Client& client, const mqtt::SubscribeRequest& request) = 0;
  virtual void on_unsubscribe(Instant now, Client& client, const mqtt::UnsubscribeRequest& request) = 0;
  virtual void on_puback(Instant now, Client& client, const mqtt::AckReceived& puback) = 0;
  virtual void on_pubrec(Instant now, Client& client, const mqtt::AckReceived& pubrec) = 0;
  virtual void on_pubrel(Instant now, Client& client, const mqtt::AckReceived& pubrel) = 0;
  virtual void on_pubcomp(Instant now, Client& client, const mqtt::AckReceived& pubcomp) = 0;
  virtual void on_drained(Instant now, Client& client) = 0;
  // The bytes of one read are handled.
  virtual void on_handled(Instant now, Client& client) = 0;
  // The protocol has ended: the client said goodbye, broke a rule, or was silent too long. It may be seconds until the
  // transport is gone, and the client may be back before.
  virtual void on_ended(Instant now, Client& client, const Goodbye& goodbye) = 0;
  // The transport is gone. Last call; on_ended() need not have come before.
  virtual void on_gone(Instant now, Client& client, const std::string& reason) = 0;
};

// Why a client must wait although it did nothing wrong: its silence meanwhile is excused.
enum class Hold : std::uint8_t {
  kStore = 1,    // the store is behind
  kChanges = 2,  // many of its subscriptions wait for the disk
  kTurn = 4,     // matching what it published took long enough for one turn of the loop
};

class Client final : public StreamHandler, private mqtt::ConnectionHandler {
 public:
  Client(std::uint64_t id, Instant now, const Arrived& arrived, Stream& stream, ClientOwner& owner,
         const mqtt::ConnectionLimits& limits, QueueBudget& budget);

  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] const Arrived& arrived() const { return arrived_; }
  // Expires with this.
  [[nodiscard]] std::weak_ptr<const void> life() const { return life_; }
  [[nodiscard]] mqtt::Connection& connection() { return connection_; }
  // Sent and not yet taken by the kernel, with what flush() has not handed over yet.
  [[nodiscard]] std::size_t queued_bytes() { return stream_.queued_bytes() + connection_.output().size(); }

  // Hands the gathered output to the network, and closes where the protocol says so.
  void flush();
  // While held nothing more is handled, not even of what was read already, and nothing more is read.
  // REQUIRES: flush() follows, not from within a call of ClientOwner.
  void hold(Hold why, bool held);
  // With the flush().
  void hold_reading(Instant now, Hold why, bool held);
  void on_timer(Instant now);
  // Closes without sending what is queued.
  void cut();
  // Tells the budget what waits for this client. Call after flush().
  void count_queue();
  // Call when a message was added: as count_queue(), but that large output goes to the connection first.
  void hand_over();

  // StreamHandler
  void on_bytes(Instant now, ByteView bytes) override;
  void on_drained(Instant now) override;
  void on_closed(Instant now, const std::string& reason) override;

  // Bytes in both directions, since the connection came in.
  [[nodiscard]] std::uint64_t bytes_in() const { return bytes_in_; }
  [[nodiscard]] std::uint64_t bytes_out() const { return bytes_out_; }

  // Of the owner: who this is, once it is authenticated.
  security::Principal principal;
  // Of the owner: another broker's bridge that speaks MQTT 3.1.1.
  bool is_bridge = false;
  // Of the owner: null until CONNECT is accepted, once the protocol has ended, and for links.
  Session* session = nullptr;
  // Of the owner: its will, until its session is known.
  std::unique_ptr<StoredWill> will;
  // Of the owner: set once this connection is a link of the mesh.
  std::optional<sync::LinkId> link;
  // Of the owner: waits in the list of clients to flush.
  bool flush_due = false;
  // What the budget has counted of this client's queue.
  std::size_t counted_bytes = 0;
  // Of the owner: since when the queue has not been empty.
  std::optional<Instant> queued_since;
  // Of the owner: its packet that is not complete, as it has counted it, and the time of the last one that was.
  std::size_t unfinished_bytes = 0;
  std::uint64_t whole_packets = 0;
  Instant whole_packet_at{};

 private:
  void on_connect(const mqtt::ConnectRequest& request) override { owner_.on_connect(now_, *this, request); }
  void on_publish(const mqtt::PublishRequest& request) override { owner_.on_publish(now_, *this, request); }
  void on_skipped_publish(const mqtt::PublishRequest& request) override {
    owner_.on_skipped_publish(now_, *this, request);
  }
  void on_subscribe(const mqtt::SubscribeRequest& request) override { owner_.on_subscribe(now_, *this, request); }
  void on_unsubscribe(const mqtt::UnsubscribeRequest& request) override { owner_.on_unsubscribe(now_, *this, request); }
  void on_puback(const mqtt::AckReceived& puback) override { owner_.on_puback(now_, *this, puback); }
  void on_pubrec(const mqtt::AckReceived& pubrec) override { owner_.on_pubrec(now_, *this, pubrec); }
  void on_pubrel(const mqtt::AckReceived& pubrel) override { owner_.on_pubrel(now_, *this, pubrel); }
  void on_pubcomp(const mqtt::AckReceived& pubcomp) override { owner_.on_pubcomp(now_, *this, pubcomp); }
  void on_closed(const mqtt::Closed& closed) override;
  [[nodiscard]] bool takes_output() const;
  void send_output();
  void update_reading();

  const std::uint64_t id_;
  const Arrived arrived_;
  Stream& stream_;
  ClientOwner& owner_;
  QueueBudget& budget_;
  mqtt::Connection connection_;
  Instant now_;
  std::string end_reason_;  // why the protocol ended it, if it did
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  const std::shared_ptr<const void> life_ = std::make_shared<char>();
  unsigned holds_ = 0;  // of Hold
  bool reading_paused_ = false;
  bool close_sent_ = false;
};

}  // namespace hedgerow::node
