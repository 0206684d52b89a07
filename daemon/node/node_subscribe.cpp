// The part of Node that takes subscriptions.
#include <algorithm>
#include <utility>

#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/accepted_link.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/replay_since.hpp"

namespace hedgerow::node {

mqtt::ReasonCode Node::subscribe(Client& client, const mqtt::SubscribeEntry& entry,
                                 std::optional<std::uint64_t> replay_since_ms) {
  if (mqtt::is_failure(entry.verdict)) return entry.verdict;
  Session& session = *client.session;
  if (!ports_.access.may_subscribe(client.principal, entry.topic_filter)) {
    ++counters_.refused_access;
    return mqtt::ReasonCode::kNotAuthorized;
  }
  const bool is_known = session.subscriptions.contains(entry.filter);
  if (!is_known && (session.subscriptions.size() >= settings_.limits.subscriptions_per_session_max ||
                    session.filter_bytes + entry.filter.size() > kFilterBytesPerSessionMax)) {
    return mqtt::ReasonCode::kQuotaExceeded;
  }
  if (!delivery_.subscribe(session, entry, replay_since_ms)) return mqtt::ReasonCode::kQuotaExceeded;
  return entry.verdict;
}

void Node::on_subscribe(Instant now, Client& client, const mqtt::SubscribeRequest& request) {
  Session& session = *client.session;
  std::optional<std::uint64_t> replay_since_ms;
  std::string reason;
  if (const auto wanted = mqtt::find_user_property(request.properties, kReplayProperty)) {
    const auto since = parse_replay_since(*wanted, ports_.wall_clock());
    if (since) {
      replay_since_ms = *since;
    } else {
      reason = since.error().what;
    }
  }
  std::vector<mqtt::ReasonCode> codes;
  std::vector<std::string> added;
  bool changed = false;
  bool becomes_link = false;
  const std::string own_link_filter =
      client.arrived().identity ? link_topic_ + client.arrived().identity->node + "/#" : std::string();
  for (const mqtt::SubscribeEntry& entry : request.entries) {
    mqtt::ReasonCode code = entry.verdict;
    if (!mqtt::is_failure(code) && entry.topic_filter.starts_with(link_topic_)) {
      becomes_link = entry.filter == own_link_filter && is_node(client.arrived());
      code = becomes_link ? mqtt::ReasonCode::kSuccess : mqtt::ReasonCode::kNotAuthorized;
    } else if (!reason.empty()) {
      code = mqtt::ReasonCode::kImplementationSpecificError;
    } else {
      const bool is_known = session.subscriptions.contains(entry.filter);
      code = subscribe(client, entry, replay_since_ms);
      changed = changed || !mqtt::is_failure(code);
      if (!mqtt::is_failure(code) && !is_known) added.emplace_back(entry.filter);
    }
    codes.push_back(code);
  }
  if (session.retained_unsettled) hold_for_cells(session);
  if (changed && session.is_persistent()) {
    // The promise to remember it is kept on disk first.
    ++session.holds;
    store_session(session, [this, client_id = client.id(), packet_id = request.packet_id, codes, added,
                            id = session.id](bool stored) mutable {
      if (Client* waiting = find_client(client_id); waiting != nullptr && waiting->connection().accepted()) {
        if (!stored) std::fill(codes.begin(), codes.end(), mqtt::ReasonCode::kQuotaExceeded);
        waiting->connection().suback(packet_id, codes);
        touch(*waiting);
      }
      Session* held = sessions_.find(id);
      if (held == nullptr) return;
      if (held->holds > 0) --held->holds;
      // What was refused must not be delivered either.
      for (const std::string& filter : added) {
        if (!stored) delivery_.unsubscribe(*held, filter);
      }
      delivery_.pump(*held);
    });
  } else {
    client.connection().suback(request.packet_id, codes, reason);
    delivery_.pump(session);
  }
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const mqtt::SubscribeEntry& entry = request.entries[i];
    const bool is_new = std::find(added.begin(), added.end(), entry.filter) != added.end();
    const bool only_if_new = entry.options.retain_handling == mqtt::RetainHandling::kSendIfNew;
    if (!mqtt::is_failure(codes[i]) && (is_new || !only_if_new)) send_system_topics(session, entry);
  }
  if (becomes_link && !client.link) become_link(now, client);
}

