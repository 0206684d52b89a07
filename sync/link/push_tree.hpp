// Who is pushed what in one channel: for every replica a broadcast tree of its own, which grows out of what comes first
// (Plumtree: Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", 2007). DESIGN 5.
//
//   news    a push that brings something: its sender is the replica's *upstream* here
//   copy    a push of what is here already, from another than the upstream: the link is no part of the tree. It becomes
//           *lazy* in both directions, and its sender is told to *prune*: both only announce then
//   coming  what a lazy peer announces is on its way down the tree: it is not asked for before kTreeGrace has passed
//           without news. To ask makes the link eager again
//   graft   who lost the upstream tells the lazy peers to push again: they live on others. Where there are none, those
//           who live on us must look for another upstream as well, and are told so
//
// Whatever is lost here costs copies, or an announcement and a question; never an op: pull repairs. Both ends of a link
// may prune each other in the same moment.
//
// Pure: times in, decisions out; what is sent is the caller's. Thread-compatible: owned by the loop thread.
#pragma once

#include <cstdint>
#include <vector>

#include "sync/base/time.hpp"
#include "sync/log/frontier.hpp"

namespace hedgerow::sync {

// Names a peer for as long as it is linked; never reused within a process.
enum class PeerNo : std::uint32_t {};

// Tell this peer to push these replicas again; they are ordered, each once.
struct Graft {
  PeerNo to{};
  std::vector<ReplicaId> replicas;
};

class PushTree {
 public:
  // `own`: what bears this name comes from nobody.
  explicit PushTree(ReplicaId own) : own_(own) {}

  // --- what this node is sent ---

  void on_news(Instant now, PeerNo from, ReplicaId replica);
  // Returns whether the sender is to be told to prune: at most once in kPruneInterval, since that may be lost.
  [[nodiscard]] bool on_copy(Instant now, PeerNo from, ReplicaId replica);
  // `from` holds up to this mark, and we do not.
  void on_announced(Instant now, PeerNo from, const FrontierEntry& mark);
  // A push begins beyond what is held: what lies between was lost, and is not coming.
  void on_gap(ReplicaId replica);
  // Whether the tree may still bring what `replica` has beyond `held`.
  [[nodiscard]] bool is_coming(Instant now, ReplicaId replica, Seq held) const;
  // When the next of what is coming is overdue; Instant::max(): nothing is coming beyond what is held.
  [[nodiscard]] Instant next_due(Instant now, const Frontier& held);
  // `from` is asked for what it has of the replica.
  void on_asked(PeerNo from, ReplicaId replica);

  // --- what this node sends ---

  [[nodiscard]] bool is_lazy(PeerNo to, ReplicaId replica) const;
  // Both return who is to be grafted in turn.
  [[nodiscard]] std::vector<Graft> on_prune(Instant now, PeerNo from, const Frontier& marks);
  [[nodiscard]] std::vector<Graft> on_graft(PeerNo from, const Frontier& marks);
  // It asks for what lies above one frontier, and the other is here: what it lacks is to be pushed to it.
  void on_question(PeerNo from, const Frontier& above, const Frontier& held);
  // What it said on an earlier link may have been withdrawn on the way: nothing is lazy.
  void on_new_link(PeerNo peer);

  // The peer's last link has gone. Returns who is to be grafted.
  [[nodiscard]] std::vector<Graft> on_gone(PeerNo peer);

 private:
  // All ordered by replica.
  struct Source {
    ReplicaId replica{};
    PeerNo upstream{};  // 0: none
  };
  struct Coming {
    ReplicaId replica{};
    Seq seq = 0;
    Instant due{};
  };
  struct Lazy {
    ReplicaId replica{};
    Instant since{};  // when it was last told, or we were
  };
  struct Neighbour {
    PeerNo peer{};
    std::vector<Lazy> lazy;
  };

  [[nodiscard]] Neighbour& neighbour(PeerNo peer);
  // Null: there are as many as a channel may have replicas (G6). Then copies of the others go on coming.
  [[nodiscard]] Source* source_of(ReplicaId replica);
  // Forgets the upstream, and looks for another.
  void seek(Source& source, std::vector<Graft>& out);

  ReplicaId own_;
  std::vector<Source> sources_;
  std::vector<Coming> coming_;
  std::vector<Neighbour> neighbours_;  // all that are linked, in no order
};

}  // namespace hedgerow::sync
