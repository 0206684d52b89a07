// The part of Node that opens, restores, saves and ends sessions.
#include <algorithm>
#include <array>
#include <utility>

#include "daemon/node/accepted_link.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

namespace {

std::string owner_of(const Client& client) {
  return client.arrived().identity ? client.arrived().identity->node : std::string();
}

std::optional<Instant> expiry_moment(Instant now, std::uint32_t expiry_s) {
  if (expiry_s == mqtt::kSessionExpiryNever) return std::nullopt;
  return now + std::chrono::seconds{expiry_s};
}

}  // namespace

void Node::restore_sessions(Instant now, const std::vector<StoredSession>& stored) {
  for (const StoredSession& from : stored) {
    auto session = std::make_unique<Session>(from.id, from.owner, from.client_id, /*persistent=*/true, kInFlightMax);
    session->was_stored = true;
    session->was_confirmed = true;
    session->expiry_s = from.expiry_s;
    session->cursor = from.position;
    session->position_submitted = from.position;
    session->position_saved = from.position;
    session->window.settle(from.position);
    session->expires_at = expiry_moment(now, from.expiry_s);
    for (const StoredSubscription& subscription : from.subscriptions) {
      session->subscriptions[subscription.filter] = {
          .options = options_from(subscription.options, subscription.identifier),
          .start = subscription.start,
          .retained_due = subscription.retained_due};
      session->newest_start = std::max(session->newest_start, subscription.start);
      session->filter_bytes += subscription.filter.size();
    }
    // Two of one name: the end of one of them was lost in a turn that failed.
    if (const Session* twin = sessions_.find(from.owner, from.client_id); twin != nullptr) {
      const bool keep_twin = twin->cursor >= from.position;
      ports_.store.submit(EraseSessionIntent{.id = keep_twin ? from.id : twin->id});
      if (keep_twin) continue;
      sessions_.erase(twin->id);
    }
    sessions_.add(std::move(session));
  }
}

void Node::on_connect(Instant now, Client& client, const mqtt::ConnectRequest& request) {
  if (stopping_) return client.connection().refuse(mqtt::ReasonCode::kServerShuttingDown);
  const bool assigned = request.client_id.empty();
  std::string client_id(request.client_id);
  if (assigned) {
    // Two draws: nobody can guess, hence take over, another client's session.
    const std::array<std::uint64_t, 2> drawn = {ports_.random(), ports_.random()};
    client_id = "hedgerow-" + to_hex({reinterpret_cast<const std::uint8_t*>(drawn.data()), sizeof drawn});
  }
  const std::string owner = owner_of(client);
  Session* old = sessions_.find(owner, client_id);
  const bool had_persistent = old != nullptr && old->is_persistent();
  if (!had_persistent && request.session_expiry_s > 0 && sessions_.persistent() >= kPersistentSessionsMax) {
    return client.connection().refuse(mqtt::ReasonCode::kQuotaExceeded,
                                      "the node keeps no more sessions: connect with clean start and session expiry 0");
  }
  if (old != nullptr && old->pending != nullptr) turn_away(*old->pending, mqtt::ReasonCode::kSessionTakenOver);
  if (old != nullptr && old->client != nullptr) {
    // Take-over [MQTT-3.1.4-3].
    Client& before = *old->client;
    const std::uint64_t id = old->id;
    before.connection().disconnect(mqtt::ReasonCode::kSessionTakenOver);
    touch(before);
    delivery_.detach(*old);
    before.session = nullptr;
    if (!old->is_persistent()) end_session(*old);
    old = sessions_.find(id);
  }
  if (old != nullptr && request.clean_start) {
    end_session(*old);  // [MQTT-3.1.2-4]
    old = nullptr;
  }
  if (old == nullptr) return open_session(client, request, client_id, assigned);

  old->expires_at.reset();
  old->window.set_limit(std::min(request.receive_maximum, kInFlightMax));
  client.session = old;
  const bool on_disk = old->was_confirmed;
  const bool expiry_changed = old->expiry_s != request.session_expiry_s;
  old->expiry_s = request.session_expiry_s;
  old->window.set_persistent(old->is_persistent());
  if (expiry_changed && old->is_persistent()) store_session(*old, {});
  if (expiry_changed && !old->is_persistent() && std::exchange(old->was_stored, false)) {
    ports_.store.submit(EraseSessionIntent{.id = old->id});
  }
  if (!on_disk && old->is_persistent()) return await_stored(*old, client, assigned);
  client.connection().accept({.session_present = on_disk, .session_expiry_s = {}});
  delivery_.attach(*old, client);
  delivery_.pump(*old);
  // What was not sent again because it expired or was trimmed frees its place.
  save_position(*old, now, /*at_once=*/true);
}

void Node::open_session(Client& client, const mqtt::ConnectRequest& request, const std::string& client_id,
                        bool assigned) {
  std::uint64_t id = ports_.random();
  while (id == 0 || sessions_.find(id) != nullptr) id = ports_.random();
  auto fresh = std::make_unique<Session>(id, owner_of(client), client_id, request.session_expiry_s > 0,
                                         std::min(request.receive_maximum, kInFlightMax));
  Session& session = sessions_.add(std::move(fresh));
  session.expiry_s = request.session_expiry_s;
  session.cursor = delivery_.latest();
  session.position_submitted = session.cursor;
  session.window.settle(session.cursor);
  client.session = &session;
  if (!session.is_persistent()) return accept(client, assigned);
  await_stored(session, client, assigned);
}

