// StoreThread: the two threads behind the node's StorePort.
//
//   store thread    takes what waits (node::take_turn), runs one StoreTurn, posts its result to the loop; commits a
//                   transaction that was left open in time, and before it ends
//   reader thread   runs read jobs, each on a fresh snapshot, and between them checkpoints and the steps that look for
//                   damage, so that none of it ever stalls an acknowledgement
//
// Thread rule: submit, read, when_committed, pending_bytes on the loop thread; start and finish from whoever owns it.
// Ownership: what the constructor is given must outlive it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/node/store_port.hpp"
#include "daemon/node/store_turn.hpp"

namespace hedgerow::app {

using Post = std::function<void(std::function<void()>)>;

class StoreThread final : public node::StorePort {
 public:
  struct Ports {
    sync::Engine& engine;
    node::SessionStore& sessions;
    sync::ReadViews& views;
    Duration remote_commit{};                       // how long what peers pushed may wait for its sync
    std::function<WallTime()> wall_clock;           // called on the store thread
    std::function<bool()> checkpoint_due;           // any thread
    std::function<void()> checkpoint;               // on the reader thread
    std::function<Duration()> scrub;                // on the reader thread, when due: how long until the next is
    std::function<Expected<void>()> usable;         // on the reader thread; a failure is fatal
    Post post;                                      // to the loop
    std::function<Instant()> now;                   // called on the loop
    std::function<void(node::TurnResult)> on_turn;  // on the loop
    std::function<void(const Error&)> on_fatal;     // on the loop, at most once
  };
  explicit StoreThread(Ports ports);
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;
  ~StoreThread() override;

  void start();
  // Commits what was submitted, then ends both threads.
  void finish();

  void submit(node::Intent intent) override;
  [[nodiscard]] std::size_t pending_bytes() const override;
  void read(node::ReadJob job, std::function<void(Instant, const Error&)> failed) override;
  // Runs `then` on the loop after the result of everything that was submitted before, and when that is durable.
  void when_committed(std::function<void()> then);

 private:
  struct Read {
    node::ReadJob job;
    std::function<void(Instant, const Error&)> failed;
  };
  void run_store();
  void run_reader();
  void carry_out(Read& read);
  // Tells once that the store must not be used any more.
  void check_usable();
  void hand_back(node::TurnResult result);

  Ports ports_;
  node::StoreTurn turn_;

  std::mutex store_mutex_;
  std::condition_variable store_wakes_;
  std::vector<node::Intent> intents_;
  std::vector<std::function<void()>> barriers_;
  bool store_ends_ = false;
  std::atomic<std::size_t> pending_bytes_ = 0;

  std::mutex read_mutex_;
  std::condition_variable reader_wakes_;
  std::deque<Read> reads_;
  bool checkpoint_wanted_ = false;
  bool reader_ends_ = false;
  bool told_fatal_ = false;  // of the reader thread

  std::thread store_;
  std::thread reader_;
};

}  // namespace hedgerow::app
