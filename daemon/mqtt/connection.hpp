// The server's protocol engine for one network connection: MQTT 3.1.1 and 5.0.
//
// Bytes and time go in; a handler is called, at once and synchronously, with what the client wants; bytes to send
// gather in output(). Synchronous calls keep decoding free of copies: what a request views is valid during its call, no
// longer. During a call the handler may use every answer below (accept .. disconnect); it must not call on_bytes,
// on_timer or resume, nor destroy the Connection. Never blocks, never reads a clock, knows no socket.
// Thread-compatible: owned by the loop thread.
//
// How an adapter drives it:
//   read        only while wants_input(); then on_bytes(now, bytes), then send output()
//   sent        when output shrank, or an answer was given, and wants_input(): resume(now), then send output(), then
//   read timer       at next_deadline(): on_timer(now), then send output() closing()   send what is left of output()
//   within a short time limit, then close the transport
//
// Connection decides what one connection can know: the form of packets, order, limits, flow control, topic aliases.
// What outlives it is the owner's: sessions, which QoS 2 identifiers were received already, wills, subscriptions,
// retained messages. No method of enhanced authentication is known: section 4.12 is answered with 0x8C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/mqtt/limits.hpp"
#include "daemon/mqtt/packet_id_set.hpp"
#include "daemon/mqtt/packets.hpp"
#include "daemon/mqtt/reader.hpp"
#include "sync/base/bytes.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::mqtt {

struct ConnectionLimits {
  std::uint32_t packet_bytes_max = kPacketBytesDefault;
  std::uint32_t connect_packet_bytes_max = kConnectPacketBytesDefault;
  std::uint16_t receive_maximum = kReceiveMaximumDefault;
  std::size_t output_high_water_bytes = kOutputHighWaterBytesDefault;
  Duration connect_timeout = kConnectTimeoutDefault;
  // Imposed on MQTT 5 clients that ask for a longer one or none (Server Keep Alive); 0 imposes nothing.
  std::uint16_t keep_alive_max_s = 0;
  // Aliases that a client may use, announced; 0: none.
  std::uint16_t topic_alias_maximum = kTopicAliasMaximumDefault;
  // Announced when less than 2; publishes and wills above it are refused, subscriptions granted less.
  QoS maximum_qos = QoS::kExactlyOnce;
  // Of names and filters. At most kTopicLevelsMax.
  std::size_t topic_levels_max = kTopicLevelsMax;
  std::uint32_t will_bytes_max = kWillBytesDefault;
};

// Why the connection ends.
struct Closed {
  // With by_client: kSuccess cancels the will, kDisconnectWithWill and the others do not.
  ReasonCode reason = ReasonCode::kSuccess;
  bool by_client = false;                              // it sent DISCONNECT; else it broke a rule or a timer ran out
  std::optional<std::uint32_t> session_expiry_s = {};  // changed by the client's DISCONNECT
  std::string_view description = {};                   // for the log; valid during the call
};

class ConnectionHandler {
 public:
  ConnectionHandler() = default;
  ConnectionHandler(const ConnectionHandler&) = delete;
  ConnectionHandler& operator=(const ConnectionHandler&) = delete;
  virtual ~ConnectionHandler() = default;