void Node::await_stored(Session& session, Client& client, bool assigned) {
  session.pending = &client;
  store_session(session, [this, assigned, id = session.id, client_id = client.id()](bool stored) {
    Session* found = sessions_.find(id);
    if (found == nullptr || found->pending == nullptr || found->pending->id() != client_id) return;
    Client& waiting = *std::exchange(found->pending, nullptr);
    touch(waiting);
    found->was_confirmed = stored;
    if (stored) return accept(waiting, assigned);
    waiting.session = nullptr;
    waiting.connection().refuse(mqtt::ReasonCode::kQuotaExceeded);
    end_session(*found);
  });
}

// Its CONNECT was not answered yet.
void Node::turn_away(Client& client, mqtt::ReasonCode code) {
  client.session->pending = nullptr;
  client.session = nullptr;
  client.connection().refuse(code);
  touch(client);
}

void Node::accept(Client& client, bool assigned) {
  Session& session = *client.session;
  const std::string_view name = assigned ? std::string_view(session.client_id) : std::string_view();
  client.connection().accept({.session_present = false, .assigned_client_id = name, .session_expiry_s = {}});
  delivery_.attach(session, client);
  delivery_.pump(session);
}

void Node::on_gone(Instant now, Client& client, std::optional<std::uint32_t> session_expiry_s,
                   const std::string& reason) {
  if (client.link) {
    ports_.log("link with " + client.arrived().identity->node + " is down: " + reason);
    links_.down(now, *client.link);
    client.link.reset();
    accepted_links_.erase(client.id());
  }
  if (Session* session = client.session) {
    client.session = nullptr;
    if (session->pending == &client) session->pending = nullptr;
    delivery_.detach(*session);
    session->holds = 0;
    if (session_expiry_s && *session_expiry_s != session->expiry_s) {
      session->expiry_s = *session_expiry_s;
      if (session->is_persistent()) store_session(*session, {});
    }
    if (session->is_persistent()) {
      session->expires_at = expiry_moment(now, session->expiry_s);
      save_position(*session, now, /*at_once=*/true);
    } else {
      end_session(*session);
    }
  }
  std::erase(touched_, &client);
  clients_.erase(client.id());
  flush();
}

void Node::end_session(Session& session) {
  if (session.pending != nullptr) turn_away(*session.pending, mqtt::ReasonCode::kSessionTakenOver);
  delivery_.detach(session);
  if (session.was_stored) ports_.store.submit(EraseSessionIntent{.id = session.id});
  sessions_.erase(session.id);
}

void Node::expire_sessions(Instant now) {
  std::vector<std::uint64_t> expired;
  for (const auto& [id, session] : sessions_.all()) {
    if (session->client == nullptr && session->expires_at && *session->expires_at <= now) expired.push_back(id);
  }
  for (const std::uint64_t id : expired) end_session(*sessions_.find(id));
}

void Node::store_session(Session& session, Stored then) {
  session.was_stored = true;
  const std::uint64_t token = then ? ++last_token_ : 0;
  if (then) waiting_.emplace(token, std::move(then));
  ports_.store.submit(PutSessionIntent{.session = session.stored(), .token = token});
  // Where nothing waits for an acknowledgement, the position has moved without being saved: now it costs no commit.
  submit_position(session);
}

void Node::submit_position(Session& session) {
  const sync::Arrival position = session.window.acknowledged_up_to(delivery_.cursor(session));
  if (position <= session.position_submitted) return;
  session.position_due.reset();
  session.position_submitted = position;
  ports_.store.submit(PositionIntent{.id = session.id, .position = position});
}

// Positions are written in groups: a card wears out by commits (DESIGN 4).
void Node::save_position(Session& session, Instant now, bool at_once) {
  if (!session.is_persistent()) return;
  const sync::Arrival position = session.window.acknowledged_up_to(delivery_.cursor(session));
  if (position <= session.position_submitted) return;
  const bool half_a_window = session.window.unsaved() * 2 >= session.window.limit();
  if (!at_once && !half_a_window) {
    if (!session.position_due) session.position_due = now + kPositionDelay;
    return;
  }
  submit_position(session);
}

void Node::save_due_positions(Instant now) {
  for (const auto& [id, session] : sessions_.all()) {
    on_retained_settled(*session);
    // Messages that the client cannot take count as acknowledged, and no acknowledgement ever comes to say so.
    const bool stuck = !session->window.is_open() && session->window.unsaved() > 0;
    if (stuck || (session->position_due && *session->position_due <= now)) {
      save_position(*session, now, /*at_once=*/true);
    }
  }
}

void Node::retry_lost(Instant now, const TurnResult& turn) {
  for (const std::uint64_t id : turn.lost_positions) {
    Session* session = sessions_.find(id);
    if (session == nullptr) continue;
    session->position_submitted = session->position_saved;
    session->position_due = now + kPositionDelay;
  }
  erasures_due_.insert(erasures_due_.end(), turn.lost_erasures.begin(), turn.lost_erasures.end());
}

// All retained messages of the session's new subscriptions have been acknowledged: a restart need not repeat them.
void Node::on_retained_settled(Session& session) {
  if (!session.retained_unsettled || session.client == nullptr) return;
  if (!session.retained.empty() || session.window.retained_on_the_way()) return;
  session.retained_unsettled = false;
  bool changed = false;
  for (auto& [filter, subscription] : session.subscriptions) {
    changed = changed || subscription.retained_due;
    subscription.retained_due = false;
  }
  if (changed && session.is_persistent()) store_session(session, {});
}

}  // namespace hedgerow::node
