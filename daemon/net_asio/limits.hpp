// Every bound of the network, in one place (G6). What is beyond a bound is refused or closed, and counted in
// Listener::refused().
// Thread rule: constants.
#pragma once

#include <chrono>
#include <cstddef>

#include "daemon/control/limits.hpp"
#include "sync/base/time.hpp"

namespace hedgerow::net_asio {

// One buffer of the loop, lent to whichever connection is readable: an idle connection owns none.
inline constexpr std::size_t kReadBufferBytes = std::size_t{64} * 1024;

// Small sends are joined up to this size, so that a burst of acknowledgements is one buffer of one write.
inline constexpr std::size_t kWriteChunkBytes = std::size_t{16} * 1024;

// From this on, a send does not wait for the end of the turn: what the kernel takes need not be held.
inline constexpr std::size_t kWriteAtOnceBytes = std::size_t{64} * 1024;

// How many chunks one write gathers. Linux takes up to 1,024 (IOV_MAX).
inline constexpr std::size_t kWriteGatherMax = 16;

// Ciphertext of one connection that waits for its socket; what is beyond stays plaintext in the queue.
inline constexpr std::size_t kCiphertextBytesMax = std::size_t{64} * 1024;

// Connections that the kernel may hold ready for us.
inline constexpr int kListenBacklog = 1024;

// File descriptors that connections leave to the rest of the process: databases, links that are dialled, control
// clients.
inline constexpr std::size_t kDescriptorsKept = 128;

// Of the unfinished handshakes that may be, one address may hold this part before it pushes out its own.
inline constexpr std::size_t kHandshakeShares = 4;

// How long accepting rests when the process has run out of file descriptors or memory.
inline constexpr Duration kAcceptPause = std::chrono::milliseconds{100};

// What a closing connection has left to send and to hear, before it is cut.
inline constexpr Duration kCloseTime = std::chrono::seconds{5};

// A peer that vanished without a word is found by TCP after about two minutes more than this, also without keep alive.
inline constexpr std::chrono::seconds kTcpProbeAfter{120};
inline constexpr std::chrono::seconds kTcpProbeEvery{30};
inline constexpr int kTcpProbes = 4;

// Datagrams that are taken before other events of the loop have their turn.
inline constexpr std::size_t kDatagramsPerTurn = 32;

// A serial line to a thing.
inline constexpr std::size_t kSerialMessageBytesMax = 1'024;
inline constexpr std::size_t kSerialQueueBytesMax = std::size_t{16} * 1024;
inline constexpr Duration kSerialReopen = std::chrono::seconds{1};
inline constexpr Duration kRawPause =
    std::chrono::milliseconds{200};  // between two bytes of one message without a frame

// The bounds that a listener may be given otherwise.
struct Limits {
  std::size_t connections_max = 10'240;             // of all listeners of one loop together
  std::size_t connections_per_address_max = 4'096;  // likewise; many boards may share one address behind NAT
  std::size_t handshakes_max = 128;                 // TLS or upgrade not done; beyond it the oldest one goes
  Duration handshake_time = std::chrono::seconds{10};
};

inline constexpr std::size_t kControlClientsMax = 16;
inline constexpr std::size_t kControlLineBytesMax = control::kRequestBytesMax;
inline constexpr std::size_t kControlBodyBytesMax = std::size_t{1} << 20U;
inline constexpr Duration kControlTime = std::chrono::seconds{30};

static_assert(kWriteChunkBytes * kWriteGatherMax >= kReadBufferBytes, "an echo of one read must fit into one write");
static_assert(control::kStreamsMax < kControlClientsMax, "status must be had however many streams are open");
static_assert(Limits{}.connections_per_address_max <= Limits{}.connections_max);
static_assert(Limits{}.handshakes_max <= Limits{}.connections_max);

}  // namespace hedgerow::net_asio