  // Answer with accept() or refuse(), now or later; until then the client's further packets are held back
  // [MQTT-3.1.4-5].
  virtual void on_connect(const ConnectRequest& request) = 0;
  // QoS 1: answer with puback(), QoS 2 with pubrec(), each in the order of the publishes [MQTT-4.6.0-2, -3]. Which
  // identifiers of QoS 2 were received before is the session's knowledge: a repeated PUBLISH is told like any other,
  // and wants its pubrec() too.
  virtual void on_publish(const PublishRequest& request) = 0;
  // A bridge of 3.1.1 published more than the packet limit, and its payload was skipped: closing would make it come
  // back with the same message for ever. To be answered like on_publish().
  virtual void on_skipped_publish(const PublishRequest& request) = 0;
  virtual void on_subscribe(const SubscribeRequest& request) = 0;
  virtual void on_unsubscribe(const UnsubscribeRequest& request) = 0;
  virtual void on_puback(const AckReceived& puback) = 0;
  // Answer with pubrel(), unless the reason is a failure; in the order of the PUBRECs [MQTT-4.6.0-4].
  virtual void on_pubrec(const AckReceived& pubrec) = 0;
  // Answer with pubcomp() [MQTT-4.3.3-11]: kPacketIdentifierNotFound where the session knows none such.
  virtual void on_pubrel(const AckReceived& pubrel) = 0;
  virtual void on_pubcomp(const AckReceived& pubcomp) = 0;
  // Once, and last: the client disconnected, broke a rule, or was silent too long. What the standard wants to be sent
  // is in output() already. Not called for what the owner ends itself (refuse, disconnect, loss of the transport).
  virtual void on_closed(const Closed& closed) = 0;
};

struct ConnackOptions {
  bool session_present = false;
  std::string_view assigned_client_id = {};            // when the client gave none: MQTT 5 clients are told
  std::optional<std::uint32_t> session_expiry_s = {};  // when other than asked for
  std::string_view response_information = {};          // sent only if it was asked for [MQTT-3.1.2-28]
  std::string_view reason = {};                        // sent only where there is room for it
};

struct PublishOut {
  std::string_view topic = {};
  ByteView properties = {};  // as PublishRequest::properties
  ByteView payload = {};
  QoS qos = QoS::kAtMostOnce;
  std::uint16_t packet_id = 0;  // not 0 with QoS 1 and 2 [MQTT-2.2.1-4]
  bool dup = false;
  bool retain = false;
  std::optional<std::uint32_t> expiry_left_s = {};
  std::span<const std::uint32_t> subscription_ids = {};
};

enum class PublishOutcome : std::uint8_t {
  kSent,
  kTooLarge,  // exceeds the client's Maximum Packet Size: nothing sent, to be treated as delivered [MQTT-3.1.2-25]
  kClosing,   // nothing sent: keep it for the session's next connection
};

struct DecodeRules;
struct Frame;
class InboundAliases;
class OutboundAliases;

