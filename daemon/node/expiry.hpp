// Message Expiry Interval: whether a message may still be shown, and for how long (MQTT 5.0 section 3.3.2.3.3).
//
// A message is shown only if it cannot have expired as far as this node can know (G10). It knows the age
//   - by the stamp, where the writer's clock and this board's were both synchronised;
//   - of what it wrote itself since the start of the process, by counting; and by the clock of that moment for how long
//     it had waited to be written (a will).
// Anything else may have waited anywhere for any time: it is withheld.
//
// Pure. Thread-compatible: a value; the node's own is the loop thread's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sync/base/time.hpp"
#include "sync/clock/trusted_time.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

// Two clocks that are both trusted differ by no more: the kernel gives one up at 16 s, and then it may drift for as
// long as sync/clock/trusted_time.hpp holds it over. A stamp further ahead of this board's clock does not say when the
// message was written: its writer had seen a clock that was ahead.
inline constexpr std::chrono::milliseconds kClocksDifferMax =
    2 * (std::chrono::milliseconds{16'000} + sync::kDriftSlack +
         sync::kHoldoverMax * sync::kDriftPpmMax / std::int64_t{1'000'000});

// When it is asked.
struct Moment {
  Instant now;
  WallTime wall;
  bool awaits_clock = false;  // somebody may yet set this board's clock: worth to wait for
};

struct Expiry {
  enum class State : std::uint8_t { kFresh, kExpired, kWithheld };
  State state = State::kFresh;
  std::optional<std::uint32_t> left_s = {};  // [MQTT-3.3.2-6]; 0 unless it is fresh; nothing: it never expires
  // Of what is withheld: only for want of this board's clock; and that it may be worth to wait for it.
  bool is_for_our_clock = false;
  bool awaits_clock = false;

  [[nodiscard]] bool is_fresh() const { return state == State::kFresh; }
};

class MessageAges {
 public:
  static constexpr std::chrono::milliseconds kPeriod{250};
  static constexpr std::size_t kPeriodsMax = 512;  // G6

  // `self`: what this node writes bears that name. `latest`: the last arrival before the start of the process.
  MessageAges(sync::ReplicaId self, sync::Arrival latest) : self_(self), began_(latest), latest_(latest) {}

  // Everything after the last call, up to `latest`, was committed now. `wall`: this board's clock, as it stands.
  void note(sync::Arrival latest, Instant now, const WallTime& wall);
  void on_renewed(sync::ReplicaId self) { self_ = self; }

  // `stamp`: when the message was written; `replica`: by whom; `arrival`: of its op here.
  [[nodiscard]] Expiry expiry_of(const sync::Message& message, const sync::Stamp& stamp, sync::ReplicaId replica,
                                 sync::Arrival arrival, const Moment& moment) const;

 private:
  // What came later than `first`, up to the next period's, came in it.
  struct Period {
    sync::Arrival first = 0;
    Instant begin;
    std::uint64_t wall_ms = 0;  // by this board's clock, whatever that is worth
  };
  struct Bounds {
    Duration min{0};
    Duration max{0};
    std::optional<std::uint64_t> wall_ms;  // when it came, at the earliest; nothing: just now
  };
  void thin_out(Instant now);
  // How long it has been here. Nothing: since before the start.
  [[nodiscard]] std::optional<Bounds> since_arrival(sync::Arrival arrival, Instant now) const;

  sync::ReplicaId self_;
  sync::Arrival began_;
  sync::Arrival latest_;
  std::vector<Period> periods_;
};

}  // namespace hedgerow::node
