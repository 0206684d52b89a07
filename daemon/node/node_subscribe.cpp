// The part of Node that takes subscriptions.
#include <algorithm>
#include <utility>

#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/accepted_link.hpp"
#include "daemon/node/limits.hpp"
#include "daemon/node/replay_since.hpp"
#include "daemon/node/user_properties.hpp"

namespace hedgerow::node {

mqtt::ReasonCode Node::subscribe(Client& client, const mqtt::SubscribeEntry& entry,
                                 std::optional<std::uint64_t> replay_since_ms) {
  if (mqtt::is_failure(entry.verdict)) return entry.verdict;
  Session& session = *client.session;
  if (!ports_.access.may_subscribe(client.principal, entry.topic_filter)) {
    ++counters_.refused_access;
    note_denied(client, Right::kSubscribe, entry.topic_filter);
    return mqtt::ReasonCode::kNotAuthorized;
  }
  const bool is_known = session.subscriptions.contains(entry.filter);
  if (!is_known && (session.subscriptions.size() >= settings_.limits.subscriptions_per_session_max ||
                    session.filter_bytes + entry.filter.size() > kFilterBytesPerSessionMax)) {
    return mqtt::ReasonCode::kQuotaExceeded;
  }
  if (!has_room_for(entry, is_known, replay_since_ms.has_value())) {
    refused_subscriptions_.note(now_, ports_.log,
                                "a subscription was refused: those of all sessions cost as much memory as "
                                "\"subscription_bytes\" allows");
    ++counters_.refused_subscriptions;
    return mqtt::ReasonCode::kQuotaExceeded;
  }
  if (!entry.share.empty() && owed_.is_full()) return mqtt::ReasonCode::kQuotaExceeded;
  if (!delivery_.subscribe(session, entry, replay_since_ms)) return mqtt::ReasonCode::kQuotaExceeded;
  return entry.verdict;
}

bool Node::has_room_for(const mqtt::SubscribeEntry& entry, bool is_known, bool replays) {
  MemoryBudget& budget = sessions_.subscriptions();
  std::size_t cost = is_known ? 0 : subscription_cost(entry.filter.size());
  const bool sends_retained = entry.options.retain_handling != mqtt::RetainHandling::kDoNotSend;
  if (entry.share.empty() && sends_retained) cost += run_cost(entry.filter.size());
  if (entry.share.empty() && replays) cost += run_cost(entry.filter.size());
  const std::size_t reserve = is_known ? budget.bytes_max / kKnownFilterReserve : 0;
  return cost == 0 || budget.bytes + cost <= budget.bytes_max + reserve;
}

namespace {

SubscriptionChange::Before before_change(const Session& session, std::string_view filter) {
  const auto known = session.subscriptions.find(filter);
  return {.filter = std::string(filter),
          .subscription = known == session.subscriptions.end() ? std::nullopt : std::optional(known->second)};
}

SubscriptionChange::Before* find_before(SubscriptionChange& change, std::string_view filter) {
  const auto found = std::find_if(change.before.begin(), change.before.end(),
                                  [&](const SubscriptionChange::Before& before) { return before.filter == filter; });
  return found == change.before.end() ? nullptr : &*found;
}

// A packet may name a filter twice.
void add_before(SubscriptionChange& change, SubscriptionChange::Before before) {
  if (find_before(change, before.filter) == nullptr) change.before.push_back(std::move(before));
}

void refuse_successes(std::vector<mqtt::ReasonCode>& codes, bool stored, mqtt::ReasonCode refusal) {
  for (mqtt::ReasonCode& code : codes) {
    const bool is_done = !mqtt::is_failure(code) && code != mqtt::ReasonCode::kNoSubscriptionExisted;
    if (!stored && is_done) code = refusal;
  }
}

}  // namespace

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
  SubscriptionChange change;
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
      auto before = before_change(session, entry.filter);
      code = subscribe(client, entry, replay_since_ms);
      if (!mqtt::is_failure(code)) {
        if (!before.subscription) added.emplace_back(entry.filter);
        add_before(change, std::move(before));
      }
    }
    codes.push_back(code);
  }
  if (session.runs_unsettled) hold_for_cells(session);
  if (!change.before.empty() && session.is_persistent()) {
    change.answer = [this, client_id = client.id(), packet_id = request.packet_id, codes](bool stored) mutable {
      Client* waiting = find_client(client_id);
      if (waiting == nullptr || !waiting->connection().accepted()) return;
      refuse_successes(codes, stored, mqtt::ReasonCode::kQuotaExceeded);
      waiting->connection().suback(packet_id, codes);
      touch(*waiting);
    };
    keep_change(session, std::move(change));
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
  if (delivery_.is_spent()) hold_for_turn(client);
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
  Session& session = *client.session;
  std::vector<mqtt::ReasonCode> codes;
  SubscriptionChange change;
  for (const std::string_view filter : request.filters) {
    auto before = before_change(session, filter);
    const bool existed =
        session.is_persistent() ? delivery_.withdraw(session, filter) : delivery_.unsubscribe(session, filter);
    if (existed) add_before(change, std::move(before));
    codes.push_back(existed ? mqtt::ReasonCode::kSuccess : mqtt::ReasonCode::kNoSubscriptionExisted);
  }
  if (change.before.empty() || !session.is_persistent()) {
    client.connection().unsuback(request.packet_id, codes);
    return;
  }
  change.answer = [this, client_id = client.id(), packet_id = request.packet_id, codes](bool stored) mutable {
    Client* waiting = find_client(client_id);
    if (waiting == nullptr || !waiting->connection().accepted()) return;
    touch(*waiting);
    if (!stored && waiting->connection().protocol() == mqtt::Protocol::kV311) {
      return waiting->connection().disconnect(mqtt::ReasonCode::kUnspecifiedError);  // [MQTT-4.8.0-2] of 3.1.1
    }
    refuse_successes(codes, stored, mqtt::ReasonCode::kUnspecifiedError);
    waiting->connection().unsuback(packet_id, codes);
  };
  keep_change(session, std::move(change));
}

