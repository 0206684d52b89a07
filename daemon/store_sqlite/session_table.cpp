#include "daemon/store_sqlite/session_table.hpp"

#include <algorithm>

#include "daemon/store_sqlite/rows.hpp"

namespace hedgerow::store_sqlite {

namespace {

// Calls `take` for each row.
template <class Take>
Expected<void> each(Query& query, const Take& take) {
  for (;;) {
    const auto row = query.next();
    if (!row) return tl::unexpected<Error>(row.error());
    if (!*row) return {};
    if (Expected<void> taken = take(); !taken) return taken;
  }
}

struct ReplayColumns {
  explicit ReplayColumns(const std::optional<node::StoredReplay>& replay) {
    if (!replay) return;
    since = replay->since_ms;
    last = replay->last;
    after = replay->after;
  }
  std::optional<std::uint64_t> since;
  std::optional<std::uint64_t> last;
  std::optional<std::uint64_t> after;
};

// Version 2 kept the owner of the will's session alone. Its listener is not known: what the access rules grant only
// there, or to the board itself, is not granted.
security::Principal principal_of(std::string_view owner, std::string_view client_id) {
  using Kind = security::Principal::Kind;
  security::Principal principal{.client_id = std::string(client_id)};
  const std::size_t colon = owner.find(':');  // no name of a certificate has one
  principal.name = owner.substr(colon == std::string_view::npos ? 0 : colon + 1);
  if (owner.empty()) {
    principal.kind = Kind::kAnonymous;
  } else if (owner.starts_with("user:")) {
    principal.kind = Kind::kUser;
  } else {
    principal.kind = Kind::kCertificate;
    if (colon != std::string_view::npos) principal.role = security::parse_role(owner.substr(0, colon));
  }
  return principal;
}

// Of a row of load_wills.
security::Principal principal_at(const Query& query) {
  if (query.is_null(14)) return principal_of(query.text(1), query.text(2));
  security::Principal principal{.kind = static_cast<security::Principal::Kind>(query.as<std::uint8_t>(14)),
                                .name = std::string(query.text(1)),
                                .listener = std::string(query.text(16)),
                                .client_id = std::string(query.text(2)),
                                .loopback = query.number(17) != 0};
  if (!query.is_null(15)) principal.role = security::parse_role(query.text(15));
  return principal;
}

}  // namespace

SessionTable::Statements::Statements(Connection& c)
    : load(c, "SELECT id, owner, client_id, expiry_s, position FROM sessions"),
      put(c, "REPLACE INTO sessions(id, owner, client_id, expiry_s, position) VALUES(?,?,?,?,?)"),
      put_position(c, "UPDATE sessions SET position=? WHERE id=?"),
      erase(c, "DELETE FROM sessions WHERE id=?"),
      load_subscriptions(
          c,
          "SELECT filter, options, identifier, start, retained_due, retained_channel, retained_topic, replay_since, "
          "replay_last, replay_after FROM subscriptions WHERE session=? ORDER BY filter"),
      put_subscription(c,
                       "REPLACE INTO subscriptions(session, filter, options, identifier, start, retained_due, "
                       "retained_channel, retained_topic, replay_since, replay_last, replay_after) "
                       "VALUES(?,?,?,?,?,?,?,?,?,?,?)"),
      put_runs(c,
               "UPDATE subscriptions SET retained_due=?, retained_channel=?, retained_topic=?, replay_since=?, "
               "replay_last=?, replay_after=? WHERE session=? AND filter=?"),
      erase_subscriptions(c, "DELETE FROM subscriptions WHERE session=?"),
      load_received(c, "SELECT packet_id FROM received WHERE session=? ORDER BY packet_id"),
      add_received(c, "INSERT OR IGNORE INTO received(session, packet_id) VALUES(?,?)"),
      erase_received(c, "DELETE FROM received WHERE session=? AND packet_id=?"),
      erase_all_received(c, "DELETE FROM received WHERE session=?"),
      load_releases(c, "SELECT packet_id, arrival FROM releases WHERE session=? ORDER BY arrival, packet_id"),
      add_release(c, "REPLACE INTO releases(session, packet_id, arrival) VALUES(?,?,?)"),
      erase_release(c, "DELETE FROM releases WHERE session=? AND packet_id=?"),
      erase_all_releases(c, "DELETE FROM releases WHERE session=?"),
      load_wills(c,
                 "SELECT session, name, client_id, expiry_s, qos, retain, delay_s, died_wall_ms, died_counter, "
                 "died_quality, message_expiry_s, topic, properties, payload, kind, role, listener, loopback "
                 "FROM wills"),
      put_will(c,
               "REPLACE INTO wills(session, name, client_id, expiry_s, qos, retain, delay_s, died_wall_ms, "
               "died_counter, died_quality, message_expiry_s, topic, properties, payload, kind, role, listener, "
               "loopback) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      erase_will(c, "DELETE FROM wills WHERE session=?"),
      load_groups(c, "SELECT share, filter, position FROM share_groups ORDER BY share, filter"),
      put_group(c, "REPLACE INTO share_groups(share, filter, position) VALUES(?,?,?)"),
      erase_group(c, "DELETE FROM share_groups WHERE share=? AND filter=?") {}

SessionTable::SessionTable(Connection& connection) : connection_(connection), sql_(connection) {}

Expected<std::vector<node::StoredSession>> SessionTable::load_sessions() {
  std::vector<node::StoredSession> sessions;
  Query query(sql_.load);
  const auto loaded = each(query, [&]() -> Expected<void> {
    node::StoredSession& session = sessions.emplace_back();
    session.id = query.number(0);
    session.owner = query.text(1);
    session.client_id = query.text(2);
    session.expiry_s = query.as<std::uint32_t>(3);
    session.position = query.number(4);
    if (auto found = load_subscriptions(session); !found) return found;
    if (auto found = load_received(session); !found) return found;
    return load_releases(session);
  });
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  std::sort(sessions.begin(), sessions.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return sessions;
}

Expected<void> SessionTable::load_subscriptions(node::StoredSession& session) {
  Query query(sql_.load_subscriptions, session.id);
  return each(query, [&]() -> Expected<void> {
    node::StoredSubscription& added = session.subscriptions.emplace_back();
    added.filter = query.text(0);
    added.options = query.as<std::uint8_t>(1);
    if (!query.is_null(2)) added.identifier = query.as<std::uint32_t>(2);
    added.start = query.number(3);
    added.retained_due = query.number(4) != 0;
    added.retained_channel = query.as<sync::ChannelNo>(5);
    added.retained_topic = as_text(query.blob(6));
    if (!query.is_null(7)) {
      added.replay = node::StoredReplay{.since_ms = query.number(7), .last = query.number(8), .after = query.number(9)};
    }
    return {};
  });
}

Expected<void> SessionTable::load_received(node::StoredSession& session) {
  Query query(sql_.load_received, session.id);
  return each(query, [&]() -> Expected<void> {
    session.received.push_back(query.as<std::uint16_t>(0));
    return {};
  });
}

Expected<void> SessionTable::load_releases(node::StoredSession& session) {
  Query query(sql_.load_releases, session.id);
  return each(query, [&]() -> Expected<void> {
    session.releases.push_back({.packet_id = query.as<std::uint16_t>(0), .arrival = query.number(1)});
    return {};
  });
}

Expected<void> SessionTable::put_session(const node::StoredSession& session) {
  if (auto put = change(sql_.put, session.id, session.owner, session.client_id, session.expiry_s, session.position);
      !put) {
    return put;
  }
  if (auto erased = change(sql_.erase_subscriptions, session.id); !erased) return erased;
  for (const node::StoredSubscription& subscription : session.subscriptions) {
    const ReplayColumns replay(subscription.replay);
    if (auto put = change(sql_.put_subscription, session.id, subscription.filter, subscription.options,
                          subscription.identifier, subscription.start, subscription.retained_due,
                          subscription.retained_channel, as_bytes(subscription.retained_topic), replay.since,
                          replay.last, replay.after);
        !put) {
      return put;
    }
  }
  return {};
}

Expected<void> SessionTable::put_runs(std::uint64_t id, const node::StoredSubscription& subscription) {
  const ReplayColumns replay(subscription.replay);
  return change(sql_.put_runs, subscription.retained_due, subscription.retained_channel,
                as_bytes(subscription.retained_topic), replay.since, replay.last, replay.after, id,
                subscription.filter);
}

Expected<void> SessionTable::erase_session(std::uint64_t id) {
  for (Statement* erase : {&sql_.erase_subscriptions, &sql_.erase_all_received, &sql_.erase_all_releases}) {
    if (auto erased = change(*erase, id); !erased) return erased;
  }
  return change(sql_.erase, id);
}

Expected<void> SessionTable::put_position(std::uint64_t id, sync::Arrival position,
                                          std::span<const std::uint16_t> finished) {
  for (const std::uint16_t packet_id : finished) {
    if (auto erased = change(sql_.erase_release, id, packet_id); !erased) return erased;
  }
  return change(sql_.put_position, position, id);
}

Expected<void> SessionTable::add_received(std::uint64_t session, std::uint16_t packet_id) {
  return change(sql_.add_received, session, packet_id);
}

Expected<void> SessionTable::erase_received(std::uint64_t session, std::uint16_t packet_id) {
  return change(sql_.erase_received, session, packet_id);
}

Expected<void> SessionTable::add_release(std::uint64_t session, const node::StoredRelease& release) {
  return change(sql_.add_release, session, release.packet_id, release.arrival);
}

Expected<std::vector<node::StoredWill>> SessionTable::load_wills() {
  std::vector<node::StoredWill> wills;
  Query query(sql_.load_wills);
  const auto loaded = each(query, [&]() -> Expected<void> {
    node::StoredWill& will = wills.emplace_back();
    will.session = query.number(0);
    will.principal = principal_at(query);
    will.expiry_s = query.as<std::uint32_t>(3);
    will.qos = query.as<std::uint8_t>(4);
    will.retain = query.number(5) != 0;
    will.delay_s = query.as<std::uint32_t>(6);
    if (!query.is_null(7)) will.died = stamp_at(query, 7);
    if (!query.is_null(10)) will.message.expiry_s = query.as<std::uint32_t>(10);
    will.message.topic = as_text(query.blob(11));
    will.message.properties = to_bytes(query.blob(12));
    will.message.payload = to_bytes(query.blob(13));
    return {};
  });
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  std::sort(wills.begin(), wills.end(), [](const auto& a, const auto& b) { return a.session < b.session; });
  return wills;
}

Expected<void> SessionTable::put_will(const node::StoredWill& will) {
  const security::Principal& principal = will.principal;
  std::optional<std::string_view> role;
  if (principal.role) role = security::role_text(*principal.role);
  std::optional<std::uint64_t> wall_ms;
  std::optional<std::uint64_t> counter;
  std::optional<std::uint64_t> quality;
  if (will.died) {
    wall_ms = will.died->wall_ms;
    counter = will.died->counter;
    quality = quality_column(*will.died);
  }
  const sync::Message& message = will.message;
  return change(sql_.put_will, will.session, principal.name, principal.client_id, will.expiry_s, will.qos, will.retain,
                will.delay_s, wall_ms, counter, quality, message.expiry_s, as_bytes(message.topic), message.properties,
                message.payload, static_cast<std::uint64_t>(principal.kind), role, principal.listener,
                principal.loopback);
}

Expected<void> SessionTable::erase_will(std::uint64_t session) { return change(sql_.erase_will, session); }

Expected<std::vector<node::StoredGroup>> SessionTable::load_groups() {
  std::vector<node::StoredGroup> groups;
  Query query(sql_.load_groups);
  const auto loaded = each(query, [&]() -> Expected<void> {
    groups.push_back(
        {.share = std::string(query.text(0)), .filter = std::string(query.text(1)), .position = query.number(2)});
    return {};
  });
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return groups;
}

Expected<void> SessionTable::put_group(const node::StoredGroup& group) {
  return change(sql_.put_group, group.share, group.filter, group.position);
}

Expected<void> SessionTable::erase_group(std::string_view share, std::string_view filter) {
  return change(sql_.erase_group, share, filter);
}

}  // namespace hedgerow::store_sqlite
