// What the node has for the thing, one message at a time.
#include <algorithm>

#include "firmware-shim/gateway/sn_words.hpp"
#include "firmware-shim/gateway/thing.hpp"

namespace hedgerow::gateway {

using mqtt::PacketType;
using mqtt::QoS;

void Thing::on_server_packet(Instant now, const ServerPacket& packet) {
  switch (packet.type) {
    case PacketType::kConnack: on_connack(now, packet.code); break;
    case PacketType::kPublish: take_message(now, packet); break;
    case PacketType::kPubrel: take_release(now, packet); break;
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubcomp: on_published(packet); break;
    case PacketType::kSuback:
    case PacketType::kUnsuback: on_subscribed(packet); break;
    case PacketType::kDisconnect:
    case PacketType::kReserved:
    case PacketType::kConnect:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingreq:
    case PacketType::kPingresp:
    case PacketType::kAuth: break;  // DISCONNECT: the pipe is closed next
  }
}

void Thing::take_message(Instant now, const ServerPacket& packet) {
  if (packet.qos == QoS::kAtMostOnce) {
    // Of each topic the latest is enough for whoever sleeps (section 6.14). One that is being sent stays first.
    const std::size_t kept = step_ == Step::kNone ? 0 : 1;
    const auto live = [&](const Waiting& w) { return w.qos == QoS::kAtMostOnce; };
    const auto begin = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(kept, waiting_.size()));
    const auto older =
        std::find_if(begin, waiting_.end(), [&](const Waiting& w) { return live(w) && w.topic == packet.topic; });
    const auto oldest = std::find_if(begin, waiting_.end(), live);
    const bool full =
        std::count_if(waiting_.begin(), waiting_.end(), live) >= static_cast<std::ptrdiff_t>(kLiveWaitingMax);
    if (older != waiting_.end() && !can_deliver()) {
      ++context_.counters.live_dropped;
      waiting_.erase(older);
    } else if (full && oldest != waiting_.end()) {
      ++context_.counters.live_dropped;
      waiting_.erase(oldest);
    }
  }
  const bool was_unsent = packet.dup && packet.packet_id == std::exchange(unsent_, std::uint16_t{0});
  // For the node its delivery had begun, so it goes on; the thing has never heard of it, and shall not act on it now.
  if (was_unsent && packet.is_expired) {
    Bytes answer;
    append_ack(answer, packet.qos == QoS::kExactlyOnce ? PacketType::kPubrec : PacketType::kPuback, packet.packet_id);
    write(now, answer);
    if (state_ == State::kAwake && waiting_.empty()) mail_done_at_ = now + kMailGrace;
    return;
  }
  waiting_.push_back({.topic = std::string{packet.topic},
                      .payload = to_bytes(packet.payload),
                      .qos = packet.qos,
                      .packet_id = packet.packet_id,
                      .retain = packet.retain,
                      .dup = packet.dup && !was_unsent});
  deliver(now);
}

void Thing::take_release(Instant now, const ServerPacket& packet) {
  const auto found =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& w) { return w.packet_id == packet.packet_id; });
  if (found == waiting_.end()) {
    waiting_.push_back({.qos = QoS::kExactlyOnce, .packet_id = packet.packet_id, .released = true});
  } else {
    found->released = true;
    if (found == waiting_.begin()) step_ = Step::kNone;
  }
  deliver(now);
}

std::optional<Thing::TopicId> Thing::known_id(const std::string& topic) const {
  if (is_short(topic)) {
    const unsigned high = static_cast<std::uint8_t>(topic[0]);
    return TopicId{.id = static_cast<std::uint16_t>(high << 8U | static_cast<std::uint8_t>(topic[1])),
                   .type = HR_SN_TOPIC_SHORT};
  }
  for (const auto& [id, name] : context_.predefined) {
    if (name == topic) return TopicId{.id = id, .type = HR_SN_TOPIC_PREDEFINED};
  }
  const auto id = topics_.find(topic);
  return id ? std::optional{TopicId{.id = *id}} : std::nullopt;
}

