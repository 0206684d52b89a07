// What the operator asks a running node, and what it answers. The conversation around it: net_asio/control_server.hpp.
//
//   request   answer
//   {"verb":"status"}, {"verb":"reload"}                        one document (daemon/monitor/status.hpp)
//   {"verb":"channel-list"}, {"verb":"channel-apply"} and body  one document (daemon/app/mesh_channels.hpp)
//   {"verb":"get","filter":F}                                   the retained messages that F matches
//   {"verb":"watch","filter":F[,"count":N]}                     the same, and then what comes, until the asker leaves
//   {"verb":"history","filter":F[,"since":TEXT][,"limit":N]}    stored messages, in order of arrival; the newest N
//   {"verb":"gaps"[,"filter":F]}                                what is missing here
//   {"verb":"set","topic":T,"retain":BOOLEAN} with a body       {"stored":true} once the message is on disk
//
// get, watch, history and gaps are answered by several documents: a message or a gap each (document.hpp), {"lost":N,
// "why":SENTENCE} where something is left out, and at the end {"end":true}. {"error":SENTENCE} is the last document of
// every answer that failed.
// Pure but for the JSON library behind it. Thread rule: plain values, free functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sync/base/expected.hpp"

namespace hedgerow::control {

enum class Verb : std::uint8_t { kGet, kSet, kWatch, kHistory, kGaps };

struct Request {
  Verb verb = Verb::kGet;
  std::string filter = {};                 // of kSet: the topic. Of kGaps: empty for everything
  bool retain = true;                      // kSet
  std::string since = {};                  // kHistory: a duration or a time, as typed
  std::optional<std::uint64_t> most = {};  // --count and --limit: 1 to kMessagesMax
};

[[nodiscard]] std::string_view to_string(Verb verb);

// One line without its newline.
[[nodiscard]] std::string to_json(const Request& request);

// Nothing: it is none of these verbs. An error says what is wrong with the request.
[[nodiscard]] Expected<std::optional<Request>> parse_request(std::string_view document);

// What can be told without a node: a filter that is none, a topic that cannot be published to, a time that is none.
[[nodiscard]] Expected<void> check_request(const Request& request);

}  // namespace hedgerow::control
