// A Connection with a handler that notes what it is told, as lines of text.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/mqtt/connection.hpp"
#include "tests/support/mqtt_packets.hpp"

namespace hedgerow::mqtt {

// A name, so that the lists in the tests read as text.
using Lines = std::vector<std::string>;

class NotingHandler : public ConnectionHandler {
 public:
  // Answers at once unless told otherwise.
  bool accepts = true;
  bool acknowledges = true;
  Lines lines;
  Connection* connection = nullptr;
  ConnackOptions connack;
  std::vector<SubscribeEntry> entries;  // of the last SUBSCRIBE; the filters dangle

  void on_connect(const ConnectRequest& request) override {
    note("connect " + std::string(request.client_id) + " expiry " + std::to_string(request.session_expiry_s));
    if (request.username) note("username " + std::string(*request.username));
    if (request.password) note("password " + std::string(as_text(*request.password)));
    if (accepts) connection->accept(connack);
  }
  void on_publish(const PublishRequest& request) override {
    std::string line = "publish " + std::string(request.topic) + "=" + std::string(as_text(request.payload));
    if (request.qos != QoS::kAtMostOnce) line += " id " + std::to_string(request.packet_id);
    if (request.retain) line += " retain";
    if (request.dup) line += " dup";
    if (request.expiry_s) line += " expiry " + std::to_string(*request.expiry_s);
    if (!request.properties.empty()) line += " properties " + to_hex(request.properties);
    note(line);
    if (acknowledges && request.qos != QoS::kAtMostOnce) connection->puback(request.packet_id, ReasonCode::kSuccess);
  }
  void on_subscribe(const SubscribeRequest& request) override {
    std::string line = "subscribe " + std::to_string(request.packet_id);
    std::vector<ReasonCode> codes;
    for (const SubscribeEntry& entry : request.entries) {
      line += " " + std::string(entry.filter);
      codes.push_back(entry.verdict);
    }
    note(line);
    entries.assign(request.entries.begin(), request.entries.end());
    connection->suback(request.packet_id, codes);
  }
  void on_unsubscribe(const UnsubscribeRequest& request) override {
    std::string line = "unsubscribe " + std::to_string(request.packet_id);
    for (const std::string_view filter : request.filters) line += " " + std::string(filter);
    note(line);
    connection->unsuback(request.packet_id, std::vector<ReasonCode>(request.filters.size(), ReasonCode::kSuccess));
  }
  void on_puback(const PubackReceived& puback) override { note("puback " + std::to_string(puback.packet_id)); }
  void on_closed(const Closed& closed) override {
    note((closed.by_client ? "disconnected " : "closed ") + to_hex(Bytes{static_cast<std::uint8_t>(closed.reason)}));
    last_closed = closed;
    last_closed.description = {};
    description = closed.description;
  }

  Closed last_closed;
  std::string description;

 private:
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
    send(test::encode(connect));
    received();
    handler.lines.clear();
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
