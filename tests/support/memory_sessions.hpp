// MemorySessions: the session store in memory, in the turns of a MemoryStorage: what was not committed is gone after a
// rollback or a crash. (A lying disk loses nothing of it.)
//
// It holds to tests/contract/session_contract.hpp, as the real store does.
// Thread rule: one thread. Ownership: the storage outlives it.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "daemon/node/session_store.hpp"
#include "tests/support/memory_storage.hpp"

namespace hedgerow::test {

struct SessionTables {
  std::map<std::uint64_t, node::StoredSession> sessions;  // received and releases stand below
  std::map<std::uint64_t, std::set<std::uint16_t>> received;
  std::map<std::uint64_t, std::map<std::uint16_t, sync::Arrival>> releases;
  std::map<std::uint64_t, node::StoredWill> wills;
  std::map<std::pair<std::string, std::string>, sync::Arrival> groups;
};

class MemorySessions final : public node::SessionStore, public SessionTables, private MemoryStorage::TurnPart {
 public:
  explicit MemorySessions(MemoryStorage& storage) { storage.join(*this); }
  MemorySessions(const MemorySessions&) = delete;
  MemorySessions& operator=(const MemorySessions&) = delete;

  Expected<std::vector<node::StoredSession>> load_sessions() override {
    std::vector<node::StoredSession> out;
    for (const auto& [id, session] : sessions) {
      node::StoredSession& loaded = out.emplace_back(session);
      if (const auto found = received.find(id); found != received.end()) {
        loaded.received.assign(found->second.begin(), found->second.end());
      }
      if (const auto found = releases.find(id); found != releases.end()) {
        for (const auto& [packet_id, arrival] : found->second) loaded.releases.push_back({packet_id, arrival});
      }
      std::sort(loaded.releases.begin(), loaded.releases.end(), [](const auto& a, const auto& b) {
        return std::tie(a.arrival, a.packet_id) < std::tie(b.arrival, b.packet_id);
      });
    }
    return out;
  }
  Expected<void> put_session(const node::StoredSession& session) override {
    node::StoredSession& stored = sessions[session.id] = session;
    stored.received.clear();
    stored.releases.clear();
    return {};
  }
  Expected<void> erase_session(std::uint64_t id) override {
    sessions.erase(id);
    received.erase(id);
    releases.erase(id);
    return {};
  }
  Expected<void> put_position(std::uint64_t id, sync::Arrival position,
                              std::span<const std::uint16_t> finished) override {
    if (const auto found = sessions.find(id); found != sessions.end()) found->second.position = position;
    if (const auto found = releases.find(id); found != releases.end()) {
      for (const std::uint16_t packet_id : finished) found->second.erase(packet_id);
    }
    return {};
  }

  Expected<void> put_runs(std::uint64_t id, const node::StoredSubscription& subscription) override {
    const auto found = sessions.find(id);
    if (found == sessions.end()) return {};
    for (node::StoredSubscription& stored : found->second.subscriptions) {
      if (stored.filter != subscription.filter) continue;
      stored.retained_due = subscription.retained_due;
      stored.retained_channel = subscription.retained_channel;
      stored.retained_topic = subscription.retained_topic;
      stored.replay = subscription.replay;
    }
    return {};
  }

  Expected<void> add_received(std::uint64_t session, std::uint16_t packet_id) override {
    received[session].insert(packet_id);
    return {};
  }
  Expected<void> erase_received(std::uint64_t session, std::uint16_t packet_id) override {
    if (const auto found = received.find(session); found != received.end()) found->second.erase(packet_id);
    return {};
  }
  Expected<void> add_release(std::uint64_t session, const node::StoredRelease& release) override {
    releases[session][release.packet_id] = release.arrival;
    return {};
  }

  Expected<std::vector<node::StoredWill>> load_wills() override {
    std::vector<node::StoredWill> out;
    for (const auto& [session, will] : wills) out.push_back(will);
    return out;
  }
  Expected<void> put_will(const node::StoredWill& will) override {
    wills[will.session] = will;
    return {};
  }
  Expected<void> erase_will(std::uint64_t session) override {
    wills.erase(session);
    return {};
  }

  Expected<std::vector<node::StoredGroup>> load_groups() override {
    std::vector<node::StoredGroup> out;
    for (const auto& [name, position] : groups) out.push_back({name.first, name.second, position});
    return out;
  }
  Expected<void> put_group(const node::StoredGroup& group) override {
    groups[{group.share, group.filter}] = group.position;
    return {};
  }
  Expected<void> erase_group(std::string_view share, std::string_view filter) override {
    groups.erase({std::string(share), std::string(filter)});
    return {};
  }

 private:
  void on_begin() override { before_ = *this; }
  void on_rollback() override { static_cast<SessionTables&>(*this) = before_; }

  SessionTables before_;
};

}  // namespace hedgerow::test
