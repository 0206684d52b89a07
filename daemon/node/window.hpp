// Window: which QoS 1 and QoS 2 messages are on their way to one client, and how far its session's position may be
// saved.
//
// A message's packet identifier follows from its arrival number. So a daemon that was killed sends each message again
// under the identifier that the client knows it by, and the client finds what it has already: that, with the releases
// on disk (StoredRelease), makes QoS 2 exactly once without a write for each message before it is sent. An identifier
// that another message still uses makes the newcomer wait [MQTT-2.2.1-4].
//
// Messages of the log are sent in its order. Others stand aside from it: retained and replayed ones, and those of a
// shared subscription; whoever sent them sends them again when the connection broke.
//
// An entry of the log stays until it is acknowledged and, for a persistent session, until the position on disk covers
// it. So at most `limit` messages lie between what was sent and what a restarted daemon remembers: the most a client
// can see twice at QoS 1 (DESIGN 1). Pure. Thread-compatible: owned by the loop thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "daemon/mqtt/packets.hpp"
#include "daemon/node/session_store.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

class Window {
 public:
  // Who sent a message that stands aside of the log; 0: a retained or replayed one, else a shared subscription.
  using Sender = std::uint64_t;

  // `persistent`: acknowledged entries wait for settle().
  Window(std::uint16_t limit, bool persistent) : limit_(limit), persistent_(persistent) {}

  void set_limit(std::uint16_t limit) {
    limit_ = limit;
    limit_most_ = std::max(limit_most_, limit);
  }
  void set_persistent(bool persistent);
  [[nodiscard]] std::uint16_t limit() const { return limit_; }

  // Releases that were on disk when the daemon started. Call once, before anything is added; settle() first.
  void restore(const std::vector<StoredRelease>& releases);

  // Room for this new message: a place, the client's credit, and a free identifier.
  [[nodiscard]] bool has_room(sync::Arrival arrival) const;
  // Room for any message that is not in the window yet, identifiers apart.
  [[nodiscard]] bool is_open() const { return entries_.size() + asides_.size() < limit_ && has_credit(); }
  // Room for a message that was sent on an earlier connection: only this connection's count [MQTT-3.3.4-9].
  [[nodiscard]] bool has_credit() const { return on_the_way_ < limit_; }
  [[nodiscard]] bool empty() const { return entries_.empty() && asides_.empty(); }

  // Return the packet identifier to send it with. REQUIRES: has_room(arrival); the log's arrivals rise.
  std::uint16_t add(sync::Arrival arrival, mqtt::QoS qos);
  std::uint16_t add_aside(sync::Arrival arrival, mqtt::QoS qos, Sender sender);

  // Of the message on its way under that identifier. Nothing: there is none.
  [[nodiscard]] std::optional<mqtt::QoS> qos_of(std::uint16_t packet_id);

  // What an acknowledgement was for.
  struct Message {
    sync::Arrival arrival = 0;
    bool aside = false;
    Sender sender = 0;  // of an aside one
    mqtt::QoS qos = mqtt::QoS::kAtLeastOnce;
  };
  // PUBACK, or a PUBREC that refuses: the message is done. Nothing: no such message is on its way. [MQTT-4.3.2]
  std::optional<Message> acknowledge(std::uint16_t packet_id);
  // PUBREC: the client has it. It is released once released() was called, then PUBREL may leave. Also where the message
  // was sent on an earlier connection and is due again: it need not be sent any more.
  enum class Receipt : std::uint8_t { kUnknown, kFirst, kReleasing, kReleased };
  struct Received {
    Receipt receipt = Receipt::kUnknown;
    sync::Arrival arrival = 0;
  };
  Received receive(std::uint16_t packet_id);
  // The release is on disk, or needs no disk.
  void released(std::uint16_t packet_id);
  // PUBCOMP: done.
  std::optional<Message> complete(std::uint16_t packet_id);
  // What PUBREL must be sent for again on a new connection [MQTT-4.4.0-1], in order.
  [[nodiscard]] std::vector<std::uint16_t> releases() const;
  // A release on disk that is completed. Until what is read again after a restart begins behind its message, it is all
  // that keeps the message from being sent again, and its identifier stays in use.
  struct Finished {
    std::uint16_t packet_id = 0;
    sync::Arrival arrival = 0;
    bool aside = false;
    bool restored = false;  // from before the daemon's start: of the log or aside, nobody knows
    Sender sender = 0;      // of an aside one
    bool passed = false;    // of a retained or replayed one
  };
  using MayForget = std::function<bool(const Finished&)>;
  [[nodiscard]] bool has_finished(const MayForget& may_forget) const;
  [[nodiscard]] std::size_t finished() const { return finished_.size(); }
  // Packet identifiers, to be deleted on disk with the next position.
  std::vector<std::uint16_t> take_finished(const MayForget& may_forget);

  // The greatest arrival such that everything of the log up to it was acknowledged; `cursor` when nothing is on its
  // way.
  [[nodiscard]] sync::Arrival acknowledged_up_to(sync::Arrival cursor) const;
  // Entries that only wait for their position to be saved.
  [[nodiscard]] std::size_t unsaved() const { return first_waiting_; }
  // The position is on disk.
  void settle(sync::Arrival saved);