void Node::become_link(Instant now, Client& client) {
  const std::string& peer = client.arrived().identity->node;
  auto link = std::make_unique<AcceptedLink>(client, link_topic_ + peer + "/" + settings_.name,
                                             [this](Client& it) { touch(it); });
  AcceptedLink& output = *link;
  accepted_links_[client.id()] = std::move(link);
  client.link = links_.up(now, peer, /*dialled=*/false, output);
  ports_.log("link with " + peer + " is up (it dialled us)");
}

// $SYS is not stored: its values are sent at once, as retained messages are.
void Node::send_system_topics(Session& session, const mqtt::SubscribeEntry& entry) {
  if (!entry.share.empty() || !entry.topic_filter.starts_with("$SYS")) return;
  if (entry.options.retain_handling == mqtt::RetainHandling::kDoNotSend) return;
  Wish wish;
  wish.add(entry.options);
  wish.retain_as_published = true;
  for (const SystemValue& value : system_topics_.matching(entry.topic_filter)) {
    const sync::Message message{
        .topic = std::string(value.topic), .properties = {}, .payload = to_bytes(value.value), .expiry_s = {}};
    delivery_.outbound().send_live(*session.client, message, /*retain=*/true, wish);
  }
}

void Node::on_unsubscribe(Instant, Client& client, const mqtt::UnsubscribeRequest& request) {
  std::vector<mqtt::ReasonCode> codes;
  bool changed = false;
  for (const std::string_view filter : request.filters) {
    const bool existed = delivery_.unsubscribe(*client.session, filter);
    changed = changed || existed;
    codes.push_back(existed ? mqtt::ReasonCode::kSuccess : mqtt::ReasonCode::kNoSubscriptionExisted);
  }
  if (!changed || !client.session->is_persistent()) {
    client.connection().unsuback(request.packet_id, codes);
    return;
  }
  store_session(*client.session,
                [this, client_id = client.id(), packet_id = request.packet_id, codes](bool stored) mutable {
                  Client* waiting = find_client(client_id);
                  if (waiting == nullptr || !waiting->connection().accepted()) return;
                  touch(*waiting);
                  mqtt::Connection& connection = waiting->connection();
                  if (!stored && connection.protocol() == mqtt::Protocol::kV311) {
                    return connection.disconnect(mqtt::ReasonCode::kUnspecifiedError);  // [MQTT-4.8.0-2] of 3.1.1
                  }
                  if (!stored) std::fill(codes.begin(), codes.end(), mqtt::ReasonCode::kUnspecifiedError);
                  connection.unsuback(packet_id, codes);
                });
}

// The access rules are not what they were when the session subscribed.
void Node::drop_forbidden(Session& session, const security::Principal& principal) {
  std::vector<std::string> forbidden;
  for (const auto& [filter, subscription] : session.subscriptions) {
    const std::string_view topic_filter = mqtt::split_shared_filter(filter).topic_filter;
    if (!ports_.access.may_subscribe(principal, topic_filter)) forbidden.push_back(filter);
  }
  for (const std::string& filter : forbidden) delivery_.unsubscribe(session, filter);
  if (forbidden.empty()) return;
  counters_.refused_access += forbidden.size();
  if (session.is_persistent()) store_session(session, {});
}

void Node::enforce_access() {
  for (const auto& [id, client] : clients_) {
    if (client->session == nullptr) continue;
    Session& session = *client->session;
    if (session.pending == client) {
      check_pending(session);
    } else if (session.client == client && ports_.access.knows(client->principal)) {
      drop_forbidden(session, client->principal);
    } else if (session.client == client) {
      client->connection().disconnect(mqtt::ReasonCode::kNotAuthorized);
    }
    touch(*client);
  }
  flush();
}

}  // namespace hedgerow::node
