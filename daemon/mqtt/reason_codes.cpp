#include "daemon/mqtt/reason_codes.hpp"

#include <array>
#include <utility>

namespace hedgerow::mqtt {
namespace {

using enum ReasonCode;
using enum ReasonPlace;

constexpr std::uint8_t bit(ReasonPlace place) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(place)); }

template <class... Places>
constexpr std::uint8_t in(Places... places) {
  return static_cast<std::uint8_t>((0U | ... | bit(places)));
}

constexpr std::uint8_t kBothDisconnects = in(kDisconnectByServer, kDisconnectByClient);
constexpr std::uint8_t kEverywhere = in(kConnack, kPuback, kSuback, kUnsuback) | kBothDisconnects;

constexpr std::array<std::pair<ReasonCode, std::uint8_t>, 43> kTable = {{
    {kSuccess, kEverywhere | in(kPubrel, kAuth)},
    {kGrantedQos1, in(kSuback)},
    {kGrantedQos2, in(kSuback)},
    {kDisconnectWithWill, in(kDisconnectByClient)},
    {kNoMatchingSubscribers, in(kPuback)},
    {kNoSubscriptionExisted, in(kUnsuback)},
    {kContinueAuthentication, in(kAuth)},
    {kReauthenticate, in(kAuth)},
    {kUnspecifiedError, kEverywhere},
    {kMalformedPacket, in(kConnack) | kBothDisconnects},
    {kProtocolError, in(kConnack) | kBothDisconnects},
    {kImplementationSpecificError, kEverywhere},
    {kUnsupportedProtocolVersion, in(kConnack)},
    {kClientIdentifierNotValid, in(kConnack)},
    {kBadUserNameOrPassword, in(kConnack)},
    {kNotAuthorized, in(kConnack, kPuback, kSuback, kUnsuback, kDisconnectByServer)},
    {kServerUnavailable, in(kConnack)},
    {kServerBusy, in(kConnack, kDisconnectByServer)},
    {kBanned, in(kConnack)},
    {kServerShuttingDown, in(kDisconnectByServer)},
    {kBadAuthenticationMethod, in(kConnack)},
    {kKeepAliveTimeout, in(kDisconnectByServer)},
    {kSessionTakenOver, in(kDisconnectByServer)},
    {kTopicFilterInvalid, in(kSuback, kUnsuback, kDisconnectByServer)},
    {kTopicNameInvalid, in(kConnack, kPuback) | kBothDisconnects},
    {kPacketIdentifierInUse, in(kPuback, kSuback, kUnsuback)},
    {kPacketIdentifierNotFound, in(kPubrel)},
    {kReceiveMaximumExceeded, kBothDisconnects},
    {kTopicAliasInvalid, kBothDisconnects},
    {kPacketTooLarge, in(kConnack) | kBothDisconnects},
    {kMessageRateTooHigh, kBothDisconnects},
    {kQuotaExceeded, in(kConnack, kPuback, kSuback) | kBothDisconnects},
    {kAdministrativeAction, kBothDisconnects},
    {kPayloadFormatInvalid, in(kConnack, kPuback) | kBothDisconnects},
    {kRetainNotSupported, in(kConnack, kDisconnectByServer)},
    {kQosNotSupported, in(kConnack, kDisconnectByServer)},
    {kUseAnotherServer, in(kConnack, kDisconnectByServer)},
    {kServerMoved, in(kConnack, kDisconnectByServer)},
    {kSharedSubscriptionsNotSupported, in(kSuback, kDisconnectByServer)},
    {kConnectionRateExceeded, in(kConnack, kDisconnectByServer)},
    {kMaximumConnectTime, in(kDisconnectByServer)},
    {kSubscriptionIdentifiersNotSupported, in(kSuback, kDisconnectByServer)},
    {kWildcardSubscriptionsNotSupported, in(kSuback, kDisconnectByServer)},
}};

constexpr std::array<std::uint8_t, 256> make_places() {
  std::array<std::uint8_t, 256> places{};
  for (const auto& [code, where] : kTable) places[static_cast<std::uint8_t>(code)] |= where;
  return places;
}

constexpr std::array<std::uint8_t, 256> kPlaces = make_places();

}  // namespace

bool is_allowed(ReasonCode code, ReasonPlace place) {
  return (kPlaces[static_cast<std::uint8_t>(code)] & bit(place)) != 0;
}

ReasonCode nearest_allowed(ReasonCode code, ReasonPlace place) {
  if (is_allowed(code, place)) return code;
  if (!is_failure(code)) return kSuccess;
  // Of the codes that an owner may want to give: those for a connection that is open already.
  if (place == kConnack) return code == kServerShuttingDown ? kServerUnavailable : kServerBusy;
  if (place == kDisconnectByServer && code == kServerUnavailable) return kServerBusy;
  return place == kPubrel ? kPacketIdentifierNotFound : kUnspecifiedError;
}

}  // namespace hedgerow::mqtt
