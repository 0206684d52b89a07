// The vocabulary of MQTT 3.1.1 and 5.0: versions, packet types, reason codes, and the decoded packets that a client
// sends. The structures borrow from the bytes that they were decoded from. Thread rule: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "daemon/mqtt/limits.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::mqtt {

// The protocol level on the wire.
enum class Protocol : std::uint8_t { kV311 = 4, kV5 = 5 };

enum class QoS : std::uint8_t { kAtMostOnce = 0, kAtLeastOnce = 1, kExactlyOnce = 2 };

enum class PacketType : std::uint8_t {
  kReserved = 0,
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};
[[nodiscard]] std::string_view to_string(PacketType type);

// MQTT 5.0 section 2.4. Values up to kFailureFirst - 1 are success. 3.1.1 knows few of them: Connection translates.
enum class ReasonCode : std::uint8_t {
  kSuccess = 0x00,  // also: normal disconnection, granted QoS 0
  kGrantedQos1 = 0x01,
  kGrantedQos2 = 0x02,
  kDisconnectWithWill = 0x04,
  kNoMatchingSubscribers = 0x10,
  kNoSubscriptionExisted = 0x11,
  kContinueAuthentication = 0x18,
  kReauthenticate = 0x19,
  kUnspecifiedError = 0x80,
  kMalformedPacket = 0x81,
  kProtocolError = 0x82,
  kImplementationSpecificError = 0x83,
  kUnsupportedProtocolVersion = 0x84,
  kClientIdentifierNotValid = 0x85,
  kBadUserNameOrPassword = 0x86,
  kNotAuthorized = 0x87,
  kServerUnavailable = 0x88,
  kServerBusy = 0x89,
  kBanned = 0x8A,
  kServerShuttingDown = 0x8B,
  kBadAuthenticationMethod = 0x8C,
  kKeepAliveTimeout = 0x8D,
  kSessionTakenOver = 0x8E,
  kTopicFilterInvalid = 0x8F,
  kTopicNameInvalid = 0x90,
  kPacketIdentifierInUse = 0x91,
  kPacketIdentifierNotFound = 0x92,
  kReceiveMaximumExceeded = 0x93,
  kTopicAliasInvalid = 0x94,
  kPacketTooLarge = 0x95,
  kMessageRateTooHigh = 0x96,
  kQuotaExceeded = 0x97,
  kAdministrativeAction = 0x98,
  kPayloadFormatInvalid = 0x99,
  kRetainNotSupported = 0x9A,
  kQosNotSupported = 0x9B,
  kUseAnotherServer = 0x9C,
  kServerMoved = 0x9D,
  kSharedSubscriptionsNotSupported = 0x9E,
  kConnectionRateExceeded = 0x9F,
  kMaximumConnectTime = 0xA0,
  kSubscriptionIdentifiersNotSupported = 0xA1,
  kWildcardSubscriptionsNotSupported = 0xA2,
};
// The standard's name, in lower case, for logs and reason strings.
[[nodiscard]] std::string_view to_string(ReasonCode code);
[[nodiscard]] constexpr bool is_failure(ReasonCode code) { return static_cast<std::uint8_t>(code) >= 0x80; }

enum class RetainHandling : std::uint8_t { kSend = 0, kSendIfNew = 1, kDoNotSend = 2 };

// Section 3.8.3.1. Eight bytes, since the daemon keeps one for each subscription.
struct SubOptions {
  std::uint32_t subscription_identifier = 0;  // 0: none (the standard forbids 0 as a value)
  QoS qos = QoS::kAtMostOnce;                 // the granted maximum
  bool no_local = false;
  bool retain_as_published = false;
  RetainHandling retain_handling = RetainHandling::kSend;
  bool operator==(const SubOptions&) const = default;
};

// What to publish when the connection dies: section 3.1.2.5. Cancelled by DISCONNECT with reason 0x00 [MQTT-3.14.4-3].
struct Will {
  std::string_view topic = {};  // a valid topic name of at most ConnectionLimits::topic_levels_max levels
  ByteView properties = {};     // as PublishRequest::properties; the delay is not in it
  std::optional<std::uint32_t> expiry_s = {};
  ByteView payload = {};
  QoS qos = QoS::kAtMostOnce;
  bool retain = false;
  std::uint32_t delay_s = 0;  // 0 for 3.1.1
};

struct ConnectRequest {
  Protocol protocol = Protocol::kV5;
  bool clean_start = true;
  std::uint16_t keep_alive_s = 0;
  std::string_view client_id = {};  // may be empty: the owner assigns one, and names it in ConnackOptions
  std::optional<std::string_view> username = {};
  std::optional<ByteView> password = {};
  // For 3.1.1: 0 with clean session, else kSessionExpiryNever.
  std::uint32_t session_expiry_s = 0;
  // What the client accepts from us; the session keeps to receive_maximum, Connection to the packet size.
  std::uint16_t receive_maximum = 65'535;
  std::uint32_t packet_bytes_max = kRemainingLengthMax + static_cast<std::uint32_t>(kFixedHeaderBytesMax);
  bool request_problem_information = true;
  bool request_response_information = false;
  // Topic aliases that we may send; Connection chooses them itself.
  std::uint16_t topic_alias_maximum = 0;
  // A 3.1.1 client whose protocol level has the bit 0x80: another broker's bridge (Mosquitto's). Its subscriptions get
  // no_local and retain_as_published, which 3.1.1 cannot say.
  bool bridge = false;
  std::optional<Will> will = {};
  ByteView properties = {};  // all of them, as on the wire without the length; not the will's
};

struct PublishRequest {
  // A valid topic name of at most ConnectionLimits::topic_levels_max levels. Always the full name: Connection resolves
  // topic aliases.
  std::string_view topic = {};
  ByteView payload = {};
  // What MQTT 5 forwards unaltered, encoded as on the wire but without the length in front, in the order received:
  // payload format indicator, content type, response topic, correlation data, user properties [MQTT-3.3.2-4, -15, -16,
  // -17, -20]. Message expiry, topic alias and subscription identifiers are not in it.
  ByteView properties = {};
  std::optional<std::uint32_t> expiry_s = {};
  std::uint16_t packet_id = 0;  // 0 with QoS 0
  QoS qos = QoS::kAtMostOnce;
  bool retain = false;
  bool dup = false;
};

struct SubscribeEntry {
  std::string_view filter = {};        // as sent, whole
  std::string_view share = {};         // the group's name; empty: not shared
  std::string_view topic_filter = {};  // what to match: the filter without $share/GROUP/
  SubOptions options;
  // What to answer unless the owner refuses too: the granted QoS, or why the protocol part already refused this filter.
  ReasonCode verdict = ReasonCode::kSuccess;
};

struct SubscribeRequest {
  std::uint16_t packet_id = 0;
  ByteView properties = {};  // user properties (and the subscription identifier), as on the wire without the length
  std::span<const SubscribeEntry> entries = {};  // never empty; suback() wants one code for each, in this order
};

struct UnsubscribeRequest {
  std::uint16_t packet_id = 0;
  ByteView properties = {};                        // user properties, as on the wire without the length
  std::span<const std::string_view> filters = {};  // never empty; unsuback() wants one code for each, in this order
};

// PUBACK, PUBREC, PUBREL or PUBCOMP. From 3.1.1, which has no reasons: kSuccess.
// A User Property of ours. Without a name: none.
struct NoteOut {
  std::string_view name = {};
  std::string_view value = {};
};

struct AckReceived {
  std::uint16_t packet_id = 0;
  ReasonCode reason = ReasonCode::kSuccess;
};

}  // namespace hedgerow::mqtt
