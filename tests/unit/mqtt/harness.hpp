// A Connection with a handler that notes what it is told, as lines of text.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/mqtt/connection.hpp"
#include "daemon/mqtt/properties.hpp"
#include "tests/support/mqtt_packets.hpp"

namespace hedgerow::mqtt {

// A name, so that the lists in the tests read as text.
using Lines = std::vector<std::string>;

class NotingHandler : public ConnectionHandler {
 public:
  // Answers at once unless told otherwise.
  bool accepts = true;
  bool acknowledges = true;
  bool echoes = false;  // sends each publish back, with QoS 0
  Lines lines;
  Connection* connection = nullptr;
  ConnackOptions connack;
  // Of the last SUBSCRIBE. What the entries view dangles, so their parts stand apart: "GROUP FILTER".
  std::vector<SubscribeEntry> entries;
  Lines parts;
  std::string replay;

  void on_connect(const ConnectRequest& request) override {
    note("connect " + std::string(request.client_id) + " expiry " + std::to_string(request.session_expiry_s));
    if (request.username) note("username " + std::string(*request.username));
    if (request.password) note("password " + std::string(as_text(*request.password)));
    if (request.bridge) note("bridge");
    if (request.will) note("will " + describe(*request.will));
    if (accepts) connection->accept(connack);
  }
  void on_publish(const PublishRequest& request) override {
    std::string line = "publish " + std::string(request.topic) + "=" + std::string(as_text(request.payload));
    if (request.qos == QoS::kAtLeastOnce) line += " id " + std::to_string(request.packet_id);
    if (request.qos == QoS::kExactlyOnce) line += " once " + std::to_string(request.packet_id);
    if (request.retain) line += " retain";
    if (request.dup) line += " dup";
    if (request.expiry_s) line += " expiry " + std::to_string(*request.expiry_s);
    if (!request.properties.empty()) line += " properties " + to_hex(request.properties);
    note(line);
    if (echoes) {
      const PublishOut echo{.topic = request.topic, .properties = request.properties, .payload = request.payload};
      static_cast<void>(connection->publish(echo));
    }
    if (!acknowledges || request.qos == QoS::kAtMostOnce) return;
    if (request.qos == QoS::kAtLeastOnce) connection->puback(request.packet_id, ReasonCode::kSuccess);
    if (request.qos == QoS::kExactlyOnce) connection->pubrec(request.packet_id, ReasonCode::kSuccess);
  }
  void on_skipped_publish(const PublishRequest& request) override {
    std::string line = "skipped " + std::string(request.topic);
    if (request.qos == QoS::kAtLeastOnce) line += " id " + std::to_string(request.packet_id);
    if (request.qos == QoS::kExactlyOnce) line += " once " + std::to_string(request.packet_id);
    note(line);
    if (acknowledges && request.qos == QoS::kAtLeastOnce) connection->puback(request.packet_id, ReasonCode::kSuccess);
    if (acknowledges && request.qos == QoS::kExactlyOnce) connection->pubrec(request.packet_id, ReasonCode::kSuccess);
  }
  void on_subscribe(const SubscribeRequest& request) override {
    std::string line = "subscribe " + std::to_string(request.packet_id);
    std::vector<ReasonCode> codes;
    parts.clear();
    for (const SubscribeEntry& entry : request.entries) {
      parts.push_back(std::string(entry.share) + " " + std::string(entry.topic_filter));
      line += " " + std::string(entry.filter);
      codes.push_back(entry.verdict);
    }
    note(line);
    replay = find_user_property(request.properties, "hedgerow-replay").value_or("");
    entries.assign(request.entries.begin(), request.entries.end());
    connection->suback(request.packet_id, codes);
  }
  void on_unsubscribe(const UnsubscribeRequest& request) override {
    std::string line = "unsubscribe " + std::to_string(request.packet_id);
    for (const std::string_view filter : request.filters) line += " " + std::string(filter);
    note(line);
    connection->unsuback(request.packet_id, std::vector<ReasonCode>(request.filters.size(), ReasonCode::kSuccess));
  }
  void on_puback(const AckReceived& puback) override { note("puback " + describe(puback)); }
  void on_pubrec(const AckReceived& pubrec) override {
    note("pubrec " + describe(pubrec));
    if (acknowledges && !is_failure(pubrec.reason)) connection->pubrel(pubrec.packet_id);
  }
  void on_pubrel(const AckReceived& pubrel) override {
    note("pubrel " + describe(pubrel));
    if (acknowledges) connection->pubcomp(pubrel.packet_id);
  }
  void on_pubcomp(const AckReceived& pubcomp) override { note("pubcomp " + describe(pubcomp)); }
  void on_closed(const Closed& closed) override {
    note((closed.by_client ? "disconnected " : "closed ") + to_hex(Bytes{static_cast<std::uint8_t>(closed.reason)}));
    last_closed = closed;
    last_closed.description = {};
    description = closed.description;
  }

  Closed last_closed;
  std::string description;

 private:
  static std::string describe(const AckReceived& ack) {
    const auto reason = static_cast<std::uint8_t>(ack.reason);
    return std::to_string(ack.packet_id) + (reason == 0 ? "" : " reason " + to_hex(Bytes{reason}));
  }
  static std::string describe(const Will& will) {
    std::string line = std::string(will.topic) + "=" + std::string(as_text(will.payload));
    line += " qos " + std::to_string(static_cast<unsigned>(will.qos));
    if (will.retain) line += " retain";
    if (will.delay_s > 0) line += " delay " + std::to_string(will.delay_s);
    if (will.expiry_s) line += " expiry " + std::to_string(*will.expiry_s);
    if (!will.properties.empty()) line += " properties " + to_hex(will.properties);
    return line;
  }
  void note(std::string line) { lines.push_back(std::move(line)); }
};

struct Client {
  Instant now{std::chrono::hours{1}};
  NotingHandler handler;
  Connection connection;

  explicit Client(const ConnectionLimits& limits = {}) : connection(limits, handler, now) {
    handler.connection = &connection;
  }
  // Connected, with CONNACK taken out already.
  explicit Client(Protocol protocol, const ConnectionLimits& limits = {}) : Client(limits) {
    test::ConnectOut connect;
    connect.protocol = protocol;
    greet(connect);
  }
  // MQTT 5, connected with these properties.
  explicit Client(const Bytes& connect_properties, const ConnectionLimits& limits = {}) : Client(limits) {
    greet({.properties = connect_properties});
  }

  void send(const Bytes& bytes) { connection.on_bytes(now, bytes); }
  void wait(Duration duration) {
    now += duration;
    connection.on_timer(now);
  }
  std::vector<test::ServerPacket> received() {
    return test::split_packets(std::exchange(connection.output(), Bytes{}));
  }
  const Lines& lines() const { return handler.lines; }

 private:
  void greet(const test::ConnectOut& connect) {
    send(test::encode(connect));
    received();
    handler.lines.clear();
  }
};

// One packet after another, as hexadecimal: type and flags, then the body.
inline Lines hex(const std::vector<test::ServerPacket>& packets) {
  Lines out;
  for (const test::ServerPacket& packet : packets) {
    out.push_back(std::string(to_string(packet.type)) + " " + to_hex(packet.body));
  }
  return out;
}

}  // namespace hedgerow::mqtt
