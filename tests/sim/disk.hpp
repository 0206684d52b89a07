// One board's disk and the database on it: in memory, or the real store on a disk that loses power in earnest.
// Thread rule: one simulation, one thread.
#pragma once

#include <memory>

#include "daemon/node/session_store.hpp"
#include "sync/engine/storage.hpp"
#include "tests/sim/options.hpp"

namespace hedgerow::sim {

class Disk {
 public:
  // What was on a disk at some time.
  class Image {
   public:
    virtual ~Image() = default;
  };

  virtual ~Disk() = default;

  // Opens the database, or makes one. May end in the loss of power.
  virtual void power_on() = 0;
  // What was not synced is gone, or part of it. REQUIRES: whatever used storage() and views() is gone.
  virtual void power_off() = 0;
  // The power went in the middle of what was asked last: nothing of it counts, and all that follows fails.
  [[nodiscard]] virtual bool has_lost_power() const = 0;

  // REQUIRES: the power is on.
  [[nodiscard]] virtual sync::Storage& storage() = 0;
  [[nodiscard]] virtual node::SessionStore& sessions() = 0;
  [[nodiscard]] virtual sync::ReadViews& views() = 0;
  // There is no room for what is committed next.
  virtual void fill_up() = 0;
  // What the store does between turns, and there is room again. kIo: the store will not go on.
  virtual Expected<void> after_turn() = 0;
  // From now on the power stays, and syncs succeed.
  virtual void keep_power() = 0;

  // REQUIRES, both: the power is off. `image`: of this disk or another one; none: an empty disk. `noticed`: the store
  // sees what was done, and goes on as a new replica; else it cannot tell.
  [[nodiscard]] virtual std::shared_ptr<const Image> image() const = 0;
  virtual void replace(const Image* image, bool noticed) = 0;
};

// The name tells the boards' disks apart.
[[nodiscard]] std::unique_ptr<Disk> make_memory_disk(const Options& options, std::size_t board);
[[nodiscard]] std::unique_ptr<Disk> make_sqlite_disk(const Options& options, std::size_t board);

}  // namespace hedgerow::sim
