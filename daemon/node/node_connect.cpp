// The part of Node that sees connections come and go: CONNECT, who it is, take-over, CONNACK, and the end.
#include <algorithm>
#include <array>
#include <utility>

#include "daemon/mqtt/properties.hpp"
#include "daemon/node/accepted_link.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/newcomer.hpp"
#include "daemon/node/user_properties.hpp"

namespace hedgerow::node {

namespace {

// Sessions belong to (authenticated name, client identifier). Users, things, nodes and the programs of each role have
// names of their own: a program's certificate may be named like a node's. Who proves nothing shares with the others of
// its listener only, and this board's own programs with each other.
std::string owner_of(const security::Principal& principal) {
  switch (principal.kind) {
    case security::Principal::Kind::kAnonymous:
      return principal.loopback ? std::string() : "listener:" + principal.listener;
    case security::Principal::Kind::kCertificate:
      if (!principal.role || *principal.role == security::Role::kNode) return principal.name;
      return std::string{security::role_text(*principal.role)} + ":" + principal.name;
    case security::Principal::Kind::kUser: return "user:" + principal.name;
    case security::Principal::Kind::kThing: return "thing:" + principal.name;
  }
  return {};
}

StoredWill will_of(const mqtt::Will& will) {
  StoredWill out;
  out.message = {.topic = std::string(will.topic),
                 .properties = to_bytes(will.properties),
                 .payload = to_bytes(will.payload),
                 .expiry_s = will.expiry_s};
  out.qos = static_cast<std::uint8_t>(will.qos);
  out.retain = will.retain;
  out.delay_s = will.delay_s;
  return out;
}

}  // namespace

void Node::on_connect(Instant now, Client& client, const mqtt::ConnectRequest& request) {
  now_ = now;
  ++counters_.connects;
  if (stopping_) return client.connection().refuse(mqtt::ReasonCode::kServerShuttingDown);
  const auto conflate = mqtt::find_user_property(request.properties, kConflateProperty);
  if (conflate && *conflate != "true" && *conflate != "false") {
    return client.connection().refuse(mqtt::ReasonCode::kImplementationSpecificError,
                                      std::string(kConflateProperty) + " is neither true nor false");
  }
  Newcomer newcomer{.clean_start = request.clean_start,
                    .assigned = request.client_id.empty(),
                    .wants_response_information = request.request_response_information,
                    .conflates = conflate == "true",
                    .receive_maximum = request.receive_maximum,
                    .session_expiry_s = request.session_expiry_s,
                    .client_id = std::string(request.client_id)};
  if (request.username) newcomer.user_name = std::string(*request.username);
  if (newcomer.assigned) {
    // Two draws: nobody can guess, hence take over, another client's session.
    const std::array<std::uint64_t, 2> drawn = {ports_.random(), ports_.random()};
    newcomer.client_id = "hedgerow-" + to_hex({reinterpret_cast<const std::uint8_t*>(drawn.data()), sizeof drawn});
  }
  client.is_bridge = request.bridge;
  if (request.will) client.will = std::make_unique<StoredWill>(will_of(*request.will));
  AccessPort::Credentials credentials{
      .username = {}, .password = {}, .client_id = newcomer.client_id, .asker = client.life()};
  if (request.username) credentials.username = std::string(*request.username);
  if (request.password) credentials.password = to_bytes(*request.password);
  ports_.access.authenticate(
      now, client.arrived(), std::move(credentials),
      [this, id = client.id(), newcomer](Instant then, tl::expected<security::Principal, AccessPort::Denial> verdict) {
        on_verdict(then, id, newcomer, std::move(verdict));
      });
}

void Node::on_verdict(Instant now, std::uint64_t id, const Newcomer& newcomer,
                      tl::expected<security::Principal, AccessPort::Denial> verdict) {
  now_ = now;
  Client* found = find_client(id);
  if (found == nullptr || found->connection().closing()) return;
  Client& client = *found;
  touch(client);
  if (stopping_) return client.connection().refuse(mqtt::ReasonCode::kServerShuttingDown);
  if (!verdict) {
    ++counters_.refused_access;
    return turn_down(client, newcomer, verdict.error());
  }
  client.principal = std::move(*verdict);
  admit(now, client, newcomer);
}

void Node::admit(Instant now, Client& client, const Newcomer& newcomer) {
  // The rules may have changed while the password was checked, or another CONNECT was waited for.
  if (!ports_.access.knows(client.principal)) {
    ++counters_.refused_access;
    return turn_down(client, newcomer, AccessPort::Denial::kUnknownUser);
  }
  if (!may_leave_will(client)) {
    ++counters_.refused_access;
    return turn_down(client, newcomer, mqtt::ReasonCode::kNotAuthorized, "its will may not be published");
  }

  Session* session = sessions_.find(owner_of(client.principal), newcomer.client_id);
  const bool had_persistent = session != nullptr && session->is_persistent();
  if (!had_persistent && newcomer.session_expiry_s > 0 &&
      sessions_.persistent() >= settings_.limits.persistent_sessions_max) {
    return turn_down(client, newcomer, mqtt::ReasonCode::kQuotaExceeded,
                     "the node keeps no more sessions: connect with clean start and session expiry 0");
  }
  if ((client.will || (!had_persistent && newcomer.session_expiry_s > 0)) && owed_.is_full()) {
    return turn_down(client, newcomer, mqtt::ReasonCode::kQuotaExceeded, "the disk is full");
  }
  // Asked before anything is changed: a CONNECT that is refused has done nothing.
  if (client.will) {
    client.will->session = session == nullptr || newcomer.clean_start ? 0 : session->id;
    client.will->principal = client.principal;
    client.will->expiry_s = newcomer.session_expiry_s;
    if (!wills_.has_room(*client.will)) {
      return turn_down(client, newcomer, mqtt::ReasonCode::kQuotaExceeded, "the node keeps no more wills");
    }
  }
  if (session != nullptr) {
    const std::uint64_t session_id = session->id;
    if (const auto under_way = replacing_.find(session_id); under_way != replacing_.end()) {
      return await_replaced(*under_way->second, client, newcomer);
    }
    take_over(now, *session);
    session = sessions_.find(session_id);
  }
  if (session != nullptr && newcomer.clean_start) {  // [MQTT-3.1.2-4]
    const bool must_store = client.will || newcomer.session_expiry_s > 0;
    if (must_store && session->was_confirmed) return replace_session(client, newcomer, *session);
    end_session(*session);
    session = nullptr;
  }
  if (session == nullptr) return open_session(now, client, newcomer);
  resume_session(client, newcomer, *session);
}

bool Node::may_leave_will(Client& client) {
  if (client.will && is_bridge_state(client.will->message.topic)) client.will.reset();
  if (!client.will) return true;
  const std::string& topic = client.will->message.topic;
  return !is_reserved(topic) && channels_.owner_of(topic) != nullptr &&
         ports_.access.may_publish(client.principal, topic);
}

bool Node::check_pending(Session& session) {
  const Client& client = *session.pending;
  const StoredWill* will = wills_.find_armed(session.id);
  if (ports_.access.knows(client.principal) && (will == nullptr || may_fire(*will))) return true;
  ++counters_.refused_access;
  turn_away(*session.pending, mqtt::ReasonCode::kNotAuthorized);
  abandon(session);
  return false;
}

void Node::take_over(Instant now, Session& session) {
  if (session.pending != nullptr) turn_away(*session.pending, mqtt::ReasonCode::kSessionTakenOver);
  if (session.client != nullptr) {
    Client& before = *session.client;
    before.connection().disconnect(mqtt::ReasonCode::kSessionTakenOver);
    touch(before);
    delivery_.detach(session);
    before.session = nullptr;
    session.expires_at = expiry_moment(now, session.expiry_s);
    will_died(now, session);
  }
  if (!session.is_persistent()) return end_session(session);
  fire_due_wills(now);  // before the new connection writes anything
}

std::unique_ptr<Session> Node::make_session(std::uint64_t id, const Client& client, const Newcomer& newcomer) const {
  const std::uint16_t window = std::min(newcomer.receive_maximum, settings_.limits.in_flight_max);
  auto fresh = std::make_unique<Session>(id, owner_of(client.principal), newcomer.client_id,
                                         newcomer.session_expiry_s > 0, window);
  fresh->expiry_s = newcomer.session_expiry_s;
  fresh->cursor = delivery_.latest();
  fresh->position_submitted = fresh->cursor;
  fresh->window.settle(fresh->cursor);
  return fresh;
}

void Node::open_session(Instant now, Client& client, const Newcomer& newcomer) {
  Session& session = sessions_.add(make_session(fresh_id(), client, newcomer));
  session.expires_at = expiry_moment(now, session.expiry_s);
  client.session = &session;
  await_stored(session, client, newcomer, /*session_present=*/false);
}

void Node::resume_session(Client& client, const Newcomer& newcomer, Session& session) {
  client.session = &session;
  // One that its first CONNECT has not brought to disk yet goes there as it is to be now.
  if (!session.was_confirmed) adopt(session, client, newcomer);
  await_stored(session, client, newcomer, /*session_present=*/true);
}

void Node::adopt(Session& session, const Client& client, const Newcomer& newcomer) {
  session.expires_at.reset();
  session.window.set_limit(std::min(newcomer.receive_maximum, settings_.limits.in_flight_max));
  session.expiry_s = newcomer.session_expiry_s;
  session.window.set_persistent(session.is_persistent());
  const bool is_stored = session.stored_expiry_s == session.expiry_s;
  if (!is_stored && session.is_persistent() && session.was_confirmed) store_session(session, {});
  if (!session.is_persistent() && session.was_confirmed && std::exchange(session.was_stored, false)) {
    ports_.store.submit(EraseSessionIntent{.id = session.id});
  }
  drop_forbidden(session, client.principal);
}

void Node::await_stored(Session& session, Client& client, const Newcomer& newcomer, bool session_present) {
  const bool is_kept = newcomer.session_expiry_s > 0;
  // What CONNACK promises must outlive a crash: that the session is kept so long, and no longer.
  const bool must_store = session.was_confirmed ? session.stored_expiry_s != newcomer.session_expiry_s : is_kept;
  std::optional<StoredWill> will;
  if (client.will) {
    will = std::move(*client.will);
    client.will.reset();
    will->session = session.id;
    if (!wills_.set(*will)) {
      client.session = nullptr;
      turn_down(client, newcomer, mqtt::ReasonCode::kQuotaExceeded, "the node keeps no more wills");
      return abandon(session);
    }
  }
  if (!must_store && !will) return accept(session, client, newcomer, session_present);

  session.pending = &client;
  const auto then = [this, session_present, newcomer, is_kept, id = session.id, client_id = client.id()](bool stored) {
    Session* found = sessions_.find(id);
    if (found == nullptr || found->pending == nullptr || found->pending->id() != client_id) return;
    Client& waiting = *std::exchange(found->pending, nullptr);
    touch(waiting);
    // Session and will may have been in two turns.
    if (stored && (found->was_confirmed || !is_kept)) return accept(*found, waiting, newcomer, session_present);
    waiting.session = nullptr;
    turn_down(waiting, newcomer, mqtt::ReasonCode::kQuotaExceeded, "the disk is full");
    wills_.disarm(id);
    if (!found->was_confirmed) found->was_stored = false;
    abandon(*found);
  };
  if (must_store) {
    // Until it is accepted the session stays as it was.
    const std::uint32_t before = std::exchange(session.expiry_s, newcomer.session_expiry_s);
    store_session(session, [this, id = session.id, then, is_last = !will.has_value()](bool stored) {
      on_session_stored(id, stored);
      if (is_last) then(stored);
    });
    session.expiry_s = before;
  }
  if (!will) return;
  const std::uint64_t token = ++last_token_;
  waiting_.emplace(token, [this, id = session.id, then](bool stored) {
    then(stored);
    if (stored) tidy_will_row(id);  // it may have been turned away meanwhile
  });
  ports_.store.submit(PutWillIntent{.will = std::move(*will), .died = false, .token = token});
}

// It may have ended, or been taken over by a connection that wants it no more, before the disk had it.
void Node::on_session_stored(std::uint64_t id, bool stored) {
  if (!stored) return;
  Session* session = sessions_.find(id);
  if (session != nullptr) {
    session->was_confirmed = true;
    if (session->is_persistent()) return;
    session->was_stored = false;
  }
  ports_.store.submit(EraseSessionIntent{.id = id});
}

void Node::abandon(Session& session) {
  if (!session.is_persistent() || !session.was_confirmed) return end_session(session);
  if (session.stored_expiry_s != session.expiry_s) store_session(session, {});
}

void Node::accept(Session& session, Client& client, const Newcomer& newcomer, bool session_present) {
  adopt(session, client, newcomer);
  // [MQTT-3.1.3-9] The new connection's will, if it has one, took the other's place on disk.
  if (wills_.cancel(now_, session.id) && wills_.find_armed(session.id) == nullptr) {
    ports_.store.submit(EraseWillIntent{.session = session.id});
  }
  fire_due_wills(now_);
  std::string information;
  // A prefix that no other client is told; topics beneath it still need to be allowed.
  if (newcomer.wants_response_information && session.client_id.find_first_of("+#") == std::string::npos) {
    information =
        "response/" + (session.owner.empty() ? std::string("anonymous") : session.owner) + "/" + session.client_id;
  }
  client.connection().accept({.session_present = session_present,
                              .assigned_client_id = newcomer.assigned ? newcomer.client_id : std::string(),
                              .session_expiry_s = {},
                              .response_information = information});
  // What the client has and did not complete comes first [MQTT-4.4.0-1].
  for (const std::uint16_t packet_id : session.window.releases()) {
    client.connection().pubrel(packet_id, mqtt::ReasonCode::kSuccess);
  }
  session.was_resumed = session_present;
  session.conflates = newcomer.conflates;
  delivery_.attach(session, client);
  delivery_.pump(session);
  // What was not sent again because it expired or was trimmed frees its place.
  save_position(session, Instant{}, /*at_once=*/true);
}

// Its CONNECT was not answered yet. What it put on disk is seen to once the disk has it.
void Node::turn_away(Client& client, mqtt::ReasonCode code) {
  client.session->pending = nullptr;
  wills_.disarm(client.session->id);
  client.session = nullptr;
  client.connection().refuse(code);
  touch(client);
}

void Node::end_link(Instant now, Client& client, const std::string& reason) {
  if (!client.link) return;
  ports_.log("link with " + client.arrived().identity->node + " is down: " + reason);
  links_.down(now, *client.link);
  client.link.reset();
  accepted_links_.erase(client.id());
}

// At once, not when the transport is gone: whoever comes back meanwhile finds the session as the last packet left it.
void Node::on_ended(Instant now, Client& client, const Goodbye& goodbye) {
  now = now_ = std::max(now, now_);  // input that was held is handled with the time at which it came
  if (!goodbye.fault.empty() && !client.link) note_broken(client, goodbye);
  Session* session = std::exchange(client.session, nullptr);
  if (session == nullptr) return;
  const bool was_pending = session->pending == &client;
  if (was_pending) session->pending = nullptr;
  delivery_.detach(*session);
  session->holds = 0;
  if (goodbye.session_expiry_s && *goodbye.session_expiry_s != session->expiry_s) {
    session->expiry_s = *goodbye.session_expiry_s;
    if (session->is_persistent()) store_session(*session, {});
  }
  if (was_pending) {
    wills_.disarm(session->id);
  } else if (goodbye.cancels_will) {
    disarm_will(session->id);
  } else {
    will_died(now, *session);
  }
  if (was_pending) {
    abandon(*session);
  } else if (session->is_persistent()) {
    session->expires_at = expiry_moment(now, session->expiry_s);
    save_position(*session, now, /*at_once=*/true);
  } else {
    end_session(*session);
  }
  fire_due_wills(now);
}

void Node::on_gone(Instant now, Client& client, const std::string& reason) {
  end_link(now, client, reason);
  on_ended(now, client, {});
  counters_.stream_bytes_in += client.bytes_in();
  counters_.stream_bytes_out += client.bytes_out();
  counters_.packets_in += client.connection().packets_in();
  counters_.packets_out += client.connection().packets_out();
  budget_.queued_bytes -= client.counted_bytes;
  unfinished_.bytes -= client.unfinished_bytes;
  std::erase(touched_, &client);
  clients_.erase(client.id());
  flush();
}

}  // namespace hedgerow::node
