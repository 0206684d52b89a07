// Simulated time: events run one after the other, in the order of their moments, then of their making.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "sync/base/time.hpp"

namespace hedgerow::sim {

class Scheduler {
 public:
  [[nodiscard]] Instant now() const { return now_; }
  void at(Instant when, std::function<void()> event) {
    events_.emplace(std::pair{when < now_ ? now_ : when, ++made_}, std::move(event));
  }
  void after(Duration delay, std::function<void()> event) { at(now_ + delay, std::move(event)); }
  // Runs the next event. REQUIRES: !is_empty()
  void step() {
    auto next = events_.extract(events_.begin());
    now_ = next.key().first;
    ++done_;
    next.mapped()();
  }
  [[nodiscard]] bool is_empty() const { return events_.empty(); }
  [[nodiscard]] Instant next_at() const { return events_.empty() ? Instant::max() : events_.begin()->first.first; }
  // Runs what is due until then; the time is `end` afterwards.
  void run_until(Instant end) {
    while (next_at() <= end) step();
    now_ = end;
  }
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  Instant now_{std::chrono::hours(1)};
  std::uint64_t made_ = 0;
  std::uint64_t done_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> events_;
};

// A duration in [low, high], whole microseconds.
template <class Random>
Duration draw_between(Random& random, Duration low, Duration high) {
  const auto span = std::chrono::duration_cast<std::chrono::microseconds>(high - low).count();
  return low +
         std::chrono::microseconds(static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(span + 1)));
}

}  // namespace hedgerow::sim
