#include "tests/sim/sim_client.hpp"

#include <utility>

namespace hedgerow::sim {

using mqtt::PacketType;
using test::concat;

namespace {

constexpr std::size_t kUnderWayMax = 20;
constexpr unsigned kIds = 30;
constexpr unsigned kSubscribeId = 99;
constexpr unsigned kQuotaExceeded = 0x97;  // the board's disk is full

// Of the first packet, if all of it is there; else 0.
std::size_t packet_bytes(ByteView bytes) {
  std::size_t length = 0;
  std::size_t factor = 1;
  for (std::size_t at = 1; at < bytes.size() && at <= 4; ++at, factor *= 128) {
    length += (bytes[at] % 128U) * factor;
    if (bytes[at] < 128) return at + 1 + length <= bytes.size() ? at + 1 + length : 0;
  }
  return 0;
}

}  // namespace

SimClient::SimClient(ClientHabits habits, Scheduler& scheduler, Random& random, ClientBoard& board)
    : habits_(std::move(habits)), scheduler_(scheduler), random_(random), board_(board) {}

void SimClient::connect() {
  if (wire_ || !board_.is_up()) return;
  ++connections_;
  wire_ = std::make_shared<ClientWire>(scheduler_, random_);
  wire_->to_client = [this](ByteView bytes) { take(bytes); };
  wire_->client_lost = [this] {
    wire_.reset();
    unread_.clear();
    accepted_ = false;
  };
  board_.accept(wire_);
  say(test::encode(test::ConnectOut{
      .client_id = habits_.name,
      .clean_start = false,
      .properties = concat(test::kForever, test::property(0x21, test::u16(habits_.receive_maximum)))}));
}

void SimClient::drop() {
  if (const auto wire = wire_) wire->break_off();
}

// --- what it says ----------------------------------------------------------------------------------------------------

bool SimClient::publish(std::uint64_t number, bool retain) {
  if (!accepted_ || sending_.size() >= kUnderWayMax) return false;
  while (sending_.contains(next_id_)) next_id_ = next_id_ % kIds + 1;
  const unsigned id = std::exchange(next_id_, next_id_ % kIds + 1);
  sending_[id] = {.number = number, .retain = retain};
  order_.push_back(id);
  published_.push_back(number);
  if (retain) retained_.insert(number);
  send(id, /*dup=*/false);
  return true;
}

void SimClient::send(unsigned id, bool dup) {
  const Sending& what = sending_.at(id);
  if (dup && habits_.publishes_at == 1) ++repeated_;
  say(test::encode(test::PublishSent{.topic = topic_of(habits_.name, what.retain),
                                     .payload = std::to_string(what.number),
                                     .qos = habits_.publishes_at,
                                     .packet_id = id,
                                     .retain = what.retain,
                                     .dup = dup}));
}

void SimClient::done(unsigned id, bool refused) {
  if (refused) {
    refused_.insert(sending_.at(id).number);
  } else {
    ++acknowledged_;
  }
  sending_.erase(id);
  std::erase(order_, id);
}

// --- what it hears ---------------------------------------------------------------------------------------------------

void SimClient::take(ByteView bytes) {
  append(unread_, bytes);
  while (const std::size_t whole = packet_bytes(unread_)) {
    const Bytes first(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(whole));
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(whole));
    for (const test::ServerPacket& packet : test::split_packets(first)) handle(packet);
    if (!wire_) return;
  }
}

SimClient::Sending& SimClient::sending(const test::AckSeen& ack) {
  const auto found = sending_.find(ack.packet_id);
  if (found == sending_.end()) throw Violation(habits_.name + " was acknowledged what it did not publish");
  if (ack.code >= 0x80 && ack.code != kQuotaExceeded) {
    throw Violation(habits_.name + ": a publish was refused with " + std::to_string(ack.code));
  }
  return found->second;
}

void SimClient::handle(const test::ServerPacket& packet) {
  const std::vector<test::AckSeen> seen = test::acks({packet});
  const test::AckSeen ack = seen.empty() ? test::AckSeen{} : seen.front();
  switch (packet.type) {
    case PacketType::kConnack: return on_connack(packet);
    case PacketType::kSuback: subscribed_ = true; return;
    case PacketType::kPublish: return on_publish(test::take_apart(packet));
    case PacketType::kPuback: static_cast<void>(sending(ack)); return done(ack.packet_id, ack.code >= 0x80);
    case PacketType::kPubrec:
      sending(ack).released = true;
      if (ack.code >= 0x80) return done(ack.packet_id, /*refused=*/true);
      return say(test::encode_pubrel(ack.packet_id));
    case PacketType::kPubrel: holds_.erase(ack.packet_id); return say(test::encode_pubcomp(ack.packet_id));
    case PacketType::kPubcomp:
      if (sending_.contains(ack.packet_id)) done(ack.packet_id);
      return;
    default: return;
  }
}

void SimClient::on_connack(const test::ServerPacket& connack) {
  if (connack.body[1] != 0) throw Violation(habits_.name + " was not let in: " + std::to_string(connack.body[1]));
  if (ever_accepted_ && (connack.body[0] & 1U) == 0) throw Violation(habits_.name + ": its session is gone");
  accepted_ = true;
  ever_accepted_ = true;
  if (!subscribed_) {
    std::vector<test::FilterSent> filters = {{"plain/#", habits_.subscribes_at}, {"retained/#", habits_.subscribes_at}};
    if (!habits_.share.empty()) filters = {{"$share/" + habits_.share + "/plain/#", habits_.subscribes_at}};
    say(test::encode_subscribe(kSubscribeId, filters));
  }
  for (const unsigned id : order_) {
    if (sending_.at(id).released) {
      say(test::encode_pubrel(id));
    } else {
      send(id, /*dup=*/true);
    }
  }
}

void SimClient::on_publish(const test::Delivered& message) {
  const std::uint64_t number = std::stoull(message.payload);
  if (message.qos == 1) {
    ++got_at_least_once_;
    got_.push_back(number);
    return say(test::encode_puback(message.packet_id));
  }
  if (message.qos != 2) throw Violation(habits_.name + ": QoS 0 was delivered, where more was published and granted");
  const auto [held, is_new] = holds_.emplace(message.packet_id, number);
  if (is_new) got_.push_back(number);
  if (held->second != number) {
    throw Violation(habits_.name + ": a packet identifier means another message [MQTT-2.2.1-4]");
  }
  say(test::encode_pubrec(message.packet_id));
}

}  // namespace hedgerow::sim
