// What the thing wants of the node: topics, publishes, subscriptions.
#include <algorithm>

#include "daemon/mqtt/topic.hpp"
#include "firmware-shim/gateway/sn_words.hpp"
#include "firmware-shim/gateway/thing.hpp"

namespace hedgerow::gateway {
namespace {

using mqtt::PacketType;
using mqtt::QoS;
using mqtt::ReasonCode;

// FNV-1a: tells a message that came again from another one of the same id. Nobody gains by making two look alike.
std::uint64_t fingerprint_of(std::string_view topic, const hr_sn_message& message) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325U ^ (message.flags & (HR_SN_QOS_MASK | HR_SN_RETAIN));
  const auto take = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 0x100'0000'01B3U; };
  for (const char byte : topic) take(static_cast<std::uint8_t>(byte));
  take(0);  // no topic has one
  for (const std::uint8_t byte : bytes_of(message.tail)) take(byte);
  return hash;
}

}  // namespace

void Thing::on_register(const hr_sn_message& message) {
  const std::string_view name = text_of(message.tail);
  register_seen_ = message.msg_id;
  std::uint16_t id = 0;
  hr_sn_return_code code = HR_SN_NOT_SUPPORTED;
  if (mqtt::is_valid_topic_name(name)) {
    const auto given = topics_.give(name);
    if (given) topics_.told(id = *given);
    code = given ? HR_SN_ACCEPTED : HR_SN_CONGESTION;
  }
  send(HR_SN_REGACK, message.msg_id, id, static_cast<std::uint8_t>(code));
}

std::optional<std::string> Thing::topic_of(const hr_sn_message& message) const {
  switch (message.flags & HR_SN_TOPIC_MASK) {
    case HR_SN_TOPIC_SHORT: return short_topic(message.topic_id);
    case HR_SN_TOPIC_PREDEFINED: {
      const auto found = context_.predefined.find(message.topic_id);
      return found == context_.predefined.end() ? std::nullopt : std::optional{found->second};
    }
    default: {
      const std::string* name = topics_.name(message.topic_id);
      return name == nullptr ? std::nullopt : std::optional{*name};
    }
  }
}

bool Thing::is_pending(std::uint16_t msg_id) const {
  return std::any_of(pending_.begin(), pending_.end(), [&](const Pending& p) { return p.msg_id == msg_id; });
}

std::optional<Thing::Pending> Thing::take_pending(std::uint16_t msg_id, hr_sn_type type) {
  const auto found = std::find_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& p) { return p.msg_id == msg_id && p.type == type; });
  if (found == pending_.end()) return std::nullopt;
  const Pending taken = *found;
  pending_.erase(found);
  return taken;
}

// A thing says with DUP that it sends again. Without it, it may still be a copy that the network has made; or a new
// message of a thing that uses its ids over and over, or begins anew with them after a reset.
bool Thing::has_come_before(const Pending& publish) const {
  const auto is_same = [&](const Pending& p) {
    return p.msg_id == publish.msg_id && p.fingerprint == publish.fingerprint;
  };
  const bool dup = (publish.flags & HR_SN_DUP) != 0;
  if (std::none_of(recognised_.begin(), recognised_.end(),
                   [&](const Pending& p) { return is_same(p) && (dup || !p.earlier); })) {
    return false;
  }
  if (dup) return true;
  // Its first publish may count on from its REGISTER.
  bool used_another_id = register_seen_ && static_cast<std::uint16_t>(publish.msg_id - *register_seen_) == 1;
  bool used_this_anew = false;
  for (const Pending& p : recognised_) {
    used_another_id |= !p.earlier && p.msg_id != publish.msg_id;
    used_this_anew |= !p.earlier && p.msg_id == publish.msg_id && !is_same(p);
  }
  return used_another_id && !used_this_anew;
}

