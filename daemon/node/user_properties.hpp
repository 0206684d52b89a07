// The user properties by which a client asks for more than MQTT has. DESIGN 1; daemon/docs/mqtt.md.
#pragma once

#include <string_view>

namespace hedgerow::node {

// Of SUBSCRIBE: since when it wants history.
inline constexpr std::string_view kReplayProperty = "hedgerow-replay";
// Of CONNECT, "true" or "false": of the retained messages that the session missed, this connection wants only the
// newest of each topic, as if every channel had `conflate`.
inline constexpr std::string_view kConflateProperty = "hedgerow-conflate";

}  // namespace hedgerow::node
