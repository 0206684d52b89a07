// Checkpointer: folds the write-ahead log into the database file on a connection of its own, so that commits go on
// meanwhile. DESIGN 4: checkpoints never stall an ack; the WAL is bounded.
//
// The log starts over, at its beginning, with the first commit that finds all of it folded in and no view reading it.
// Under steady load a checkpoint beside the writer never sees the very end of the log, and some view is always open. So
// once the log has reached its bound, the writer itself folds in the rest between two turns, and waits for the views
// that were open before; those opened meanwhile do not need the log. What is left by then is little where checkpoints
// were run when due.
// Nothing but a checkpoint writes to the database file; alone() keeps them off.
// Thread rule: alone() on any thread; on_commit(), bound() and make_room() on the store thread; run() on any thread,
// due() likewise; empty_log() before any of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "daemon/store_sqlite/connection.hpp"

namespace hedgerow::store_sqlite {

class Checkpointer {
 public:
  Checkpointer(std::unique_ptr<Connection> connection, std::uint64_t page_bytes);

  // The log holds so many frames.
  void on_commit(std::uint32_t frames);
  [[nodiscard]] bool due() const;
  Expected<void> run();
  // If the log has reached its bound: runs, and makes it start over.
  Expected<void> bound();
  // The log cannot grow, for the disk is full: if all of it can be folded into what the database file has already, it
  // starts over, and there is room in it. So a node whose database has its full size goes on when others fill the disk.
  // False: a view is in the way; try again.
  bool make_room();
  // Folds all of the log in and cuts it to nothing, durably. Fails where something reads it, too.
  Expected<void> empty_log();

  // Folds all of the log in; false: it could not, since a view reads it, or the disk is full.
  using Fold = std::function<bool()>;
  // Nobody else writes to the database file while `work` runs.
  void alone(const std::function<void(const Fold&)>& work);

 private:
  Expected<void> run(int mode);
  // Whether all of the log is folded in. REQUIRES: mutex_ is held.
  Expected<bool> fold(int mode);

  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  const std::uint32_t frames_soft_;
  const std::uint32_t frames_max_;
  std::atomic<std::uint32_t> frames_{0};
  std::atomic<std::uint32_t> folded_{0};
  std::atomic<std::uint32_t> refused_{0};  // frames when the last one found no room: not at every commit again
  std::uint32_t bound_again_ = 0;          // a view kept the log from starting over: not at every turn again
};

}  // namespace hedgerow::store_sqlite
