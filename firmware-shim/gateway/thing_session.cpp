// Connecting, sleeping, ending: sections 6.2, 6.3, 6.14 and 7.2 of MQTT-SN 1.2.
#include <algorithm>
#include <array>

#include "firmware-shim/gateway/sn_words.hpp"
#include "firmware-shim/gateway/thing.hpp"

namespace hedgerow::gateway {
namespace {

using mqtt::PacketType;
using mqtt::ReasonCode;

constexpr const char* kConnectedAnew = "the thing connected anew";

Duration with_tolerance(Duration promised) { return promised * kToleranceTenths / 10; }

}  // namespace

void Thing::on_message(Instant now, const hr_sn_message& message) {
  if (message.type == HR_SN_CONNECT) return on_connect(now, message);
  if (state_ == State::kWillTopic || state_ == State::kWillMessage) return on_will(now, message);
  if (state_ == State::kConnecting) return;  // it will say it again
  if (state_ == State::kNew || state_ == State::kGone) return send(HR_SN_DISCONNECT);
  be_alive(now);
  switch (message.type) {
    case HR_SN_REGISTER: on_register(message); break;
    case HR_SN_PUBLISH: on_publish(now, message); break;
    case HR_SN_SUBSCRIBE:
    case HR_SN_UNSUBSCRIBE: on_subscribe(now, message); break;
    case HR_SN_PUBREL: {
      Bytes packet;
      pending_.push_back({.msg_id = message.msg_id, .type = HR_SN_PUBREL});
      append_ack(packet, PacketType::kPubrel, message.msg_id);
      write(now, packet);
      break;
    }
    case HR_SN_REGACK: on_regack(now, message); break;
    case HR_SN_PUBACK:
    case HR_SN_PUBREC:
    case HR_SN_PUBCOMP: on_answer(now, message); break;
    case HR_SN_PINGREQ: on_pingreq(now, message); break;
    case HR_SN_DISCONNECT: on_disconnect(now, message); break;
    case HR_SN_WILLTOPICUPD:
    case HR_SN_WILLMSGUPD: on_will_update(now, message); break;
    case HR_SN_ADVERTISE:
    case HR_SN_SEARCHGW:
    case HR_SN_GWINFO:
    case HR_SN_CONNECT:
    case HR_SN_CONNACK:
    case HR_SN_WILLTOPICREQ:
    case HR_SN_WILLTOPIC:
    case HR_SN_WILLMSGREQ:
    case HR_SN_WILLMSG:
    case HR_SN_SUBACK:
    case HR_SN_UNSUBACK:
    case HR_SN_PINGRESP:
    case HR_SN_WILLTOPICRESP:
    case HR_SN_WILLMSGRESP:
    case HR_SN_ENCAPSULATED: break;  // not a thing's to say
  }
}

void Thing::on_connect(Instant now, const hr_sn_message& message) {
  const std::string client_id{text_of(message.tail)};
  const bool wants_will = (message.flags & HR_SN_WILL) != 0;
  // A CONNECT that comes again while the first is under way; the answer is, too.
  if (state_ == State::kConnecting && client_id == client_id_) return;
  connected_answer_ = HR_SN_CONNACK;
  keep_alive_ = std::chrono::seconds{message.duration};
  clean_session_ = (message.flags & HR_SN_CLEAN_SESSION) != 0;
  const bool awake_again = is_asleep();
  // One that is asked for its will and says CONNECT again has not been awake in between.
  if (state_ != State::kWillTopic && state_ != State::kWillMessage) waking_ = awake_again;
  client_id_ = client_id;
  // It may have lost its memory, so it is told every topic anew.
  topics_.forget();
  if (awake_again && !wants_will && !clean_session_ && pipe_ && !pipe_->closed()) {
    if (has_stored_mail()) return open_connection(now, false);
    waking_ = false;
    state_ = State::kActive;
    be_alive(now);
    send(HR_SN_CONNACK);
    deliver(now);
    return;
  }
  will_.reset();
  if (!wants_will) return open_connection(now, clean_session_);
  state_ = State::kWillTopic;
  be_alive(now);
  send(HR_SN_WILLTOPICREQ);
}

void Thing::on_will(Instant now, const hr_sn_message& message) {
  be_alive(now);
  if (state_ == State::kWillTopic && message.type == HR_SN_WILLTOPIC) {
    if (!message.has_body) return open_connection(now, clean_session_);  // no will after all (section 6.3)
    will_ = OwnWill{.topic = std::string{text_of(message.tail)},
                    .qos = qos_of(message.flags),
                    .retain = (message.flags & HR_SN_RETAIN) != 0};
    state_ = State::kWillMessage;
    send(HR_SN_WILLMSGREQ);
  } else if (state_ == State::kWillMessage && message.type == HR_SN_WILLMSG) {
    will_->message = to_bytes(bytes_of(message.tail));
    open_connection(now, clean_session_);
  }
}

// MQTT sets a will with CONNECT only: connect anew, which takes the session over and cancels the old will.
void Thing::on_will_update(Instant now, const hr_sn_message& message) {
  const bool is_topic = message.type == HR_SN_WILLTOPICUPD;
  if (is_topic && !message.has_body) {
    will_.reset();
  } else if (is_topic) {
    if (!will_) will_ = OwnWill{};
    will_->topic = text_of(message.tail);
    will_->qos = qos_of(message.flags);
    will_->retain = (message.flags & HR_SN_RETAIN) != 0;
  } else if (will_) {
    will_->message = to_bytes(bytes_of(message.tail));
  } else {
    return send(HR_SN_WILLMSGRESP, 0, 0, HR_SN_NOT_SUPPORTED);  // a message without a topic
  }
  connected_answer_ = is_topic ? HR_SN_WILLTOPICRESP : HR_SN_WILLMSGRESP;
  waking_ = is_asleep();
  open_connection(now, false);
}

void Thing::open_connection(Instant now, bool clean_start) {
  // The node hears of the new connection first: it takes the session over, so no will is published.
  std::unique_ptr<MqttPipe> before =
      std::exchange(pipe_, std::make_unique<MqttPipe>(now, context_.acceptor, context_.arrived, context_.on_output));
  unread_.clear();
  pending_.clear();
  if (clean_start) {
    recognised_.clear();
    waiting_.clear();  // of subscriptions that end with the session
  }
  for (Pending& publish : recognised_) publish.earlier = true;
  register_seen_.reset();
  const auto unsent = std::find_if(waiting_.begin(), waiting_.end(),
                                   [](const Waiting& w) { return w.packet_id != 0 && !w.dup && !w.released; });
  unsent_ = unsent == waiting_.end() ? std::uint16_t{0} : unsent->packet_id;
  std::erase_if(waiting_, [](const Waiting& w) { return w.qos != mqtt::QoS::kAtMostOnce; });  // the session has them
  step_ = Step::kNone;
  state_ = State::kConnecting;
  retry_at_ = Instant::max();
  mail_done_at_ = Instant::max();
  be_alive(now);

  WillOut will;
  if (will_) will = {.topic = will_->topic, .payload = will_->message, .qos = will_->qos, .retain = will_->retain};
  Bytes packet;
  append_connect(packet, {.client_id = client_id_,
                          .clean_start = clean_start,
                          .session_expiry_s = clean_session_ ? kCleanSessionExpiryS : kKeptSessionExpiryS,
                          .receive_maximum = 1,
                          // A message takes more bytes in MQTT than in MQTT-SN; the node leaves longer ones out.
                          .packet_bytes_max = static_cast<std::uint32_t>(context_.message_bytes_max),
                          .will = will_ ? &will : nullptr,
                          .conflates = waking_});
  write(now, packet);
  if (!before_) {
    before_ = std::move(before);
  } else if (before) {
    before->hang_up(now, kConnectedAnew);  // its own CONNECT was not answered either
  }
}

void Thing::let_go_before(Instant now, const std::string& reason) {
  if (const auto before = std::exchange(before_, nullptr)) before->hang_up(now, reason);
}

void Thing::on_connack(Instant now, ReasonCode code) {
  const hr_sn_type answer = std::exchange(connected_answer_, HR_SN_CONNACK);
  const bool was_waking = std::exchange(waking_, false);
  const bool refused = mqtt::is_failure(code);
  if (!refused) let_go_before(now, kConnectedAnew);
  if (answer == HR_SN_PINGRESP && !refused) {
    hand_out_mail(now);
    mail_done_at_ = now + kRetryInterval;  // the node reads its mail from the disk
    return;
  }
  send(answer == HR_SN_PINGRESP ? HR_SN_DISCONNECT : answer, 0, 0, return_code(code));
  if (refused) {
    // The thing lives, and had a connection that it did not ask to end: its will is not for this.
    if (before_ && (was_waking || answer != HR_SN_CONNACK)) {
      Bytes packet;
      append_disconnect(packet, ReasonCode::kSuccess);
      before_->write(now, packet);
    }
    return end(now, "refused");
  }
  state_ = State::kActive;
  be_alive(now);
  deliver(now);
}

void Thing::on_disconnect(Instant now, const hr_sn_message& message) {
  if (message.has_body && message.duration != 0) {
    sleep_ = std::chrono::seconds{message.duration};
    fall_asleep(now);
    send(HR_SN_DISCONNECT);
    return;
  }
  Bytes packet;
  append_disconnect(packet, ReasonCode::kSuccess);
  write(now, packet);
  send(HR_SN_DISCONNECT);
  end(now, "the thing said goodbye");
}

void Thing::on_pingreq(Instant now, const hr_sn_message& message) {
  // It says so again while the node reads its mail from the disk: PINGRESP would send it to sleep.
  if (state_ == State::kAwake && message.tail.size != 0 && waiting_.empty()) return;
  if (state_ != State::kAsleep || message.tail.size == 0) return send(HR_SN_PINGRESP);
  if (!has_stored_mail()) return hand_out_mail(now);
  connected_answer_ = HR_SN_PINGRESP;
  waking_ = true;
  open_connection(now, false);
}

// PINGRESP follows it.
void Thing::hand_out_mail(Instant now) {
  state_ = State::kAwake;
  mail_done_at_ = now + kMailGrace;
  be_alive(now);
  deliver(now);
}

bool Thing::has_stored_mail() const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [](const Waiting& w) { return w.qos != mqtt::QoS::kAtMostOnce; });
}

