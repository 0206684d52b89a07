#include "daemon/store_sqlite/session_table.hpp"

namespace hedgerow::store_sqlite {

SessionTable::SessionTable(Connection& c)
    : connection_(c),
      load_(c, "SELECT id, owner, client_id, expiry_s, position FROM sessions ORDER BY id"),
      load_subscriptions_(
          c,
          "SELECT filter, options, identifier, start, retained_due FROM subscriptions WHERE session=? ORDER BY filter"),
      put_(c, "REPLACE INTO sessions(id, owner, client_id, expiry_s, position) VALUES(?,?,?,?,?)"),
      put_subscription_(c,
                        "REPLACE INTO subscriptions(session, filter, options, identifier, start, retained_due) "
                        "VALUES(?,?,?,?,?,?)"),
      erase_(c, "DELETE FROM sessions WHERE id=?"),
      erase_subscriptions_(c, "DELETE FROM subscriptions WHERE session=?"),
      put_position_(c, "UPDATE sessions SET position=? WHERE id=?") {}

Expected<std::vector<node::StoredSession>> SessionTable::load_sessions() {
  std::vector<node::StoredSession> sessions;
  Query query(load_);
  for (;;) {
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) return sessions;
    node::StoredSession session{.id = query.number(0),
                                .owner = std::string(query.text(1)),
                                .client_id = std::string(query.text(2)),
                                .expiry_s = query.as<std::uint32_t>(3),
                                .position = query.number(4),
                                .subscriptions = {}};
    Query subscription(load_subscriptions_, session.id);
    for (;;) {
      const auto next = subscription.next();
      if (!next) return tl::unexpected<Error>(next.error());
      if (!*next) break;
      node::StoredSubscription& added = session.subscriptions.emplace_back();
      added.filter = std::string(subscription.text(0));
      added.options = subscription.as<std::uint8_t>(1);
      if (!subscription.is_null(2)) added.identifier = subscription.as<std::uint32_t>(2);
      added.start = subscription.number(3);
      added.retained_due = subscription.number(4) != 0;
    }
    sessions.push_back(std::move(session));
  }
}

Expected<void> SessionTable::put_session(const node::StoredSession& session) {
  if (auto turn = connection_.check_turn(); !turn) return turn;
  if (auto put = Query(put_, session.id, session.owner, session.client_id, session.expiry_s, session.position).run();
      !put) {
    return put;
  }
  if (auto erased = Query(erase_subscriptions_, session.id).run(); !erased) return erased;
  for (const node::StoredSubscription& subscription : session.subscriptions) {
    if (auto put = Query(put_subscription_, session.id, subscription.filter, subscription.options,
                         subscription.identifier, subscription.start, subscription.retained_due)
                       .run();
        !put) {
      return put;
    }
  }
  return {};
}

Expected<void> SessionTable::erase_session(std::uint64_t id) {
  if (auto turn = connection_.check_turn(); !turn) return turn;
  if (auto erased = Query(erase_subscriptions_, id).run(); !erased) return erased;
  return Query(erase_, id).run();
}

Expected<void> SessionTable::put_position(std::uint64_t id, sync::Arrival position) {
  if (auto turn = connection_.check_turn(); !turn) return turn;
  return Query(put_position_, position, id).run();
}

}  // namespace hedgerow::store_sqlite
