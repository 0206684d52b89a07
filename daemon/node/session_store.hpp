// Port: where persistent MQTT sessions live, and with them the wills and the shared subscriptions' positions. They
// share the database, and each transaction, with the sync engine's Storage: what a turn commits is one whole. DESIGN 1
// and 4. A session is a position, not a copy: the arrival number up to which everything that matches was acknowledged.
// Only what QoS 2 must remember beyond it has rows of its own. Implementations: daemon/store_sqlite (the real one),
// tests/support (in memory). One contract suite holds for both. Thread rule: load_…() before the threads start; the
// rest on the store thread between begin() and commit().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "security/acl/access_rules.hpp"
#include "sync/base/expected.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

// Messages of the past for a subscription that asked for them.
struct StoredReplay {
  std::uint64_t since_ms = 0;
  sync::Arrival last = 0;   // what arrived later comes as an ordinary message
  sync::Arrival after = 0;  // up to here everything came
  bool operator==(const StoredReplay&) const = default;
};

struct StoredSubscription {
  std::string filter;
  std::uint8_t options = 0;  // the options byte of MQTT 5 SUBSCRIBE [MQTT-3.8.3.1], QoS as granted
  std::optional<std::uint32_t> identifier;
  sync::Arrival start = 0;  // only what arrived later is delivered through it
  // Retained messages were not all acknowledged yet. Up to this channel, and this topic of it, they were.
  bool retained_due = false;
  sync::ChannelNo retained_channel{};
  std::string retained_topic = {};
  std::optional<StoredReplay> replay = {};
};

// QoS 2 towards the client: its PUBREC came, its PUBCOMP did not yet. After a reconnect PUBREL is sent again with the
// same packet identifier, and the message itself never [MQTT-4.3.3-1].
struct StoredRelease {
  std::uint16_t packet_id = 0;
  sync::Arrival arrival = 0;  // of the message, which lies beyond the session's position
};

struct StoredSession {
  std::uint64_t id = 0;  // random, never 0; also the publisher of what it writes
  std::string owner;     // the authenticated name; who has none: listener:NAME, or nothing where that is loopback
  std::string client_id;
  std::uint32_t expiry_s = 0;  // 0xFFFFFFFF: never [MQTT-3.1.2.11.2]
  sync::Arrival position = 0;
  std::vector<StoredSubscription> subscriptions;
  // These two have calls of their own: put_session() ignores them, load_sessions() fills them.
  // QoS 2 from the client: packet identifiers that were published and not released yet; ascending. A PUBLISH that
  // repeats one of them is not written again [MQTT-4.3.3-10].
  std::vector<std::uint16_t> received = {};
  std::vector<StoredRelease> releases = {};  // ordered by arrival, then by packet identifier
};

// The will of a session, persistent or not: it fires also when the node restarts before it could.
struct StoredWill {
  std::uint64_t session = 0;  // the id; one will a session
  security::Principal principal;  // who left it: what it may publish is asked when it is published
  std::uint32_t expiry_s = 0;  // the session's: the will is due no later than its end [MQTT-3.1.3-9]
  sync::Message message;       // the Message Expiry Interval counts from the stamp
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint32_t delay_s = 0;  // Will Delay Interval; 0 for 3.1.1
  // The connection is dead since then, and the will's op will carry this stamp (sync::Engine::stamp_now). Without it,
  // the connection lived when this was stored: after a restart it died with the node.
  std::optional<sync::Stamp> died;
};

// How far a shared subscription of persistent sessions has been served: common to all of its members on this node.
struct StoredGroup {
  std::string share;   // the ShareName
  std::string filter;  // what to match: without $share/NAME/
  sync::Arrival position = 0;
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // Ordered by id.
  virtual Expected<std::vector<StoredSession>> load_sessions() = 0;
  // Inserts or replaces, whole, but for `received` and `releases`.
  virtual Expected<void> put_session(const StoredSession& session) = 0;
  // With its subscriptions, `received` and `releases`; not with its will. Unknown ids are no error.
  virtual Expected<void> erase_session(std::uint64_t id) = 0;
  // Saves a position alone, and forgets the releases of these packet identifiers: their PUBCOMP came. Unknown ids and
  // identifiers are no error.
  virtual Expected<void> put_position(std::uint64_t id, sync::Arrival position,
                                      std::span<const std::uint16_t> finished) = 0;

  // How far the retained messages and the replay of one subscription came; the rest of it stays. Unknown ones are no
  // error.
  virtual Expected<void> put_runs(std::uint64_t id, const StoredSubscription& subscription) = 0;

  // To be committed together with the write that the PUBLISH made, before its PUBREC goes out (G1). One that is there
  // already is no error.
  virtual Expected<void> add_received(std::uint64_t session, std::uint16_t packet_id) = 0;
  // Unknown ones are no error.
  virtual Expected<void> erase_received(std::uint64_t session, std::uint16_t packet_id) = 0;
  // To be committed before the PUBREL goes out (G1). Replaces one of the same packet identifier.
  virtual Expected<void> add_release(std::uint64_t session, const StoredRelease& release) = 0;

  // Ordered by session.
  virtual Expected<std::vector<StoredWill>> load_wills() = 0;
  // Inserts or replaces the session's will.
  virtual Expected<void> put_will(const StoredWill& will) = 0;
  // Unknown sessions are no error.
  virtual Expected<void> erase_will(std::uint64_t session) = 0;

  // Ordered by share, then by filter, as bytes.
  virtual Expected<std::vector<StoredGroup>> load_groups() = 0;
  // Inserts or replaces.
  virtual Expected<void> put_group(const StoredGroup& group) = 0;
  // Unknown ones are no error.
  virtual Expected<void> erase_group(std::string_view share, std::string_view filter) = 0;
};

}  // namespace hedgerow::node