void Thing::fall_asleep(Instant now) {
  state_ = State::kAsleep;
  step_ = Step::kNone;
  retry_at_ = Instant::max();
  mail_done_at_ = Instant::max();
  be_alive(now);
}

void Thing::be_alive(Instant now) {
  const Duration promised = is_asleep() ? sleep_ : keep_alive_;
  lost_at_ = promised == Duration::zero() ? Instant::max() : now + with_tolerance(promised);
}

void Thing::lose(Instant now, const std::string& reason) {
  ++context_.counters.lost;
  end(now, reason);
}

void Thing::end(Instant now, const std::string& reason) {
  state_ = State::kGone;
  retry_at_ = lost_at_ = mail_done_at_ = Instant::max();
  if (const auto pipe = std::exchange(pipe_, nullptr)) pipe->hang_up(now, reason);
  let_go_before(now, reason);
}

void Thing::on_timer(Instant now) {
  if (now >= lost_at_) return lose(now, "the thing is silent");
  if (now >= mail_done_at_ && waiting_.empty()) {
    send(HR_SN_PINGRESP);
    return fall_asleep(now);
  }
  if (now < retry_at_) return;
  if (tries_ == kRetries) {
    // A thing that went back to sleep before it had everything is not lost; its mail waits.
    return state_ == State::kAwake ? fall_asleep(now) : lose(now, "the thing does not answer");
  }
  ++tries_;
  ++context_.counters.sent_again;
  retry_at_ = now + kRetryInterval;
  send_step();
}