  // The connection is gone: what was not acknowledged is due again on the next one. What stood aside is forgotten,
  // unless the client has it: returns the messages of shared subscriptions that go back to their senders.
  std::vector<Message> detach();
  // The greatest arrival of the log ever added: ops up to it are only sent if they are due again.
  [[nodiscard]] sync::Arrival newest() const { return newest_; }
  // Whether this op is due again; resend() then says under which identifier, and counts it as sent.
  [[nodiscard]] bool is_due_again(sync::Arrival arrival) const { return due_qos(arrival).has_value(); }
  // With which QoS it was sent, and must be sent again, whatever the subscriptions say now. Nothing: it is not due.
  [[nodiscard]] std::optional<mqtt::QoS> due_qos(sync::Arrival arrival) const;
  std::uint16_t resend(sync::Arrival arrival);
  // The client had it before the daemon started, whether or not it has completed it since.
  [[nodiscard]] bool was_received(sync::Arrival arrival) const;
  // The session has read the log up to here: what was due again and was not met will not come (it was trimmed, or is
  // forbidden by now). At QoS 1 it counts as acknowledged, at QoS 2 it is lost.
  void pass(sync::Arrival cursor);
  // A QoS 2 message that the client may have, and that cannot be sent again, since it is gone. The client may hold its
  // identifier, and would take the next message under it for this one: it is released as after PUBREC. A client that
  // has nothing to release answers PUBCOMP all the same; with 0x92, which is no error then (table 3-11).
  // Of the log: it may have been sent before the daemon was killed. REQUIRES: has_room(arrival), as add().
  void lose(sync::Arrival arrival);
  // On its way, on this connection and an earlier one.
  void lose_again(std::uint16_t packet_id);
  // Of a shared subscription, sent on an earlier connection.
  void lose_aside(sync::Arrival arrival, Sender sender);
  // A retained or replayed message was sent on an earlier connection, and not acknowledged.
  [[nodiscard]] bool was_interrupted(sync::Arrival arrival) const;
  // What was interrupted and not sent again by now will not come: at QoS 2 it is lost.
  void pass_interrupted();
  [[nodiscard]] bool has_lost() const { return !lost_.empty(); }
  // To be treated as if receive() had returned kFirst for each.
  [[nodiscard]] std::vector<StoredRelease> take_lost() { return std::exchange(lost_, {}); }
  // A retained or replayed QoS 2 message that the client has, since an earlier connection, and may have completed.
  [[nodiscard]] bool has_begun(sync::Arrival arrival) const;
  // Whoever sent these retained or replayed messages will not send them again: Finished::passed.
  void pass_begun(const std::unordered_set<sync::Arrival>& arrivals);

  [[nodiscard]] static std::uint16_t packet_id_of(sync::Arrival arrival) {
    return static_cast<std::uint16_t>(arrival % 65'535 + 1);  // never 0 [MQTT-2.2.1-3]
  }

 private:
  enum class State : std::uint8_t { kSent, kReleasing, kReleased, kDone };
  struct Entry {
    sync::Arrival arrival = 0;
    Sender sender = 0;
    State state = State::kSent;
    mqtt::QoS qos = mqtt::QoS::kAtLeastOnce;
    bool due_again = false;
    bool counted = false;   // in on_the_way_
    bool restored = false;  // from disk: it may be of the log, but is not in entries_
    bool passed = false;    // as Finished::passed
    [[nodiscard]] bool has(std::uint16_t packet_id) const {
      return state != State::kDone && packet_id_of(arrival) == packet_id;
    }
  };

  struct Interrupted {
    sync::Arrival arrival = 0;
    mqtt::QoS qos = mqtt::QoS::kAtLeastOnce;
  };

  // Not those that are due again: what is acknowledged must have been sent on this connection.
  [[nodiscard]] Entry* find(std::uint16_t packet_id, bool& aside);
  [[nodiscard]] const Entry* find_due(sync::Arrival arrival) const;
  [[nodiscard]] bool is_identifier_free(sync::Arrival arrival) const;
  std::optional<Message> finish(std::uint16_t packet_id, bool after_release);
  void release_lost(Entry& entry);
  void count(Entry& entry);
  void uncount(Entry& entry);
  void advance();

  std::uint16_t limit_;
  std::uint16_t limit_most_ = limit_;  // it had: a client that allows less by now still holds what it was sent
  bool persistent_;
  std::size_t first_waiting_ = 0;  // index of the first entry that is not done
  std::size_t on_the_way_ = 0;     // sent on this connection, and unacknowledged
  std::size_t due_ = 0;            // entries that are due again
  sync::Arrival newest_ = 0;
  sync::Arrival saved_ = 0;
  std::deque<Entry> entries_;  // of the log, in its order
  std::vector<Entry> asides_;
  std::vector<Finished> finished_;
  std::vector<StoredRelease> lost_;
  std::deque<Interrupted> interrupted_;
  std::vector<sync::Arrival> received_before_;  // ascending; see was_received()
};

}  // namespace hedgerow::node
