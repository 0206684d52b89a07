// What the replicator (replicator.hpp) wants done: on links, by the store thread, by the reader thread, by the node.
// Thread rule: plain values. Ownership: each owns what it carries.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sync/base/bytes.hpp"
#include "sync/engine/engine.hpp"
#include "sync/engine/pull.hpp"

namespace hedgerow::sync {

// Names one link for as long as it is up; never reused within a process.
enum class LinkId : std::uint64_t {};

struct SendOnLink {
  LinkId link{};
  Bytes message;  // one wire message (wire.hpp), at most kLinkMessageBytesMax
};
// The link is forgotten; nothing more is expected of it, not even on_link_down().
struct CloseLink {
  LinkId link{};
  std::string reason;
};
// The reason of a CloseLink that tells the app to dial this address no more.
inline constexpr std::string_view kReasonSelf = "this address leads to this node itself";

// For the store thread: Engine::receive or fill / stage / merge_staged / drop_staged.
struct ApplySegment {
  LinkId link{};
  ChannelNo channel{};
  Bytes segment;
  bool may_wait = false;  // it was pushed, and nothing waits for it here: its commit may take a while (RemoteCommit)
  bool fills = false;     // it was asked for, for a gap: Engine::fill()
};
struct StagePage {
  LinkId link{};
  ChannelNo channel{};
  std::string peer;
  std::uint64_t page_no = 0;
  Bytes page;
};
struct MergeStaged {
  LinkId link{};
  ChannelNo channel{};
  std::string peer;
  std::vector<ReplicaState> frontier;
  std::uint64_t pages = 0;
};
struct DropStaged {
  ChannelNo channel{};
  std::string peer;
};
// For the store thread: what was handed out of a turn that is still open is to be committed now.
struct CommitNow {};
// For the reader thread: answer_pull (pull.hpp). The view must be opened after this action was returned.
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
// `peer` holds more of what bears this replica's name than this node ever wrote: its database was rolled back to an
// earlier state, or is one of two copies. Engine::renew(), then a new Replicator in the place of this one (G5). It
// comes once; until then nothing else changes, but that our own ops are kept back.
struct RenewReplica {
  std::string peer;
  std::vector<ShownOps> shown;  // no more of our own is shown from here on
};
// What `peer` holds of each replica, which may show that two nodes wrote under one name: Engine::learn(), and where
// that changes anything a new Replicator in the place of this one (G5).
struct LearnBranches {
  ChannelNo channel{};
  std::string peer;
  std::vector<ReplicaState> states;
};
using Action = std::variant<SendOnLink, CloseLink, ApplySegment, StagePage, MergeStaged, DropStaged, CommitNow,
                            AnswerPull, DeliverLive, RenewReplica, LearnBranches>;

}  // namespace hedgerow::sync