Instant Thing::next_deadline() const {
  const Instant mail = waiting_.empty() ? mail_done_at_ : Instant::max();
  return std::min({lost_at_, mail, retry_at_});
}

void Thing::on_output(Instant now) {
  if (!pipe_) return;
  append(unread_, pipe_->take(now));
  ByteView left = unread_;
  while (pipe_) {
    const auto packet = take_packet(left);
    if (!packet) return end(now, packet.error().what);
    if (!*packet) break;
    on_server_packet(now, **packet);
  }
  unread_.erase(unread_.begin(), unread_.end() - static_cast<std::ptrdiff_t>(left.size()));
  if (pipe_ && pipe_->closed()) {
    send(HR_SN_DISCONNECT);
    end(now, "the node closed the connection");
  }
}

void Thing::write(Instant now, const Bytes& packet) {
  if (pipe_) pipe_->write(now, packet);
}

void Thing::send(const hr_sn_message& message) {
  Bytes bytes(message.tail.size + kSnHeaderBytesMax);
  std::size_t size = 0;
  if (hr_sn_encode(&message, bytes.data(), bytes.size(), &size) != HR_SN_OK) return;
  context_.send(ByteView{bytes}.first(size));
}

void Thing::send(hr_sn_type type, std::uint16_t msg_id, std::uint16_t topic_id, std::uint8_t code, std::uint8_t flags) {
  hr_sn_message message{};
  message.type = type;
  message.flags = flags;
  message.code = code;
  message.topic_id = topic_id;
  message.msg_id = msg_id;
  send(message);
}

}  // namespace hedgerow::gateway
