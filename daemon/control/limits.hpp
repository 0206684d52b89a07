// Every bound of what the operator asks over the control socket, in one place (G6). Those of the socket itself stand in
// daemon/net_asio/limits.hpp.
// Thread rule: constants.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hedgerow::control {

// Answers of several documents at once; the next one is refused. They leave room for status and reload.
inline constexpr std::size_t kStreamsMax = 8;

// What waits for a reader; then reading stops until all of it has left. One page, or one message, may come on top.
inline constexpr std::size_t kAnswerQueueBytesMax = std::size_t{256} * 1024;

// What one read takes from the log.
inline constexpr std::size_t kHistoryPageBytes = std::size_t{64} * 1024;
// Documents of one page, and one more.
inline constexpr std::size_t kPageDocumentsBytes = std::size_t{128} * 1024;
static_assert(kPageDocumentsBytes < kAnswerQueueBytesMax);
// A request without its body, and without the newline.
inline constexpr std::size_t kRequestBytesMax = std::size_t{64} * 1024;
// How far `history --limit` looks back at first, in messages of all topics for each that is wanted; and how many times
// farther whenever that was not enough.
inline constexpr std::uint64_t kLookBackFirst = 16;
inline constexpr std::uint64_t kLookBackFactor = 4;

// --limit and --count.
inline constexpr std::uint64_t kMessagesMax = 100'000;

// Names of nodes that one answer remembers.
inline constexpr std::size_t kNodeNamesMax = 4'096;

}  // namespace hedgerow::control