void Thing::deliver(Instant now) {
  while (can_deliver() && step_ == Step::kNone && !waiting_.empty()) {
    const Waiting& first = waiting_.front();
    if (first.released) return begin(now, Step::kRelease);
    const auto id = known_id(first.topic);
    if (!id && topics_.give(first.topic)) return begin(now, Step::kRegister);
    if (!id) {
      ++context_.counters.refused;
      return finish_first(now, first.qos == QoS::kExactlyOnce ? PacketType::kPubrec : PacketType::kPuback);
    }
    if (first.qos != QoS::kAtMostOnce) return begin(now, Step::kPublish);
    send_publish(first, *id);
    waiting_.pop_front();
  }
  // What is live says nothing of the mail that the node still reads from the disk.
  if (state_ == State::kAwake && waiting_.empty()) mail_done_at_ = std::max(mail_done_at_, now + kMailGrace);
}

void Thing::begin(Instant now, Step step) {
  step_ = step;
  tries_ = 0;
  retry_at_ = now + kRetryInterval;
  if (step == Step::kRegister && ++register_id_ == 0) ++register_id_;
  send_step();
}

void Thing::send_step() {
  Waiting& first = waiting_.front();
  if (step_ == Step::kRelease) return send(HR_SN_PUBREL, first.packet_id);
  if (step_ == Step::kRegister) {
    hr_sn_message message{};
    message.type = HR_SN_REGISTER;
    message.topic_id = topics_.give(first.topic).value_or(0);
    message.msg_id = register_id_;
    message.tail = view_of(as_bytes(first.topic));
    return send(message);
  }
  if (const auto id = known_id(first.topic)) send_publish(first, *id);
  first.dup = true;
}

void Thing::send_publish(const Waiting& message, const TopicId& topic) {
  hr_sn_message publish{};
  publish.type = HR_SN_PUBLISH;
  publish.flags = static_cast<std::uint8_t>(flags_of(message.qos) | topic.type);
  if (message.retain) publish.flags |= HR_SN_RETAIN;
  if (message.dup) publish.flags |= HR_SN_DUP;
  publish.topic_id = topic.id;
  publish.msg_id = message.packet_id;
  publish.tail = view_of(message.payload);
  send(publish);
}

void Thing::on_regack(Instant now, const hr_sn_message& message) {
  if (step_ != Step::kRegister || message.msg_id != register_id_) return;
  if (message.code == HR_SN_CONGESTION) return;  // the retry comes
  step_ = Step::kNone;
  retry_at_ = Instant::max();
  const auto id = topics_.give(waiting_.front().topic);
  if (message.code == HR_SN_ACCEPTED && id) {
    topics_.told(*id);
    return deliver(now);
  }
  ++context_.counters.refused;
  finish_first(now, waiting_.front().qos == QoS::kExactlyOnce ? PacketType::kPubrec : PacketType::kPuback);
}

// PUBACK, PUBREC, PUBCOMP of the thing.
void Thing::on_answer(Instant now, const hr_sn_message& message) {
  if (step_ == Step::kNone || waiting_.empty() || message.msg_id != waiting_.front().packet_id) return;
  const Waiting& first = waiting_.front();
  if (message.type == HR_SN_PUBCOMP) {
    if (step_ == Step::kRelease) finish_first(now, PacketType::kPubcomp);
    return;
  }
  if (step_ != Step::kPublish) return;
  if (message.type == HR_SN_PUBREC) {
    if (first.qos == QoS::kExactlyOnce) finish_first(now, PacketType::kPubrec);
    return;
  }
  if (message.code == HR_SN_CONGESTION) return;  // the retry comes
  if (message.code == HR_SN_INVALID_TOPIC_ID) {
    topics_.forget();
    step_ = Step::kNone;
    return deliver(now);
  }
  if (message.code != HR_SN_ACCEPTED) ++context_.counters.refused;
  finish_first(now, first.qos == QoS::kExactlyOnce ? PacketType::kPubrec : PacketType::kPuback);
}

// The thing has it, or does not want it: the node need not keep it. QoS 2: its PUBREL follows.
void Thing::finish_first(Instant now, PacketType answer) {
  const Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  step_ = Step::kNone;
  retry_at_ = Instant::max();
  if (first.qos != QoS::kAtMostOnce) {
    Bytes packet;
    append_ack(packet, answer, first.packet_id);
    write(now, packet);
    if (state_ == State::kAwake) mail_done_at_ = now + kMailGrace;
  }
  deliver(now);
}

}  // namespace hedgerow::gateway
