// Session: what the node knows of one client beyond its connection (MQTT 5.0 section 4.1), and where its delivery
// stands. SessionRegistry holds all of them.
// A session reads the log in arrival order. While it keeps up it is `live`: what is committed goes to it at once. When
// its window or its connection is full it is not live, and goes on from its cursor when there is room: nothing queues.
// Thread-compatible: owned by the loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/mqtt/packets.hpp"
#include "daemon/node/session_store.hpp"
#include "daemon/node/window.hpp"
#include "sync/base/time.hpp"
#include "sync/engine/engine.hpp"

namespace hedgerow::node {

class Client;

struct Subscription {
  mqtt::SubOptions options;
  sync::Arrival start = 0;    // as StoredSubscription::start
  bool retained_due = false;  // likewise
};

// Retained messages on their way to one new subscription.
struct RetainedRun {
  std::uint64_t id = 0;
  std::string filter;
  mqtt::SubOptions options;
  sync::Arrival start = 0;  // what was set later comes as an ordinary message
  std::size_t channel = 0;  // where reading goes on: index in the node's channels, and the last topic read there
  std::string after_topic;
  bool reading = false;
  bool exhausted = false;  // all pages are read
  std::vector<sync::Cell> page;
  std::size_t next = 0;  // in page
};

// A part of the log, read from disk for one session.
struct LogPage {
  struct Part {
    sync::ChannelNo channel{};
    sync::ReplicaId replica{};
    sync::Arrival first_arrival = 0;
    std::uint32_t count = 0;  // as stored; ops is empty where the row is damaged
    std::vector<sync::Op> ops;
  };
  std::vector<Part> parts;  // in arrival order
  std::size_t part = 0;     // where the session stands
  std::size_t op = 0;
};

struct Session {
  Session(std::uint64_t session_id, std::string session_owner, std::string session_client_id, bool persistent,
          std::uint16_t window_limit)
      : id(session_id),
        owner(std::move(session_owner)),
        client_id(std::move(session_client_id)),
        window(window_limit, persistent) {}

  [[nodiscard]] bool is_persistent() const { return expiry_s > 0; }
  [[nodiscard]] StoredSession stored() const;

  const std::uint64_t id;
  const std::string owner;
  const std::string client_id;
  std::uint32_t expiry_s = 0;
  std::map<std::string, Subscription, std::less<>> subscriptions;
  sync::Arrival newest_start = 0;  // of all subscriptions

  Client* client = nullptr;    // null: offline
  Client* pending = nullptr;   // waits for the session to be on disk, before it is accepted
  bool was_stored = false;     // the disk may know it
  bool was_confirmed = false;  // the disk knows it
  Window window;
  bool live = false;
  sync::Arrival cursor = 0;       // meaningful while not live: everything up to here was sent, or was not for it
  sync::Arrival attached_at = 0;  // older messages of QoS 0 are not made up for
  unsigned holds = 0;             // answers that must leave before any message does
  std::deque<RetainedRun> retained;
  std::optional<LogPage> page;
  bool reading = false;             // a page is on its way
  std::uint64_t read_id = 0;        // of that page: one that an earlier connection asked for is not taken
  bool retained_unsettled = false;  // some subscription has retained_due
  std::size_t filter_bytes = 0;     // of all subscriptions

  sync::Arrival position_submitted = 0;
  sync::Arrival position_saved = 0;
  std::optional<Instant> position_due;
  std::optional<Instant> expires_at;
};

class SessionRegistry {
 public:
  [[nodiscard]] Session* find(std::uint64_t id);
  [[nodiscard]] Session* find(std::string_view owner, std::string_view client_id);
  // REQUIRES: neither the id nor (owner, client_id) is known.
  Session& add(std::unique_ptr<Session> session);
  void erase(std::uint64_t id);

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  [[nodiscard]] std::size_t persistent() const;
  [[nodiscard]] const std::unordered_map<std::uint64_t, std::unique_ptr<Session>>& all() const { return by_id_; }

 private:
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> by_id_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> by_name_;
};

// The options byte of SUBSCRIBE, section 3.8.3.1.
[[nodiscard]] std::uint8_t options_byte(const mqtt::SubOptions& options);
[[nodiscard]] mqtt::SubOptions options_from(std::uint8_t byte, std::optional<std::uint32_t> identifier);

}  // namespace hedgerow::node
