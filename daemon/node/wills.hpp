// Wills: when which will is published. MQTT 5.0 sections 3.1.2.5 and 3.1.3.2.2, DESIGN 1.
//
//   set ──► armed ──on_died──► waits for its delay ──► due ──take_due──► handed to the store ──done──► gone
//             └──disarm──► gone ◄──cancel──┘             ▲                    │
//                                                        └──────retry─────────┘
//
// A delay of 0 is over at once: such a will is due however soon the client returns. MQTT 3.1.1 knows no other.
// What the caller does, in the order of its intents to the store:
// - a newer connection of a live session: on_died() for the old one; on_session_ended() if the start is clean; then
//   take_due(), so that what the new connection writes is stamped later; then set(). Once the new connection is
//   accepted: cancel(). It is refused: disarm(), and what waited goes on waiting.
// - DISCONNECT 0x00: disarm(). Any other end: on_died().
// - the session expires or is replaced: on_session_ended().
// The disk is the caller's: put_will() after set() and after on_died(), erase_will() after disarm() or cancel() left
// nothing, and together with the publish, but the latter only while has(session) is false: the row may hold a newer
// will by then.
//
// Pure. Thread-compatible: owned by the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/node/session_store.hpp"
#include "sync/base/time.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

class Wills {
 public:
  // `bytes_max`: of all wills together, those that wait and those that the store has not taken yet included (G6).
  explicit Wills(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // The wills on disk, at the start of the process, where every connection is dead; those that died with the process
  // before have been stamped since. What passed of a delay counts where both clocks can be believed, else the delay
  // begins anew, as it does without `died`.
  void restore(Instant now, const WallTime& wall, std::vector<StoredWill> stored);

  // Whether set() would take it: it may have the place of those that its session has.
  [[nodiscard]] bool has_room(const StoredWill& will) const;
  // The session's connection, alive or on its way to be accepted, has this will; it replaces one that is armed, not one
  // that waits. False: no room, nothing changed. REQUIRES: no `died`.
  [[nodiscard]] bool set(StoredWill will);

  // Forgets the will of the session's connection [MQTT-3.1.2-10]. Returns true iff there was one.
  bool disarm(std::uint64_t session);

  // Forgets the session's will that waits, unless it is due already [MQTT-3.1.3-9]. Returns true iff there was one.
  bool cancel(Instant now, std::uint64_t session);

  // The connection is gone and the will stays [MQTT-3.1.2-8]. Due after the lesser of its delay and the session's
  // expiry as it is now. Returns the will when it waits, else null: there is none, or it is due at once. Valid until
  // the next call.
  const StoredWill* on_died(Instant now, std::uint64_t session, std::uint32_t session_expiry_s);

  // The store stamped the will that waits; take_due() hands it out with the stamp. None waits: no effect, what is
  // written without a stamp gets one then.
  void set_stamp(std::uint64_t session, const sync::Stamp& died);

  // The will that waits is due now [MQTT-3.1.2-8]. An armed one is not touched.
  void on_session_ended(Instant now, std::uint64_t session);

  // Hands out the wills whose time has come, in the order in which it came, `count_max` at most: call again while
  // next_deadline() has passed. Each is answered with done() or retry(). The Message Expiry Interval of one that has
  // `died` and is stored (QoS 1, 2 or retained) is longer by what it waited: it counts from the publication, but an
  // op's from its stamp.
  struct Due {
    std::uint64_t number = 0;
    StoredWill will;
    bool again = false;  // it was handed out before
  };
  [[nodiscard]] std::vector<Due> take_due(Instant now, std::size_t count_max);
  // It is published, or given up.
  void done(std::uint64_t number);
  [[nodiscard]] const StoredWill& handed_out(std::uint64_t number) const { return handed_out_.at(number).will; }
  [[nodiscard]] bool was_tried(std::uint64_t number) const { return handed_out_.at(number).again; }
  // It could not be published: it is due again at `due`.
  void retry(std::uint64_t number, Instant due);
  // The same, for a long wait: it gets a row of its own, since its session may leave another will meanwhile. Returns it
  // as it is to be put there; null: it is there already. REQUIRES: !has(row).
  const StoredWill* retry_as(std::uint64_t number, Instant due, std::uint64_t row);

  [[nodiscard]] std::optional<Instant> next_deadline() const;
  // The session's will that waits and can be cancelled; null: there is none. Valid until the next call.
  [[nodiscard]] const StoredWill* find_waiting(std::uint64_t session) const;
  // The will of the session's connection, likewise.
  [[nodiscard]] const StoredWill* find_armed(std::uint64_t session) const;
  // An armed will, or one that waits and can be cancelled.
  [[nodiscard]] bool has(std::uint64_t session) const;
  [[nodiscard]] std::size_t size() const { return armed_.size() + by_due_.size() + handed_out_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Waiting {
    StoredWill will;
    Instant died_at;     // the Message Expiry Interval is counted from here
    bool again = false;  // it was handed out before
    bool has_own_row = false;
  };
  using Key = std::pair<Instant, std::uint64_t>;  // when it is due; then first come, first out

  Key add_waiting(Instant due, Waiting waiting);
  Waiting take_back(std::uint64_t number);

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t last_order_ = 0;
  std::unordered_map<std::uint64_t, StoredWill> armed_;    // by session
  std::map<Key, Waiting> by_due_;                          // of dead connections
  std::unordered_map<std::uint64_t, Key> cancellable_;     // by session: those of by_due_ that a return cancels
  std::unordered_map<std::uint64_t, Waiting> handed_out_;  // by number
};

}  // namespace hedgerow::node
