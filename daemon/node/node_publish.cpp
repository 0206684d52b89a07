// The part of Node that takes what clients publish, and the acknowledgements of both directions.
#include <gsl/assert>
#include <utility>

#include "daemon/node/limits.hpp"
#include "daemon/node/node.hpp"

namespace hedgerow::node {

namespace {

mqtt::ReasonCode reason_of(Category category) {
  switch (category) {
    case Category::kLimit: return mqtt::ReasonCode::kQuotaExceeded;
    case Category::kRefused: return mqtt::ReasonCode::kNotAuthorized;
    case Category::kNotFound: return mqtt::ReasonCode::kTopicNameInvalid;
    case Category::kInvalidInput: return mqtt::ReasonCode::kPayloadFormatInvalid;
    case Category::kNotInVersion: return mqtt::ReasonCode::kImplementationSpecificError;
    case Category::kUnavailable:
    case Category::kIo:
    case Category::kCorrupt: return mqtt::ReasonCode::kUnspecifiedError;
  }
  return mqtt::ReasonCode::kUnspecifiedError;
}

// Of an acknowledgement that waited for another node in vain.
constexpr mqtt::NoteOut kAloneNote{.name = "hedgerow-ack", .value = "local"};

}  // namespace

bool Node::is_reserved(std::string_view topic) {
  return topic.starts_with('$') || topic == config::kSystemTopicRoot ||
         (topic.starts_with(config::kSystemTopicRoot) && topic[config::kSystemTopicRoot.size()] == '/');
}

bool Node::is_bridge_state(std::string_view topic) { return topic.starts_with("$SYS/broker/connection/"); }

bool Node::is_node(const Arrived& arrived) {
  return arrived.identity && arrived.identity->role == security::Role::kNode;
}

bool Node::is_link_message(const Client& client, std::string_view topic) const {
  if (!topic.starts_with(link_topic_) || !is_node(client.arrived())) return false;
  return topic.substr(link_topic_.size()) == settings_.name + "/" + client.arrived().identity->node;
}

// --- from clients ---

void Node::on_publish(Instant now, Client& client, const mqtt::PublishRequest& request) {
  if (is_link_message(client, request.topic)) {
    if (client.link) links_.on_message(now, *client.link, request.payload);
    return;
  }
  if (stopping_) return;  // no acknowledgement: the client keeps it
  Session& session = *client.session;
  const AckAddress ack{
      .client = client.id(),
      .session = session.id,
      .packet_id = request.packet_id,
      .kind = request.qos == mqtt::QoS::kExactlyOnce ? AckKind::kPubrec : AckKind::kPuback,
      .peer_channel = peer_channel_of(request.topic),
  };
  // Sent again, since its PUBREC was lost or is on its way: answered in its turn, published once [MQTT-4.3.3-10].
  if (request.qos == mqtt::QoS::kExactlyOnce && session.received.contains(request.packet_id)) {
    ports_.store.submit(RepeatIntent{.ack = ack});
    return;
  }
  if (is_bridge_state(request.topic)) return pass_over(client, request);
  if (is_reserved(request.topic)) {
    note_refused_publish(client, request.topic, "what is under hedgerow/ and $ is written by the node alone");
    return refuse(client, request, Category::kRefused);
  }
  if (!ports_.access.may_publish(client.principal, request.topic)) {
    ++counters_.refused_access;
    note_denied(client, Right::kPublish, request.topic);
    return refuse(client, request, Category::kRefused);
  }
  const ChannelTable::Entry* channel = channels_.owner_of(request.topic);
  if (channel == nullptr) {
    note_refused_publish(client, request.topic, "no channel has it: \"channels\" needs one whose filter matches it");
    return refuse(client, request, Category::kNotFound);
  }

  ++counters_.received;
  counters_.received_bytes += request.payload.size();
  auto message = std::make_shared<const sync::Message>(sync::Message{.topic = std::string(request.topic),
                                                                     .properties = to_bytes(request.properties),
                                                                     .payload = to_bytes(request.payload),
                                                                     .expiry_s = request.expiry_s});
  const auto qos = static_cast<std::uint8_t>(request.qos);
  sync::LocalWrite write{.channel = channel->number,
                         .kind = {.record = qos > 0, .cell = request.retain, .qos = qos},
                         .publisher = session.id,
                         .message = message};
  if (qos > 0) {
    if (request.retain) cells_soon_.forget(message->topic);
    const bool exactly_once = request.qos == mqtt::QoS::kExactlyOnce;
    if (exactly_once) session.received.insert(request.packet_id);
    ports_.store.submit(PublishIntent{
        .write = std::move(write), .ack = ack, .remember_received = exactly_once && session.is_persistent()});
    return;
  }
  if (request.retain && channel->merges()) return submit_merge(std::move(write));
  delivery_.publish_live(*message, request.retain, session.id);
  if (delivery_.is_spent()) hold_for_turn(client);
  if (channels_.is_replicated(*channel)) links_.publish_live(now, message, request.retain);
  if (request.retain) set_cell_soon(now, std::move(write));
}

void Node::on_skipped_publish(Instant, Client& client, const mqtt::PublishRequest& request) {
  if (stopping_ || client.session == nullptr) return;  // no acknowledgement: the bridge keeps it
  ++counters_.refused;
  note_refused_publish(client, request.topic, "it is larger than \"packet_bytes\" under \"limits\" allows");
  pass_over(client, request);
}

void Node::refuse(Client& client, const mqtt::PublishRequest& request, Category why) {
  if (request.qos == mqtt::QoS::kAtMostOnce) {
    ++counters_.refused;
    return;
  }
  // A 3.1.1 client hears of a refusal by losing its connection. A bridge would come back with the same message for
  // ever; the standard's other way is to acknowledge [MQTT-3.3.5-2 of 3.1.1].
  if (client.is_bridge) {
    ++counters_.refused;
    return pass_over(client, request);
  }
  // Publishes before it may still wait for the disk, and are answered first.
  const AckKind kind = request.qos == mqtt::QoS::kExactlyOnce ? AckKind::kPubrec : AckKind::kPuback;
  ports_.store.submit(RefusalIntent{
      .ack = {.client = client.id(), .session = client.session->id, .packet_id = request.packet_id, .kind = kind},
      .why = why});
}

bool Node::is_exchange_refused(Client& client) {
  if (!owed_.is_full() || !client.session->is_persistent()) return false;
  ++counters_.refused;
  client.connection().disconnect(mqtt::ReasonCode::kQuotaExceeded, "the disk is full");
  touch(client);
  return true;
}

void Node::on_pubrel(Instant, Client& client, const mqtt::AckReceived& pubrel) {
  if (is_exchange_refused(client)) return;
  Session& session = *client.session;
  // Not found: it was completed before, and the PUBCOMP was lost. That may not be on disk yet, so it is answered in its
  // turn, lest the client uses the identifier for another message, and a restarted daemon takes that for this one.
  // In a session that was resumed that is no error (table 3-11), and clients take 0x92 for one.
  const bool found = session.received.erase(pubrel.packet_id) > 0 || session.was_resumed;
  ports_.store.submit(ReleaseReceivedIntent{
      .ack = {.client = client.id(), .session = session.id, .packet_id = pubrel.packet_id, .kind = AckKind::kPubcomp},
      .persistent = session.is_persistent(),
      .found = found});
}

void Node::pass_over(Client& client, const mqtt::PublishRequest& request) {
  if (request.qos == mqtt::QoS::kAtMostOnce) return;
  const bool exactly_once = request.qos == mqtt::QoS::kExactlyOnce;
  if (exactly_once) client.session->received.insert(request.packet_id);
  ports_.store.submit(RepeatIntent{.ack = {.client = client.id(),
                                           .session = client.session->id,
                                           .packet_id = request.packet_id,
                                           .kind = exactly_once ? AckKind::kPubrec : AckKind::kPuback}});
}

// --- to clients ---

void Node::on_acknowledged(Instant now, Client& client, const std::optional<Window::Message>& message) {
  if (!message) return;
  Session& session = *client.session;
  delivery_.acknowledge(session, *message);
  save_position(session, now, /*at_once=*/false);
}

// A QoS 1 message is answered with PUBACK, one of QoS 2 with PUBREC and PUBCOMP [MQTT-4.3.2-3] [MQTT-4.3.3-3].
bool Node::breaks_exchange(Client& client, std::uint16_t packet_id, mqtt::QoS wanted) {
  const auto qos = client.session->window.qos_of(packet_id);
  if (!qos || *qos == wanted) return false;
  client.connection().disconnect(mqtt::ReasonCode::kProtocolError, "this packet identifier is of another QoS");
  touch(client);
  return true;
}

void Node::on_puback(Instant now, Client& client, const mqtt::AckReceived& puback) {
  if (breaks_exchange(client, puback.packet_id, mqtt::QoS::kAtLeastOnce)) return;
  on_acknowledged(now, client, client.session->window.acknowledge(puback.packet_id));
}

void Node::on_pubrec(Instant now, Client& client, const mqtt::AckReceived& pubrec) {
  if (breaks_exchange(client, pubrec.packet_id, mqtt::QoS::kExactlyOnce) || is_exchange_refused(client)) return;
  Session& session = *client.session;
  // Refused: it is done, and nothing follows [MQTT-4.3.3-4].
  if (mqtt::is_failure(pubrec.reason)) {
    return on_acknowledged(now, client, session.window.acknowledge(pubrec.packet_id));
  }
  const Window::Received received = session.window.receive(pubrec.packet_id);
  switch (received.receipt) {
    case Window::Receipt::kUnknown:
      client.connection().pubrel(pubrec.packet_id, mqtt::ReasonCode::kPacketIdentifierNotFound);
      return;
    case Window::Receipt::kReleased: client.connection().pubrel(pubrec.packet_id, mqtt::ReasonCode::kSuccess); return;
    case Window::Receipt::kReleasing: return;
    case Window::Receipt::kFirst: break;
  }
  release(session, {.packet_id = pubrec.packet_id, .arrival = received.arrival});
}

void Node::release(Session& session, const StoredRelease& release) {
  if (session.is_persistent()) {
    ports_.store.submit(AddReleaseIntent{
        .ack = {.client = 0, .session = session.id, .packet_id = release.packet_id, .kind = AckKind::kPubrel},
        .arrival = release.arrival});
    return;
  }
  session.window.released(release.packet_id);
  session.client->connection().pubrel(release.packet_id, mqtt::ReasonCode::kSuccess);
  touch(*session.client);
}

// What a full disk owes is bounded: then it waits in the window.
void Node::release_lost(Session& session) {
  if (owed_.is_full() && session.is_persistent()) return;
  for (const StoredRelease& lost : session.window.take_lost()) release(session, lost);
}

void Node::on_pubcomp(Instant now, Client& client, const mqtt::AckReceived& pubcomp) {
  if (breaks_exchange(client, pubcomp.packet_id, mqtt::QoS::kExactlyOnce)) return;
  on_acknowledged(now, client, client.session->window.complete(pubcomp.packet_id));
}

void Node::send_acks(const std::vector<Ack>& acks, bool turn_failed) {
  for (Ack ack : acks) {
    Session* session = sessions_.find(ack.address.session);
    // Repeated, while the write that it repeats failed.
    if (session != nullptr && ack.address.kind == AckKind::kPubrec && ack.stored) {
      ack.stored = session->received.contains(ack.address.packet_id);
    }
    if (!ack.stored && ack.address.kind != AckKind::kPubcomp) {
      ++counters_.refused;
      if (session != nullptr && ack.address.kind == AckKind::kPubrec) session->received.erase(ack.address.packet_id);
    }
    if (session != nullptr && ack.address.kind == AckKind::kPubrel) session->window.released(ack.address.packet_id);
    Client* client = find_client(ack.address.client);
    // A release is the session's: the client may have come back, or another may have taken it over meanwhile.
    if (ack.address.kind == AckKind::kPubrel) client = session == nullptr ? nullptr : session->client;
    if (client == nullptr || !client->connection().accepted()) continue;
    if (!ack.stored && client->is_bridge && !turn_failed) drop_of_bridge(*client, ack);
    if (peer_acks_.hold(now_, ack, confirmed_)) continue;
    send_ack(*client, ack);
    touch(*client);
  }
}

void Node::drop_of_bridge(Client& client, Ack& ack) {
  if (ack.address.kind == AckKind::kPubrec) client.session->received.insert(ack.address.packet_id);
  ack.stored = ack.stored || ack.address.kind == AckKind::kPuback || ack.address.kind == AckKind::kPubrec;
}

void Node::send_due_peer_acks() {
  if (peer_acks_.empty()) return;
  for (const PeerAcks::Due& due : peer_acks_.take_due(now_, confirmed_)) {
    Client* const client = find_client(due.ack.address.client);
    if (client == nullptr || !client->connection().accepted()) continue;
    send_ack(*client, due.ack, due.is_alone ? kAloneNote : mqtt::NoteOut{});
    touch(*client);
  }
}

std::optional<sync::ChannelNo> Node::peer_channel_of(std::string_view topic) const {
  const ChannelTable::Entry* const channel = channels_.owner_of(topic);
  if (channel == nullptr || channel->channel.ack != config::ChannelAck::kPeer) return std::nullopt;
  return channels_.is_replicated(*channel) ? std::optional(channel->number) : std::nullopt;
}

void Node::send_ack(Client& client, const Ack& ack, mqtt::NoteOut note) {
  const mqtt::ReasonCode code = ack.stored ? mqtt::ReasonCode::kSuccess : reason_of(ack.why);
  mqtt::Connection& connection = client.connection();
  switch (ack.address.kind) {
    case AckKind::kPuback: return connection.puback(ack.address.packet_id, code, {}, note);
    case AckKind::kPubrec: return connection.pubrec(ack.address.packet_id, code, {}, note);
    case AckKind::kPubcomp:
      return connection.pubcomp(ack.address.packet_id, ack.stored ? code : mqtt::ReasonCode::kPacketIdentifierNotFound);
    case AckKind::kPubrel: return connection.pubrel(ack.address.packet_id, code);
  }
}

// --- the node's own voice, and cells of QoS 0 ---

void Node::publish_own(std::string_view leaf, std::string_view payload) {
  const std::string topic = "hedgerow/" + settings_.mesh + "/nodes/" + settings_.name + "/" + std::string(leaf);
  const ChannelTable::Entry* channel = channels_.owner_of(topic);
  Expects(channel != nullptr);  // the built-in channel
  auto message = std::make_shared<const sync::Message>(
      sync::Message{.topic = topic, .properties = {}, .payload = to_bytes(payload), .expiry_s = {}});
  if (!alarms_.empty()) {
    delivery_.publish_live(*message, /*retain=*/true, /*publisher=*/0);
    links_.publish_live(now_, message, /*retain=*/true);
  }
  ports_.store.submit(PublishIntent{.write = {.channel = channel->number,
                                              .kind = {.record = true, .cell = true, .qos = 1},
                                              .publisher = 0,
                                              .message = std::move(message)},
                                    .ack = {}});
}

// What it leads to is known once it is written, so it is delivered then. Each counts: nothing is coalesced.
void Node::submit_merge(sync::LocalWrite write) {
  write.kind.record = true;
  told_.emplace(++last_token_, [](const std::optional<Error>&) {});
  ports_.store.submit(PublishIntent{.write = std::move(write), .ack = {}, .token = last_token_});
}

// Whoever is told of it now and answers by another write to its cell, here or on another node, comes after it.
void Node::set_cell_soon(Instant now, sync::LocalWrite write) {
  write.stamp = sync::Hlc(clock_).next(ports_.wall_clock());
  write.after_own = true;  // the store may not have come to what clients published before
  if (cells_soon_.set(now, std::move(write))) flush_cells();
}

void Node::flush_cells() {
  if (cells_soon_.empty()) return;
  cells_soon_.take_all(
      [this](sync::LocalWrite write) { ports_.store.submit(PublishIntent{.write = std::move(write), .ack = {}}); });
  const std::uint64_t token = cells_token_ = ++last_token_;
  waiting_.emplace(token, [this, token](bool) {
    if (cells_token_ == token) cells_token_ = 0;
  });
  ports_.store.submit(BarrierIntent{.token = token});
}

void Node::hold_for_cells(Session& session) {
  flush_cells();
  if (cells_token_ == 0 && !delivery_.awaits_commit()) return;
  ++session.holds;
  waiting_.emplace(++last_token_, [this, id = session.id](bool) {
    Session* held = sessions_.find(id);
    if (held == nullptr) return;
    if (held->holds > 0) --held->holds;
    delivery_.pump(*held);
  });
  ports_.store.submit(BarrierIntent{.token = last_token_});
}

}  // namespace hedgerow::node
