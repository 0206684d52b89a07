// Window: which QoS 1 messages are on their way to one client, and how far its session's position may be saved.
//
// An entry stays until it is acknowledged and, for a persistent session, until the position on disk covers it. So at
// most `limit` messages lie between what was sent and what a restarted daemon remembers: the most a client can see
// twice (DESIGN 1). Entries leave from the front only, so packet identifiers, which count up, never collide. Pure.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "sync/log/op.hpp"

namespace hedgerow::node {

class Window {
 public:
  // `persistent`: acknowledged entries wait for settle().
  Window(std::uint16_t limit, bool persistent) : limit_(limit), persistent_(persistent) {}

  void set_limit(std::uint16_t limit) { limit_ = limit; }
  void set_persistent(bool persistent);
  [[nodiscard]] std::uint16_t limit() const { return limit_; }

  // Room for a new message.
  [[nodiscard]] bool is_open() const { return entries_.size() < limit_ && has_credit(); }
  // Room for a message that was sent on an earlier connection: only this connection's count [MQTT-3.3.4-9].
  [[nodiscard]] bool has_credit() const { return on_the_way_ < limit_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

  // Returns the packet identifier to send it with. Arrivals other than 0 (a retained message, which has no place in the
  // log's order) must rise.
  std::uint16_t add(sync::Arrival arrival);

  // False: no such message is on its way. [MQTT-4.3.2]
  bool acknowledge(std::uint16_t packet_id);

  // The greatest arrival such that everything sent up to it was acknowledged; `cursor` when nothing is on its way.
  [[nodiscard]] sync::Arrival acknowledged_up_to(sync::Arrival cursor) const;
  // Entries that only wait for their position to be saved.
  [[nodiscard]] std::size_t unsaved() const { return first_waiting_; }
  // The position is on disk.
  void settle(sync::Arrival saved);

  // The connection is gone: what was not acknowledged is due again on the next one. Retained messages on their way are
  // forgotten: their delivery starts anew.
  void detach();
  // The greatest arrival ever added: ops up to it are only sent if they are due again.
  [[nodiscard]] sync::Arrival newest() const { return newest_; }
  // Whether this op is due again; resend() then says under which identifier, and counts it as sent.
  [[nodiscard]] bool is_due_again(sync::Arrival arrival) const;
  std::uint16_t resend(sync::Arrival arrival);
  // The session has read the log up to here: what was due again and was not met will not come (it expired, was trimmed,
  // or is not subscribed any more), and counts as acknowledged.
  void pass(sync::Arrival cursor);
  [[nodiscard]] bool retained_on_the_way() const;

 private:
  struct Entry {
    sync::Arrival arrival = 0;
    std::uint16_t packet_id = 0;
    bool acknowledged = false;
    bool due_again = false;
  };
  [[nodiscard]] const Entry* find_due(sync::Arrival arrival) const;
  void advance();

  std::uint16_t limit_;
  bool persistent_;
  std::uint16_t next_packet_id_ = 1;
  std::size_t first_waiting_ = 0;  // index of the first unacknowledged entry
  std::size_t on_the_way_ = 0;     // sent on this connection, and unacknowledged
  std::size_t due_ = 0;            // entries that are due again
  sync::Arrival newest_ = 0;
  sync::Arrival saved_ = 0;
  std::deque<Entry> entries_;
};

}  // namespace hedgerow::node
