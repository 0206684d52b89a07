// One thing: an MQTT-SN 1.2 client on one side, an MQTT 5 connection to the node on the other. Whatever the node
// promises its clients holds for the thing as well: an acknowledgement comes from the node's own, after the sync (G1);
// sessions, wills, QoS 2 and access rules are the node's. The gateway itself keeps nothing that must not be lost.
//
//   thing ── PUBLISH QoS 1 ─► on_message ── PUBLISH ─► MqttPipe ─► node ─► disk
//   thing ◄─ PUBACK ──────── on_output ◄── PUBACK ─── MqttPipe ◄─ node ◄──┘
//
// Towards the thing one message is under way at a time (section 6.13): the node is told a Receive Maximum of 1, and
// keeps the others in the thing's session. A sleeping thing simply does not acknowledge. When one wakes that something
// waits for, the gateway takes its session over with kConflateProperty, so that of retained messages only the newest
// follow what the node had sent before.
// Pure; thread rule: the loop thread. Section numbers are those of MQTT-SN 1.2.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware-shim/codec/mqttsn.h"
#include "firmware-shim/gateway/mqtt_client.hpp"
#include "firmware-shim/gateway/mqtt_pipe.hpp"
#include "firmware-shim/gateway/topic_ids.hpp"

namespace hedgerow::gateway {

// What all things of a gateway count, since it started.
struct ThingCounters {
  std::uint64_t recognised = 0;    // publishes that came again after they were acknowledged
  std::uint64_t sent_again = 0;    // messages to things
  std::uint64_t lost = 0;          // things that fell silent
  std::uint64_t live_dropped = 0;  // QoS 0 to things that were asleep or slow
  std::uint64_t refused = 0;       // messages that a thing did not take
};

struct ThingContext {
  node::StreamAcceptor& acceptor;
  const PredefinedTopics& predefined;
  ThingCounters& counters;
  node::Arrived arrived;
  std::size_t message_bytes_max;       // to the thing
  std::function<void(ByteView)> send;  // one message to the thing
  std::function<void()> on_output;     // on_output() is due; may come from within any call
};

class Thing {
 public:
  explicit Thing(ThingContext context) : context_(std::move(context)) {}

  // From the thing. `message` is valid during the call.
  void on_message(Instant now, const hr_sn_message& message);
  // From the node.
  void on_output(Instant now);
  void on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;

  // It may be forgotten.
  [[nodiscard]] bool gone() const { return state_ == State::kGone; }

 private:
  enum class State : std::uint8_t { kNew, kWillTopic, kWillMessage, kConnecting, kActive, kAsleep, kAwake, kGone };
  // What of the first waiting message the thing has not answered.
  enum class Step : std::uint8_t { kNone, kRegister, kPublish, kRelease };
  struct OwnWill {
    std::string topic = {};
    Bytes message = {};
    mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
    bool retain = false;
  };
  // To the thing.
  struct Waiting {
    std::string topic = {};
    Bytes payload = {};
    mqtt::QoS qos = mqtt::QoS::kAtMostOnce;
    std::uint16_t packet_id = 0;
    bool retain = false;
    bool dup = false;
    bool released = false;  // QoS 2: the thing has it
  };
  // From the thing, and not answered by the node.
  struct Pending {
    std::uint16_t msg_id = 0;
    std::uint16_t topic_id = 0;
    std::uint8_t flags = 0;
    hr_sn_type type = HR_SN_PUBLISH;
    std::uint64_t fingerprint = 0;
    bool earlier = false;  // of a connection before this one
  };
  struct TopicId {
    std::uint16_t id = 0;
    std::uint8_t type = HR_SN_TOPIC_NORMAL;
  };

