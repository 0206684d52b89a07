// A gateway before a real node in memory. Thread rule: one test, one thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "firmware-shim/gateway/gateway.hpp"
#include "tests/unit/node/node_harness.hpp"

namespace hedgerow::test {

class GatewayHarness {
 public:
  GatewayHarness() { start(); }

  void start() {
    gateway = std::make_unique<gateway::Gateway>(
        node.now, gateway::GatewaySettings{.predefined = {{1, "barn/door"}}},
        gateway::GatewayPorts{.acceptor = *node.node,
                              .send = [this](const std::string& address,
                                             ByteView message) { sent[address].push_back(to_bytes(message)); },
                              .broadcast = [this](ByteView message) { broadcast.push_back(to_bytes(message)); },
                              .on_work = [] {}});
  }
  // A kill of the daemon.
  void restart() {
    gateway.reset();
    node.restart();
    start();
  }

  // `thing`: has proved the key of a thing of this name.
  void say(const std::string& address, ByteView message, std::optional<std::string> thing = {}) {
    node::Arrived arrived;
    arrived.listener = "things";
    arrived.remote = address;
    arrived.loopback = true;
    arrived.thing = std::move(thing);
    gateway->on_message(node.now, {.address = address, .arrived = arrived, .message_bytes_max = message_bytes_max},
                        message);
  }
  void settle() {
    do {
      node.settle();
      gateway->run(node.now);
    } while (!node.intents.empty() || !node.reads.empty());
  }
  void advance(Duration time) {
    node.advance(time);
    gateway->on_timer(node.now);
    settle();
  }

  NodeHarness node;
  std::size_t message_bytes_max = gateway::kDatagramBytesMax;
  std::map<std::string, std::deque<Bytes>> sent;  // by address
  std::deque<Bytes> broadcast;
  std::unique_ptr<gateway::Gateway> gateway;
};

// A thing that says what the test says, message by message.
class RawThing {
 public:
  explicit RawThing(GatewayHarness& harness, std::string address = "10.0.0.7:4000")
      : harness_(harness), address_(std::move(address)) {}

  void say(const hr_sn_message& said, bool settle = true) {
    Bytes bytes(said.tail.size + 16);
    std::size_t size = 0;
    if (hr_sn_encode(&said, bytes.data(), bytes.size(), &size) != HR_SN_OK) std::abort();
    bytes.resize(size);
    harness_.say(address_, bytes);
    if (settle) harness_.settle();
  }
  void say(hr_sn_type type, std::uint16_t msg_id = 0, std::uint16_t topic_id = 0, std::uint8_t code = 0) {
    hr_sn_message said{};
    said.type = type;
    said.msg_id = msg_id;
    said.topic_id = topic_id;
    said.code = code;
    say(said);
  }
  void say(hr_sn_type type, std::uint8_t flags, std::uint16_t msg_id, std::string_view text, std::uint16_t topic_id = 0,
           bool settle = true) {
    hr_sn_message said{};
    said.type = type;
    said.flags = flags;
    said.msg_id = msg_id;
    said.topic_id = topic_id;
    said.has_body = true;
    said.tail = {.data = as_bytes(text).data(), .size = text.size()};
    say(said, settle);
  }
  // What came next, in words: "PUBACK 7 t3 c0", "PUBLISH 1 t3 q1 text".
  std::string heard() {
    std::deque<Bytes>& queue = harness_.sent[address_];
    if (queue.empty()) return "";
    last = queue.front();
    queue.pop_front();
    if (hr_sn_decode(last.data(), last.size(), &message, nullptr) != HR_SN_OK) return "rubbish";
    std::string text = name(message.type);
    const std::string tail(reinterpret_cast<const char*>(message.tail.data), message.tail.size);
    switch (message.type) {
      case HR_SN_CONNACK:
      case HR_SN_WILLTOPICRESP:
      case HR_SN_WILLMSGRESP:
      case HR_SN_GWINFO: return text + " c" + std::to_string(message.code);
      case HR_SN_REGISTER: return text + " " + tail;
      case HR_SN_PUBLISH:
        return text + " q" + std::to_string((message.flags & HR_SN_QOS_MASK) >> HR_SN_QOS_SHIFT) +
               ((message.flags & HR_SN_DUP) != 0 ? " dup" : "") +
               ((message.flags & HR_SN_RETAIN) != 0 ? " retained " : " ") + tail;
      case HR_SN_REGACK:
      case HR_SN_PUBACK:
      case HR_SN_SUBACK: return text + " " + std::to_string(message.msg_id) + " c" + std::to_string(message.code);
      case HR_SN_PUBREC:
      case HR_SN_PUBREL:
      case HR_SN_PUBCOMP:
      case HR_SN_UNSUBACK: return text + " " + std::to_string(message.msg_id);
      default: return text;
    }
  }
  void connect(std::uint8_t flags = HR_SN_CLEAN_SESSION, std::uint16_t keep_alive_s = 60,
               std::string_view id = "thing-1") {
    hr_sn_message said{};
    said.type = HR_SN_CONNECT;
    said.flags = flags;
    said.duration = keep_alive_s;
    said.tail = {.data = as_bytes(id).data(), .size = id.size()};
    say(said);
  }

  hr_sn_message message{};  // heard last, with its bytes in `last`
  Bytes last;

 private:
  static std::string name(hr_sn_type type) {
    static const std::map<hr_sn_type, std::string> names = {{HR_SN_ADVERTISE, "ADVERTISE"},
                                                            {HR_SN_GWINFO, "GWINFO"},
                                                            {HR_SN_CONNACK, "CONNACK"},
                                                            {HR_SN_WILLTOPICREQ, "WILLTOPICREQ"},
                                                            {HR_SN_WILLMSGREQ, "WILLMSGREQ"},
                                                            {HR_SN_REGISTER, "REGISTER"},
                                                            {HR_SN_REGACK, "REGACK"},
                                                            {HR_SN_PUBLISH, "PUBLISH"},
                                                            {HR_SN_PUBACK, "PUBACK"},
                                                            {HR_SN_PUBCOMP, "PUBCOMP"},
                                                            {HR_SN_PUBREC, "PUBREC"},
                                                            {HR_SN_PUBREL, "PUBREL"},
                                                            {HR_SN_SUBACK, "SUBACK"},
                                                            {HR_SN_UNSUBACK, "UNSUBACK"},
                                                            {HR_SN_PINGRESP, "PINGRESP"},
                                                            {HR_SN_DISCONNECT, "DISCONNECT"},
                                                            {HR_SN_WILLTOPICRESP, "WILLTOPICRESP"},
                                                            {HR_SN_WILLMSGRESP, "WILLMSGRESP"}};
    const auto found = names.find(type);
    return found == names.end() ? "?" : found->second;
  }

  GatewayHarness& harness_;
  std::string address_;
};

}  // namespace hedgerow::test
