// EventLoop: the one thread on which sockets, timers and signals are served. Adapter over Boost.Asio, which stays
// behind Impl: only the .cpp files of this folder include it.
//
// Thread rule: the thread in run() is the loop thread. post() and stop() are safe from any thread; the rest belongs to
// the loop thread, or to whoever builds up before run() and tears down after it.
// Ownership: the loop owns all connections. It must outlive every Listener and ControlServer that uses it, and what the
// posted tasks and handlers refer to must outlive the loop or its last run.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "sync/base/expected.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::net_asio {

enum class Signal {
  kTerminate,  // SIGTERM or SIGINT: finish and leave
  kReload,     // SIGHUP
};

class EventLoop {
 public:
  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  // Drops what is still open, without a word to its handlers.
  ~EventLoop();

  // Serves until stop(), also while there is nothing to do.
  void run();

  // Serves what is ready, waiting for it until `deadline` at most; returns how many events that were. For callers that
  // own the turn: tests.
  std::size_t run_until(Instant deadline);

  // Makes run() return after the present event. Safe from any thread. A later run() goes on.
  void stop();

  // Runs `task` on the loop thread, in order of posting, never inside the call. Safe from any thread.
  void post(std::function<void()> task);

  // The loop's one timer: calls `callback` once, when `when` has come. Replaces what was set before.
  void set_timer(Instant when, std::function<void()> callback);
  void cancel_timer();

  // Calls `handler` on the loop thread for each SIGTERM, SIGINT and SIGHUP, which from now on do nothing else.
  // SIGPIPE is ignored from the first EventLoop on.
  [[nodiscard]] Expected<void> on_signals(std::function<void(Signal)> handler);

  // Live connections of all listeners, those in their handshake and the closing ones included.
  [[nodiscard]] std::size_t connections() const;

  // Closes every connection as Stream::close() does, but cuts what is left after `time_max`. Calls `done` when the last
  // one has gone, from the loop, never inside the call. Listeners should be gone before.
  void close_connections(Duration time_max, std::function<void()> done);

  // The monotonic clock that on_bytes and its kin are given.
  [[nodiscard]] static Instant now();

  // For the other files of this folder.
  struct Impl;
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Raises this process's limit of open files as far as it may, and returns what it is now. Each connection needs one.
[[nodiscard]] std::size_t raise_open_files_limit();

}  // namespace hedgerow::net_asio