void Node::keep_change(Session& session, SubscriptionChange change) {
  change.store = session.stores + 1;
  session.changes.push_back(std::move(change));
  if (session.changes.size() >= kChangesMax && session.client != nullptr) session.client->hold(Hold::kChanges, true);
  store_changes(session);
}

// A session is written whole, so what comes while it is on its way to the disk waits, and goes together.
void Node::store_changes(Session& session) {
  if (session.changes_submitted > 0 || session.changes.empty()) return;
  session.changes_submitted = session.changes.size();
  store_session(session, [this, id = session.id](bool stored) {
    if (sessions_.find(id) != nullptr) settle_changes(*sessions_.find(id), stored);
  });
}

void Node::settle_changes(Session& session, bool stored) {
  const std::uint64_t store = session.changes.front().store;
  std::vector<Stored> answers;
  for (; session.changes_submitted > 0; --session.changes_submitted) {
    answers.push_back(std::move(session.changes.front().answer));
    settle_change(session, stored);
  }
  if (!stored && session.client != nullptr) drop_forbidden(session, session.client->principal);
  // What was handed to the store otherwise has the changes in it.
  if (!stored && session.is_persistent() && session.stores != store) store_session(session, {});
  for (const Stored& answer : answers) answer(stored);
  store_changes(session);
  if (session.client != nullptr) {
    session.client->hold(Hold::kChanges, session.changes.size() >= kChangesMax);
    touch(*session.client);
  }
  delivery_.pump(session);
}

// Of the oldest change: the store answers in order.
void Node::settle_change(Session& session, bool stored) {
  const SubscriptionChange change = std::move(session.changes.front());
  session.changes.erase(session.changes.begin());
  for (const SubscriptionChange::Before& before : change.before) {
    SubscriptionChange::Before* later = nullptr;
    for (SubscriptionChange& other : session.changes) {
      if (later == nullptr) later = find_before(other, before.filter);
    }
    if (later != nullptr) {
      // What the filter is now is the later change's; should that fail too, this is how it was.
      if (!stored) later->subscription = before.subscription;
    } else if (stored) {
      delivery_.confirm(session, before.filter);
    } else {
      delivery_.put_back(session, before.filter, before.subscription);
    }
  }
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
