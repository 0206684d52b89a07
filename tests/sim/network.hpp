// The simulated network: which nodes dial which, and what becomes of their links and messages.
// Thread rule: one simulation, one thread. Ownership: scheduler and nodes must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "tests/sim/options.hpp"
#include "tests/sim/scheduler.hpp"
#include "tests/sim/spread.hpp"
#include "tests/sim/wires.hpp"

namespace hedgerow::sim {

class Network final : public Wires {
 public:
  Network(const Options& options, Scheduler& scheduler);
  // Once, before anything else. The nodes' positions are their numbers.
  void attach(std::vector<LinkEnd*> nodes);

  // Wires:
  void send(sync::LinkId link, Bytes message) override;
  void close(sync::LinkId link) override;
  [[nodiscard]] std::size_t queued_bytes(sync::LinkId link) const override;

  // Trouble.
  void node_started(std::size_t node);
  void node_crashed(std::size_t node);
  void break_some_link();
  void clog_some_link(Duration duration);
  void deafen_some_link(Duration duration);
  // Cuts the nodes with a set bit (of their number's last six) off from the others.
  void partition(std::uint64_t side);
  void heal();
  // From now on nothing is dropped, doubled or delayed beyond its time.
  void become_reliable();

  // Messages handed in, and those under way.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  // Of these, what carries ops to a peer: pushes and answers.
  [[nodiscard]] std::uint64_t data_bytes() const { return data_bytes_; }
  // Ops that arrived in pushes and ranges, again those that were known.
  [[nodiscard]] std::uint64_t delivered_ops() const { return delivered_ops_; }
  // From now on every op that arrives in a push or range is told to it; it must outlive the network.
  void watch(Spread& spread) { spread_ = &spread; }
  [[nodiscard]] std::size_t under_way() const { return under_way_; }

 private:
  // One direction of a connection.
  struct Stream {
    std::size_t to = 0;
    sync::LinkId sender{};
    sync::LinkId receiver{};
    std::size_t queued_bytes = 0;
    Instant last_arrival = Instant::min();
    Instant clogged_until = Instant::min();
    Instant deaf_until = Instant::min();
    Duration slower{};
  };
  struct Connection {
    std::size_t dialler = 0;
    std::size_t listener = 0;
    std::size_t slot = 0;
    bool broken = false;
    Stream streams[2];  // from the dialler, from the listener
  };
  // A standing wish to be connected.
  struct Slot {
    std::size_t dialler = 0;
    std::size_t listener = 0;
    bool connected = false;  // as the dialler sees it
    bool dialling = false;
    bool waiting = false;  // for the listener to be there
  };

  void count(const Bytes& message, std::size_t from, std::size_t to);
  void want(std::size_t dialler, std::size_t listener);
  void dial_later(std::size_t slot);
  void dial_who_can();
  void dial(std::size_t slot);
  void break_connection(Connection& connection);
  void notice(const std::shared_ptr<Connection>& connection, bool dialler);
  void arrive(const std::shared_ptr<Connection>& connection, std::size_t direction, const Bytes& message, bool lost);
  [[nodiscard]] bool is_cut(std::size_t a, std::size_t b) const {
    return ((side_ >> (a % 64)) & 1U) != ((side_ >> (b % 64)) & 1U);
  }
  [[nodiscard]] std::vector<Connection*> live_connections();
  [[nodiscard]] Stream* some_stream();

  Options options_;
  Scheduler& scheduler_;
  Random random_;
  std::vector<LinkEnd*> nodes_;
  std::vector<Slot> slots_;
  std::map<sync::LinkId, std::shared_ptr<Connection>> links_;  // both ends, until each end knows that it is gone
  std::uint64_t last_link_ = 0;
  std::uint64_t side_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t data_bytes_ = 0;
  std::uint64_t delivered_ops_ = 0;
  std::size_t under_way_ = 0;
  Spread* spread_ = nullptr;
};

}  // namespace hedgerow::sim
