// What a client asks over the control socket (daemon/monitor/status.hpp has the protocol).
// Pure but for the JSON library behind it. Thread rule: free functions without state.
#pragma once

#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::cli {

// Asks the daemon to read its configuration, its users and its things again. The answer is
// {"reloaded":true,"notes":["SENTENCE",…]} or, when everything stays as it was, {"error":"SENTENCE"}. Notes tell what
// only a restart would change; there may be none.
inline constexpr std::string_view kReloadRequest = "{\"verb\":\"reload\"}\n";
// The same for the users and the things alone: no mistake in the configuration keeps somebody in who was taken out.
inline constexpr std::string_view kReloadKeysRequest = "{\"verb\":\"reload-keys\"}\n";

// The mesh's channels and what this node keeps of them, and new definitions, in a body (daemon/app/mesh_channels.hpp).
inline constexpr std::string_view kChannelListRequest = "{\"verb\":\"channel-list\"}\n";
inline constexpr std::string_view kChannelApplyRequest = "{\"verb\":\"channel-apply\"}\n";

// The mesh's nodes, and the removal of the one that the body names (daemon/app/mesh_nodes.hpp).
inline constexpr std::string_view kNodeListRequest = "{\"verb\":\"node-list\"}\n";
inline constexpr std::string_view kNodeRemoveRequest = "{\"verb\":\"node-remove\"}\n";

// The verb of one request line; an error says what is wrong with the line, for monitor::error_json.
[[nodiscard]] Expected<std::string> parse_control_request(std::string_view line);

}  // namespace hedgerow::cli
