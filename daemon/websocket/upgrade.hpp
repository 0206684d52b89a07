// The request that turns HTTP into WebSocket, and the answer to it (RFC 6455, 4.2; HTTP/1.1 as RFC 9112 has it).
//
//   head    := "GET" SP target SP "HTTP/1.1" CRLF *( name ":" OWS value OWS CRLF ) CRLF
//
// Wanted: Host once, Upgrade: websocket, Connection: upgrade, Sec-WebSocket-Version: 13, Sec-WebSocket-Key, and "mqtt"
// among Sec-WebSocket-Protocol [MQTT-6.0.0-3]. The target is not looked at. Extensions are not offered. Folded lines
// and lines that end with LF alone are refused, and so is a body. Pure. Thread rule: free functions without state.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/websocket/origin.hpp"
#include "sync/base/bytes.hpp"

namespace hedgerow::websocket {

using Sha1 = std::array<std::uint8_t, 20> (*)(ByteView bytes);

struct UpgradeAnswer {
  std::string response;  // all of what HTTP says
  std::string refusal;   // the sentence in it; empty: the connection is WebSocket from here on
};

// `head` ends with the empty line.
[[nodiscard]] UpgradeAnswer answer_upgrade(std::string_view head, const OriginPolicy& origins, Sha1 sha1);

// What is wrong with the beginning of a head, as soon as it shows: other protocols, and heads without end. An empty
// refusal and response: nothing so far.
[[nodiscard]] UpgradeAnswer judge_beginning(std::string_view head);

// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2).
[[nodiscard]] std::string accept_value(std::string_view key, Sha1 sha1);

}  // namespace hedgerow::websocket
