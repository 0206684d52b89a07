// Port: where persistent MQTT sessions live. They share the database, and each transaction, with the sync engine's
// Storage: what a turn commits is one whole. DESIGN 1 and 4.
// A session is a position, not a copy: the arrival number up to which everything that matches was acknowledged.
// Thread rule: load_sessions() before the threads start; the rest on the store thread between begin() and commit().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sync/base/expected.hpp"
#include "sync/log/op.hpp"

namespace hedgerow::node {

struct StoredSubscription {
  std::string filter;
  std::uint8_t options = 0;  // the options byte of MQTT 5 SUBSCRIBE [MQTT-3.8.3.1], QoS as granted
  std::optional<std::uint32_t> identifier;
  sync::Arrival start = 0;    // only what arrived later is delivered through it
  bool retained_due = false;  // retained messages were not all acknowledged yet: sent again after a restart
};

struct StoredSession {
  std::uint64_t id = 0;  // random, never 0; also the publisher of what it writes
  std::string owner;     // the authenticated name; empty: anonymous
  std::string client_id;
  std::uint32_t expiry_s = 0;  // 0xFFFFFFFF: never [MQTT-3.1.2.11.2]
  sync::Arrival position = 0;
  std::vector<StoredSubscription> subscriptions;
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;
  virtual Expected<std::vector<StoredSession>> load_sessions() = 0;
  // Inserts or replaces, whole.
  virtual Expected<void> put_session(const StoredSession& session) = 0;
  // Unknown ids are no error.
  virtual Expected<void> erase_session(std::uint64_t id) = 0;
  virtual Expected<void> put_position(std::uint64_t id, sync::Arrival position) = 0;
};

}  // namespace hedgerow::node
