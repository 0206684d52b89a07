// The replicator: decides what this node says on its links, and what it makes of what it hears. DESIGN 5.
//
//   push   every committed segment goes to every link whose peer may lack it, at once; only accelerates
//   pull   whoever is behind asks whoever is ahead, in bounded windows; repairs everything that push lost
//   live   QoS 0 messages, never stored, forwarded once to every node
//
// Pure: bytes, events and times in; actions out. The caller carries out the actions in order.
// Thread rule: owned by the loop thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "sync/engine/engine.hpp"
#include "sync/link/wire.hpp"

namespace hedgerow::sync {

// Names one link for as long as it is up; never reused within a process.
enum class LinkId : std::uint64_t {};

struct SendOnLink {
  LinkId link{};
  Bytes message;            // one wire message (wire.hpp)
};
struct CloseLink {
  LinkId link{};
  std::string reason;
};
// For the store thread: Engine::receive / stage / merge_staged. The caller reports back with on_received().
struct ApplySegment {
  LinkId link{};
  ChannelNo channel{};
  Bytes segment;
};
struct StagePage { LinkId link{}; ChannelNo channel{}; std::string peer; std::uint64_t page_no = 0; Bytes page; };
struct MergeStaged { LinkId link{}; ChannelNo channel{}; std::string peer; std::vector<ReplicaState> frontier; std::uint64_t pages = 0; };
struct DropStaged { ChannelNo channel{}; std::string peer; };
// For the reader thread: answer_pull (pull.hpp). The caller hands the answer to on_pull_answer().
struct AnswerPull {
  LinkId link{};
  ChannelNo channel{};
  PullRequest request;
};
// A live message for local subscribers.
struct DeliverLive {
  MessagePtr message;
  bool retain = false;
};
using Action = std::variant<SendOnLink, CloseLink, ApplySegment, StagePage, MergeStaged, DropStaged, AnswerPull, DeliverLive>;

struct ReplicatorSettings {
  std::string mesh;
  std::string node;
  ReplicaId replica{};
  std::string version;
};

enum class LinkState : std::uint8_t { kGreeting, kUp, kStandby };   // standby: a second link to the same peer

struct LinkStatus {
  LinkId link{};
  std::string peer;         // empty until greeted
  LinkState state{};
  bool dialled = false;     // by us
  std::uint64_t lag_ops = 0;      // ops that the peer holds and we lack
  std::uint64_t peer_lag_ops = 0; // ops that we hold and the peer lacks, as far as it told us
  Instant since{};
};

class Replicator {
 public:
  Replicator(ReplicatorSettings settings, const std::vector<ChannelState>& channels);

  // `peer` is the authenticated node name if the caller knows it (from the certificate), else empty.
  std::span<const Action> on_link_up(Instant now, LinkId link, std::string_view peer, bool dialled);
  std::span<const Action> on_link_down(Instant now, LinkId link);
  std::span<const Action> on_message(Instant now, LinkId link, ByteView message);
  // The caller's send queue for this link in bytes. Above the limit push skips the link and leaves it to pull.
  std::span<const Action> on_queue(Instant now, LinkId link, std::size_t queued_bytes);
  std::span<const Action> on_committed(Instant now, const Committed& committed);
  // What became of an ApplySegment / StagePage / MergeStaged (after its commit).
  std::span<const Action> on_received(Instant now, LinkId link, ChannelNo channel, const Expected<ReceiveResult>& result);
  std::span<const Action> on_pull_answer(Instant now, LinkId link, ChannelNo channel, const Expected<PullAnswer>& answer);
  // A local client published QoS 0: goes to every link.
  std::span<const Action> publish_live(Instant now, const MessagePtr& message, bool retain);
  std::span<const Action> on_timer(Instant now);
  [[nodiscard]] Instant next_deadline() const;   // Instant::max(): none

  [[nodiscard]] std::vector<LinkStatus> links() const;
  // Ops of the channel that some peer is known to hold and we lack.
  [[nodiscard]] std::uint64_t behind(ChannelNo channel) const;
};

}  // namespace hedgerow::sync
