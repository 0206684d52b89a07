// The documents that `get`, `watch`, `history` and `gaps` are answered with. One JSON object each, without a newline.
//
//   message = {"topic":T, "payload":TEXT | "payload_base64":BASE64, "qos":0..2, "retain":BOOLEAN,
//              "time":RFC3339, "clock":QUALITY, "node":NAME|null, "replica":HEX|null, "channel":NAME|null
//              [, "expires_in_s":N | "withheld":true] [, "content_type":T] [, "response_topic":T] [,
//              "correlation_data_base64":B]
//              [, "user_properties":[{"name":T,"value":T}…]]}
//              time: when the message was written, by the clock of the node that wrote it, or, where it passed live and
//              was not stored, when it was seen here. clock: how far that can be trusted. node: who wrote it, null
//              where that is not known here. withheld: subscribers do not get it, since it may have expired: how old
//              it is cannot be told without synchronised clocks, here and where it was written. A payload is text iff
//              it is UTF-8 without control characters other than tab and line ends.
//   gap     = {"channel":NAME, "node":NAME|null, "replica":HEX, "first":N, "last":N, "count":N, "reason":WORD,
//              "why":SENTENCE}
//              first and last: the node's own numbers of its messages in that channel.
//
// Pure. Thread rule: free functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/node/expiry.hpp"
#include "sync/base/time.hpp"
#include "sync/engine/storage.hpp"

namespace hedgerow::control {

struct MessageFacts {
  const sync::Message& message;
  std::uint8_t qos = 0;
  bool retain = false;
  WallTime time{};
  std::string_view node = {};  // empty: not known
  std::optional<sync::ReplicaId> replica = {};
  std::string_view channel = {};  // empty: none
  node::Expiry expiry = {};
};

[[nodiscard]] std::string message_json(const MessageFacts& facts);
[[nodiscard]] std::string gap_json(std::string_view channel, std::string_view node, const sync::Gap& gap);
[[nodiscard]] std::string lost_json(std::uint64_t count, std::string_view why);
[[nodiscard]] std::string end_json();
[[nodiscard]] std::string stored_json();

// As documents have it: 16 digits.
[[nodiscard]] std::string hex_of(sync::ReplicaId replica);
// RFC 3339 in UTC, to the millisecond: "2026-11-22T03:00:00.000Z". What lies beyond the year 9999 is shown as its end.
[[nodiscard]] std::string format_time(std::uint64_t unix_ms);

}  // namespace hedgerow::control