  // thing_session.cpp: connecting, sleeping, ending
  void on_connect(Instant now, const hr_sn_message& message);
  void on_will(Instant now, const hr_sn_message& message);
  void on_will_update(Instant now, const hr_sn_message& message);
  void on_disconnect(Instant now, const hr_sn_message& message);
  void on_pingreq(Instant now, const hr_sn_message& message);
  [[nodiscard]] bool is_asleep() const { return state_ == State::kAsleep || state_ == State::kAwake; }
  [[nodiscard]] bool has_stored_mail() const;
  void hand_out_mail(Instant now);
  void open_connection(Instant now, bool clean_start);
  void let_go_before(Instant now, const std::string& reason);
  void on_connack(Instant now, mqtt::ReasonCode code);
  void be_alive(Instant now);
  void fall_asleep(Instant now);
  void end(Instant now, const std::string& reason);
  void lose(Instant now, const std::string& reason);
  void send(const hr_sn_message& message);
  void send(hr_sn_type type, std::uint16_t msg_id = 0, std::uint16_t topic_id = 0, std::uint8_t code = 0,
            std::uint8_t flags = 0);
  void write(Instant now, const Bytes& packet);

  // thing_upward.cpp: what the thing wants of the node
  void on_register(const hr_sn_message& message);
  void on_publish(Instant now, const hr_sn_message& message);
  [[nodiscard]] bool has_come_before(const Pending& publish) const;
  void on_subscribe(Instant now, const hr_sn_message& message);
  [[nodiscard]] std::optional<std::string> topic_of(const hr_sn_message& message) const;
  [[nodiscard]] bool is_pending(std::uint16_t msg_id) const;
  std::optional<Pending> take_pending(std::uint16_t msg_id, hr_sn_type type);
  void on_published(const ServerPacket& packet);
  void on_subscribed(const ServerPacket& packet);

  // thing_downward.cpp: what the node has for the thing
  void on_server_packet(Instant now, const ServerPacket& packet);
  void take_message(Instant now, const ServerPacket& packet);
  void take_release(Instant now, const ServerPacket& packet);
  void deliver(Instant now);
  void begin(Instant now, Step step);
  void send_step();
  void send_publish(const Waiting& message, const TopicId& topic);
  [[nodiscard]] std::optional<TopicId> known_id(const std::string& topic) const;
  void on_regack(Instant now, const hr_sn_message& message);
  void on_answer(Instant now, const hr_sn_message& message);
  void finish_first(Instant now, mqtt::PacketType answer);
  [[nodiscard]] bool can_deliver() const { return state_ == State::kActive || state_ == State::kAwake; }

  ThingContext context_;
  State state_ = State::kNew;
  std::unique_ptr<MqttPipe> pipe_;
  // The connection before it, until the node has answered the CONNECT on that: it may wait, and meanwhile the session,
  // and its will, are this one's.
  std::unique_ptr<MqttPipe> before_;
  Bytes unread_;  // of the node's packets, less than one
  std::string client_id_;
  bool clean_session_ = false;
  std::optional<OwnWill> will_;
  // What CONNACK is to the thing: perhaps the end of a change of its will. PINGRESP: its mail comes first.
  hr_sn_type connected_answer_ = HR_SN_CONNACK;
  bool waking_ = false;  // the connection that is opened, or will be, is that of a thing that was asleep
  TopicIds topics_;
  std::vector<Pending> pending_;
  std::deque<Pending> recognised_;              // acknowledged, and on the disk
  std::optional<std::uint16_t> register_seen_;  // message id of the latest REGISTER in this connection
  std::deque<Waiting> waiting_;
  std::uint16_t unsent_ =
      0;  // what the node sent on the connection before this one, and the gateway did not; 0: nothing
  Step step_ = Step::kNone;
  std::uint16_t register_id_ = 0;
  unsigned tries_ = 0;
  Instant retry_at_ = Instant::max();
  Duration keep_alive_{};  // 0: none
  Duration sleep_{};
  Instant lost_at_ = Instant::max();
  Instant mail_done_at_ = Instant::max();
};

}  // namespace hedgerow::gateway
