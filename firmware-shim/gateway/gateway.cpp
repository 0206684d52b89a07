#include "firmware-shim/gateway/gateway.hpp"

#include <array>
#include <utility>

#include "daemon/mqtt/topic.hpp"
#include "firmware-shim/gateway/sn_words.hpp"

namespace hedgerow::gateway {
namespace {

constexpr std::string_view kUnconnectedClientId = "things-without-connection";
constexpr const char* kClosedByNode = "the node closed the connection";

// Of a publish without a connection. Sessions belong to a name, so strangers have a client identifier for each kind.
struct Publisher {
  std::string key;
  std::string client_id = std::string{kUnconnectedClientId};
};

Publisher publisher_of(const node::Arrived& arrived) {
  if (arrived.thing) return {.key = "thing " + *arrived.thing};
  if (arrived.identity) return {.key = "certificate " + arrived.identity->node};
  if (arrived.loopback) return {.key = "here"};
  return {.key = "elsewhere", .client_id = std::string{kUnconnectedClientId} + "-elsewhere"};
}

}  // namespace

Gateway::Gateway(Instant now, GatewaySettings settings, GatewayPorts ports)
    : settings_(std::move(settings)), ports_(std::move(ports)), next_advertise_(now) {
  if (settings_.advertise_interval == Duration::zero()) next_advertise_ = Instant::max();
}

Gateway::~Gateway() = default;

void Gateway::on_message(Instant now, const Origin& origin, ByteView bytes) {
  Way way = {.thing = origin.address, .address = origin.address};
  hr_sn_message message;
  hr_sn_view inner{};
  hr_sn_result result = hr_sn_decode(bytes.data(), bytes.size(), &message, &inner);
  if (result == HR_SN_OK && message.type == HR_SN_ENCAPSULATED) {
    way.forwarder_header = to_bytes(bytes.first(bytes.size() - inner.size));
    way.thing += "/" + to_hex(bytes_of(message.tail));
    result = hr_sn_decode(inner.data, inner.size, &message, nullptr);
  }
  if (result != HR_SN_OK) {
    ++malformed_;
    return;
  }
  const auto thing = things_.find(way.thing);
  if (thing != things_.end() && !qos_minus_one(message) && message.type != HR_SN_SEARCHGW) {
    thing->second->on_message(now, message);
  } else {
    on_stranger(now, origin, way, message);
  }
  run(now);
}

// Nobody who is connected, or nothing that needs it.
void Gateway::on_stranger(Instant now, const Origin& origin, const Way& way, const hr_sn_message& message) {
  if (qos_minus_one(message)) return publish_without_connection(now, origin, message);
  if (message.type == HR_SN_SEARCHGW) {
    hr_sn_message answer{};
    answer.type = HR_SN_GWINFO;
    answer.code = settings_.id;
    return send(way, answer);
  }
  if (message.type != HR_SN_CONNECT) {
    // Other gateways' and clients' broadcasts are none of ours; everybody else shall connect (again).
    if (message.type == HR_SN_ADVERTISE || message.type == HR_SN_GWINFO || message.type == HR_SN_DISCONNECT) return;
    hr_sn_message goodbye{};
    goodbye.type = HR_SN_DISCONNECT;
    return send(way, goodbye);
  }
  if (things_.size() == kThingsMax) {
    hr_sn_message full{};
    full.type = HR_SN_CONNACK;
    full.code = HR_SN_CONGESTION;
    return send(way, full);
  }
  auto thing = std::make_unique<Thing>(ThingContext{.acceptor = ports_.acceptor,
                                                    .predefined = settings_.predefined,
                                                    .counters = counters_,
                                                    .arrived = origin.arrived,
                                                    .message_bytes_max = origin.message_bytes_max,
                                                    .send = [this, way](ByteView bytes) { send(way, bytes); },
                                                    .on_output =
                                                        [this, key = way.thing] {
                                                          written_to_.push_back(key);
                                                          ports_.on_work();
                                                        }});
  things_.emplace(way.thing, std::move(thing)).first->second->on_message(now, message);
}

// Section 6.8.
void Gateway::publish_without_connection(Instant now, const Origin& origin, const hr_sn_message& message) {
  std::string topic;
  if ((message.flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_SHORT) {
    topic = short_topic(message.topic_id);
  } else if ((message.flags & HR_SN_TOPIC_MASK) == HR_SN_TOPIC_PREDEFINED) {
    const auto found = settings_.predefined.find(message.topic_id);
    if (found != settings_.predefined.end()) topic = found->second;
  }
  if (!mqtt::is_valid_topic_name(topic)) {
    ++malformed_;
    return;
  }
  // Nobody publishes with the rights of another one: a connection for each kind of stranger, and each proved name.
  const Publisher publisher = publisher_of(origin.arrived);
  if (unconnected_.size() >= kThingsMax && !unconnected_.contains(publisher.key)) return;
  std::unique_ptr<MqttPipe>& pipe = unconnected_[publisher.key];
  Bytes packets;
  if (!pipe || pipe->closed()) {
    if (pipe) pipe->hang_up(now, kClosedByNode);
    pipe = std::make_unique<MqttPipe>(now, ports_.acceptor, origin.arrived, ports_.on_work);
    append_connect(packets, {.client_id = publisher.client_id});
  }
  append_publish(packets,
                 {.topic = topic, .payload = bytes_of(message.tail), .retain = (message.flags & HR_SN_RETAIN) != 0});
  pipe->write(now, packets);
}

void Gateway::run(Instant now) {
  while (!written_to_.empty()) {
    for (const std::string& key : std::exchange(written_to_, {})) {
      const auto thing = things_.find(key);
      if (thing != things_.end()) thing->second->on_output(now);
    }
  }
  for (const auto& [whose, pipe] : unconnected_) static_cast<void>(pipe->take(now));
  forget_gone(now);
}

void Gateway::forget_gone(Instant now) {
  std::erase_if(things_, [](const auto& entry) { return entry.second->gone(); });
  std::erase_if(unconnected_, [now](const auto& entry) {
    if (!entry.second->closed()) return false;
    entry.second->hang_up(now, kClosedByNode);
    return true;
  });
}

void Gateway::on_timer(Instant now) {
  if (now >= next_advertise_) {
    next_advertise_ = now + settings_.advertise_interval;
    hr_sn_message advertise{};
    advertise.type = HR_SN_ADVERTISE;
    advertise.code = settings_.id;
    advertise.duration =
        static_cast<std::uint16_t>(std::chrono::ceil<std::chrono::seconds>(settings_.advertise_interval).count());
    std::array<std::uint8_t, kSnHeaderBytesMax> bytes{};
    std::size_t size = 0;
    if (hr_sn_encode(&advertise, bytes.data(), bytes.size(), &size) == HR_SN_OK) {
      ports_.broadcast(ByteView{bytes}.first(size));
    }
  }
  for (const auto& [address, thing] : things_) {
    if (now >= thing->next_deadline()) thing->on_timer(now);
  }
  forget_gone(now);
}

Instant Gateway::next_deadline() const {
  Instant next = next_advertise_;
  for (const auto& [address, thing] : things_) next = std::min(next, thing->next_deadline());
  return next;
}

void Gateway::send(const Way& way, const hr_sn_message& message) {
  std::array<std::uint8_t, kSnHeaderBytesMax> bytes{};
  std::size_t size = 0;
  if (hr_sn_encode(&message, bytes.data(), bytes.size(), &size) == HR_SN_OK) send(way, ByteView{bytes}.first(size));
}

void Gateway::send(const Way& way, ByteView message) {
  if (way.forwarder_header.empty()) return ports_.send(way.address, message);
  Bytes wrapped = way.forwarder_header;
  append(wrapped, message);
  ports_.send(way.address, wrapped);
}

}  // namespace hedgerow::gateway