class Connection {
 public:
  // The handler must outlive the Connection. REQUIRES: limits.receive_maximum > 0, limits.topic_levels_max from 1 to
  // kTopicLevelsMax.
  Connection(const ConnectionLimits& limits, ConnectionHandler& handler, Instant now);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The client sent this. Whole packets are decoded in place; a partial one is kept, up to the packet limit (what a
  // bridge of 3.1.1 publishes beyond it is skipped, and costs its topic meanwhile). What cannot be handled yet (see
  // wants_input) is kept too, so it is bounded by what the adapter reads at once.
  void on_bytes(Instant now, ByteView bytes);
  // Handles what was kept while wants_input() was false. Cheap when there is nothing. May make wants_input() false
  // again.
  void resume(Instant now);
  // Keep alive, 1.5 times [MQTT-3.1.2-22], and the connect timeout. May be called early or often. `unsent_bytes`: what
  // the adapter took from output() and has not sent yet, where it does not read because of it.
  void on_timer(Instant now, std::size_t unsent_bytes = 0);
  // Instant::max() when there is none. Moves on with every byte received: ask again after on_timer.
  [[nodiscard]] Instant next_deadline() const;

  // The owner's own reason to make the client wait, such as a store that is behind. The client's silence meanwhile is
  // excused, so do not hold it for what it causes itself. After false: resume(), as after an answer.
  void hold_input(bool held);
  // False while the client must be made to wait: held by the owner, no verdict on its CONNECT yet, too much output
  // unsent, or (3.1.1, which has no Receive Maximum) too many publishes unacknowledged; and once closing.
  [[nodiscard]] bool wants_input() const;
  // Publishes with QoS 1 and 2 that were handed to on_publish and not answered yet with puback or pubrec.
  [[nodiscard]] std::uint32_t unacknowledged() const { return std::uint32_t{puback_owed_} + pubrec_owed_; }

  // The owner's answers. Once closing() they do nothing, so late answers are harmless.
  // accept, refuse. REQUIRES: on_connect was called, and neither was used yet. Look at closing() after accept: a client
  // may allow packets too small even for CONNACK.
  void accept(const ConnackOptions& options);
  // CONNACK with that code (or the nearest of 3.1.1), then closing. REQUIRES: is_failure(code).
  void refuse(ReasonCode code, std::string_view reason = {});

  // The rest REQUIRES: accepted.
  // `reason` is a Reason String for 5.0: left out where the client's packet limit or Request Problem Information
  // forbids it [MQTT-3.4.2-2] [MQTT-3.1.2-29]. A failing puback or pubrec closes a 3.1.1 connection, which has no other
  // way to say so [MQTT-3.3.5-2 of 3.1.1].
  // `note`: likewise.
  void puback(std::uint16_t packet_id, ReasonCode code, std::string_view reason = {}, NoteOut note = {});
  void pubrec(std::uint16_t packet_id, ReasonCode code, std::string_view reason = {}, NoteOut note = {});
  void pubrel(std::uint16_t packet_id, ReasonCode code = ReasonCode::kSuccess);
  void pubcomp(std::uint16_t packet_id, ReasonCode code = ReasonCode::kSuccess);
  void suback(std::uint16_t packet_id, std::span<const ReasonCode> codes, std::string_view reason = {});
  void unsuback(std::uint16_t packet_id, std::span<const ReasonCode> codes, std::string_view reason = {});
  // Encodes into output(), with a topic alias where the client allows it and that saves bytes. The owner keeps to the
  // client's Receive Maximum and looks at output().size().
  [[nodiscard]] PublishOutcome publish(const PublishOut& out);
  // MQTT 5: DISCONNECT, then closing. 3.1.1, or before accept(): closing.
  void disconnect(ReasonCode code, std::string_view reason = {});

  // Append-only here; the adapter takes from it (swap, or clear after a complete write).
  [[nodiscard]] Bytes& output() { return output_; }
  [[nodiscard]] bool closing() const { return phase_ == Phase::kClosing; }
  // Of its CONNECT.
  [[nodiscard]] bool awaits_verdict() const { return phase_ == Phase::kAwaitVerdict; }
  [[nodiscard]] bool accepted() const { return phase_ == Phase::kOpen; }
  // Bytes received but not handled yet, for accounting.
  [[nodiscard]] std::size_t held_bytes() const { return held_.size() - held_used_; }

  // Memory of a packet that is not complete, while that is the client's doing.
  [[nodiscard]] std::size_t unfinished_bytes() const {
    const std::size_t head_bytes = skipping_ ? skipping_->head.capacity() : 0;
    return head_bytes + (held_bytes() > 0 && wants_input() ? held_.capacity() : 0);
  }
  // Forgets what was received but not handled. REQUIRES: closing(), and no call of the handler is under way.
  void drop_input() { release_held(); }

  // Whole MQTT packets, since the connection began.
  [[nodiscard]] std::uint64_t packets_in() const { return packets_in_; }
  [[nodiscard]] std::uint64_t packets_out() const { return packets_out_; }

  // Meaningful from on_connect on.
  [[nodiscard]] Protocol protocol() const { return protocol_; }
  [[nodiscard]] std::uint16_t client_receive_maximum() const { return client_receive_maximum_; }
  [[nodiscard]] std::uint32_t client_packet_bytes_max() const { return client_packet_bytes_max_; }

 private:
  enum class Phase : std::uint8_t { kAwaitConnect, kAwaitVerdict, kOpen, kClosing };

  // A publish on its way whose payload is thrown away.
  struct Skipping {
    Bytes head;                  // topic and packet identifier
    std::size_t left_bytes = 0;  // of the payload
    std::uint8_t flags = 0;      // of its fixed header
  };

  // connection.cpp: time and bytes.
  // Handles whole packets from the front while wants_input(); returns the bytes used.
  std::size_t consume(ByteView bytes);
  // The client must wait and it is not its own doing, so its silence is not held against it.
  [[nodiscard]] bool waits_for_owner() const;
  void excuse_waiting(Instant now);
  ByteView complete_held_packet(ByteView bytes);
  void release_held();
  [[nodiscard]] ByteView held() const { return ByteView{held_}.subspan(held_used_); }
  [[nodiscard]] std::uint32_t packet_bytes_max() const;
  [[nodiscard]] Duration keep_alive_grace() const;

  // connection_receive.cpp: packets.
  void on_packet(std::uint8_t first_byte, ByteView body);
  void on_connect_packet(ByteView body);
  void on_publish_packet(std::uint8_t flags, ByteView body);
  void on_ack_packet(PacketType type, ByteView body);
  void on_subscribe_packet(ByteView body);
  void on_unsubscribe_packet(ByteView body);
  void on_disconnect_packet(ByteView body);
  void on_auth_packet(ByteView body);
  void on_pingreq_packet(ByteView body);
  void on_fault(std::string_view where, const Fault& fault);
  [[nodiscard]] DecodeRules decode_rules() const;
  [[nodiscard]] std::optional<Fault> resolve_alias(std::uint16_t alias, std::string_view& topic);
  [[nodiscard]] std::optional<Fault> count_in_flight(const PublishRequest& request);

  // connection_skip.cpp: what is larger than a packet may be.
  [[nodiscard]] bool may_skip(const Frame& frame) const;
  std::size_t begin_skip(const Frame& frame, ByteView packet);
  std::size_t skip(std::size_t bytes);
  void end_skip();

  // connection_answer.cpp: answers.
  void close_with_connack(std::optional<ReasonCode> code, std::string_view reason);
  void append_ack_of(PacketType type, std::uint16_t packet_id, ReasonCode code, std::string_view reason,
                     NoteOut note = {});
  void append_filter_ack_of(PacketType type, std::uint16_t packet_id, std::span<const ReasonCode> codes,
                            std::string_view reason);

  const ConnectionLimits limits_;
  ConnectionHandler& handler_;
  Phase phase_ = Phase::kAwaitConnect;
  Protocol protocol_ = Protocol::kV5;
  bool understood_ = false;  // the first packet told a version that an answer can be given in
  bool bridge_ = false;
  bool request_problem_information_ = true;
  bool request_response_information_ = false;
  bool held_by_owner_ = false;
  bool waited_for_owner_ = false;  // until the next given time
  std::uint16_t keep_alive_s_ = 0;
  std::uint16_t client_receive_maximum_ = 65'535;
  std::uint16_t aliases_out_max_ = 0;  // 0 for 3.1.1
  std::uint16_t puback_owed_ = 0;      // with the next at most the receive maximum
  std::uint16_t pubrec_owed_ = 0;
  std::uint32_t client_packet_bytes_max_ = kRemainingLengthMax + static_cast<std::uint32_t>(kFixedHeaderBytesMax);
  std::uint32_t session_expiry_s_ = 0;
  std::uint32_t held_used_ = 0;  // bytes of held_ that were handled already
  Instant opened_at_;            // moves on while the owner makes a stranger wait
  Instant heard_at_;
  Bytes output_;
  Bytes held_;
  std::size_t backlog_seen_bytes_ = std::numeric_limits<std::size_t>::max();  // unsent output at the last deadline
  Bytes properties_scratch_;
  PacketIdSet unreleased_;  // QoS 2 publishes of 5.0 on this connection, until PUBCOMP or a failing PUBREC
  std::unique_ptr<Skipping> skipping_;
  // Most clients never use one.
  std::unique_ptr<InboundAliases> aliases_in_;
  std::unique_ptr<OutboundAliases> aliases_out_;
  std::uint64_t packets_in_ = 0;
  std::uint64_t packets_out_ = 0;
};

}  // namespace hedgerow::mqtt
