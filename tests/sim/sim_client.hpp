// A client that keeps to MQTT 5, and whose own state outlives every connection: it publishes to a topic of its own and
// keeps a session that hears all clients. What it counts is what it was told.
// Thread rule: one simulation, one thread. Ownership: what it is given must outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/client_board.hpp"
#include "tests/sim/client_wire.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/scheduler.hpp"
#include "tests/support/mqtt_exchange.hpp"

namespace hedgerow::sim {

// Both QoS 1 or 2.
struct ClientHabits {
  std::string name;
  unsigned publishes_at = 1;
  unsigned subscribes_at = 1;
  unsigned receive_maximum = 1;  // of what it takes at a time
  std::string share = {};        // it hears the plain messages as a member of this group; empty: everything, alone
};

class SimClient {
 public:
  SimClient(ClientHabits habits, Scheduler& scheduler, Random& random, ClientBoard& board);

  // Does nothing while it has a connection, or its board is down.
  void connect();
  void drop();
  [[nodiscard]] bool is_subscribed() const { return subscribed_; }
  // Publishes the number, retained or not. False: it has too much under way.
  bool publish(std::uint64_t number, bool retain);
  // Nothing of its own is under way.
  [[nodiscard]] bool is_idle() const { return accepted_ && sending_.empty(); }

  [[nodiscard]] const ClientHabits& habits() const { return habits_; }
  // Numbers that came, in order; at QoS 2 each once for each time that the server sent it as a new one.
  [[nodiscard]] const std::vector<std::uint64_t>& got() const { return got_; }
  // Of these, what came at QoS 1.
  [[nodiscard]] std::uint64_t got_at_least_once() const { return got_at_least_once_; }
  // Numbers that it published, in order.
  [[nodiscard]] const std::vector<std::uint64_t>& published() const { return published_; }
  // Of these, what it was told that the board did not take; what was acknowledged; and the last one of them that was
  // retained, 0: none.
  [[nodiscard]] const std::set<std::uint64_t>& refused() const { return refused_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t last_retained() const { return retained_.empty() ? 0 : *retained_.rbegin(); }
  [[nodiscard]] const std::set<std::uint64_t>& retained() const { return retained_; }
  // QoS 1 publishes that were sent more than once: each may be two messages.
  [[nodiscard]] std::uint64_t repeated() const { return repeated_; }
  [[nodiscard]] std::uint64_t connections() const { return connections_; }
  [[nodiscard]] static std::string topic_of(const std::string& name, bool retain) {
    return (retain ? "retained/" : "plain/") + name;
  }

 private:
  struct Sending {
    std::uint64_t number = 0;
    bool retain = false;
    bool released = false;
  };

  void say(Bytes bytes) {
    if (wire_) wire_->say(std::move(bytes));
  }
  void send(unsigned id, bool dup);
  void done(unsigned id, bool refused = false);
  void take(ByteView bytes);
  void handle(const test::ServerPacket& packet);
  void on_connack(const test::ServerPacket& connack);
  void on_publish(const test::Delivered& message);
  [[nodiscard]] Sending& sending(const test::AckSeen& ack);

  ClientHabits habits_;
  Scheduler& scheduler_;
  Random& random_;
  ClientBoard& board_;

  // Of one connection.
  std::shared_ptr<ClientWire> wire_;
  Bytes unread_;
  bool accepted_ = false;

  bool ever_accepted_ = false;
  bool subscribed_ = false;
  std::map<unsigned, std::uint64_t> holds_;  // QoS 2 received and not released
  std::map<unsigned, Sending> sending_;
  std::vector<unsigned> order_;  // of what is under way
  unsigned next_id_ = 1;
  std::vector<std::uint64_t> got_;
  std::uint64_t got_at_least_once_ = 0;
  std::vector<std::uint64_t> published_;
  std::set<std::uint64_t> refused_;
  std::uint64_t acknowledged_ = 0;
  std::set<std::uint64_t> retained_;
  std::uint64_t repeated_ = 0;
  std::uint64_t connections_ = 0;
};

}  // namespace hedgerow::sim
