// MQTT 5 properties as a client sends them: section 2.2.2.
//
//   properties := length(varint) { identifier(varint) value }      each value's type follows from its identifier
//
// Pure; the result borrows from the input; no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/mqtt/reader.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::mqtt {

enum class PropertyId : std::uint8_t {
  kPayloadFormatIndicator = 0x01,
  kMessageExpiryInterval = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionIdentifier = 0x0B,
  kSessionExpiryInterval = 0x11,
  kAssignedClientIdentifier = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kRequestProblemInformation = 0x17,
  kWillDelayInterval = 0x18,
  kRequestResponseInformation = 0x19,
  kResponseInformation = 0x1A,
  kServerReference = 0x1C,
  kReasonString = 0x1F,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardSubscriptionAvailable = 0x28,
  kSubscriptionIdentifierAvailable = 0x29,
  kSharedSubscriptionAvailable = 0x2A,
};

// Where the properties stand: decides which are allowed.
enum class PropertyPlace : std::uint8_t {
  kConnect,
  kWill,
  kPublish,
  kPuback,  // also PUBREC, PUBREL, PUBCOMP
  kSubscribe,
  kUnsubscribe,
  kDisconnect,
  kAuth,
};

// The values that somebody here acts upon; the others are checked and stay in `raw`.
struct Properties {
  ByteView raw;               // all properties, without the length in front
  std::uint64_t present = 0;  // bit N: identifier N occurs
  std::uint32_t session_expiry_s = 0;
  std::uint32_t message_expiry_s = 0;
  std::uint32_t will_delay_s = 0;
  std::uint32_t packet_bytes_max = 0;
  std::uint32_t subscription_identifier = 0;
  std::uint16_t receive_maximum = 0;
  std::uint16_t topic_alias = 0;
  std::uint16_t topic_alias_maximum = 0;
  bool request_problem_information = true;
  bool request_response_information = false;

  [[nodiscard]] bool has(PropertyId id) const { return ((present >> static_cast<unsigned>(id)) & 1U) != 0; }

  // What is passed on unaltered and in order: all but message expiry, topic alias and will delay. A view of `raw` where
  // those stand at the ends, else put together in `scratch`.
  [[nodiscard]] ByteView forwardable(Bytes& scratch) const;

  struct Cut {
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };
  std::array<Cut, 2> cuts = {};  // where those stand; of the three, no packet has more than two
  std::size_t cut_count = 0;
};

// Bytes of a message expiry interval, and of a topic alias, with their identifiers.
inline constexpr std::size_t kMessageExpiryBytes = 5;
inline constexpr std::size_t kTopicAliasBytes = 3;

// Reads the length and as many bytes of properties. Faults: what the standard forbids at this place, in a client's
// packet.
[[nodiscard]] Decoded<Properties> decode_properties(Reader& in, PropertyPlace place);

// True iff the bytes may be PublishRequest::properties: for bytes that come from elsewhere than a client's PUBLISH.
[[nodiscard]] bool are_forwardable_properties(ByteView raw);

// The value of the first user property of that name. The bytes are properties without the length in front, such as
// PublishRequest::properties and SubscribeRequest::properties; what is ill-formed ends the search.
[[nodiscard]] std::optional<std::string_view> find_user_property(ByteView properties, std::string_view name);

}  // namespace hedgerow::mqtt
