// SessionTable: the persistent MQTT sessions with their wills and groups, in the writer's transaction.
// Thread rule: owned by the store thread. Ownership: the connection outlives it.
#pragma once

#include "daemon/node/session_store.hpp"
#include "daemon/store_sqlite/connection.hpp"

namespace hedgerow::store_sqlite {

class SessionTable final : public node::SessionStore {
 public:
  explicit SessionTable(Connection& connection);

  Expected<std::vector<node::StoredSession>> load_sessions() override;
  Expected<void> put_session(const node::StoredSession& session) override;
  Expected<void> erase_session(std::uint64_t id) override;
  Expected<void> put_position(std::uint64_t id, sync::Arrival position,
                              std::span<const std::uint16_t> finished) override;
  Expected<void> put_runs(std::uint64_t id, const node::StoredSubscription& subscription) override;
  Expected<void> add_received(std::uint64_t session, std::uint16_t packet_id) override;
  Expected<void> erase_received(std::uint64_t session, std::uint16_t packet_id) override;
  Expected<void> add_release(std::uint64_t session, const node::StoredRelease& release) override;
  Expected<std::vector<node::StoredWill>> load_wills() override;
  Expected<void> put_will(const node::StoredWill& will) override;
  Expected<void> erase_will(std::uint64_t session) override;
  Expected<std::vector<node::StoredGroup>> load_groups() override;
  Expected<void> put_group(const node::StoredGroup& group) override;
  Expected<void> erase_group(std::string_view share, std::string_view filter) override;

 private:
  struct Statements {
    explicit Statements(Connection& connection);
    Statement load, put, put_position, erase;
    Statement load_subscriptions, put_subscription, put_runs, erase_subscriptions;
    Statement load_received, add_received, erase_received, erase_all_received;
    Statement load_releases, add_release, erase_release, erase_all_releases;
    Statement load_wills, put_will, erase_will;
    Statement load_groups, put_group, erase_group;
  };

  // What hangs on the session, from tables of its own.
  Expected<void> load_subscriptions(node::StoredSession& session);
  Expected<void> load_received(node::StoredSession& session);
  Expected<void> load_releases(node::StoredSession& session);
  // A statement that changes something. REQUIRES a turn.
  template <class... Values>
  Expected<void> change(Statement& statement, const Values&... values) {
    if (auto turn = connection_.check_turn(); !turn) return turn;
    return Query(statement, values...).run();
  }

  Connection& connection_;
  Statements sql_;
};

}  // namespace hedgerow::store_sqlite
