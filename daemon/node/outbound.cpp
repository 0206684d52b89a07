#include "daemon/node/outbound.hpp"

#include <algorithm>

#include "daemon/mqtt/properties.hpp"
#include "daemon/mqtt/topic.hpp"
#include "daemon/node/limits.hpp"

namespace hedgerow::node {

void Wish::clear() {
  any = false;
  qos = mqtt::QoS::kAtMostOnce;
  retain_as_published = false;
  identifiers.clear();
}

void Wish::add(const mqtt::SubOptions& options) {
  any = true;
  qos = std::max(qos, options.qos);
  retain_as_published = retain_as_published || options.retain_as_published;
  if (options.subscription_identifier != 0) identifiers.push_back(options.subscription_identifier);
}

namespace {

// More than the client accepts on this connection is treated as delivered [MQTT-3.1.2-25].
void give_up(Window& window, std::uint16_t packet_id, bool is_begun) {
  if (is_begun) return window.lose_again(packet_id);
  window.acknowledge(packet_id);
}

std::size_t size_of(const sync::Message& message) {
  return mqtt::kFixedHeaderBytesMax + 2 + message.topic.size() + message.properties.size() + message.payload.size();
}

}  // namespace

bool Outbound::is_deliverable(const sync::Message& message) {
  return mqtt::is_valid_topic_name(message.topic) && mqtt::are_forwardable_properties(message.properties);
}

Expiry Outbound::expiry_of(const sync::Message& message, const sync::Stamp& stamp, sync::ReplicaId replica,
                           sync::Arrival arrival) const {
  if (!message.expiry_s) return {};  // without a look at the clock
  return ages_.expiry_of(message, stamp, replica, arrival, moment_());
}

bool Outbound::withhold(const Expiry& expiry, bool waits) {
  if (expiry.state != Expiry::State::kWithheld) return true;
  if (waits && expiry.awaits_clock) return false;
  ++counters_.withheld;
  withheld_ = {.last = moment_().now, .for_our_clock = expiry.is_for_our_clock};
  return true;
}

bool Outbound::has_room(const Session& session) {
  return budget_.has_room_logged(session.client->queued_bytes(), session.wanted_bytes);
}

bool Outbound::has_room_for(Session& session, const sync::Message& message) {
  const std::size_t bytes = size_of(message);
  const bool has_room = budget_.has_room_logged(session.client->queued_bytes(), bytes);
  session.wanted_bytes = has_room ? 0 : bytes;
  return has_room;
}

bool Outbound::send_logged(Session& session, const OpRef& op, const Wish& wish) {
  Window& window = session.window;
  // What was sent before the connection broke keeps its identifier and QoS [MQTT-4.4.0-1], also if the subscription
  // has changed or gone since [MQTT-3.10.4-3]; what was acknowledged is done.
  const std::optional<mqtt::QoS> sent_with = window.due_qos(op.arrival);
  const bool again = sent_with.has_value();
  if (!wish.any && !again) return true;
  const sync::Message& message = *op.op.message;
  const auto qos = sent_with.value_or(std::min(wish.qos, static_cast<mqtt::QoS>(op.op.kind.qos)));
  // The daemon was killed meanwhile: nobody knows whether this was sent.
  const bool is_old = !again && (op.arrival <= window.newest() || window.was_received(op.arrival));
  const bool maybe_sent = !again && !is_old && session.is_maybe_sent(op.arrival);
  const Expiry expiry = expiry_of(message, op.op.stamp, op.replica, op.arrival);
  // A delivery that was begun goes on: only others expire [MQTT-3.3.2-5] [MQTT-4.4.0-1], or give way to a newer value.
  const bool is_gone = !expiry.is_fresh() || op.superseded;
  if (is_gone && !again) {
    const bool keeps_position = session.is_persistent() && qos != mqtt::QoS::kAtMostOnce;
    if (!is_old && !op.superseded && !withhold(expiry, /*waits=*/keeps_position)) return false;
    return !maybe_sent || qos != mqtt::QoS::kExactlyOnce || lose_logged(session, op.arrival);
  }
  if (op.replica != self_ && !is_deliverable(message)) {
    ++counters_.dropped;
    return true;
  }
  // Its subscription may have gone because it is forbidden now.
  if (!wish.any && !may_receive_(*session.client, message.topic)) return true;
  const bool retain = wish.retain_as_published && op.op.kind.cell;
  if (qos == mqtt::QoS::kAtMostOnce) {
    if (op.arrival > session.attached_at) send_at_most_once(*session.client, message, retain, expiry.left_s, wish);
    return true;
  }
  if (is_old) return true;
  if (!has_room_for(session, message)) return false;
  if (again ? !window.has_credit() : !window.has_room(op.arrival)) return false;
  if (maybe_sent) --session.maybe_sent_left;
  const std::uint16_t packet_id = again ? window.resend(op.arrival) : window.add(op.arrival, qos);
  const auto outcome = session.client->connection().publish({.topic = message.topic,
                                                             .properties = message.properties,
                                                             .payload = message.payload,
                                                             .qos = qos,
                                                             .packet_id = packet_id,
                                                             .dup = again || maybe_sent,
                                                             .retain = retain,
                                                             .expiry_left_s = expiry.left_s,
                                                             .subscription_ids = wish.identifiers});
  session.client->hand_over();
  touched_(*session.client);
  if (outcome == mqtt::PublishOutcome::kTooLarge) {
    give_up(window, packet_id, again && qos == mqtt::QoS::kExactlyOnce);
    ++counters_.dropped;
    return true;
  }
  // A connection that is closing sends nothing more: what its window holds comes again on the session's next one.
  if (outcome == mqtt::PublishOutcome::kSent) {
    ++counters_.delivered;
    counters_.delivered_bytes += message.payload.size();
  }
  return true;
}

bool Outbound::lose_logged(Session& session, sync::Arrival arrival) {
  if (!session.window.has_room(arrival)) return false;
  --session.maybe_sent_left;
  session.window.lose(arrival);
  return true;
}

Outbound::Outcome Outbound::send_aside(Session& session, const Aside& aside, const Wish& wish) {
  const Expiry expiry = expiry_of(aside.message, aside.stamp, aside.replica, aside.arrival);
  const auto qos = std::min(wish.qos, aside.qos);
  const bool again = aside.again || (aside.sender == 0 && session.window.was_interrupted(aside.arrival));
  const bool waits = aside.waits && qos != mqtt::QoS::kAtMostOnce;
  if (!expiry.is_fresh() && !again) return withhold(expiry, waits) ? Outcome::kGone : Outcome::kNoRoom;
  if (aside.replica != self_ && !is_deliverable(aside.message)) return Outcome::kGone;
  if (!has_room_for(session, aside.message)) return Outcome::kNoRoom;
  if (qos != mqtt::QoS::kAtMostOnce && !session.window.has_room(aside.arrival)) return Outcome::kNoRoom;
  const std::uint16_t packet_id =
      qos == mqtt::QoS::kAtMostOnce ? std::uint16_t{0} : session.window.add_aside(aside.arrival, qos, aside.sender);
  const auto outcome = session.client->connection().publish({.topic = aside.message.topic,
                                                             .properties = aside.message.properties,
                                                             .payload = aside.message.payload,
                                                             .qos = qos,
                                                             .packet_id = packet_id,
                                                             .dup = again && packet_id != 0,
                                                             .retain = aside.retain,
                                                             .expiry_left_s = expiry.left_s,
                                                             .subscription_ids = wish.identifiers});
  session.client->hand_over();
  touched_(*session.client);
  if (outcome == mqtt::PublishOutcome::kTooLarge) {
    const bool is_begun = again && qos == mqtt::QoS::kExactlyOnce;
    if (packet_id != 0) give_up(session.window, packet_id, is_begun);
    ++counters_.dropped;
    return Outcome::kGone;
  }
  if (outcome == mqtt::PublishOutcome::kSent) {
    ++counters_.delivered;
    counters_.delivered_bytes += aside.message.payload.size();
  }
  return packet_id == 0 ? Outcome::kGone : Outcome::kSent;
}

void Outbound::send_live(Client& client, const sync::Message& message, bool retain, const Wish& wish) {
  send_at_most_once(client, message, retain, message.expiry_s, wish);
}

void Outbound::send_at_most_once(Client& client, const sync::Message& message, bool retain,
                                 std::optional<std::uint32_t> expiry_left_s, const Wish& wish) {
  if (!budget_.has_room_live(client.queued_bytes(), size_of(message))) {
    ++counters_.dropped;
    return;
  }
  const auto outcome = client.connection().publish({.topic = message.topic,
                                                    .properties = message.properties,
                                                    .payload = message.payload,
                                                    .qos = mqtt::QoS::kAtMostOnce,
                                                    .retain = retain,
                                                    .expiry_left_s = expiry_left_s,
                                                    .subscription_ids = wish.identifiers});
  if (outcome == mqtt::PublishOutcome::kSent) {
    ++counters_.delivered;
    counters_.delivered_bytes += message.payload.size();
  } else {
    ++counters_.dropped;
  }
  client.hand_over();
  touched_(client);
}

}  // namespace hedgerow::node
