// SessionTable: the persistent MQTT sessions, in the writer's transaction.
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
  Expected<void> put_position(std::uint64_t id, sync::Arrival position) override;

 private:
  Connection& connection_;
  Statement load_;
  Statement load_subscriptions_;
  Statement put_;
  Statement put_subscription_;
  Statement erase_;
  Statement erase_subscriptions_;
  Statement put_position_;
};

}  // namespace hedgerow::store_sqlite
