// One MQTT connection between a client and a board: an ordered stream of bytes in each direction, which take their
// time. Who breaks it off loses what is under way; the other end learns of it later. Thread rule: one simulation, one
// thread. Ownership: shared by both ends; scheduler and random source outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "daemon/node/stream.hpp"
#include "tests/sim/options.hpp"
#include "tests/sim/scheduler.hpp"

namespace hedgerow::sim {

class ClientWire final : public node::Stream, public std::enable_shared_from_this<ClientWire> {
 public:
  ClientWire(Scheduler& scheduler, Random& random) : scheduler_(scheduler), random_(random) {}
  ClientWire(const ClientWire&) = delete;
  ClientWire& operator=(const ClientWire&) = delete;

  // The ends. Null: it is gone, and what comes for it is lost. `to_board` and `to_client` take bytes, `drained` tells
  // the board that its queue is empty, the others that the connection is gone.
  std::function<void(ByteView)> to_board;
  std::function<void(ByteView)> to_client;
  std::function<void()> drained;
  std::function<void()> board_lost;
  std::function<void()> client_lost;

  // The client sends.
  void say(Bytes bytes);
  // The client goes, or the network breaks.
  void break_off();
  // The power of the board has gone: it does not hear of it any more.
  void lose_board();

  // Stream: what the board does.
  void send(Bytes& bytes) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return queued_bytes_; }
  void pause_reading(bool /*paused*/) override {}
  void close() override;
  void cut() override { close(); }

 private:
  [[nodiscard]] Instant arrival(Instant& last);
  void tell_board();
  void tell_client();

  Scheduler& scheduler_;
  Random& random_;
  Instant last_to_board_ = Instant::min();
  Instant last_to_client_ = Instant::min();
  std::size_t queued_bytes_ = 0;
  bool broken_ = false;
};

}  // namespace hedgerow::sim
