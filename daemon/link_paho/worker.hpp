// Worker: the thread behind one PahoDialler. Dials, holds the link, pauses, dials again.
//
// Thread rule: start() and stop() and send() belong to the loop thread; run() is the worker's own thread;
// ConnectionEvents come from Paho's. `mutex_` guards what they share. Held by shared_ptr: after stop() a thread that is
// still inside the system's resolver may finish alone, and touches nothing but this object.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "daemon/link_paho/backoff.hpp"
#include "daemon/link_paho/connection.hpp"
#include "daemon/link_paho/dialler.hpp"
#include "daemon/link_paho/resolve.hpp"

namespace hedgerow::link_paho {

class Worker final : public ConnectionEvents, public std::enable_shared_from_this<Worker> {
 public:
  Worker(DialSettings settings, Post post, DialEvents& events);
  ~Worker() override = default;

  void start();
  void stop();
  [[nodiscard]] bool send(std::string topic, Bytes message);
  [[nodiscard]] std::size_t queued_bytes() const;

  // ConnectionEvents
  void on_subscribed(const security::PeerIdentity& peer) override;
  void on_arrived(std::string topic, Bytes payload) override;
  void on_left(std::size_t bytes) override;
  void on_unsent(std::size_t bytes) override;
  void on_ended(std::string reason) override;

 private:
  struct Outgoing {
    std::string topic;
    Bytes message;
  };

  void run();
  [[nodiscard]] std::string dial_once(const HostPort& where);
  [[nodiscard]] std::string hold(Connection& connection);
  [[nodiscard]] bool may_publish() const;
  void publish_waiting(Connection& connection, std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool pause(Duration duration);
  void report_down(std::string reason);
  // Runs `task` on the loop unless stop() came first.
  void post_event(std::function<void(DialEvents&)> task);

  const DialSettings settings_;
  const Post post_;
  DialEvents& events_;
  bool loop_stopped_ = false;  // only the loop thread looks at it
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;          // the worker
  std::condition_variable inbound_room_;  // Paho's receive thread
  std::deque<Outgoing> outgoing_;
  std::size_t outgoing_bytes_ = 0;    // in outgoing_
  std::size_t in_paho_bytes_ = 0;     // handed to Paho, not yet to TLS
  std::size_t in_paho_messages_ = 0;  // likewise
  std::size_t unsent_bytes_ = 0;      // ciphertext that waits for the socket
  std::size_t inbound_bytes_ = 0;
  std::size_t lost_inbound_ = 0;  // messages let go because the loop did not keep up
  std::optional<std::string> ended_;
  bool up_ = false;
  bool stopping_ = false;
  bool resolving_ = false;

  // The worker's own.
  Backoff backoff_;
  std::size_t attempt_ = 0;
  std::chrono::steady_clock::time_point up_since_{};
};

}  // namespace hedgerow::link_paho