void Thing::on_publish(Instant now, const hr_sn_message& message) {
  const auto refuse = [&](hr_sn_return_code code) {
    send(HR_SN_PUBACK, message.msg_id, message.topic_id, static_cast<std::uint8_t>(code));
  };
  const auto topic = topic_of(message);
  if (!topic) return refuse(HR_SN_INVALID_TOPIC_ID);
  const QoS qos = qos_of(message.flags);
  if (!mqtt::is_valid_topic_name(*topic) || (qos != QoS::kAtMostOnce && message.msg_id == 0)) {
    return refuse(HR_SN_NOT_SUPPORTED);
  }
  const Pending pending = {.msg_id = message.msg_id,
                           .topic_id = message.topic_id,
                           .flags = message.flags,
                           .fingerprint = fingerprint_of(*topic, message)};
  if (qos != QoS::kAtMostOnce) {
    if (is_pending(message.msg_id)) return;  // the answer is on its way
    if (has_come_before(pending)) {
      ++context_.counters.recognised;
      return qos == QoS::kAtLeastOnce ? refuse(HR_SN_ACCEPTED) : send(HR_SN_PUBREC, message.msg_id);
    }
    if (pending_.size() == kRecognisedMax) return refuse(HR_SN_CONGESTION);
    pending_.push_back(pending);
  }
  Bytes packet;
  append_publish(packet, {.topic = *topic,
                          .payload = bytes_of(message.tail),
                          .qos = qos,
                          .retain = (message.flags & HR_SN_RETAIN) != 0,
                          .dup = (message.flags & HR_SN_DUP) != 0 && qos != QoS::kAtMostOnce,
                          .packet_id = message.msg_id});
  write(now, packet);
}

// PUBACK, PUBREC or PUBCOMP of the node.
void Thing::on_published(const ServerPacket& packet) {
  if (packet.type == PacketType::kPubcomp) {
    if (take_pending(packet.packet_id, HR_SN_PUBREL)) send(HR_SN_PUBCOMP, packet.packet_id);
    return;
  }
  const auto pending = take_pending(packet.packet_id, HR_SN_PUBLISH);
  if (!pending) return;
  if (!mqtt::is_failure(packet.code)) {
    recognised_.push_back(*pending);
    if (recognised_.size() > kRecognisedMax) recognised_.pop_front();
    if (packet.type == PacketType::kPubrec) return send(HR_SN_PUBREC, packet.packet_id);
  }
  send(HR_SN_PUBACK, packet.packet_id, pending->topic_id, static_cast<std::uint8_t>(return_code(packet.code)));
}

void Thing::on_subscribe(Instant now, const hr_sn_message& message) {
  const bool subscribe = message.type == HR_SN_SUBSCRIBE;
  const auto refuse = [&](hr_sn_return_code code) {
    if (subscribe) return send(HR_SN_SUBACK, message.msg_id, 0, static_cast<std::uint8_t>(code));
    send(HR_SN_UNSUBACK, message.msg_id);
  };
  const bool by_name = (message.flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_NORMAL;
  const auto filter = by_name ? std::optional<std::string>{text_of(message.tail)} : topic_of(message);
  if (!filter) return refuse(HR_SN_INVALID_TOPIC_ID);
  if (message.msg_id == 0 || !mqtt::is_valid_topic_filter(*filter)) return refuse(HR_SN_NOT_SUPPORTED);
  if (is_pending(message.msg_id)) return;
  if (pending_.size() == kRecognisedMax) return refuse(HR_SN_CONGESTION);

  Pending pending = {.msg_id = message.msg_id, .flags = message.flags, .type = message.type};
  if (!by_name) pending.topic_id = message.topic_id;
  if (by_name && subscribe && mqtt::is_valid_topic_name(*filter) && !is_short(*filter)) {
    const auto id = topics_.give(*filter);
    if (!id) return refuse(HR_SN_CONGESTION);
    pending.topic_id = *id;  // section 6.10: 0 where the filter has wildcards
    topics_.told(*id);
  }
  pending_.push_back(pending);
  Bytes packet;
  if (subscribe) {
    append_subscribe(packet, message.msg_id, *filter, qos_of(message.flags));
  } else {
    append_unsubscribe(packet, message.msg_id, *filter);
  }
  write(now, packet);
}

void Thing::on_subscribed(const ServerPacket& packet) {
  if (packet.type == PacketType::kUnsuback) {
    if (take_pending(packet.packet_id, HR_SN_UNSUBSCRIBE)) send(HR_SN_UNSUBACK, packet.packet_id);
    return;
  }
  const auto pending = take_pending(packet.packet_id, HR_SN_SUBSCRIBE);
  if (!pending) return;
  const bool refused = mqtt::is_failure(packet.code);
  const std::uint8_t granted = refused ? std::uint8_t{0} : flags_of(static_cast<QoS>(packet.code));
  send(HR_SN_SUBACK, packet.packet_id, refused ? std::uint16_t{0} : pending->topic_id,
       static_cast<std::uint8_t>(return_code(packet.code)), granted);
}

}  // namespace hedgerow::gateway
